//! What is changed and not yet written: how much, which lines of the file, and the buttons that write or forget it.
//!
//! What flows through: the draft and what the agent says of it; the write and its outcome. What it never does: write what the agent has
//! found wrong, or over a file that changed meanwhile: then a person looks again first.

use leptos::{prelude::*, task::spawn_local};
use steward_api::{ConfigLine, ConfigWriteRequest, ErrorCode, WriteConfig};

use super::form::Form;
use crate::{
    components::text,
    failure::Failure,
    marks::Tone,
    settings::{self, Draft},
};

/// The bar; it is there only while something is changed.
pub(super) fn bar(form: Form) -> AnyView {
    let count = Memo::new(move |_| form.draft.with(Draft::count));
    let preview = RwSignal::new(false);
    let is_open = Memo::new(move |_| count.get() > 0);
    let shown = move || is_open.get().then(|| opened(form, count, preview));
    shown.into_any()
}

fn opened(form: Form, count: Memo<usize>, preview: RwSignal<bool>) -> AnyView {
    let is_good = move || {
        form.checked
            .with(|checked| checked.as_ref().is_some_and(|reply| reply.valid))
    };
    let state = move || {
        if form.saving.get() {
            "Writing…".to_owned()
        } else {
            match form.checked.get() {
                None => "Being checked…".to_owned(),
                Some(reply) if reply.valid => String::new(),
                Some(reply) => match reply.problems.len() {
                    1 => "1 thing is wrong".to_owned(),
                    many => format!("{many} things are wrong"),
                },
            }
        }
    };
    let has_conflict = move || {
        form.save_failure.with(|failure| {
            failure
                .as_ref()
                .is_some_and(|failure| failure.is(ErrorCode::ConfigChanged))
        })
    };
    let others =
        move || {
            let problems = form.checked.get().map(|reply| reply.problems.clone());
            let others = form
                .draft
                .with(|draft| settings::other_problems(draft, &problems.unwrap_or_default()));
            (!others.is_empty()).then(|| {
            let lines: Vec<_> = others.into_iter().map(|line| view! { <p>{line}</p> }).collect();
            view! { <div class="failed" role="alert" data-testid="config-problems">{lines}</div> }
        })
        };
    let again = move |_| {
        form.save_failure.set(None);
        form.read();
    };
    view! {
        <div class="save-bar card" role="region" aria-label="Changes" data-testid="save-bar">
            {others}
            {move || form.check_failure.get().map(|failure| text::failed(&failure))}
            {move || form.save_failure.get().map(|failure| text::failed(&failure))}
            {move || {
                has_conflict()
                    .then(|| {
                        view! {
                            <button
                                type="button"
                                class="button"
                                on:click=again
                                data-testid="config-again"
                            >
                                "Read the file again and keep my changes"
                            </button>
                        }
                    })
            }}
            {move || preview.get().then(|| lines(form))}
            <div class="buttons">
                <span class="strong" data-testid="change-count">
                    {move || settings::changes(count.get())}
                </span>
                <span class="quiet" role="status" data-testid="check-state">{state}</span>
                <button
                    type="button"
                    class="button"
                    aria-expanded=move || preview.get().to_string()
                    on:click=move |_| preview.update(|open| *open = !*open)
                    data-testid="config-preview"
                >
                    {move || {
                        if preview.get() {
                            "Hide the file's changes"
                        } else {
                            "Show what changes in the file"
                        }
                    }}
                </button>
                <button
                    type="button"
                    class="button go"
                    disabled=move || {
                        !is_good() || form.saving.get() || has_conflict() || !form.may_change()
                    }
                    on:click=move |_| save(form)
                    data-testid="config-save"
                >
                    "Save"
                </button>
                <button
                    type="button"
                    class="button plain"
                    disabled=move || form.saving.get()
                    on:click=move |_| {
                        form.change(Draft::clear);
                    }
                    data-testid="config-discard"
                >
                    "Discard"
                </button>
            </div>
        </div>
    }
    .into_any()
}

/// The lines of the file that go and come.
fn lines(form: Form) -> AnyView {
    let shown = move || {
        form.checked.get().map_or_else(
            || view! { <p class="quiet">"Being checked…"</p> }.into_any(),
            |reply| match reply.lines.as_slice() {
                [] if reply.valid => {
                    view! { <p class="quiet">"No line of the file changes."</p> }.into_any()
                }
                [] => view! { <p class="quiet">"What is wrong has to be put right first."</p> }
                    .into_any(),
                lines => lines.iter().map(line).collect::<Vec<_>>().into_any(),
            },
        )
    };
    view! { <div class="file-lines" data-testid="config-lines">{shown}</div> }.into_any()
}

fn line(line: &ConfigLine) -> AnyView {
    let (sign, meaning) = settings::sign(line);
    view! {
        <div class="file-line" class:goes=meaning == "goes" class:comes=meaning == "comes">
            <span class="line-number">{line.number}</span>
            <span aria-hidden="true">{sign}</span>
            <span class="hidden-words">{meaning} ": "</span>
            <code>{line.text.clone()}</code>
        </div>
    }
    .into_any()
}

fn save(form: Form) {
    let Some(reply) = form.loaded.value.get_untracked() else {
        return;
    };
    if form.saving.get_untracked() {
        return;
    }
    form.saving.set(true);
    form.save_failure.set(None);
    let request = ConfigWriteRequest {
        hash: reply.file.hash.clone(),
        edits: form.draft.with_untracked(Draft::edits),
    };
    spawn_local(async move {
        let written = form.app.call::<WriteConfig>(None, &request).await;
        // Whoever was waiting may be off the screen by now; the notice is for them, too.
        form.saving.try_set(false);
        match written {
            Ok(written) => {
                form.app
                    .say(Tone::Good, format!("Saved. {}.", written.message));
                // The fields keep what they show until the agent says the same.
                if form.written.try_set_value(true).is_none() {
                    form.read();
                }
            }
            Err(failure) => refused(form, failure),
        }
    });
}

fn refused(form: Form, failure: Failure) {
    if form.save_failure.try_set(Some(failure)).is_none() {
        form.check_soon();
    }
}
