//! A person's yes or no to a task, with a note.
//!
//! What flows through: clicks and a note in; whoever placed it is told, and says how that went. What it never does: send anything itself,
//! or take one click for a yes to high risk.

use std::sync::Arc;

use leptos::{ev::SubmitEvent, prelude::*, task::spawn_local};
use steward_api::{Risk, Role, Task};

use super::text;
use crate::{
    app::App,
    deeds::{self, Answer},
    failure::Failure,
    format,
};

/// The longest note that the agent takes, characters.
const LONGEST_NOTE: &str = "4000";

/// The buttons, the note, and when the question lapses.
pub(crate) fn answer(app: App, task: &Arc<Task>, note_shown: bool) -> AnyView {
    let store = app.store;
    let note = RwSignal::new(String::new());
    let note_open = RwSignal::new(note_shown);
    let busy = RwSignal::new(false);
    let sure = RwSignal::new(false);
    let failure = RwSignal::new(None::<Failure>);
    let is_high = task.risk == Risk::High;
    let id = task.id;
    let asked = Arc::clone(task);
    let send = move |answer: Answer| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        failure.set(None);
        let task = Arc::clone(&asked);
        let note = note.get_untracked();
        spawn_local(async move {
            let answered = deeds::answer(app, &task, answer, note).await;
            // Whoever was asked may be off the screen by now.
            busy.try_set(false);
            sure.try_set(false);
            if let Err(refused) = answered {
                failure.try_set(Some(refused));
            }
        });
    };
    let approve = {
        let send = send.clone();
        move || {
            if is_high && !sure.get_untracked() {
                sure.set(true);
            } else {
                send(Answer::Yes);
            }
        }
    };
    let reject = move |_| send(Answer::No);
    let held = move || busy.get() || !store.is_live();
    let approve_words = move || {
        if busy.get() {
            "Sending…"
        } else if sure.get() {
            "Yes, approve high risk"
        } else {
            "Approve"
        }
    };
    let expires = task.expires_at.map(|at| {
        view! {
            <span class="expires">
                {move || {
                    let now = store.now.get();
                    if at > now {
                        format!("expires in {}", format::distance(at.duration_since(now)))
                    } else {
                        "expired".to_owned()
                    }
                }}
            </span>
        }
    });
    let note_id = format!("note-{id}");
    let note_field = {
        let note_id = note_id.clone();
        move || {
            note_open.get().then(|| {
                view! {
                    <label class="note" for=note_id.clone()>
                        <span>"Note for the record (optional)"</span>
                        <input
                            id=note_id.clone()
                            type="text"
                            maxlength=LONGEST_NOTE
                            autocomplete="off"
                            prop:value=move || note.get()
                            on:input=move |event| note.set(event_target_value(&event))
                            data-testid="note"
                        />
                    </label>
                }
            })
        }
    };
    let submitted = move |event: SubmitEvent| {
        event.prevent_default();
        approve();
    };
    view! {
        {move || {
            if store.may(Role::Operator) {
                None
            } else {
                Some(
                    view! {
                        <p class="quiet" data-testid="may-not-answer">
                            "You are signed in as a viewer. An operator or admin can answer this."
                        </p>
                    },
                )
            }
        }}
        <form
            class="answer"
            class:hidden=move || !store.may(Role::Operator)
            on:submit=submitted
            aria-label=format!("Answer task {id}")
        >
            {note_field}
            <div class="buttons">
                <button
                    type="submit"
                    class="button go"
                    class:risky=move || sure.get()
                    disabled=held
                    data-testid="approve"
                >
                    {approve_words}
                </button>
                <button
                    type="button"
                    class="button"
                    disabled=held
                    on:click=reject
                    data-testid="reject"
                >
                    "Reject"
                </button>
                {move || {
                    sure.get()
                        .then(|| {
                            view! {
                                <button
                                    type="button"
                                    class="button plain"
                                    on:click=move |_| sure.set(false)
                                >
                                    "Not now"
                                </button>
                            }
                        })
                }}
                {(!note_shown)
                    .then(|| {
                        view! {
                            <button
                                type="button"
                                class="button plain"
                                aria-expanded=move || note_open.get().to_string()
                                on:click=move |_| note_open.update(|open| *open = !*open)
                                data-testid="add-note"
                            >
                                "Note"
                            </button>
                        }
                    })}
                {expires}
            </div>
            {move || failure.get().map(|failure| text::failed(&failure))}
        </form>
    }
    .into_any()
}
