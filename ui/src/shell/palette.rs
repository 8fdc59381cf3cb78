//! The command palette: go to any screen, resource, incident or task, or do what has no place of its own.
//!
//! What flows through: what is typed in, the best fitting entries out. What it never does: anything that would need an answer; those have
//! their own places.

use leptos::{ev::KeyboardEvent, html, prelude::*, task::spawn_local};
use steward_api::JARVIS_PRIME;

use crate::{
    app::{App, Theme},
    attention,
    bridge::{self, browser},
    components::marks::sign,
    deeds, filter,
    marks::{self, Mark, Shape, Tone},
    order,
    route::{Route, Section},
    world::World,
};

/// So many entries are shown.
const MOST: usize = 12;

/// What an entry does.
#[derive(Clone, Debug, PartialEq)]
enum Deed {
    Go(Route),
    Choose(Theme),
    Help,
    SignOut,
}

/// An entry of the palette.
#[derive(Clone, Debug, PartialEq)]
struct Item {
    mark: Mark,
    name: String,
    /// What kind of thing it is.
    what: String,
    deed: Deed,
    /// What comes first where two fit alike.
    weight: i32,
}

const GO: Mark = Mark {
    shape: Shape::Play,
    word: "go",
    tone: Tone::Quiet,
};

const TALK: Mark = Mark {
    shape: Shape::Bubble,
    word: "conversation",
    tone: Tone::Quiet,
};

const DO: Mark = Mark {
    shape: Shape::Gear,
    word: "do",
    tone: Tone::Quiet,
};

fn item(
    mark: Mark,
    name: impl Into<String>,
    what: impl Into<String>,
    deed: Deed,
    weight: i32,
) -> Item {
    Item {
        mark,
        name: name.into(),
        what: what.into(),
        deed,
        weight,
    }
}

/// Everything there is to go to and to do.
fn items(world: &World) -> Vec<Item> {
    let mut all: Vec<Item> = Section::ALL
        .into_iter()
        .map(|section| item(GO, section.name(), "screen", Deed::Go(section.route()), 30))
        .collect();
    all.push(item(
        GO,
        "Dependency map",
        "screen",
        Deed::Go(Route::Map(filter::ResourceFilter::default())),
        25,
    ));
    all.push(item(
        GO,
        "Past incidents",
        "screen",
        Deed::Go(Route::Incidents { past: true }),
        20,
    ));
    all.push(item(
        GO,
        "Past tasks",
        "screen",
        Deed::Go(Route::Tasks { past: true }),
        20,
    ));
    all.push(item(
        GO,
        format!("Ask {JARVIS_PRIME}"),
        "new conversation",
        Deed::Go(Route::NewConversation {
            incident: None,
            task: None,
        }),
        25,
    ));
    for conversation in world.conversations.iter().rev().take(MOST) {
        all.push(item(
            TALK,
            conversation.title.clone(),
            format!("conversation {}", conversation.id),
            Deed::Go(Route::Conversation(conversation.id)),
            10,
        ));
    }
    for task in attention::asked(world) {
        all.push(item(
            marks::task(task.status),
            task.description.clone(),
            format!("task {}, waits for you", task.id),
            Deed::Go(Route::Task(task.id)),
            40,
        ));
    }
    for incident in attention::active(world) {
        all.push(item(
            marks::severity(incident.severity),
            incident.title.clone(),
            format!("incident {}", incident.id),
            Deed::Go(Route::Incident(incident.id)),
            35,
        ));
    }
    for theme in Theme::ALL {
        all.push(item(
            DO,
            format!("Colours: {}", theme.words().to_lowercase()),
            "appearance",
            Deed::Choose(theme),
            5,
        ));
    }
    all.push(item(DO, "Keyboard shortcuts", "help", Deed::Help, 5));
    all.push(if bridge::is_desktop() {
        let place = Deed::Go(Route::Connections);
        item(GO, "Choose another connection", "screen", place, 0)
    } else {
        item(DO, "Sign out", "session", Deed::SignOut, 0)
    });
    all
}

/// The entries that fit best. Resources are many, so only those that fit are made into entries.
fn found(world: &World, typed: &str) -> Vec<Item> {
    let mut fitting: Vec<(i32, Item)> = items(world)
        .into_iter()
        .filter_map(|item| {
            let fit = filter::fit(&item.name, typed).or_else(|| filter::fit(&item.what, typed))?;
            Some((fit + item.weight, item))
        })
        .collect();
    if !typed.trim().is_empty() {
        for entry in world.resources.values() {
            let fit = filter::fit(entry.id.short(), typed)
                .or_else(|| filter::fit(&entry.id.to_string(), typed).map(|fit| fit - 30));
            if let Some(fit) = fit {
                fitting.push((
                    fit + 15,
                    item(
                        marks::health(entry.health),
                        entry.id.short(),
                        format!("{} on {}", entry.id.kind, entry.id.node),
                        Deed::Go(Route::Resource(entry.id.clone())),
                        0,
                    ),
                ));
            }
        }
    }
    order::sort_by(&mut fitting, |(one, a), (other, b)| {
        other.cmp(one).then_with(|| a.name.cmp(&b.name))
    });
    fitting.truncate(MOST);
    fitting.into_iter().map(|(_, item)| item).collect()
}

/// The dialog.
pub(super) fn palette(app: App) -> AnyView {
    let dialog: NodeRef<html::Dialog> = NodeRef::new();
    let typed = RwSignal::new(String::new());
    let chosen = RwSignal::new(0_usize);
    let shown = Memo::new(move |_| {
        if !app.palette.get() {
            return Vec::new();
        }
        let typed = typed.get();
        app.store.peek(|world| found(world, &typed))
    });
    Effect::new(move |_| {
        let open = app.palette.get();
        if let Some(dialog) = dialog.get() {
            if open {
                typed.set(String::new());
                chosen.set(0);
            }
            browser::set_open(&dialog, open);
        }
    });
    let run = move |deed: Deed| {
        app.palette.set(false);
        match deed {
            Deed::Go(route) => app.go(&route),
            Deed::Choose(theme) => app.choose(theme),
            Deed::Help => app.help.set(true),
            Deed::SignOut => spawn_local(deeds::sign_out(app)),
        }
    };
    let pressed = move |event: KeyboardEvent| {
        let count = shown.with(Vec::len);
        match event.key().as_str() {
            "ArrowDown" if count > 0 => chosen.update(|at| *at = (*at + 1) % count),
            "ArrowUp" if count > 0 => chosen.update(|at| *at = (*at + count - 1) % count),
            "Enter" => {
                let deed = shown.with(|items| {
                    items
                        .get(chosen.get_untracked())
                        .map(|item| item.deed.clone())
                });
                if let Some(deed) = deed {
                    run(deed);
                }
            }
            _ => return,
        }
        event.prevent_default();
        browser::after(0, || browser::reveal("[role=option][aria-selected=true]"));
    };
    let list = move || {
        let items = shown.get();
        if items.is_empty() {
            return view! {
                <li class="nothing" role="presentation">
                    "Nothing is called that. Try a part of a name."
                </li>
            }
            .into_any();
        }
        items
            .into_iter()
            .enumerate()
            .map(|(at, item)| {
                let deed = item.deed.clone();
                view! {
                    <li
                        id=format!("palette-{at}")
                        role="option"
                        aria-selected=move || (chosen.get() == at).to_string()
                        on:click=move |_| run(deed.clone())
                        on:pointermove=move |_| chosen.set(at)
                        data-testid="palette-item"
                    >
                        {sign(item.mark)}
                        <span class="main-words">{item.name}</span>
                        <span class="quiet">{item.what}</span>
                    </li>
                }
                .into_any()
            })
            .collect::<Vec<_>>()
            .into_any()
    };
    view! {
        <dialog
            class="dialog palette"
            node_ref=dialog
            aria-label="Go to anything"
            on:close=move |_| app.palette.set(false)
            on:click=move |event| {
                // A click beside it is one on the dialog itself.
                if event.target() == event.current_target() {
                    app.palette.set(false);
                }
            }
            data-testid="palette"
        >
            <div class="inside">
                <input
                    type="text"
                    role="combobox"
                    aria-expanded="true"
                    aria-controls="palette-list"
                    aria-activedescendant=move || format!("palette-{}", chosen.get())
                    aria-label="Go to"
                    placeholder="A screen, a resource, an incident, a task…"
                    autocomplete="off"
                    spellcheck="false"
                    autofocus=true
                    prop:value=move || typed.get()
                    on:input=move |event| {
                        typed.set(event_target_value(&event));
                        chosen.set(0);
                    }
                    on:keydown=pressed
                    data-testid="palette-input"
                />
                <ul id="palette-list" role="listbox" aria-label="What fits">
                    {list}
                </ul>
            </div>
        </dialog>
    }
    .into_any()
}
