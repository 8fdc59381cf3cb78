//! What is wrong with a container or an engine. Pure.
//!
//! The hard part is not to see that a container ended, but whether it was meant to: stopped by a person, a finished job, a restart by
//! the engine itself. Each such judgement says in words why.

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    ContainerFacts, ContainerHealth, ContainerStatus, EngineFacts, Evidence, Facts, Health, Metric,
    Problem, ResourceKind, Severity,
};

use crate::ports::{Death, EndCause, Judgement, Rule, RuleInput, Suspicion};

/// Readings in a row without an answer after which an engine counts as unreachable.
const ENGINE_FAILURES: u32 = 2;
/// How long after an unseen end its event may still arrive.
const EVENT_MAY_FOLLOW: SignedDuration = SignedDuration::from_secs(3);
/// For how long an out-of-memory kill that the container survived stays a finding.
const SURVIVED_OOM: SignedDuration = SignedDuration::from_mins(10);

/// The rules for container engines.
#[derive(Debug)]
pub struct EngineRule;

impl Rule for EngineRule {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Engine
    }

    fn judge(&self, input: &RuleInput<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        let Facts::Engine(EngineFacts {
            error: Some(error), ..
        }) = &input.resource.facts
        else {
            return judgement;
        };
        // Unknown with an error: there is none here. That one is missing which never was there is no incident.
        let never_was = input.resource.health == Health::Unknown && !input.history.seen_running;
        if never_was || input.history.failing_readings < ENGINE_FAILURES {
            judgement.unknown = true;
        } else {
            judgement.suspicions.push(Suspicion {
                problem: Problem::DockerUnreachable,
                severity: Severity::Critical,
                summary: format!(
                    "The container engine {} does not answer",
                    input.resource.id.name
                ),
                evidence: vec![Evidence::new("engine", error.clone())],
            });
        }
        judgement
    }
}

/// The rules for containers.
#[derive(Debug)]
pub struct ContainerRule;

impl Rule for ContainerRule {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Container
    }

    fn judge(&self, input: &RuleInput<'_>) -> Judgement {
        let Some(facts) = input.resource.container() else {
            return Judgement {
                unknown: true,
                ..Judgement::default()
            };
        };
        let mut judgement = match facts.status {
            ContainerStatus::Unknown | ContainerStatus::Removing => Judgement {
                unknown: true,
                ..Judgement::default()
            },
            ContainerStatus::Paused => meant("paused by a person"),
            ContainerStatus::Created => created(input, facts),
            ContainerStatus::Exited | ContainerStatus::Dead | ContainerStatus::Restarting => {
                ended(input, facts)
            }
            ContainerStatus::Running => running(input, facts),
        };
        if facts.labels.critical {
            for suspicion in &mut judgement.suspicions {
                if suspicion.severity == Severity::Unhealthy {
                    suspicion.severity = Severity::Critical;
                    suspicion
                        .evidence
                        .push(Evidence::new("label", "steward.critical=true"));
                }
            }
        }
        judgement
    }
}

fn meant(why: impl Into<String>) -> Judgement {
    Judgement {
        meant: Some(why.into()),
        ..Judgement::default()
    }
}

fn name<'a>(input: &RuleInput<'a>) -> &'a str {
    &input.resource.id.name
}

/// It was made but does not run: fine, unless the engine failed to start it.
fn created(input: &RuleInput<'_>, facts: &ContainerFacts) -> Judgement {
    match facts.error.as_deref().filter(|error| !error.is_empty()) {
        None => meant("made, but never started"),
        Some(error) => Judgement {
            suspicions: vec![Suspicion {
                problem: Problem::ContainerStopped,
                severity: Severity::Unhealthy,
                summary: format!("{} could not be started", name(input)),
                evidence: vec![Evidence::new("inspect", error)],
            }],
            ..Judgement::default()
        },
    }
}

/// Ends that speak of a fault: not a person's, not Steward's own.
fn faults<'a>(input: &RuleInput<'a>) -> impl DoubleEndedIterator<Item = &'a Death> + use<'a> {
    input
        .history
        .deaths
        .iter()
        .filter(|death| matches!(death.cause, EndCause::Crash | EndCause::Unseen))
}

/// Whether the last ends follow each other so quickly that one more start would not help. Stays so while the container does not run.
fn in_a_loop(input: &RuleInput<'_>, running: bool) -> Option<(u32, Timestamp)> {
    let needed = input.thresholds.loop_deaths as usize;
    let newest_first: Vec<_> = faults(input).rev().take(needed).collect();
    let (newest, oldest) = (
        newest_first.first()?,
        newest_first.get(needed.checked_sub(1)?)?,
    );
    let window = input.thresholds.loop_window;
    let quick = newest.at.duration_since(oldest.at) <= window;
    let recent = input.now.duration_since(newest.at) <= window;
    (quick && (!running || recent)).then_some((input.thresholds.loop_deaths, oldest.at))
}

fn loop_suspicion(input: &RuleInput<'_>, deaths: u32, since: Timestamp) -> Suspicion {
    let last = input.history.last_death();
    Suspicion {
        problem: Problem::RestartLoop,
        severity: Severity::Unhealthy,
        summary: format!(
            "{} ends again and again: {deaths} times within {}",
            name(input),
            minutes(input)
        ),
        evidence: faults(input)
            .rev()
            .take(3)
            .map(|death| {
                Evidence::new("docker event", end_in_words(death.exit_code, death.oom)).at(death.at)
            })
            .chain(last.map(|_| Evidence::new("docker event", "first of these ends").at(since)))
            .collect(),
    }
}

fn minutes(input: &RuleInput<'_>) -> String {
    let seconds = input.thresholds.loop_window.as_secs();
    if seconds % 60 == 0 {
        format!("{} min", seconds / 60)
    } else {
        format!("{seconds} s")
    }
}

/// An exit code as people know it. Codes above 128 are 128 plus a signal (POSIX shells and the engine agree); 125–127 are the engine's.
pub(super) fn end_in_words(exit_code: i64, oom: bool) -> String {
    let meaning = match exit_code {
        _ if oom => "killed by the kernel for memory",
        0 => "a clean end",
        125 => "the engine could not run it",
        126 => "its command can't be executed",
        127 => "its command was not found",
        130 => "interrupted (SIGINT)",
        132 => "illegal instruction (SIGILL)",
        134 => "aborted (SIGABRT)",
        135 => "bus error (SIGBUS)",
        136 => "arithmetic fault (SIGFPE)",
        137 => "killed (SIGKILL)",
        139 => "segmentation fault (SIGSEGV)",
        143 => "terminated (SIGTERM)",
        _ => "",
    };
    if meaning.is_empty() {
        format!("exit code {exit_code}")
    } else {
        format!("exit code {exit_code}: {meaning}")
    }
}

fn ended(input: &RuleInput<'_>, facts: &ContainerFacts) -> Judgement {
    let restarting = facts.status == ContainerStatus::Restarting;
    let exit_code = facts.exit_code.unwrap_or_default();
    let last = input.history.last_death().copied();
    let cause = last.map_or(EndCause::Unseen, |death| death.cause);
    let oom = last.map_or(facts.oom_killed, |death| death.oom);
    let policy_restarts = facts
        .restart_policy
        .restarts(exit_code, facts.restart_count);

    if facts.auto_remove {
        return meant("a container that its engine removes at its end");
    }
    match cause {
        EndCause::Operator => return meant("stopped by a person through the engine"),
        // Steward's own restart is under way: its task tells how that ends.
        EndCause::Steward if input.history.steward_acting => {
            return Judgement {
                unknown: true,
                ..Judgement::default()
            };
        }
        EndCause::Unseen => {
            if let Some(judgement) = unseen_end(input, facts, exit_code, oom) {
                return judgement;
            }
        }
        EndCause::Crash | EndCause::Steward | EndCause::EngineOutage => {}
    }
    if let Some((deaths, since)) = in_a_loop(input, false) {
        return Judgement {
            suspicions: vec![loop_suspicion(input, deaths, since)],
            ..Judgement::default()
        };
    }
    // The engine restarts it by itself: let it, for a while; after an outage counted from the engine's return.
    if restarting || policy_restarts {
        let ended_at = last
            .map(|death| death.at)
            .or(facts.finished_at)
            .unwrap_or(input.now);
        let from = input
            .history
            .known_again_at
            .map_or(ended_at, |back| back.max(ended_at));
        let grace_ends = crate::ports::later(from, input.thresholds.restart_policy_grace);
        if input.now < grace_ends {
            return Judgement {
                unknown: true,
                again_at: Some(grace_ends),
                ..Judgement::default()
            };
        }
    }
    if exit_code == 0
        && !oom
        && cause != EndCause::EngineOutage
        && let Err(why) = is_service(input, facts)
    {
        return meant(why);
    }
    let at = last.map(|death| death.at).or(facts.finished_at);
    let words = end_in_words(exit_code, oom);
    let mut evidence = Evidence::new("docker", words.clone());
    evidence.at = at;
    let mut evidence = vec![evidence];
    if let Some(error) = facts.error.as_deref().filter(|error| !error.is_empty()) {
        evidence.push(Evidence::new("inspect", error));
    }
    let (problem, summary) = if oom {
        (
            Problem::OomKilled,
            format!("{} was killed for memory", name(input)),
        )
    } else if cause == EndCause::EngineOutage {
        (
            Problem::ContainerStopped,
            format!(
                "{} did not come back with its engine ({words})",
                name(input)
            ),
        )
    } else if cause == EndCause::Steward {
        (
            Problem::ContainerStopped,
            format!(
                "{} did not come back after a restart ({words})",
                name(input)
            ),
        )
    } else {
        (
            Problem::ContainerStopped,
            format!("{} ended with {words}", name(input)),
        )
    };
    Judgement {
        suspicions: vec![Suspicion {
            problem,
            severity: Severity::Unhealthy,
            summary,
            evidence,
        }],
        ..Judgement::default()
    }
}

/// An end that nobody saw. `None`: judge it like a crash.
fn unseen_end(
    input: &RuleInput<'_>,
    facts: &ContainerFacts,
    exit_code: i64,
    oom: bool,
) -> Option<Judgement> {
    let wanted = facts.labels.critical || facts.labels.auto_restart == Some(true);
    if let Some(finished) = facts.finished_at {
        // The agent before this one saw it end and judged that it was meant.
        if input
            .history
            .stopped_until
            .is_some_and(|until| finished <= until)
        {
            return Some(meant("stopped on purpose before this agent began"));
        }
        let event_due = crate::ports::later(finished, EVENT_MAY_FOLLOW);
        if input.now < event_due {
            return Some(Judgement {
                unknown: true,
                again_at: Some(event_due),
                ..Judgement::default()
            });
        }
        let age = input.now.duration_since(finished);
        if !input.history.seen_running && !wanted && age > input.thresholds.stale_after {
            return Some(meant("it had ended long before Steward began to watch"));
        }
    }
    // SIGTERM and SIGINT come from a stop; SIGKILL without an out-of-memory kill follows a stop that took too long.
    if matches!(exit_code, 143 | 130 | 137) && !oom && !wanted {
        return Some(meant(
            "it ended by a signal while nobody watched: most likely stopped by a person",
        ));
    }
    None
}

/// Whether an end with code 0 is a fault. `Err`: it is not, and why.
fn is_service(input: &RuleInput<'_>, facts: &ContainerFacts) -> Result<(), &'static str> {
    use steward_api::RestartPolicy;
    if input.is_awaited_job {
        return Err("a job that others wait for, finished with code 0");
    }
    if matches!(facts.restart_policy, RestartPolicy::OnFailure { .. }) {
        return Err("finished with code 0, and its restart policy is on-failure");
    }
    let service = matches!(
        facts.restart_policy,
        RestartPolicy::Always | RestartPolicy::UnlessStopped
    ) || facts.labels.critical
        || facts.labels.auto_restart == Some(true)
        || facts.labels.health_url.is_some()
        || facts.has_health_check
        || facts.has_ports
        || input.is_needed;
    if service {
        Ok(())
    } else {
        Err("a job that finished with code 0")
    }
}

fn running(input: &RuleInput<'_>, facts: &ContainerFacts) -> Judgement {
    let mut judgement = Judgement::default();
    // Somebody is stopping it, and it takes its time: what fails meanwhile is part of that.
    if let Some(until) = input
        .history
        .end_is_meant_until()
        .filter(|until| input.now < *until)
    {
        judgement.unknown = true;
        judgement.again_at = Some(until);
        return judgement;
    }
    if let Some((deaths, since)) = in_a_loop(input, true) {
        judgement
            .suspicions
            .push(loop_suspicion(input, deaths, since));
        let newest = faults(input)
            .next_back()
            .map_or(input.now, |death| death.at);
        let after = input.thresholds.loop_window + SignedDuration::from_secs(1);
        judgement.again_at = Some(crate::ports::later(newest, after));
    }
    match facts.health {
        ContainerHealth::Unhealthy => {
            let output = facts.health_output.clone().unwrap_or_default();
            let mut evidence = vec![Evidence::new("health check", "failed as often as it may")];
            if !output.is_empty() {
                evidence.push(Evidence::new("health check", output));
            }
            judgement.suspicions.push(Suspicion {
                problem: Problem::ContainerUnhealthy,
                severity: Severity::Unhealthy,
                summary: format!("{} fails its health check", name(input)),
                evidence,
            });
        }
        // Neither a finding nor a recovery until the check has spoken.
        ContainerHealth::Starting => judgement.unknown = judgement.suspicions.is_empty(),
        ContainerHealth::None | ContainerHealth::Healthy => {}
    }
    oom_while_running(input, facts, &mut judgement);
    pressure(input, facts, &mut judgement);
    judgement
}

/// Killed for memory twice within an hour, or a part of it killed while it went on.
fn oom_while_running(input: &RuleInput<'_>, facts: &ContainerFacts, judgement: &mut Judgement) {
    let hour = SignedDuration::from_hours(1);
    let kills: Vec<_> = input
        .history
        .oom_kills
        .iter()
        .copied()
        .filter(|at| input.now.duration_since(*at) < hour)
        .collect();
    let Some(last) = kills.last().copied() else {
        return;
    };
    let killed_whole = input
        .history
        .last_death()
        .is_some_and(|death| death.oom && death.at >= last);
    // A start after the kill has put everything back in its place.
    let started_since = facts.started_at.is_some_and(|started| started > last);
    let survived = !killed_whole && !started_since && input.now.duration_since(last) < SURVIVED_OOM;
    let again = kills.len() >= 2;
    if !(survived || again) {
        return;
    }
    let times = kills.len();
    judgement.suspicions.push(Suspicion {
        problem: Problem::OomKilled,
        severity: Severity::Degraded,
        summary: if times == 1 {
            format!("a process in {} was killed for memory", name(input))
        } else {
            format!(
                "{} was killed for memory {times} times within an hour",
                name(input)
            )
        },
        evidence: kills
            .iter()
            .map(|at| Evidence::new("docker event", "killed by the kernel for memory").at(*at))
            .collect(),
    });
    let lapses = if again {
        kills
            .iter()
            .rev()
            .nth(1)
            .map(|at| crate::ports::later(*at, hour))
    } else {
        Some(crate::ports::later(last, SURVIVED_OOM))
    };
    judgement.again_at = [judgement.again_at, lapses].into_iter().flatten().min();
}

fn pressure(input: &RuleInput<'_>, facts: &ContainerFacts, judgement: &mut Judgement) {
    let limits = input.thresholds;
    let checks = [
        (
            Problem::MemoryPressure,
            Metric::MemoryPercent,
            limits.container_memory_percent,
            "memory",
            "of its limit",
        ),
        (
            Problem::CpuPressure,
            Metric::CpuPercent,
            limits.container_cpu_percent,
            "CPU",
            if facts.cpu_limit_cores.is_some() {
                "of its limit"
            } else {
                "of one core"
            },
        ),
    ];
    for (problem, metric, threshold, word, of_what) in checks {
        // A container without a CPU limit may use as many cores as there are: that is the host's matter, not a fault.
        if problem == Problem::CpuPressure && facts.cpu_limit_cores.is_none() {
            continue;
        }
        if input.history.sustained(
            problem,
            metric,
            threshold,
            threshold - limits.hysteresis,
            limits,
        ) {
            let value = input.history.latest(metric).unwrap_or(threshold);
            judgement.suspicions.push(Suspicion {
                problem,
                severity: Severity::Degraded,
                summary: format!("{} uses {value:.0} % {of_what} in {word}", name(input)),
                evidence: vec![Evidence::new(
                    "metric",
                    format!(
                        "{metric} above {threshold:.0} % in {} of the last {} readings",
                        limits.sustain, limits.of_last
                    ),
                )],
            });
        }
    }
}
