//! `eval`: how well faults are explained, and that nothing does harm. Faults are put into real containers of its own; the catalogue and,
//! where one is chosen, a language model say what is wrong; what they say is judged by a table.
//!
//! What flows through: cases from the table (`cases/`, read as `case`) are set up and watched on the real engine (`run`), the model is
//! asked (`model`), what came is judged (`score`), summed up (`count`) and shown (`report`). What runs in the containers is `actor`, by a
//! `script`. What it never does: touch anything that it has not made, let anything be done, or leave anything behind: not when it fails,
//! and not on Ctrl-C.

pub(super) mod actor;
pub(super) mod args;
mod case;
mod cases;
mod count;
mod model;
mod report;
mod run;
mod score;
mod script;
mod standing;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use jiff::SignedDuration;

use self::{
    args::EvalArgs,
    case::Case,
    model::Model,
    report::Report,
    run::{Outcome, Runner, run_all},
};
use super::{
    Context,
    failure::{Exit, Failure},
    output::{Screen, Tone, clean, units},
    stage::{Show, Stage, agent, engine_host, interrupted},
};

const SHOW: Show = Show {
    name: "eval",
    prefix: "",
    // A small model on a slow machine may take minutes for each case.
    lifetime: SignedDuration::from_hours(12),
};
/// What was just asked of the engine when it was interrupted may still come up for so long.
const LATE_COMERS: Duration = Duration::from_secs(2);

pub(super) async fn eval(context: &Context, args: &EvalArgs) -> Result<Exit, Failure> {
    let screen = context.screen.clone();
    let cases = selected(args)?;
    if args.list {
        list(&screen, &cases)?;
        return Ok(Exit::Done);
    }
    let model = Model::chosen(args, &context.config()?)?;
    if let Some(model) = &model {
        try_out(&screen, model).await?;
    }
    let id = format!("{:06x}", rand::random::<u32>() & 0x00ff_ffff);
    let host = engine_host(context)?;
    let stage = Stage::open(SHOW, &host, id, screen.now).await?;
    let number = cases.len();
    let play = Play {
        screen: screen.clone(),
        stage: stage.clone(),
        host,
        model: model.clone(),
        repeat: args.repeat,
        at_once: args.at_once,
        cases,
    };
    // Even a fault in the play leaves this alive to clear up; and when it is interrupted, it is dropped as a whole.
    let playing = AssertUnwindSafe(Box::pin(play.perform())).catch_unwind();
    let played = tokio::select! {
        ended = playing => Some(ended),
        () = interrupted() => None,
    };
    if played.is_none() {
        screen.say("\nInterrupted; removing what was made …");
    }
    let cleared = clear(&stage, number, played.is_none()).await;
    let over = match played {
        None => {
            cleared?;
            return Err(Failure::new(
                Exit::Interrupted,
                "interrupted",
                "Everything that was made is removed.",
            ));
        }
        Some(Ok(ended)) => ended,
        Some(Err(_)) => Err(Failure::failed("it broke off by a fault of Steward's")),
    };
    // Why it failed says more than why clearing up did; but what stays behind must be known.
    if let Err(failure) = &cleared {
        screen.say(&format!(
            "{failure}\nRemove it by hand: docker ps -aq --filter label={} | xargs -r docker rm -f",
            stage.label()
        ));
    }
    let over = over?;
    cleared?;
    let run = stage.unique().to_owned();
    let report = Report::new(run, over, model.map(|model| model.name), args.repeat);
    if screen.json {
        screen.print_json(&report)?;
    } else {
        let lines: Vec<_> = report
            .cases
            .iter()
            .map(|case| case.lines(&screen))
            .collect();
        screen.print(&format!(
            "\n{}\n{}",
            lines.join("\n"),
            report.table(&screen)
        ))?;
    }
    Ok(if report.clean {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// The cases that were asked for.
fn selected(args: &EvalArgs) -> Result<Vec<Arc<Case>>, Failure> {
    let all = cases::all()
        .map_err(|error| Failure::failed(format!("the table of cases can't be read: {error}")))?;
    let found: Vec<_> = all
        .into_iter()
        .filter(|case| {
            args.only.is_empty() || args.only.iter().any(|part| case.name.contains(part))
        })
        .map(Arc::new)
        .collect();
    if found.is_empty() {
        return Err(Failure::usage(format!(
            "no case has \"{}\" in its name; `steward eval --list` shows them",
            args.only.join("\" or \"")
        )));
    }
    Ok(found)
}

fn list(screen: &Screen, cases: &[Arc<Case>]) -> Result<(), Failure> {
    if screen.json {
        let rows: Vec<_> = cases
            .iter()
            .map(|case| {
                serde_json::json!({"case": case.name, "kind": case.kind, "truth": case.truth})
            })
            .collect();
        return screen.print_json(&rows);
    }
    let rows = cases
        .iter()
        .map(|case| {
            vec![
                (case.name.clone(), Tone::Strong),
                (case.kind.in_words().to_owned(), Tone::Quiet),
                (case.truth.clone(), Tone::Plain),
            ]
        })
        .collect();
    screen.print(&screen.table(&["CASE", "KIND", "IN TRUTH"], rows))
}

/// A model that does not answer is known before anything is set up.
async fn try_out(screen: &Screen, model: &Model) -> Result<(), Failure> {
    let tried = model.try_out().await.and_then(|tried| match &tried.error {
        None => Ok(tried),
        // It answers, if not as asked: what that comes to is to be measured.
        Some(_) if tried.status.answered_at.is_some() => Ok(tried),
        Some(error) => Err(error.clone()),
    });
    let tried = tried
        .map_err(|error| Failure::failed(format!("{} can't be asked: {error}", model.name)))?;
    if !screen.json {
        let took = tried.status.latency_ms.unwrap_or_default() as f64 / 1000.0;
        screen.say(&screen.paint(
            Tone::Quiet,
            format!(
                "{} answers, in {took:.1} s; it runs {}, and is shown what the configuration lets it see",
                clean(&model.name),
                match tried.status.class {
                    steward_api::ModelClass::Local => "in the house",
                    steward_api::ModelClass::Cloud => "elsewhere",
                }
            ),
        ));
    }
    Ok(())
}

/// Removes everything that was made: containers, images, the agents' directories.
async fn clear(stage: &Stage, number: usize, was_interrupted: bool) -> Result<(), Failure> {
    let mut struck = stage.strike().await;
    if was_interrupted {
        tokio::time::sleep(LATE_COMERS).await;
        struck = stage.strike().await;
    }
    let mut removed = Ok(());
    for scene in 0..number {
        let name = stage.scene(scene).agent_name();
        removed = removed.and(agent::remove_data_dir(&name).await);
    }
    struck.and(removed)
}

struct Play {
    screen: Screen,
    stage: Stage,
    host: String,
    model: Option<Model>,
    repeat: u32,
    at_once: usize,
    cases: Vec<Arc<Case>>,
}

impl Play {
    async fn perform(mut self) -> Result<Vec<(Arc<Case>, Outcome, Duration)>, Failure> {
        self.stage.strike_leftovers(self.screen.now).await?;
        let size = self.stage.make_image().await?;
        let number = self.cases.len();
        self.say(&format!(
            "made an image of this executable ({}, no registry needed); {number} cases, {} at a time",
            units::byte_count(size),
            self.at_once
        ));
        let runner = Runner {
            stage: self.stage.clone(),
            host: self.host.clone(),
            model: self.model.clone(),
            repeat: self.repeat,
        };
        let tell = |case: &Case, outcome: &Outcome, over: usize| {
            let word = match outcome {
                Outcome::Measured(_) => String::new(),
                Outcome::NotMeasured(why) => format!(": not measured: {}", clean(why)),
            };
            self.say(&format!("{over:>3} of {number}  {}{word}", case.name));
        };
        run_all(runner, self.cases.clone(), self.at_once, tell).await
    }

    /// For a person, beside what a script reads.
    fn say(&self, text: &str) {
        if !self.screen.json {
            self.screen.say(&self.screen.paint(Tone::Quiet, text));
        }
    }
}
