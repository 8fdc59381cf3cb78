//! What the catalogue and models say of an incident, side by side: who says what, which is in force, and where they disagree.
//!
//! What flows through: the incident's diagnoses in; a person's choice among them, and a wish for a model's opinion, out. What it never does:
//! put anything in force at the first click, or wait for a model in any other way than by the event stream.

use std::sync::Arc;

use jiff::Timestamp;
use leptos::{prelude::*, task::spawn_local};
use steward_api::{ChooseRequest, Diagnosis, ErrorCode, Incident, IncidentId, Role};

use super::incident::evidence;
use crate::{
    advisor::{self, Asked, Outcome, Standing},
    app::App,
    bridge::browser,
    components::{marks::mark, text},
    deeds,
    failure::Failure,
    format,
    marks::{Mark, Shape, Tone},
    store::Part,
    words,
};

/// What the section works on. It outlives what is drawn anew when the incident changes.
#[derive(Clone, Copy)]
struct Section {
    app: App,
    id: IncidentId,
    incident: Memo<Option<Arc<Incident>>>,
    /// The source of the diagnosis that is about to be put in force.
    confirming: RwSignal<Option<String>>,
    /// The question to a model.
    asked: RwSignal<Option<Asked>>,
    busy: RwSignal<bool>,
    choice_failed: RwSignal<Option<Failure>>,
    question_failed: RwSignal<Option<Failure>>,
}

/// What became of the question that was asked then.
type Answered = Option<(Timestamp, Outcome)>;

impl Section {
    /// Whether whoever looks may choose and ask: as an operator, while it is not over.
    fn may_act(self) -> bool {
        self.app.store.may(Role::Operator)
            && self
                .incident
                .with(|incident| incident.as_ref().is_some_and(|one| one.is_active()))
    }

    fn is_held(self) -> bool {
        self.busy.get() || !self.app.store.is_live()
    }

    /// What became of the question. Once it is answered that stays, also when the journal no longer holds the answer.
    fn outcome(self, before: Option<&Answered>) -> Answered {
        let store = self.app.store;
        let asked = self.asked.get()?;
        if let Some(Some((at, Outcome::Said(said)))) = before
            && *at == asked.at
        {
            return Some((asked.at, Outcome::Said(said.clone())));
        }
        let incident = self.incident.get()?;
        let now = store.now.get();
        let outcome = store.read(&[Part::Journal], |world| {
            let journal = world.journal.iter().map(AsRef::as_ref);
            advisor::outcome(&asked, &incident, journal, now)
        });
        Some((asked.at, outcome))
    }

    /// Asks whether a diagnosis is to be put in force; the focus goes to the answer that changes nothing.
    fn confirm(self, source: String) {
        self.choice_failed.set(None);
        self.confirming.set(Some(source));
        browser::after(0, || {
            browser::focus("#choose-not");
        });
    }

    /// Puts in force what was seen: where it says something else by now, the agent refuses.
    fn choose(self, seen: &Diagnosis) {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.choice_failed.set(None);
        let name = words::source(&seen.source);
        let choice = ChooseRequest {
            source: seen.source.clone(),
            diagnosis: Some(seen.diagnosis.clone()),
        };
        spawn_local(async move {
            let chosen = deeds::choose(self.app, self.id, choice, name).await;
            // The screen may be gone by now.
            self.busy.try_set(false);
            match chosen {
                Ok(()) => {
                    self.confirming.try_set(None);
                }
                Err(failure) => {
                    self.choice_failed.try_set(Some(failure));
                }
            }
        });
    }

    fn ask(self) {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.question_failed.set(None);
        // Before the question goes out: an answer may come at once.
        let asked = self.app.store.peek(|world| {
            let diagnoses = world
                .incidents
                .get(&self.id)
                .map_or(&[][..], |incident| &incident.diagnoses);
            let newest = world.journal.front().map(AsRef::as_ref);
            Asked::now(browser::now(), newest, diagnoses)
        });
        spawn_local(async move {
            let taken = deeds::diagnose(self.app, self.id).await;
            self.busy.try_set(false);
            match taken {
                Ok(()) => {
                    self.asked.try_set(Some(asked));
                }
                // A model looks at it already: its answer is waited for all the same.
                Err(failure) if failure.is(ErrorCode::NothingToDo) => {
                    self.asked.try_set(Some(asked));
                }
                Err(failure) => {
                    self.asked.try_set(None);
                    self.question_failed.try_set(Some(failure));
                }
            }
        });
    }
}

/// The section.
pub(super) fn section(app: App, id: IncidentId, incident: Memo<Option<Arc<Incident>>>) -> AnyView {
    let section = Section {
        app,
        id,
        incident,
        confirming: RwSignal::new(None),
        asked: RwSignal::new(None),
        busy: RwSignal::new(false),
        choice_failed: RwSignal::new(None),
        question_failed: RwSignal::new(None),
    };
    // Drawn anew only when what is said changes, not whenever anything of the incident does.
    let said = Memo::new(move |_| {
        incident
            .get()
            .map(|one| (one.diagnoses.clone(), one.chosen.clone(), one.is_active()))
    });
    let cards = move || {
        said.with(|_| ());
        untrack(|| incident.get()).map(|one| untrack(|| cards(section, &one)))
    };
    let comparison = move || {
        said.with(|_| ());
        let (agree, words) = advisor::comparison(untrack(|| incident.get())?.as_ref())?;
        let how = if agree {
            Mark {
                shape: Shape::Check,
                word: "same advice",
                tone: Tone::Good,
            }
        } else {
            Mark {
                shape: Shape::Triangle,
                word: "different advice",
                tone: Tone::Warn,
            }
        };
        Some(view! {
            <p class="comparison" data-testid="comparison">
                {mark(how)} " " <span>{words}</span>
            </p>
        })
    };
    view! {
        <section
            class="diagnoses"
            class:hidden=move || incident.with(Option::is_none)
            aria-label="Diagnosis"
            data-testid="diagnosis"
        >
            {text::heading("Diagnosis", None)} {comparison}
            <div class="opinions">{cards} {question(section)}</div>
        </section>
    }
    .into_any()
}

fn cards(section: Section, incident: &Incident) -> AnyView {
    if incident.diagnoses.is_empty() {
        return view! {
            <div class="card">
                {text::empty(
                    "No diagnosis yet.",
                    "It comes within seconds of the detection, with its evidence.",
                )}
            </div>
        }
        .into_any();
    }
    advisor::opinions(incident)
        .into_iter()
        .map(|(standing, diagnosis)| card(section, standing, diagnosis))
        .collect::<Vec<_>>()
        .into_any()
}

fn card(section: Section, standing: Standing, diagnosis: &Diagnosis) -> AnyView {
    let is_second = standing == Standing::Second;
    let advice =
        (!diagnosis.advice.is_empty()).then(|| text::fact("You can", diagnosis.advice.clone()));
    let withheld = advisor::withheld(diagnosis).map(|why| text::fact("Withheld", why));
    let choice = is_second.then(|| choice(section, diagnosis));
    view! {
        <article
            class="card diagnosis"
            class:in-force=!is_second
            data-testid="opinion"
            data-source=diagnosis.source.clone()
        >
            <div class="heading">
                <h3>{format::capital(&words::source(&diagnosis.source))}</h3>
                <span data-testid="standing">{mark(standing.mark())}</span>
            </div>
            <p class="strong">{diagnosis.diagnosis.clone()}</p>
            <dl class="facts">
                {text::fact("Because", diagnosis.reasoning.clone())}
                {text::fact("Sure", format!("{} %", diagnosis.confidence))}
                {text::fact("Recommends", advisor::recommendation(diagnosis))} {withheld}
                {text::fact("How soon", words::urgency(diagnosis.urgency))} {advice}
            </dl>
            {evidence(&diagnosis.evidence)}
            {choice}
        </article>
    }
    .into_any()
}

/// The buttons that put a second opinion in force, in two steps.
fn choice(section: Section, diagnosis: &Diagnosis) -> AnyView {
    let diagnosis = StoredValue::new(diagnosis.clone());
    let source = move || diagnosis.with_value(|one| one.source.clone());
    let is_confirming = Memo::new(move |_| {
        section
            .confirming
            .with(|confirming| confirming.as_ref() == Some(&source()))
    });
    let follows = move || {
        let autonomy = section.app.store.autonomy();
        diagnosis.with_value(|one| advisor::what_follows(one, autonomy))
    };
    let buttons = move || {
        if is_confirming.get() {
            view! {
                <p class="said" data-testid="what-follows">
                    {follows}
                </p>
                <div class="buttons">
                    <button
                        class="button go"
                        disabled=move || section.is_held()
                        on:click=move |_| diagnosis.with_value(|seen| section.choose(seen))
                        data-testid="choose-yes"
                    >
                        {move || if section.busy.get() { "Sending…" } else { "Yes, put it in force" }}
                    </button>
                    <button
                        id="choose-not"
                        class="button plain"
                        on:click=move |_| section.confirming.set(None)
                        data-testid="choose-no"
                    >
                        "Not now"
                    </button>
                </div>
                {move || section.choice_failed.get().map(|failure| text::failed(&failure))}
            }
            .into_any()
        } else {
            view! {
                <div class="buttons">
                    <button
                        class="button"
                        disabled=move || section.is_held()
                        on:click=move |_| section.confirm(source())
                        aria-label=move || {
                            format!("Put the diagnosis of {} in force", words::source(&source()))
                        }
                        data-testid="choose"
                    >
                        "Put in force"
                    </button>
                </div>
            }
            .into_any()
        }
    };
    let may_act = Memo::new(move |_| section.may_act());
    (move || may_act.get().then(|| buttons.into_any())).into_any()
}

/// The place where a model is asked.
fn question(section: Section) -> AnyView {
    let has_one = Memo::new(move |_| {
        section.incident.with(|incident| {
            incident
                .as_ref()
                .is_some_and(|one| advisor::has_of_model(one))
        })
    });
    let may_act = Memo::new(move |_| section.may_act());
    let answered = Memo::new(move |before| section.outcome(before));
    let outcome = Memo::new(move |_| answered.get().map(|(_, outcome)| outcome));
    let is_looking = move || outcome.with(|outcome| *outcome == Some(Outcome::Looking));
    let since = move || {
        section
            .asked
            .get()
            .map(|asked| text::since(section.app.store, asked.at))
    };
    let standing = move || {
        match outcome.get() {
        Some(Outcome::Looking) => view! {
            <p role="status" data-testid="looking">
                {mark(Mark {
                    shape: Shape::Turning,
                    word: "a model looks at it",
                    tone: Tone::Ask,
                })}
                " "
                <span class="quiet">"for " {since} "; this may take a minute or two"</span>
            </p>
        }
        .into_any(),
        Some(Outcome::Said(said)) => view! {
            <p class="said" role="status" data-testid="model-said">
                {said}
            </p>
        }
        .into_any(),
        Some(Outcome::Late) => text::empty(
            "No answer came within ten minutes.",
            "Try the model under Settings to see whether it answers, then ask again.",
        ),
        None if has_one.get() => ().into_any(),
        None => view! {
            <p class="quiet">
                "A language model can look at it as well. Its word is a second opinion: by itself it can only make Steward ask before it acts."
            </p>
        }
        .into_any(),
    }
    };
    let failed = move || {
        section
            .question_failed
            .get()
            .map(|failure| text::not_asked(&failure))
    };
    let words = move || {
        if section.busy.get() && section.confirming.with(Option::is_none) {
            "Sending…"
        } else if has_one.get() {
            "Ask again"
        } else {
            "Ask a model"
        }
    };
    let shown = move || {
        view! {
            <div
                class="card model-question"
                class:again=move || has_one.get()
                data-testid="model-question"
            >
                {standing}
                <div class="buttons" class:hidden=is_looking>
                    <button
                        class="button"
                        disabled=move || section.is_held()
                        on:click=move |_| section.ask()
                        data-testid="ask-model"
                    >
                        {words}
                    </button>
                </div>
                {failed}
            </div>
        }
    };
    (move || may_act.get().then(|| untrack(shown))).into_any()
}
