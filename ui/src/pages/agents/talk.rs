//! One conversation: its messages as they come, who is at work on the answer, and where to ask on.
//!
//! What flows through: the world's dialogue and the answer's progress in; stopping, having it once more and the next question out. What it
//! never does: move the page under whoever reads further up.

use std::sync::Arc;

use leptos::{prelude::*, task::spawn_local};
use steward_api::{Conversation, ConversationId, GetConversation, MessageKind, Nothing, Role};

use super::{
    Roster, answering,
    composer::{About, Composer},
    live::Live,
    message::{self, Again, Talk},
};
use crate::{
    app::App,
    bridge::browser,
    components::{conversation::standing, loaded::Loaded, marks::mark, text},
    conversation::{self, Dialogue, Entry},
    deeds,
    failure::Failure,
    format,
    progress::Watch,
    route::Route,
    session::Link,
    store::Part,
    words,
};

/// What the agent has and the stream has not brought is read, milliseconds later.
const READ_MISSING_AFTER: i32 = 1_500;

/// What the screen works on. A handle: copies show the same.
#[derive(Clone, Copy)]
pub(super) struct Screen {
    pub(super) app: App,
    id: ConversationId,
    /// The conversation as it is known.
    pub(super) dialogue: Memo<Option<Dialogue>>,
    /// How far the answer is.
    pub(super) live: Live,
    reading: Loaded<()>,
    /// Whether the page's end is seen.
    at_end: RwSignal<bool>,
    /// Whether stopping or having it once more is being asked for.
    pub(super) busy: RwSignal<bool>,
    /// Why that was refused.
    pub(super) failure: RwSignal<Option<Failure>>,
}

impl Screen {
    fn read(self) {
        let app = self.app;
        let id = self.id;
        self.reading.read(async move {
            let detail = app
                .call::<GetConversation>(Some(&id.to_string()), &Nothing {})
                .await?;
            let progress = detail.progress.clone();
            app.store.change(|world| world.load_dialogue(detail));
            // The screen may be gone by now.
            if self.at_end.try_get_untracked().is_some() {
                self.live.read(progress);
            }
            Ok(())
        });
    }

    /// Looks at the conversation.
    pub(super) fn with<T>(self, look: impl FnOnce(&Dialogue) -> T) -> Option<T> {
        self.dialogue.with(|dialogue| dialogue.as_ref().map(look))
    }

    /// Whether an answer is under way, as far as is known.
    pub(super) fn is_busy(self) -> bool {
        self.live.watch.with(Watch::is_busy)
    }

    /// Has the answer stopped.
    pub(super) fn stop(self) {
        self.ask_for(deeds::stop_answer);
    }

    /// Has the last question answered once more.
    pub(super) fn again(self) {
        self.ask_for(deeds::answer_again);
    }

    fn ask_for<F>(self, deed: fn(App, ConversationId) -> F)
    where
        F: Future<Output = Result<(), Failure>> + 'static,
    {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.failure.set(None);
        spawn_local(async move {
            let done = deed(self.app, self.id).await;
            // The screen may be gone by now.
            if self.busy.try_set(false).is_some() {
                return;
            }
            match done {
                Ok(()) => {
                    // The button that was pressed goes away.
                    browser::focus("#ask-on");
                    self.live.said();
                }
                Err(failure) => {
                    self.failure.try_set(Some(failure));
                }
            }
        });
    }
}

/// The screen.
pub(in crate::pages) fn page(app: App, id: ConversationId) -> AnyView {
    let store = app.store;
    store.change(|world| world.open_dialogue(id));
    let dialogue = Memo::new(move |_| {
        store.read(&[Part::Conversations], |world| {
            world.dialogue.clone().filter(|open| open.id == id)
        })
    });
    let screen = Screen {
        app,
        id,
        dialogue,
        live: Live::new(app, id),
        reading: Loaded::new(),
        at_end: RwSignal::new(true),
        busy: RwSignal::new(false),
        failure: RwSignal::new(None),
    };
    keep_current(screen);
    stay_at_the_end(screen);
    let roster = Roster::new(app);
    let about = About {
        conversation: Some(id),
        ..About::default()
    };
    let composer = Composer::new(app, about, roster).within(screen.live);
    let asked_last = Memo::new(move |_| {
        screen
            .with(|dialogue| {
                let mut latest = dialogue.messages.iter().rev();
                let asked = latest.find(|message| message.kind == MessageKind::Question)?;
                Some(asked.to.clone())
            })
            .flatten()
    });
    Effect::new(move |_| {
        if let Some(whom) = asked_last.get() {
            composer.usually.set(whom);
        }
    });
    let about = Memo::new(move |_| {
        screen
            .with(|dialogue| dialogue.conversation.clone())
            .flatten()
    });
    let is_there = Memo::new(move |_| about.with(Option::is_some));
    let shown = move || {
        if is_there.get() {
            untrack(|| body(screen, composer))
        } else {
            screen.reading.show(move || screen.read(), || ().into_any())
        }
    };
    view! {
        <div class="page narrow talk" data-testid="page-conversation" data-conversation=id.to_string()>
            <p class="trail">
                <a href="#/agents">"Agents"</a>
                {format!(" / {id}")}
            </p>
            {head(screen, about)}
            {shown}
        </div>
    }
    .into_any()
}

/// Reads the conversation, and again whenever something of it may be missing; follows the answer.
fn keep_current(screen: Screen) {
    let store = screen.app.store;
    Effect::new(move |_| {
        store.readings.track();
        screen.read();
    });
    let lacks = Memo::new(move |_| screen.with(Dialogue::lacks_some) == Some(true));
    Effect::new(move |_| {
        if lacks.get() {
            screen.read();
        }
    });
    let is_ahead = move || {
        let watch = screen.live.watch;
        screen.with(|dialogue| watch.with(|watch| watch.is_ahead_of(dialogue))) == Some(true)
    };
    let is_behind = Memo::new(move |_| is_ahead());
    Effect::new(move |_| {
        if is_behind.get() {
            browser::after(READ_MISSING_AFTER, move || {
                if is_behind.try_get_untracked() == Some(true) {
                    screen.read();
                }
            });
        }
    });
    // Whoever says something to a specialist sets somebody to work.
    let newest = Memo::new(move |_| {
        screen
            .with(|dialogue| {
                let last = dialogue.messages.last()?;
                let is_over = matches!(last.kind, MessageKind::Answer | MessageKind::Failure);
                (dialogue.is_read && !is_over).then_some(last.number)
            })
            .flatten()
    });
    Effect::new(move |before: Option<Option<u32>>| {
        let now = newest.get();
        if now.is_some() && before.is_some_and(|before| before != now) {
            screen.live.said();
        }
        now
    });
    Effect::new(move |_| {
        let failure = store.link.with(|link| match link {
            Link::Lost { failure, .. } => Some(failure.clone()),
            _ => None,
        });
        if let Some(failure) = failure {
            screen.live.lost(failure);
        }
    });
}

/// Whoever reads the end of the page goes on reading it while it grows; whoever reads further up is left where they are.
fn stay_at_the_end(screen: Screen) {
    let seen = browser::while_scrolling(move || {
        let is = browser::is_at_page_end();
        if screen.at_end.try_get_untracked() == Some(!is) {
            screen.at_end.try_set(is);
        }
    });
    // Heard for as long as the screen is there.
    let _ = StoredValue::new_local(seen);
    let is_read = Memo::new(move |_| screen.with(|dialogue| dialogue.is_read) == Some(true));
    Effect::new(move |was_read: Option<bool>| {
        let is_read = is_read.get();
        screen.dialogue.track();
        screen.live.watch.track();
        let has_come = is_read && was_read == Some(false);
        if has_come || screen.at_end.get_untracked() {
            browser::after(0, move || {
                if screen.at_end.try_set(true).is_none() {
                    browser::to_page_end();
                }
            });
        }
        is_read
    });
}

fn body(screen: Screen, composer: Composer) -> AnyView {
    let app = screen.app;
    let entries = Memo::new(move |_| {
        screen
            .with(|dialogue| conversation::entries(&dialogue.messages))
            .unwrap_or_default()
    });
    let may_ask = Memo::new(move |_| app.store.may(Role::Operator));
    let may = Memo::new(move |_| {
        if !may_ask.get() || screen.is_busy() {
            return None;
        }
        screen
            .with(|dialogue| {
                let last = dialogue.last_of_main_line()?;
                let answer = dialogue.last_answer()?;
                (last.number == answer.number).then_some(answer.number)
            })
            .flatten()
    });
    let talk = Talk {
        app,
        live: screen.live,
        entries,
        again: Again {
            may,
            ask: Callback::new(move |()| screen.again()),
            busy: screen.busy,
        },
    };
    let left_out = move || {
        screen
            .with(Dialogue::left_out)
            .filter(|many| *many > 0)
            .map(|many| {
                view! {
                    <p class="quiet small">
                        {format!("{} before these are not shown.", format::count(u64::from(many), "message"))}
                    </p>
                }
            })
    };
    view! {
        {left_out}
        <ol class="dialogue" aria-label="Messages" data-testid="messages">
            <For each=move || entries.get() key=Entry::key children=move |one| message::entry(talk, one) />
        </ol>
        {answering::writing(screen)}
        {answering::under_way(screen, may_ask)}
        {answering::heard(screen)}
        <div class="ask-on" id="ask-on" tabindex="-1">
            {move || {
                (!screen.at_end.get())
                    .then(|| {
                        view! {
                            <button
                                type="button"
                                class="button to-end"
                                on:click=move |_| browser::to_page_end()
                                data-testid="to-end"
                            >
                                "To the end ↓"
                            </button>
                        }
                    })
            }} {composer.view(None)}
        </div>
    }
    .into_any()
}

/// The heading is there before anything was read, for whoever listens to where they are, and stays the same one.
fn head(screen: Screen, about: Memo<Option<Arc<Conversation>>>) -> AnyView {
    let app = screen.app;
    let is_busy = Memo::new(move |_| screen.is_busy());
    let title = move || {
        about.get().map_or_else(
            || format!("Conversation {}", screen.id),
            |one| one.title.clone(),
        )
    };
    let subject = move || {
        about.get().map(|one| {
            let incident = one
                .incident
                .map(|id| (Route::Incident(id), format!("incident {id}")));
            let task = one.task.map(|id| (Route::Task(id), format!("task {id}")));
            let about: Vec<AnyView> = [incident, task]
                .into_iter()
                .flatten()
                .map(|(route, words)| {
                    view! {
                        <span>"about " <a href=route.hash()>{words}</a></span>
                    }
                    .into_any()
                })
                .collect();
            let tasks: Vec<AnyView> = one
                .tasks
                .iter()
                .map(|id| {
                    view! { <a href=Route::Task(*id).hash()>{format!("task {id}")}</a> }.into_any()
                })
                .collect();
            let came_of_it = (!tasks.is_empty()).then(|| {
                view! {
                    <span class="meta">"came of it: " {tasks}</span>
                }
            });
            view! {
                <span>
                    "begun by " {words::begun_by(&one)} " " {text::ago(app.store, one.started_at)}
                </span>
                <span>{format::count(u64::from(one.messages), "message")}</span>
                {about}
                {came_of_it}
            }
        })
    };
    view! {
        <div class="heading">
            <h1 tabindex="-1">{title}</h1>
            <span class="large" data-testid="conversation-state">
                {move || is_busy.get().then(|| mark(standing(true)))}
            </span>
        </div>
        <p class="meta">{subject}</p>
    }
    .into_any()
}
