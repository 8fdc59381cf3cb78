//! The fix catalogue for containers: known causes, and what helps. Pure.
//!
//! Two families: patterns of log lines (most telling), and patterns of exit codes and states. Each is a row of a table, so that one more
//! cause is one more row. Log lines are untrusted: they can only select a row, never name an action, a target or an argument.

mod log_causes;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use regex::Regex;
use steward_api::{ActionName, Evidence, Health, Problem, Urgency};

use crate::ports::{Case, CatalogueMatch, EndCause, Pattern};

use super::rules::end_in_words;
use log_causes::LogPatterns;

/// So many of its last ends tell what makes a loop.
const ENDS_OF_A_LOOP: usize = 4;

/// Every pattern, most telling first.
pub fn catalogue() -> Vec<Box<dyn Pattern>> {
    vec![
        Box::new(LogPatterns),
        Box::new(FailingDependency),
        Box::new(EngineWasAway),
        Box::new(OutOfMemory),
        Box::new(Loop),
        Box::new(ExitCode),
        Box::new(HealthCheck),
        Box::new(Pressure),
    ]
}

struct FailingDependency;

impl Pattern for FailingDependency {
    fn entries(&self) -> Vec<&'static str> {
        vec!["failing-dependency"]
    }

    fn explain(&self, case: &Case<'_>) -> Option<CatalogueMatch> {
        let dependency = case.failing_dependencies.first()?;
        let name = dependency.id.short();
        // It may be meant: whoever stopped it starts it again, and nothing that needs it can work before.
        let is_stopped = dependency.health == Health::Stopped;
        Some(CatalogueMatch {
            entry: "failing-dependency",
            cause: if is_stopped {
                format!("{name}, which it depends on, does not run")
            } else {
                format!("{name}, which it depends on, does not work")
            },
            action: (!is_stopped).then_some(ActionName::RestartContainer),
            urgency: Urgency::High,
            confidence: 88,
            reasoning: format!(
                "{} depends on {name}, which is {} ({}); what depends on it can't work before it does",
                case.resource.id.short(),
                dependency.health,
                dependency.reason
            ),
            evidence: vec![Evidence::new(
                "graph",
                format!("depends on {}", dependency.id),
            )],
            advice: if is_stopped {
                format!("Start {name} first, then this.")
            } else {
                String::new()
            },
        })
    }
}

struct EngineWasAway;

impl Pattern for EngineWasAway {
    fn entries(&self) -> Vec<&'static str> {
        vec!["engine-was-away"]
    }

    fn explain(&self, case: &Case<'_>) -> Option<CatalogueMatch> {
        let death = case.history.last_death()?;
        if case.problem != Problem::ContainerStopped || death.cause != EndCause::EngineOutage {
            return None;
        }
        Some(CatalogueMatch {
            entry: "engine-was-away",
            cause: "It ended with its engine, and the engine did not start it again".to_owned(),
            action: Some(ActionName::RestartContainer),
            urgency: Urgency::High,
            confidence: 86,
            reasoning: format!(
                "it ran before the engine was away and does not run after ({})",
                end_in_words(death.exit_code, death.oom)
            ),
            evidence: Vec::new(),
            advice: "A restart policy of unless-stopped lets its engine start it again.".to_owned(),
        })
    }
}

struct OutOfMemory;

impl Pattern for OutOfMemory {
    fn entries(&self) -> Vec<&'static str> {
        vec!["oom-killed"]
    }

    fn explain(&self, case: &Case<'_>) -> Option<CatalogueMatch> {
        let is_loop = is_loop_of_kills(case);
        if !is_loop && !case.problems.contains(&Problem::OomKilled) {
            return None;
        }
        let limit = case
            .resource
            .container()
            .and_then(|facts| facts.memory_limit_bytes);
        let times = case.history.oom_kills.len();
        let (cause, advice) = match limit {
            Some(bytes) => (
                format!(
                    "It needs more memory than its limit of {} MiB",
                    bytes / (1024 * 1024)
                ),
                "Raise its memory limit, or find out why it grows.",
            ),
            None => (
                "The host ran out of memory and the kernel chose this container".to_owned(),
                "Give the host more memory, or limit what uses most of it.",
            ),
        };
        Some(CatalogueMatch {
            entry: "oom-killed",
            cause,
            // What goes on after a part of it was killed needs room, not a restart; and what is killed at each start, too.
            action: match (case.is_down(), limit) {
                (_, Some(_)) if times >= 2 || !case.is_down() => Some(ActionName::SetLimits),
                (_, None) if is_loop => None,
                (false, _) => None,
                (true, _) => Some(ActionName::RestartContainer),
            },
            urgency: Urgency::High,
            confidence: if limit.is_some() { 95 } else { 85 },
            reasoning: format!(
                "the kernel's out-of-memory killer ended a process in it {times} times within an hour"
            ),
            evidence: Vec::new(),
            advice: advice.to_owned(),
        })
    }
}

/// Whether it ends again and again because the kernel kills it for memory: most of its last ends were that. Kills from before its limit was
/// raised are forgotten, and tell nothing of how it is now.
fn is_loop_of_kills(case: &Case<'_>) -> bool {
    if case.history.oom_kills.is_empty() {
        return false;
    }
    let last = || case.history.deaths.iter().rev().take(ENDS_OF_A_LOOP);
    let kills = last().filter(|death| death.oom).count();
    case.problems.contains(&Problem::RestartLoop) && 2 * kills > last().count()
}

struct Loop;

impl Pattern for Loop {
    fn entries(&self) -> Vec<&'static str> {
        vec!["restart-loop"]
    }

    fn explain(&self, case: &Case<'_>) -> Option<CatalogueMatch> {
        if !case.problems.contains(&Problem::RestartLoop) {
            return None;
        }
        let codes: Vec<_> = case
            .history
            .deaths
            .iter()
            .rev()
            .take(ENDS_OF_A_LOOP)
            .map(|death| death.exit_code.to_string())
            .collect();
        Some(CatalogueMatch {
            entry: "restart-loop",
            cause: "Its last starts have all ended the same way".to_owned(),
            action: None,
            urgency: Urgency::High,
            confidence: 85,
            reasoning: format!(
                "its last ends had the exit codes {}; one more restart would not change that",
                codes.join(", ")
            ),
            evidence: Vec::new(),
            advice:
                "Look at its log for the first error after a start; stop it until that is mended."
                    .to_owned(),
        })
    }
}

struct ExitCode;

impl Pattern for ExitCode {
    fn entries(&self) -> Vec<&'static str> {
        vec!["exit-code"]
    }

    fn explain(&self, case: &Case<'_>) -> Option<CatalogueMatch> {
        if case.problem != Problem::ContainerStopped {
            return None;
        }
        let code = case.exit_code()?;
        let restart = Some(ActionName::RestartContainer);
        let (cause, action, confidence, advice) = match code {
            0 => (
                "It ended by itself without an error, though it is meant to run",
                restart,
                70,
                "",
            ),
            125 => (
                "The engine could not run it",
                None,
                85,
                "Look at the engine's error; the run command or the image is at fault.",
            ),
            126 => (
                "Its command can't be executed",
                None,
                92,
                "Check the command's permissions and the image's architecture.",
            ),
            127 => (
                "Its command does not exist in the image",
                None,
                92,
                "Check the command, the entry point and the image's version.",
            ),
            132 => (
                "It uses processor instructions that this machine does not have",
                None,
                85,
                "Use an image built for this processor.",
            ),
            134 | 139 => (
                "It crashed by a fault of its own",
                restart,
                75,
                "If it comes back, look for a newer version.",
            ),
            137 => (
                "It was killed from outside the engine",
                restart,
                70,
                "Look at the kernel's log (dmesg) for what killed it.",
            ),
            143 => (
                "It was told to end from inside or by another program",
                restart,
                60,
                "",
            ),
            _ => (
                "It ended with an error of its own",
                restart,
                60,
                "Its log tells more.",
            ),
        };
        Some(CatalogueMatch {
            entry: "exit-code",
            cause: cause.to_owned(),
            action,
            urgency: Urgency::High,
            confidence,
            reasoning: format!(
                "{}; nothing more telling was found in its log",
                end_in_words(code, false)
            ),
            evidence: Vec::new(),
            advice: advice.to_owned(),
        })
    }
}

struct HealthCheck;

impl Pattern for HealthCheck {
    fn entries(&self) -> Vec<&'static str> {
        vec!["health-check", "health-check-broken"]
    }

    fn explain(&self, case: &Case<'_>) -> Option<CatalogueMatch> {
        if !matches!(
            case.problem,
            Problem::ContainerUnhealthy | Problem::EndpointFailing
        ) {
            return None;
        }
        let output = case
            .resource
            .container()
            .and_then(|facts| facts.health_output.as_deref())
            .unwrap_or_default();
        if case.problem == Problem::ContainerUnhealthy && can_not_be_run(output) {
            return Some(CatalogueMatch {
                entry: "health-check-broken",
                cause: "Its health check can't be run: the check's command is not in the image"
                    .to_owned(),
                action: None,
                urgency: Urgency::Low,
                confidence: 92,
                reasoning: "what fails is the check itself; of the program it says nothing"
                    .to_owned(),
                evidence: vec![Evidence::new("health check", output)],
                advice: "Use a command for the health check that the image has (many have wget but no curl), or leave it out."
                    .to_owned(),
            });
        }
        let words = output.to_lowercase();
        let hangs = words.contains("exceeded timeout") || words.contains("timed out");
        Some(CatalogueMatch {
            entry: "health-check",
            cause: if hangs {
                "It hangs: it runs but does not answer in time"
            } else {
                "It runs but does not work"
            }
            .to_owned(),
            action: Some(ActionName::RestartContainer),
            urgency: Urgency::High,
            confidence: if hangs { 75 } else { 65 },
            reasoning: "its process lives while its check fails; a restart brings back most programs in that state".to_owned(),
            evidence: Vec::new(),
            advice: "If it comes back, its health output and log tell more.".to_owned(),
        })
    }
}

/// Whether a health check's output says that the check could not even be begun: the engine's words for a program that is not there, and
/// those of shells (POSIX leaves the wording to them; these are bash, dash and busybox).
fn can_not_be_run(output: &str) -> bool {
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        #[allow(clippy::expect_used, reason = "a constant, which a test compiles")]
        Regex::new(r"(?i)OCI runtime exec failed|executable file not found|\b(ba|da|a)?sh: ((line )?\d+: )?[^\s:]+: (command )?not found")
            .expect("the pattern is a constant")
    });
    WORDS.is_match(output)
}

struct Pressure;

impl Pattern for Pressure {
    fn entries(&self) -> Vec<&'static str> {
        vec!["limit-too-tight"]
    }

    fn explain(&self, case: &Case<'_>) -> Option<CatalogueMatch> {
        let word = match case.problem {
            Problem::MemoryPressure => "memory",
            Problem::CpuPressure => "CPU",
            _ => return None,
        };
        Some(CatalogueMatch {
            entry: "limit-too-tight",
            cause: format!("Its {word} limit is too tight for its load, or it leaks"),
            action: Some(ActionName::SetLimits),
            urgency: Urgency::Medium,
            confidence: 65,
            reasoning: format!("its {word} use has stayed close to its limit"),
            evidence: Vec::new(),
            advice: format!(
                "Look at its {word} over the last days: steady growth speaks of a leak."
            ),
        })
    }
}
