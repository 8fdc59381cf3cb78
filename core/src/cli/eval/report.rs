//! What a run came to: sums with their intervals, and the lines of each case. Pure: outcomes in, text and data out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    super::output::{Screen, Tone, clean, units},
    case::{Case, Kind},
    count::{Share, percentile},
    model::Asked,
    run::{Outcome, Proposal, Seen},
    score::{Answer, Said, Verdict, harm_in_plan, of_answer, of_catalogue, together},
};

/// One case with its verdicts.
#[derive(Debug, Serialize)]
pub(super) struct CaseReport {
    pub(super) case: String,
    pub(super) kind: Kind,
    pub(super) truth: String,
    pub(super) seconds: f64,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
    /// Absent where it was not measured.
    pub(super) catalogue: Option<Verdict>,
    /// Absent where no model was asked.
    pub(super) model: Option<Verdict>,
    /// What of the plans that Steward proposed would do harm.
    pub(super) harmful_proposals: Vec<String>,
}

/// Sums over the cases that were measured.
#[derive(Debug, Default, Serialize)]
pub(super) struct Sums {
    pub(super) cause: Share,
    pub(super) action: Share,
    /// Of the cases where nothing is wrong, those in which no action was recommended.
    pub(super) nothing: Share,
    /// Cases in which a recommendation would do harm.
    pub(super) harm: Share,
    /// Root causes right, by kind of case.
    pub(super) cause_by_kind: BTreeMap<Kind, Share>,
    pub(super) latency_p50_ms: Option<u64>,
    pub(super) latency_p95_ms: Option<u64>,
    /// Answers of a model that were not let through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dropped: Option<Share>,
    /// Answers of a model whose recommendation was withheld.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) withheld: Option<Share>,
    /// Questions to a model that got no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unanswered: Option<Share>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cost_micro_usd: Option<u64>,
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// What told its containers from all others.
    pub(super) run: String,
    /// Whether there was no harm, and every case was measured.
    pub(super) clean: bool,
    pub(super) measured: usize,
    pub(super) not_measured: usize,
    /// How often the model was asked about each case.
    pub(super) repeat: u32,
    /// Its name; absent where only the catalogue was measured.
    pub(super) model_name: Option<String>,
    pub(super) catalogue: Sums,
    pub(super) model: Option<Sums>,
    /// Plans that Steward would have carried out or asked about, in which something would do harm.
    pub(super) harmful_proposals: u32,
    /// Things that were done though nobody said yes.
    pub(super) deeds: u32,
    pub(super) cases: Vec<CaseReport>,
}

impl Report {
    pub(super) fn new(
        run: String,
        over: Vec<(Arc<Case>, Outcome, Duration)>,
        model_name: Option<String>,
        repeat: u32,
    ) -> Self {
        let cases: Vec<_> = over
            .into_iter()
            .map(|(case, outcome, took)| case_report(&case, outcome, took))
            .collect();
        let seen: Vec<_> = cases.iter().filter_map(CaseReport::seen).collect();
        let measured = seen.len();
        let not_measured = cases.len() - measured;
        let deeds = seen.iter().map(|seen| seen.deeds.len()).sum::<usize>();
        let harmful_proposals = cases
            .iter()
            .map(|case| case.harmful_proposals.len())
            .sum::<usize>();
        let mut catalogue = sums(&cases, |case| case.catalogue.as_ref());
        let times: Vec<_> = seen
            .iter()
            .filter_map(|seen| seen.diagnosed_after_ms)
            .collect();
        catalogue.latency_p50_ms = percentile(&times, 50);
        catalogue.latency_p95_ms = percentile(&times, 95);
        let model = model_name.as_ref().map(|_| {
            let asked: Vec<&Asked> = seen.iter().flat_map(|seen| &seen.asked).collect();
            model_sums(&cases, &asked)
        });
        let is_harmless = |sums: &Sums| sums.harm.hits == 0;
        let clean = not_measured == 0
            && deeds == 0
            && harmful_proposals == 0
            && is_harmless(&catalogue)
            && model.as_ref().is_none_or(is_harmless);
        Self {
            run,
            clean,
            measured,
            not_measured,
            repeat,
            model_name,
            catalogue,
            model,
            harmful_proposals: count(harmful_proposals),
            deeds: count(deeds),
            cases,
        }
    }

    /// The table, for a person.
    pub(super) fn table(&self, screen: &Screen) -> String {
        let mut header = vec!["", "THE CATALOGUE"];
        let name = self
            .model_name
            .as_deref()
            .map(|name| clean(name).to_uppercase());
        if let Some(name) = &name {
            header.push(name);
        }
        let mut out = screen.table(&header, self.rows());
        out.push('\n');
        out.push_str(&self.conclusion(screen));
        out
    }

    fn rows(&self) -> Vec<Vec<(String, Tone)>> {
        let judges: Vec<&Sums> = [Some(&self.catalogue), self.model.as_ref()]
            .into_iter()
            .flatten()
            .collect();
        let row = |what: &str, cell: &dyn Fn(&Sums) -> (String, Tone)| {
            let mut row = vec![(what.to_owned(), Tone::Plain)];
            row.extend(judges.iter().map(|sums| cell(sums)));
            row
        };
        let plain = |text: String| (text, Tone::Plain);
        let mut rows = vec![row("root cause right", &|sums| {
            (in_words(sums.cause), Tone::Strong)
        })];
        for kind in Kind::ALL {
            rows.push(row(&format!("  {}", kind.in_words()), &|sums| {
                let share = sums.cause_by_kind.get(&kind).copied().unwrap_or_default();
                (in_words(share), Tone::Quiet)
            }));
        }
        rows.push(row("action right", &|sums| {
            (in_words(sums.action), Tone::Strong)
        }));
        rows.push(row("no action where nothing is wrong", &|sums| {
            plain(in_words(sums.nothing))
        }));
        rows.push(row("harmful recommendations", &|sums| {
            (in_words(sums.harm), harm_tone(sums.harm.hits))
        }));
        // These are Steward's own, whoever gives opinions.
        for (what, number) in [
            ("harmful plans proposed", self.harmful_proposals),
            ("deeds without a yes", self.deeds),
        ] {
            rows.push(vec![
                (what.to_owned(), Tone::Plain),
                (number.to_string(), harm_tone(number)),
            ]);
        }
        rows.push(row("latency, half and 95 % within", &|sums| {
            plain(match (sums.latency_p50_ms, sums.latency_p95_ms) {
                (Some(half), Some(most)) => format!("{}, {}", time(half), time(most)),
                _ => "—".to_owned(),
            })
        }));
        if let Some(model) = &self.model {
            let of_model = |what: &str, text: String| {
                vec![
                    (what.to_owned(), Tone::Plain),
                    plain("—".to_owned()),
                    plain(text),
                ]
            };
            let share = |share: Option<Share>| in_words(share.unwrap_or_default());
            rows.push(of_model("recommendations withheld", share(model.withheld)));
            rows.push(of_model("answers not let through", share(model.dropped)));
            rows.push(of_model("no answer", share(model.unanswered)));
            rows.push(of_model(
                "cost",
                units::dollars(model.cost_micro_usd.unwrap_or_default()),
            ));
        }
        // A row that is about Steward has no cell for the model.
        for row in &mut rows {
            row.resize_with(judges.len() + 1, || plain(String::new()));
        }
        rows
    }

    fn conclusion(&self, screen: &Screen) -> String {
        let mut out = String::from(
            "In brackets: 95 % confidence intervals (Wilson), over cases as these; a case counts once, by most of its answers.\n",
        );
        if self.model.is_none() {
            out.push_str(
                "Only the catalogue was measured. Measure a model with --model NAME or --model-url URL.\n",
            );
        }
        if self.not_measured > 0 {
            out.push_str(&screen.paint(
                Tone::Bad,
                format!(
                    "{} of {} cases could not be measured; they count neither as right nor as harmless.\n",
                    self.not_measured,
                    self.cases.len()
                ),
            ));
        }
        let model_harm = self.model.as_ref().map_or(0, |sums| sums.harm.hits);
        let own_harm = self.catalogue.harm.hits + self.harmful_proposals + self.deeds;
        if own_harm > 0 {
            out.push_str(&screen.paint(Tone::Bad, "Steward itself would do harm; see above.\n"));
        }
        if model_harm > 0 {
            out.push_str(&screen.paint(
                Tone::Bad,
                format!(
                    "The model recommended harm in {model_harm} of {} cases. Steward does nothing of it by itself, but shows it, and a person may follow it: do not rely on this model.\n",
                    self.measured
                ),
            ));
        }
        if self.clean {
            out.push_str(&screen.paint(Tone::Good, "No harm.\n"));
        }
        out
    }
}

impl CaseReport {
    fn seen(&self) -> Option<&Seen> {
        match &self.outcome {
            Outcome::Measured(seen) => Some(seen),
            Outcome::NotMeasured(_) => None,
        }
    }

    /// Whether everybody who was asked was right and nothing would do harm.
    fn mark(&self) -> (&'static str, Tone) {
        let judges = || [&self.catalogue, &self.model].into_iter().flatten();
        let has_harm = judges().any(|verdict| !verdict.harm.is_empty())
            || !self.harmful_proposals.is_empty()
            || self.seen().is_some_and(|seen| !seen.deeds.is_empty());
        match &self.outcome {
            Outcome::NotMeasured(_) => ("?", Tone::Unsure),
            _ if has_harm => ("‼", Tone::Bad),
            _ if judges().all(|verdict| verdict.cause && verdict.action) => ("✔", Tone::Good),
            _ => ("✖", Tone::Warn),
        }
    }

    /// Its lines, for a person: what is true, what each said, and what was made of it.
    pub(super) fn lines(&self, screen: &Screen) -> String {
        let (symbol, tone) = self.mark();
        let mut out = format!(
            "{} {}\n",
            screen.paint(tone, symbol),
            screen.paint(Tone::Strong, &self.case)
        );
        out.push_str(&screen.field("in truth", &self.truth));
        let seen = match &self.outcome {
            Outcome::Measured(seen) => seen,
            Outcome::NotMeasured(why) => {
                out.push_str(&screen.field("not measured", why));
                return out;
            }
        };
        if let Some(verdict) = &self.catalogue {
            let texts: Vec<_> = seen.said.iter().map(said_in_words).collect();
            let text = if texts.is_empty() {
                "found nothing".to_owned()
            } else {
                texts.join("; ")
            };
            out.push_str(&screen.field("catalogue", &format!("{}{text}", marks(verdict))));
        }
        for proposal in &seen.proposed {
            out.push_str(&screen.field("proposed", &proposal_in_words(proposal)));
        }
        if let Some(verdict) = &self.model {
            for (number, asked) in (1..).zip(&seen.asked) {
                let label = if number == 1 { "model" } else { "" };
                let text = answer_in_words(&asked.answer);
                // Why an answer did not count stands in its own words.
                let why = match &asked.answer {
                    Answer::Said(_) => format!(" ({})", verdict.why),
                    _ => String::new(),
                };
                let shown = if number == 1 {
                    format!("{}{text}{why}", marks(verdict))
                } else {
                    text
                };
                out.push_str(&screen.field(label, &shown));
            }
        }
        let recommended = [&self.catalogue, &self.model]
            .into_iter()
            .flatten()
            .flat_map(|verdict| &verdict.harm)
            .map(|one| ("recommended", one));
        let proposed = self.harmful_proposals.iter().map(|one| ("proposed", one));
        let done = seen.deeds.iter().map(|one| ("done", one));
        for (how, one) in recommended.chain(proposed).chain(done) {
            out.push_str(&screen.field("harm", &format!("{how}: {one}")));
        }
        out
    }
}

fn case_report(case: &Case, outcome: Outcome, took: Duration) -> CaseReport {
    let mut report = CaseReport {
        case: case.name.clone(),
        kind: case.kind,
        truth: case.truth.clone(),
        seconds: (took.as_secs_f64() * 10.0).round() / 10.0,
        catalogue: None,
        model: None,
        harmful_proposals: Vec::new(),
        outcome,
    };
    if let Outcome::Measured(seen) = &report.outcome {
        report.catalogue = Some(of_catalogue(case, &seen.said));
        let verdicts: Vec<_> = seen
            .asked
            .iter()
            .map(|asked| of_answer(case, &asked.answer))
            .collect();
        report.model = (!verdicts.is_empty()).then(|| together(&verdicts));
        report.harmful_proposals = seen
            .proposed
            .iter()
            .flat_map(|proposal| harm_in_plan(case, &proposal.moves))
            .collect();
    }
    report
}

fn sums<'c>(cases: &'c [CaseReport], of: impl Fn(&'c CaseReport) -> Option<&'c Verdict>) -> Sums {
    let judged: Vec<(&CaseReport, &Verdict)> = cases
        .iter()
        .filter_map(|case| of(case).map(|verdict| (case, verdict)))
        .collect();
    let by_kind = |kind| {
        let of_kind = judged.iter().filter(|(case, _)| case.kind == kind);
        (kind, Share::of(of_kind.map(|(_, verdict)| verdict.cause)))
    };
    Sums {
        cause: Share::of(judged.iter().map(|(_, verdict)| verdict.cause)),
        action: Share::of(judged.iter().map(|(_, verdict)| verdict.action)),
        nothing: Share::of(
            judged
                .iter()
                .filter(|(case, _)| case.kind == Kind::Well)
                .map(|(_, verdict)| verdict.action && verdict.harm.is_empty()),
        ),
        harm: Share::of(judged.iter().map(|(_, verdict)| !verdict.harm.is_empty())),
        cause_by_kind: Kind::ALL.into_iter().map(by_kind).collect(),
        ..Sums::default()
    }
}

fn model_sums(cases: &[CaseReport], asked: &[&Asked]) -> Sums {
    let times: Vec<_> = asked
        .iter()
        .filter(|asked| !matches!(asked.answer, Answer::None(_)))
        .map(|asked| asked.took_ms)
        .collect();
    let count =
        |is_so: fn(&Answer) -> bool| Share::of(asked.iter().map(|asked| is_so(&asked.answer)));
    Sums {
        latency_p50_ms: percentile(&times, 50),
        latency_p95_ms: percentile(&times, 95),
        withheld: Some(count(
            |answer| matches!(answer, Answer::Said(said) if said.withheld.is_some()),
        )),
        dropped: Some(count(|answer| matches!(answer, Answer::Dropped(_)))),
        unanswered: Some(count(|answer| matches!(answer, Answer::None(_)))),
        cost_micro_usd: Some(asked.iter().map(|asked| asked.cost_micro_usd).sum()),
        ..sums(cases, |case| case.model.as_ref())
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

const fn harm_tone(number: u32) -> Tone {
    if number == 0 { Tone::Good } else { Tone::Bad }
}

/// `41 of 44, 93 % (82–98)`.
fn in_words(share: Share) -> String {
    let percent = |value: f64| format!("{:.0}", value * 100.0);
    match (share.value(), share.interval()) {
        (Some(value), Some((low, high))) => format!(
            "{} of {}, {} % ({}–{})",
            share.hits,
            share.of,
            percent(value),
            percent(low),
            percent(high)
        ),
        _ => "—".to_owned(),
    }
}

fn time(millis: u64) -> String {
    if millis < 1000 {
        format!("{millis} ms")
    } else {
        format!("{:.1} s", millis as f64 / 1000.0)
    }
}

fn marks(verdict: &Verdict) -> String {
    let mark = |holds| if holds { "✔" } else { "✖" };
    format!(
        "cause {} action {} — ",
        mark(verdict.cause),
        mark(verdict.action)
    )
}

fn said_in_words(said: &Said) -> String {
    let problem = said
        .problem
        .map_or_else(String::new, |problem| format!("{problem}: "));
    format!(
        "{} ({problem}{}) → {} ({} % sure, {})",
        said.cause, said.part, said.action, said.confidence, said.source
    )
}

fn answer_in_words(answer: &Answer) -> String {
    match answer {
        Answer::Said(said) => {
            let withheld = said.withheld.as_ref().map_or_else(String::new, |withheld| {
                format!("; {} withheld: {}", withheld.action, withheld.reason)
            });
            format!(
                "\"{}\" → {} ({} % sure{withheld})",
                said.cause, said.action, said.confidence
            )
        }
        Answer::Dropped(why) => format!("not let through: {why}"),
        Answer::None(why) => format!("no answer: {why}"),
    }
}

fn proposal_in_words(proposal: &Proposal) -> String {
    let how = if proposal.by_itself {
        "low risk, done without asking by default"
    } else {
        "asked about first"
    };
    format!("{} ({how})", proposal.words)
}

#[cfg(test)]
mod tests;
