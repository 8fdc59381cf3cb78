//! The frame around the screens, for whoever is signed in.

use leptos::prelude::*;

use crate::{
    app::{App, Theme},
    attention,
    bridge::{self, browser},
    components::marks::shape,
    failure::Failure,
    format,
    marks::Shape,
    pages,
    route::Section,
    session::Link,
    store::Part,
    sync,
};

/// Header, navigation, the current screen, and what may lie over it.
pub(super) fn frame(app: App) -> AnyView {
    let store = app.store;
    let asked =
        Memo::new(move |_| store.read(&[Part::Tasks], |world| attention::asked(world).len()));
    let active =
        Memo::new(move |_| store.read(&[Part::Incidents], |world| attention::active(world).len()));
    Effect::new(move |_| {
        let lost = if store.is_live() {
            ""
        } else {
            "Not connected · "
        };
        let waiting = match asked.get() {
            0 => String::new(),
            many => format!("({many}) "),
        };
        let place = app.route.with(crate::route::Route::title);
        browser::set_title(&format!("{lost}{waiting}{place} · Steward"));
    });
    view! {
        <button class="skip" on:click=move |_| {
            browser::focus("#main");
        }>"Skip to the content"</button>
        {header(app)}
        {navigation(app, active, asked)}
        {banner(app)}
        <main id="main" tabindex="-1">
            {move || {
                let route = app.screen.get();
                untrack(|| pages::page(app, &route))
            }}
        </main>
        {notices(app)}
        {pages::parts::dialogs(app)}
    }
    .into_any()
}

fn header(app: App) -> AnyView {
    let store = app.store;
    let node = move || {
        store.read(&[Part::Status], |world| {
            world.status.as_ref().map(|status| status.node.clone())
        })
    };
    let identity = move || {
        store.presence.with(|presence| {
            presence
                .session()
                .map(|session| format!("{} ({})", session.identity, session.role))
        })
    };
    let theme_words = move || format!("Colours: {}", app.theme.get().words().to_lowercase());
    view! {
        <header class="top">
            <a class="brand" href="#/">
                "Steward"
            </a>
            <span class="pill node" data-testid="node">
                {node}
            </span>
            {link_state(app)}
            {bridge::is_desktop()
                .then(|| {
                    view! {
                        <a class="pill" href="#/connections" data-testid="open-connections">
                            "Connections"
                        </a>
                    }
                })}
            <button
                class="find"
                on:click=move |_| app.palette.set(true)
                aria-label="Go to anything"
                aria-keyshortcuts="Control+K Meta+K"
                data-testid="open-palette"
            >
                {icon("M7 2.6a4.4 4.4 0 1 0 0 8.8a4.4 4.4 0 1 0 0-8.8zM10.4 10.4 14 14")}
                <span class="words">"Go to anything"</span>
                <kbd>"Ctrl K"</kbd>
            </button>
            <a class="pill autonomy" href="#/settings" data-testid="autonomy-in-force">
                "Autonomy "
                <strong>
                    {move || store.autonomy().map_or("unknown", steward_api::Autonomy::as_str)}
                </strong>
            </a>
            <button
                class="icon-button"
                on:click=move |_| app.choose(app.theme.get_untracked().next())
                title=theme_words
                aria-label=theme_words
                data-testid="theme"
            >
                {move || match app.theme.get() {
                    Theme::System => icon("M8 2.6a5.4 5.4 0 1 0 0 10.8zM8 2.6a5.4 5.4 0 0 1 0 10.8"),
                    Theme::Light => {
                        icon(
                            "M8 5.2a2.8 2.8 0 1 0 0 5.6a2.8 2.8 0 1 0 0-5.6zM8 1v1.4M8 13.6V15M1 8h1.4M13.6 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
                        )
                    }
                    Theme::Dark => icon("M13.4 9.6A5.8 5.8 0 0 1 6.4 2.6a5.8 5.8 0 1 0 7 7z"),
                }}
            </button>
            <a class="pill who" href="#/settings" data-testid="identity">
                {identity}
            </a>
        </header>
    }
    .into_any()
}

/// Live, connecting or lost, with a shape of its own each.
fn link_state(app: App) -> AnyView {
    let link = app.store.link;
    let look = move || {
        link.with(|link| match link {
            Link::Live => (Shape::Disc, "live", "tone-good"),
            Link::Connecting => (Shape::Turning, "connecting", "tone-quiet"),
            Link::Lost { .. } => (Shape::Cross, "not connected", "tone-bad"),
        })
    };
    view! {
        <span
            class=move || format!("link-state {}", look().2)
            data-testid="link"
            data-state=move || look().1
        >
            {move || shape(look().0)}
            <span>{move || look().1}</span>
        </span>
    }
    .into_any()
}

fn icon(path: &'static str) -> AnyView {
    view! {
        <svg class="icon drawn" viewBox="0 0 16 16" aria-hidden="true">
            <path d=path></path>
        </svg>
    }
    .into_any()
}

const fn section_icon(section: Section) -> &'static str {
    match section {
        Section::Overview => {
            "M2.4 2.4h4.8v6H2.4zM8.8 2.4h4.8v3.4H8.8zM8.8 7.4h4.8v6.2H8.8zM2.4 10h4.8v3.6H2.4z"
        }
        Section::Resources => "M2.4 3h11.2v4H2.4zM2.4 9h11.2v4H2.4zM4.6 5h.1M4.6 11h.1",
        Section::Incidents => "M8 2.2 14.4 13.4H1.6zM8 6.4v3.2M8 11.4v.1",
        Section::Tasks => "M2.6 4.2 3.8 5.4 6 3M8.4 4.4h5.2M2.6 11 3.8 12.2 6 9.8M8.4 11.2h5.2",
        Section::Security => {
            "M8 1.8 13.2 3.8V8c0 3-2.2 5-5.2 6.2C5 13 2.8 11 2.8 8V3.8zM5.6 8 7.4 9.8 10.6 6"
        }
        Section::Agents => "M2.4 2.6h11.2v8H7.6l-3.2 3v-3h-2zM5.4 6.6h.1M8 6.6h.1M10.6 6.6h.1",
        Section::Activity => "M1.6 8.4h3l2-5 3 9.2 2-4.2h2.8",
        Section::Settings => {
            "M2.4 4.6h6M11.6 4.6h2M8.4 3h3.2v3.2H8.4zM2.4 11.4h2M7.6 11.4h6M4.4 9.8h3.2V13H4.4z"
        }
    }
}

fn navigation(app: App, active: Memo<usize>, asked: Memo<usize>) -> AnyView {
    let links: Vec<AnyView> = Section::ALL
        .into_iter()
        .map(|section| {
            let is_here = move || app.route.with(|route| route.section() == Some(section));
            let count = move || {
                let (number, class, what) = match section {
                    Section::Incidents => (active.get(), "count", "active incident"),
                    Section::Tasks => (asked.get(), "count asks", "task"),
                    _ => return None,
                };
                (number > 0).then(|| {
                    let what = format::count(number as u64, what);
                    let words = if section == Section::Tasks {
                        format!("{what} waiting for you")
                    } else {
                        what
                    };
                    view! {
                        <span class=class>
                            <span aria-hidden="true">{number.to_string()}</span>
                            <span class="hidden-words">{words}</span>
                        </span>
                    }
                })
            };
            view! {
                <a
                    href=section.route().hash()
                    class:here=is_here
                    aria-current=move || is_here().then_some("page")
                    title=format!("{} (g {})", section.name(), section.key())
                    data-testid=section.test_id()
                >
                    {icon(section_icon(section))}
                    <span class="words">{section.name()}</span>
                    {count}
                </a>
            }
            .into_any()
        })
        .collect();
    view! {
        <nav class="screens" aria-label="Screens">
            {links}
        </nav>
    }
    .into_any()
}

/// Says that the page is older or newer than the agent.
fn other_version(app: App) -> AnyView {
    let store = app.store;
    let other = Memo::new(move |_| {
        store.read(&[Part::Status], |world| {
            world
                .status
                .as_ref()
                .map(|status| status.version.clone())
                .filter(|version| version != env!("CARGO_PKG_VERSION"))
        })
    });
    (move || {
        other.get().map(|version| {
            view! {
                <div class="banner mild" role="status" data-testid="other-version">
                    {shape(Shape::Triangle)}
                    <p>
                        {format!(
                            "The agent is of version {version}, this page of {}. Reload the page; what it shows may be incomplete until then.",
                            env!("CARGO_PKG_VERSION"),
                        )}
                    </p>
                    <button class="button" on:click=|_| browser::reload()>
                        "Reload the page"
                    </button>
                </div>
            }
        })
    })
    .into_any()
}

/// Says at once that the connection is lost, since when, and as of when everything is. Lies over the page, so that nothing jumps.
fn banner(app: App) -> AnyView {
    let store = app.store;
    let lost = Memo::new(move |_| {
        store.link.with(|link| match link {
            Link::Lost { since, failure, .. } => Some((*since, failure.clone())),
            _ => None,
        })
    });
    view! {
        <div class="banner-place" role="alert">
            {other_version(app)}
            {move || {
                lost.get()
                    .map(|(since, failure)| {
                        let as_of = store.heard_at.get_untracked().unwrap_or(since);
                        // Another version of the agent brings another version of this page.
                        let reload = matches!(failure, Failure::Unreadable(_))
                            .then(|| {
                                view! {
                                    <button
                                        class="button"
                                        on:click=|_| browser::reload()
                                        data-testid="reload"
                                    >
                                        "Reload the page"
                                    </button>
                                }
                            });
                        view! {
                            <div class="banner" data-testid="lost">
                                {shape(Shape::Cross)}
                                <p>
                                    <strong>{failure.title()} "."</strong>
                                    " What you see is as of "
                                    {browser::clock(as_of)}
                                    " and may have changed. "
                                    {failure.advice()}
                                    " Trying again by itself."
                                </p>
                                {reload}
                                <button
                                    class="button"
                                    on:click=move |_| sync::connect(app)
                                    data-testid="connect-now"
                                >
                                    "Try now"
                                </button>
                            </div>
                        }
                    })
            }}
        </div>
    }
    .into_any()
}

fn notices(app: App) -> AnyView {
    view! {
        <div class="notices" role="status" aria-live="polite" data-testid="notices">
            <For
                each=move || app.notices.get()
                key=|notice| notice.number
                children=move |notice| {
                    view! {
                        <div class=format!("notice {}", notice.tone.class())>
                            {shape(Shape::Check)} <span>{notice.text}</span>
                        </div>
                    }
                }
            />
        </div>
    }
    .into_any()
}
