//! Second opinions, language models and their calls, as a person reads them.
//!
//! What flows through: incidents, models and calls of the contract in; who says what, where they disagree, what a call cost, out. What it
//! never does: say that a model's word is in force where nobody chose it, or call a number known that the agent did not tell.

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    ActionName, AdvisorStatus, Autonomy, CallResult, Diagnosis, Envelope, Event, Incident,
    IncidentChange, IncidentId, ModelCall, ModelClass, ModelState, ModelStatus, dissents,
    is_of_model,
};

use crate::{
    format,
    marks::{Mark, Shape, Tone},
    words,
};

/// An answer that has not come within this time is no longer waited for.
const LATE_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// How a diagnosis stands among those of its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// What is decided rests on it.
    InForce,
    /// The same, because a person chose it.
    Chosen,
    /// It stands beside the one in force.
    Second,
}

impl Standing {
    /// How it looks.
    pub const fn mark(self) -> Mark {
        match self {
            Self::InForce => mark(Shape::Disc, "in force", Tone::Ask),
            Self::Chosen => mark(Shape::Check, "in force, chosen by a person", Tone::Ask),
            Self::Second => mark(Shape::Ring, "second opinion", Tone::Quiet),
        }
    }
}

const fn mark(shape: Shape, word: &'static str, tone: Tone) -> Mark {
    Mark { shape, word, tone }
}

/// The diagnoses of an incident, each in a place that stays when another is put in force: the catalogue's first, then what models say.
pub fn opinions(incident: &Incident) -> Vec<(Standing, &Diagnosis)> {
    let chosen = incident.chosen.as_deref();
    let with_standing = incident
        .diagnoses
        .iter()
        .enumerate()
        .map(|(at, diagnosis)| {
            let standing = match (at, chosen) {
                (0, Some(source)) if source == diagnosis.source => Standing::Chosen,
                (0, _) => Standing::InForce,
                _ => Standing::Second,
            };
            (standing, diagnosis)
        });
    let (models, catalogue): (Vec<_>, Vec<_>) =
        with_standing.partition(|(_, diagnosis)| is_of_model(diagnosis));
    catalogue.into_iter().chain(models).collect()
}

/// Whether a model has spoken about an incident.
pub fn has_of_model(incident: &Incident) -> bool {
    incident.diagnoses.iter().any(is_of_model)
}

/// What a diagnosis recommends: `restart container`.
pub fn recommended(action: Option<ActionName>) -> String {
    action.map_or_else(
        || "nothing that Steward can do".to_owned(),
        |action| format::plain(action.as_str()),
    )
}

/// What a diagnosis comes to: what it recommends, or that there is nothing because it is withheld.
pub fn recommendation(diagnosis: &Diagnosis) -> String {
    match &diagnosis.withheld {
        Some(withheld) => format!(
            "nothing ({} is withheld)",
            format::plain(withheld.action.as_str())
        ),
        None => recommended(diagnosis.recommended_action),
    }
}

/// What is withheld of a diagnosis, and why.
pub fn withheld(diagnosis: &Diagnosis) -> Option<String> {
    let withheld = diagnosis.withheld.as_ref()?;
    Some(format!(
        "{}: {}",
        format::plain(withheld.action.as_str()),
        withheld.reason
    ))
}

/// How the diagnoses stand to each other, and whether they agree on what to do. None where there is only one.
pub fn comparison(incident: &Incident) -> Option<(bool, String)> {
    let all = opinions(incident);
    let first = incident.diagnoses.first()?;
    if all.len() < 2 {
        return None;
    }
    if !all.iter().any(|(_, other)| dissents(first, other)) {
        return Some((
            true,
            format!(
                "They agree on what to do: {}.",
                recommended(first.recommended_action)
            ),
        ));
    }
    let sides: Vec<String> = all
        .iter()
        .map(|(_, one)| {
            format!(
                "{} recommends {}",
                words::source(&one.source),
                recommendation(one)
            )
        })
        .collect();
    let stands = if !incident.is_active() {
        String::new()
    } else if incident.chosen.is_some() {
        format!(" A person chose {}.", words::source(&first.source))
    } else {
        format!(
            " Until a person chooses, {} is in force, and the more careful of them can only make Steward ask first.",
            words::source(&first.source)
        )
    };
    Some((
        false,
        format!("They disagree on what to do: {}.{stands}", sides.join(", ")),
    ))
}

/// What follows when a diagnosis is put in force, for whoever is about to do it.
pub fn what_follows(diagnosis: &Diagnosis, autonomy: Option<Autonomy>) -> String {
    let recommends = diagnosis.recommended_action.map_or_else(
        || format!("It recommends {}.", recommendation(diagnosis)),
        |action| format!("It recommends: {}.", format::plain(action.as_str())),
    );
    let level = autonomy.map_or_else(String::new, |level| format!(" The autonomy is {level}."));
    format!(
        "{recommends} What follows is decided anew by policy and guards, as ever: choosing a diagnosis approves nothing.{level} \
         Your choice is recorded under your name."
    )
}

/// What was known when a model was asked, to tell its answer from what was there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When, by the browser's clock.
    pub at: Timestamp,
    /// The newest entry of the journal then.
    pub after: i64,
    /// What models had said by then.
    before: Vec<Diagnosis>,
}

impl Asked {
    /// Asked now.
    pub fn now<'a>(
        at: Timestamp,
        newest: Option<&Envelope>,
        diagnoses: impl IntoIterator<Item = &'a Diagnosis>,
    ) -> Self {
        Self {
            at,
            after: newest.map_or(0, |entry| entry.seq),
            before: of_models(diagnoses),
        }
    }
}

fn of_models<'a>(diagnoses: impl IntoIterator<Item = &'a Diagnosis>) -> Vec<Diagnosis> {
    diagnoses
        .into_iter()
        .filter(|diagnosis| is_of_model(diagnosis))
        .cloned()
        .collect()
}

/// What became of a question to a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is being looked at.
    Looking,
    /// There is an answer, or the reason why there is none, in the agent's own words.
    Said(String),
    /// Nothing came.
    Late,
}

/// What became of a question, by what the event stream brought since; a stream that had to begin anew may have lost the answer, which then
/// shows by what models say of the incident now.
pub fn outcome<'a>(
    asked: &Asked,
    incident: &Incident,
    journal: impl IntoIterator<Item = &'a Envelope>,
    now: Timestamp,
) -> Outcome {
    let answer = journal
        .into_iter()
        .take_while(|entry| entry.seq > asked.after)
        .find_map(|entry| match &entry.event {
            Event::IncidentChanged {
                change: IncidentChange::Advised,
                incident: advised,
            } if advised.id == incident.id => Some(advised),
            _ => None,
        });
    if let Some(advised) = answer {
        let said = advised.timeline.last().map(|point| point.text.clone());
        return Outcome::Said(said.unwrap_or_else(|| "A model has looked at it.".to_owned()));
    }
    if of_models(&incident.diagnoses) != asked.before {
        return Outcome::Said("A model has looked at it.".to_owned());
    }
    if now.duration_since(asked.at) > LATE_AFTER {
        return Outcome::Late;
    }
    Outcome::Looking
}

/// The newest call in the journal: of any model, or about one incident.
pub fn newest_call<'a>(
    journal: impl IntoIterator<Item = &'a Envelope>,
    about: Option<IncidentId>,
) -> Option<i64> {
    journal
        .into_iter()
        .find(|entry| match &entry.event {
            Event::ModelCalled { call } => about.is_none() || call.incident == about,
            _ => false,
        })
        .map(|entry| entry.seq)
}

/// Why no model can be asked; absent where there are some.
pub fn nobody(status: &AdvisorStatus) -> Option<Mark> {
    if !status.enabled {
        Some(mark(Shape::Barred, "switched off", Tone::Quiet))
    } else if status.models.is_empty() {
        Some(mark(Shape::Ring, "no model", Tone::Quiet))
    } else {
        None
    }
}

/// How a model does.
pub const fn state(state: ModelState) -> Mark {
    match state {
        ModelState::Unknown => mark(Shape::Question, "not asked yet", Tone::Unsure),
        ModelState::Up => mark(Shape::Disc, "up", Tone::Good),
        ModelState::Failing => mark(Shape::Cross, "failing", Tone::Bad),
        ModelState::Resting => mark(Shape::Hourglass, "resting", Tone::Warn),
    }
}

/// How a call ended.
pub const fn result(result: CallResult) -> Mark {
    match result {
        CallResult::Answered => mark(Shape::Check, "answered", Tone::Good),
        CallResult::Invalid => mark(Shape::Triangle, "not valid, not used", Tone::Warn),
        CallResult::Refused => mark(Shape::Barred, "refused", Tone::Warn),
        CallResult::Failed => mark(Shape::Cross, "failed", Tone::Bad),
        CallResult::TimedOut => mark(Shape::Clock, "timed out", Tone::Bad),
        CallResult::Stopped => mark(Shape::Dash, "stopped", Tone::Quiet),
    }
}

/// What a model can do.
pub const fn ability(can: Option<bool>) -> Mark {
    match can {
        Some(true) => mark(Shape::Check, "yes", Tone::Good),
        Some(false) => mark(Shape::Dash, "no", Tone::Quiet),
        None => mark(Shape::Question, "not known", Tone::Unsure),
    }
}

/// Where a model runs, and what that means for what it is shown.
pub const fn class(class: ModelClass) -> &'static str {
    match class {
        ModelClass::Local => "local: in this house, shown all but secrets",
        ModelClass::Cloud => {
            "cloud: at somebody else's, shown stand-ins for names and addresses, and only what is allowed"
        }
    }
}

/// Millionths of a US dollar as people read them.
pub fn dollars(micro_usd: u64) -> String {
    const CENT: u64 = 10_000;
    if micro_usd == 0 || micro_usd >= CENT {
        let cents = micro_usd.saturating_add(CENT / 2) / CENT;
        format!("${}.{:02}", format::grouped(cents / 100), cents % 100)
    } else {
        format!("$0.{micro_usd:06}")
    }
}

/// What a model costs.
pub fn price(model: &ModelStatus) -> String {
    match (
        model.input_micro_usd_per_million,
        model.output_micro_usd_per_million,
    ) {
        (0, 0) => "free".to_owned(),
        (sent, back) => format!(
            "{} per million tokens sent, {} per million that come back",
            dollars(sent),
            dollars(back)
        ),
    }
}

/// What was spent of what may be.
pub fn spent(today: u64, budget: u64) -> String {
    if budget == 0 {
        format!(
            "{}; nothing may be spent, so only models are asked that cost nothing",
            dollars(today)
        )
    } else {
        format!("{} of {}", dollars(today), dollars(budget))
    }
}

/// How long an answer took: `250 ms`, `1.2 s`, `2 min 5 s`.
pub fn took(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format::seconds(milliseconds / 1000),
    }
}

/// What a call was for: `tiny, diagnosis of incident 3`.
pub fn call(call: &ModelCall) -> String {
    let about = call
        .incident
        .map_or_else(String::new, |incident| format!(" of incident {incident}"));
    format!("{}, {}{about}", call.model, call.purpose)
}

/// What a call took: `1,000 tokens sent, 100 came back · $0.00 · 1.2 s`.
pub fn call_took(call: &ModelCall) -> String {
    format!(
        "{} sent, {} came back · {} · {}",
        format::count(call.prompt_tokens, "token"),
        format::grouped(call.completion_tokens),
        dollars(call.cost_micro_usd),
        took(call.took_ms)
    )
}

/// JSON with its lines broken, and those within its texts too; anything else as it is.
pub fn readable(text: &str) -> String {
    let trimmed = text.trim();
    if !trimmed.starts_with(['{', '[']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let mut depth = 0_usize;
    let mut letters = trimmed.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                out.push('"');
                while let Some(letter) = letters.next() {
                    match letter {
                        '\\' => match letters.next() {
                            Some('n') => out.push('\n'),
                            Some(other) => out.extend(['\\', other]),
                            None => out.push('\\'),
                        },
                        '"' => {
                            out.push('"');
                            break;
                        }
                        other => out.push(other),
                    }
                }
            }
            '{' | '[' => {
                out.push(letter);
                while letters.next_if(|next| next.is_whitespace()).is_some() {}
                if let Some(end) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(',');
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other if other.is_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
#[path = "advisor_tests.rs"]
mod tests;
