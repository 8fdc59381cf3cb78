//! Signals: what an engine's event stream tells becomes part of the world at once. Pure.

use jiff::Timestamp;
use steward_api::{
    ContainerFacts, ContainerHealth, ContainerStatus, Facts, Health, Resource, ResourceId,
};

use super::{OOM_TOGETHER, World, push_death};
use crate::ports::{ContainerSignal, Death, EndCause, Signal};

impl World {
    /// Takes in a signal from a container engine's event stream. Returns whether the container must be judged anew.
    pub fn signal(&mut self, signal: &Signal) -> bool {
        let id = &signal.resource;
        if signal.kind == ContainerSignal::Removed {
            // The name may belong to a newer container already.
            let is_current = self
                .get(id)
                .and_then(|resource| resource.container())
                .is_some_and(|facts| facts.container_id == signal.container_id);
            if is_current {
                self.remove(id);
            }
            return is_current;
        }
        // An event of an older container of the same name says nothing of this one.
        if let Some(facts) = self.get(id).and_then(|resource| resource.container())
            && facts.container_id != signal.container_id
            && !matches!(
                signal.kind,
                ContainerSignal::Created | ContainerSignal::Started
            )
        {
            return false;
        }
        match &signal.kind {
            ContainerSignal::KillRequested { signal: number } => {
                self.history_mut(id).signal_sent(signal.at, *number);
                false
            }
            ContainerSignal::OomKilled => {
                let started = self.started_at(id);
                let history = self.history_mut(id);
                let is_known = history.oom_kills.back().is_some_and(|known| {
                    signal.at.duration_since(*known) <= OOM_TOGETHER
                        && started.is_none_or(|started| started <= *known)
                });
                if !is_known {
                    history.oom_kills.push_back(signal.at);
                }
                // The engine may tell the end before the kill that caused it.
                let killed_at = signal.at;
                if let Some(death) = history.deaths.back_mut()
                    && death.cause == EndCause::Crash
                    && killed_at.duration_since(death.at).abs() <= OOM_TOGETHER
                    && started.is_none_or(|started| started <= death.at)
                {
                    death.oom = true;
                    self.edit_container(id, killed_at, |facts| {
                        facts.oom_killed = true;
                        None
                    });
                }
                true
            }
            ContainerSignal::Died { exit_code } => {
                self.died(signal, *exit_code);
                true
            }
            ContainerSignal::Stopped => {
                // Whatever it looked like: a stop through the engine has come to its end.
                let history = self.history_mut(id);
                if let Some(death) = history.deaths.back_mut()
                    && death.cause == EndCause::Crash
                {
                    death.cause = if history.steward_acting {
                        EndCause::Steward
                    } else {
                        EndCause::Operator
                    };
                }
                true
            }
            ContainerSignal::Started => {
                let history = self.history_mut(id);
                history.kill_requested = None;
                history.stop_asked_at = None;
                history.seen_running = true;
                let at = signal.at;
                self.edit_container(id, at, |facts| {
                    facts.status = ContainerStatus::Running;
                    facts.started_at = Some(at);
                    facts.error = None;
                    // What its check said of the run before says nothing of this one.
                    if facts.has_health_check {
                        facts.health = ContainerHealth::Starting;
                    }
                    Some(running(facts))
                });
                true
            }
            ContainerSignal::HealthChanged(health) => {
                let health = *health;
                self.edit_container(id, signal.at, |facts| {
                    facts.health = health;
                    (facts.status == ContainerStatus::Running).then(|| running(facts))
                });
                true
            }
            ContainerSignal::Created | ContainerSignal::Changed | ContainerSignal::Removed => false,
        }
    }

    /// Whether a container was read later than a signal says that something happened to it: when missed events are told after a
    /// reconnect, or when the engine's clock is behind ours. It must then be read anew to know how it is.
    pub fn is_outdated(&self, signal: &Signal) -> bool {
        self.get(&signal.resource)
            .is_some_and(|resource| resource.read_at > signal.at)
    }

    /// When the run of a container began that is the last one known.
    fn started_at(&self, id: &ResourceId) -> Option<Timestamp> {
        self.get(id)?.container()?.started_at
    }

    fn died(&mut self, signal: &Signal, exit_code: i64) {
        let started = self.started_at(&signal.resource);
        // An engine that comes back from a crash stops what is left of its containers: that was no person.
        let in_outage = self
            .owner(&signal.resource)
            .is_some_and(|source| self.outages.covers(source, signal.at));
        let history = self.history_mut(&signal.resource);
        let asked = history
            .end_is_meant_until()
            .is_some_and(|until| signal.at <= until);
        history.kill_requested = None;
        let cause = match (asked, history.steward_acting) {
            (true, true) => EndCause::Steward,
            (true, false) if in_outage => EndCause::EngineOutage,
            (true, false) => EndCause::Operator,
            (false, _) => EndCause::Crash,
        };
        // The kills for memory are told within a moment before the end that they cause, and the first of them stands for all.
        let oom = history.oom_kills.back().is_some_and(|at| {
            signal.at.duration_since(*at).abs() <= OOM_TOGETHER * 2
                && started.is_none_or(|started| started <= *at)
        });
        history.seen_running = true;
        push_death(
            history,
            Death {
                at: signal.at,
                exit_code,
                oom,
                cause,
            },
        );
        let at = signal.at;
        self.edit_container(&signal.resource, at, |facts| {
            facts.status = ContainerStatus::Exited;
            facts.exit_code = Some(exit_code);
            facts.finished_at = Some(at);
            facts.oom_killed = oom;
            let words = format!("ended with exit code {exit_code}");
            let is_restarted = cause == EndCause::Crash
                && facts
                    .restart_policy
                    .restarts(exit_code, facts.restart_count);
            Some(if is_restarted {
                (
                    Health::Restarting,
                    format!("{words}; its engine restarts it"),
                )
            } else if exit_code == 0 && !oom {
                (Health::Stopped, words)
            } else {
                (Health::Unhealthy, words)
            })
        });
    }

    /// Brings a container up to what an event tells: its facts, and what follows for its health. An event is as good as a reading, and
    /// what has just ended must not go on being shown as well while its rules can't tell yet.
    fn edit_container(
        &mut self,
        id: &ResourceId,
        at: Timestamp,
        edit: impl FnOnce(&mut ContainerFacts) -> Option<(Health, String)>,
    ) {
        let Some(resource) = self.get(id) else { return };
        // A reading from later than the event shows more than the event does; see `is_outdated`.
        if resource.read_at > at {
            return;
        }
        let mut resource = Resource::clone(resource);
        if let Facts::Container(facts) = &mut resource.facts {
            if let Some((health, reason)) = edit(facts) {
                (resource.health, resource.reason) = (health, reason);
            }
            resource.read_at = resource.read_at.max(at);
            resource.metrics.clear();
            self.insert(resource);
        }
    }
}

/// The health of a container that runs.
fn running(facts: &ContainerFacts) -> (Health, String) {
    let (health, words) = match facts.health {
        ContainerHealth::None => (Health::Healthy, "running"),
        ContainerHealth::Healthy => (Health::Healthy, "running, and its health check passes"),
        ContainerHealth::Starting => (
            Health::Unknown,
            "running; its health check has not finished yet",
        ),
        ContainerHealth::Unhealthy => (Health::Unhealthy, "its health check fails"),
    };
    (health, words.to_owned())
}
