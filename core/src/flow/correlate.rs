//! Correlate: findings and the graph become incidents. Pure.
//!
//! One cause is one incident: at most one is active for a resource, what another incident explains is listed there as affected, what
//! comes back soon is the same incident (it flaps). Unknown neither opens nor ends anything.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    Incident, IncidentChange, IncidentId, Phase, Problem, Resolution, ResolutionKind, ResourceId,
    Severity,
};

use super::{
    decide::SETTLED,
    detect::{Evaluation, Standing},
    graph::Graph,
};

/// An incident younger than this gives way to a root cause that shows itself a little later.
const ABSORB_WITHIN: SignedDuration = SignedDuration::from_mins(2);
/// An incident that came back so often is over only after a longer quiet time.
const FLAPPING_FROM: u32 = 3;
/// That longer quiet time.
const FLAPPING_QUIET: SignedDuration = SignedDuration::from_mins(5);
/// How many affected resources are listed at most.
const MOST_AFFECTED: usize = 200;
/// How many ended incidents are remembered for flapping.
const ENDED_KEPT: usize = 500;

/// Incidents that are not over, and those that ended lately.
#[derive(Debug, Default)]
pub struct Incidents {
    active: BTreeMap<ResourceId, Arc<Incident>>,
    ended: VecDeque<Arc<Incident>>,
    quiet_since: BTreeMap<ResourceId, Timestamp>,
    /// Resources whose state is not known now.
    unseen: BTreeSet<ResourceId>,
}

/// What correlation needs to know besides the findings.
pub struct Surroundings<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Whether a task works on the resource now: its incident neither ends nor gives way meanwhile.
    pub is_busy: &'a dyn Fn(&ResourceId) -> bool,
    /// Whether the last task of this incident was verified: then there is no need to wait for quiet.
    pub is_healed: &'a dyn Fn(&Incident) -> bool,
    /// How long a resource must be well until its incident is over.
    pub stabilisation: SignedDuration,
    /// An incident that comes back within this time is the same one.
    pub flap_window: SignedDuration,
    /// The time.
    pub now: Timestamp,
}

/// What correlation brought.
#[derive(Debug, Default)]
pub struct Correlated {
    /// Incidents that changed, in order; the incident as it is then.
    pub changes: Vec<(IncidentChange, Arc<Incident>)>,
    /// Resources to judge anew at once, because what explained their findings is over.
    pub freed: Vec<ResourceId>,
    /// Resources to judge anew later.
    pub again: Vec<(Timestamp, ResourceId)>,
}

impl Incidents {
    /// Takes over what an earlier agent knew.
    pub fn remember(&mut self, known: impl IntoIterator<Item = Incident>) {
        for incident in known {
            if incident.is_active() {
                self.active
                    .insert(incident.resource.clone(), Arc::new(incident));
            } else {
                self.ended.push_back(Arc::new(incident));
            }
        }
    }

    /// Incidents that are not over.
    pub fn active(&self) -> impl Iterator<Item = &Arc<Incident>> {
        self.active.values()
    }

    /// The active incident of a resource.
    pub fn of(&self, resource: &ResourceId) -> Option<&Arc<Incident>> {
        self.active.get(resource)
    }

    /// Whether nothing is wrong with a resource just now, though its incident is not over yet: nothing is to be done about it meanwhile.
    pub fn is_quiet(&self, resource: &ResourceId) -> bool {
        self.quiet_since.contains_key(resource)
    }

    /// An active incident by its number.
    pub fn by_id(&self, id: IncidentId) -> Option<&Arc<Incident>> {
        self.active.values().find(|incident| incident.id == id)
    }

    /// Changes an active incident, or one that just ended.
    pub fn edit(
        &mut self,
        id: IncidentId,
        edit: impl FnOnce(&mut Incident),
    ) -> Option<Arc<Incident>> {
        let incident = self
            .active
            .values_mut()
            .find(|incident| incident.id == id)
            .or_else(|| {
                self.ended
                    .iter_mut()
                    .rev()
                    .find(|incident| incident.id == id)
            })?;
        edit(Arc::make_mut(incident));
        Some(Arc::clone(incident))
    }

    /// Brings the incidents up to date with evaluations. `next_id` gives the number of a new incident, where one can be had.
    pub fn correlate(
        &mut self,
        evaluations: Vec<Evaluation>,
        around: &Surroundings<'_>,
        next_id: &mut dyn FnMut() -> Option<IncidentId>,
    ) -> Correlated {
        let mut out = Correlated::default();
        // What others need comes first, so that a root is there before its effects are looked at.
        let mut evaluations = evaluations;
        evaluations.sort_by_key(|evaluation| around.graph.upstream(&evaluation.resource).len());
        for evaluation in evaluations {
            if let Some(at) = evaluation.again_at {
                out.again.push((at, evaluation.resource.clone()));
            }
            if evaluation.standing == Standing::Unknown {
                self.unseen.insert(evaluation.resource.clone());
            } else {
                self.unseen.remove(&evaluation.resource);
            }
            match evaluation.standing {
                Standing::Unknown => {}
                Standing::Gone => {
                    let text = format!("{} is gone", evaluation.resource.short());
                    self.end(
                        &evaluation.resource,
                        ResolutionKind::Gone,
                        text,
                        around,
                        &mut out,
                    );
                }
                Standing::Known if evaluation.findings.is_empty() => {
                    self.quiet(&evaluation, around, &mut out)
                }
                Standing::Known => self.failing(evaluation, around, next_id, &mut out),
            }
        }
        self.list_unseen(around, &mut out);
        out
    }

    /// Whether the state of a resource was not known when it was last judged.
    pub fn is_unseen(&self, resource: &ResourceId) -> bool {
        self.unseen.contains(resource)
    }

    /// An engine that does not answer owns what can't be seen because of it. All of it is listed at once: an entry for each of hundreds
    /// of containers would tell nobody more.
    fn list_unseen(&mut self, around: &Surroundings<'_>, out: &mut Correlated) {
        let unseen = &self.unseen;
        for slot in self
            .active
            .values_mut()
            .filter(|incident| incident.problem == Problem::DockerUnreachable)
        {
            let room = MOST_AFFECTED.saturating_sub(slot.affected.len());
            let new: Vec<_> = around
                .graph
                .downstream(&slot.resource)
                .into_iter()
                .filter(|id| unseen.contains(id) && !slot.affected.contains(id))
                .take(room)
                .collect();
            if new.is_empty() {
                continue;
            }
            let root = Arc::make_mut(slot);
            let phase = root.phase;
            let text = match new.as_slice() {
                [one] => format!("how {} is can't be seen because of it", one.short()),
                all => format!("how {} others are can't be seen because of it", all.len()),
            };
            root.note(around.now, phase, text);
            root.affected.extend(new);
            match out
                .changes
                .iter_mut()
                .find(|(_, changed)| changed.id == slot.id)
            {
                Some((_, changed)) => *changed = Arc::clone(slot),
                None => out
                    .changes
                    .push((IncidentChange::Updated, Arc::clone(slot))),
            }
        }
    }

    fn quiet(&mut self, evaluation: &Evaluation, around: &Surroundings<'_>, out: &mut Correlated) {
        let id = &evaluation.resource;
        let Some(incident) = self.active.get(id).cloned() else {
            return;
        };
        if (around.is_busy)(id) {
            return;
        }
        if let Some(why) = &evaluation.meant {
            self.end(id, ResolutionKind::Deliberate, why.clone(), around, out);
            return;
        }
        let healed = (around.is_healed)(&incident);
        let since = *self.quiet_since.entry(id.clone()).or_insert(around.now);
        let hold = if incident.flaps >= FLAPPING_FROM {
            FLAPPING_QUIET.max(around.stabilisation)
        } else if healed {
            SignedDuration::ZERO
        } else {
            around.stabilisation
        };
        let over_at = crate::ports::later(since, hold);
        if around.now < over_at {
            out.again.push((over_at, id.clone()));
            return;
        }
        let (kind, text) = if healed {
            (
                ResolutionKind::Healed,
                "Steward healed it, and it has stayed well".to_owned(),
            )
        } else {
            (
                ResolutionKind::Recovered,
                "It became well without Steward".to_owned(),
            )
        };
        self.end(id, kind, text, around, out);
    }

    fn end(
        &mut self,
        id: &ResourceId,
        kind: ResolutionKind,
        text: String,
        around: &Surroundings<'_>,
        out: &mut Correlated,
    ) {
        self.quiet_since.remove(id);
        let Some(mut incident) = self.active.remove(id) else {
            return;
        };
        let ended = Arc::make_mut(&mut incident);
        ended.phase = Phase::Resolved;
        ended.resolved_at = Some(around.now);
        ended.note(around.now, Phase::Resolved, text.clone());
        ended.resolution = Some(Resolution { kind, text });
        out.freed.extend(ended.affected.iter().cloned());
        self.ended.push_back(Arc::clone(&incident));
        if self.ended.len() > ENDED_KEPT {
            self.ended.pop_front();
        }
        out.changes.push((IncidentChange::Resolved, incident));
    }

    fn failing(
        &mut self,
        evaluation: Evaluation,
        around: &Surroundings<'_>,
        next_id: &mut dyn FnMut() -> Option<IncidentId>,
        out: &mut Correlated,
    ) {
        let id = evaluation.resource.clone();
        let was_quiet = self.quiet_since.remove(&id).is_some();
        if let Some(root) = self.root_of(&evaluation, around) {
            match self.active.get(&id).cloned() {
                None => return self.attach(&root, &id, around.now, out),
                Some(own)
                    if !(around.is_busy)(&id)
                        && around.now.duration_since(own.opened_at) <= ABSORB_WITHIN =>
                {
                    self.attach(&root, &id, around.now, out);
                    let text = format!(
                        "an effect of incident {}",
                        self.active
                            .get(&root)
                            .map_or_else(String::new, |root| root.id.to_string())
                    );
                    return self.end(&id, ResolutionKind::Absorbed, text, around, out);
                }
                // It failed long before the root did, or is being worked on: a matter of its own.
                Some(_) => {}
            }
        }
        if self.active.contains_key(&id) {
            self.update(evaluation, was_quiet, around.now, out);
            return;
        }
        if self.reopen(&evaluation, around, out) {
            return;
        }
        let Some(number) = next_id() else { return };
        let incident = open(number, evaluation, around.now);
        let is_root = incident.severity >= Severity::Unhealthy;
        let incident = Arc::new(incident);
        self.active.insert(id.clone(), Arc::clone(&incident));
        out.changes.push((IncidentChange::Detected, incident));
        if is_root {
            self.absorb_downstream(&id, around, out);
        }
    }

    /// The failing resource further up that explains these findings, where there is one.
    fn root_of(&self, evaluation: &Evaluation, around: &Surroundings<'_>) -> Option<ResourceId> {
        if !evaluation
            .findings
            .iter()
            .all(|finding| can_be_an_effect(finding.problem))
        {
            return None;
        }
        around
            .graph
            .upstream(&evaluation.resource)
            .into_iter()
            // The furthest is the root, the nearer ones are effects themselves.
            .rev()
            .find(|id| {
                self.active
                    .get(id)
                    .is_some_and(|incident| takes_down(incident))
            })
    }

    fn attach(
        &mut self,
        root: &ResourceId,
        affected: &ResourceId,
        now: Timestamp,
        out: &mut Correlated,
    ) {
        let Some(incident) = self.active.get_mut(root) else {
            return;
        };
        if incident.affected.contains(affected) || incident.affected.len() >= MOST_AFFECTED {
            return;
        }
        let root = Arc::make_mut(incident);
        root.affected.push(affected.clone());
        let phase = root.phase;
        root.note(
            now,
            phase,
            format!("{} fails because of it", affected.short()),
        );
        out.changes
            .push((IncidentChange::Updated, Arc::clone(incident)));
    }

    /// A root showed itself after its effects: young incidents of those give way.
    fn absorb_downstream(
        &mut self,
        root: &ResourceId,
        around: &Surroundings<'_>,
        out: &mut Correlated,
    ) {
        let Some(root_incident) = self.active.get(root).cloned() else {
            return;
        };
        if !takes_down(&root_incident) {
            return;
        }
        for effect in around.graph.downstream(root) {
            let Some(own) = self.active.get(&effect).cloned() else {
                continue;
            };
            let young = around.now.duration_since(own.opened_at) <= ABSORB_WITHIN;
            let explained = own
                .findings
                .iter()
                .all(|finding| can_be_an_effect(finding.problem));
            if young && explained && !(around.is_busy)(&effect) {
                self.end(
                    &effect,
                    ResolutionKind::Absorbed,
                    format!("an effect of incident {}", root_incident.id),
                    around,
                    out,
                );
                self.attach(root, &effect, around.now, out);
            }
        }
    }

    fn update(
        &mut self,
        evaluation: Evaluation,
        was_quiet: bool,
        now: Timestamp,
        out: &mut Correlated,
    ) {
        let Some(slot) = self.active.get_mut(&evaluation.resource) else {
            return;
        };
        let problems = |findings: &[steward_api::Finding]| -> BTreeSet<_> {
            findings
                .iter()
                .map(|finding| {
                    // One more kill for memory is news; one more reading of a gauge is not.
                    let kills = match finding.problem {
                        Problem::OomKilled => finding.evidence.len(),
                        _ => 0,
                    };
                    (finding.problem, finding.severity, kills)
                })
                .collect()
        };
        let is_same = problems(&slot.findings) == problems(&evaluation.findings);
        let incident = Arc::make_mut(slot);
        incident.findings = evaluation.findings;
        if is_same && !was_quiet {
            // Fresh evidence only; not worth an entry in the journal.
            return;
        }
        // Something changed, so what a person said to it before is no longer settled.
        if incident.decision.as_ref().is_some_and(is_settled) {
            incident.decision = None;
        }
        let (problem, severity, title) = worst(&incident.findings);
        incident.problem = problem;
        incident.severity = severity;
        if incident.title != title {
            incident.title.clone_from(&title);
            incident.note(now, Phase::Detected, title);
        } else if was_quiet {
            incident.note(
                now,
                Phase::Detected,
                format!("It was well for a moment: {title}"),
            );
        } else {
            incident.updated_at = now;
        }
        out.changes
            .push((IncidentChange::Updated, Arc::clone(slot)));
    }

    fn reopen(
        &mut self,
        evaluation: &Evaluation,
        around: &Surroundings<'_>,
        out: &mut Correlated,
    ) -> bool {
        let position = self.ended.iter().rposition(|incident| {
            incident.resource == evaluation.resource
                && incident
                    .resolved_at
                    .is_some_and(|at| around.now.duration_since(at) <= around.flap_window)
                && incident.resolution.as_ref().is_some_and(|resolution| {
                    matches!(
                        resolution.kind,
                        ResolutionKind::Healed | ResolutionKind::Recovered
                    )
                })
        });
        let Some(mut slot) = position.and_then(|position| self.ended.remove(position)) else {
            return false;
        };
        let incident = Arc::make_mut(&mut slot);
        incident.flaps += 1;
        incident.resolved_at = None;
        incident.resolution = None;
        incident.phase = Phase::Detected;
        incident.decision = None;
        incident.findings.clone_from(&evaluation.findings);
        let (problem, severity, title) = worst(&incident.findings);
        incident.problem = problem;
        incident.severity = severity;
        incident.title.clone_from(&title);
        let times = incident.flaps;
        incident.note(
            around.now,
            Phase::Detected,
            format!("It came back ({times}. time): {title}"),
        );
        self.active
            .insert(evaluation.resource.clone(), Arc::clone(&slot));
        out.changes.push((IncidentChange::Reopened, slot));
        true
    }
}

/// Whether a decision is a person's, by an answer or by none.
fn is_settled(decision: &steward_api::Decision) -> bool {
    let guard = decision.guard.as_deref();
    guard.is_some_and(|guard| SETTLED.contains(&guard))
}

fn open(id: IncidentId, evaluation: Evaluation, now: Timestamp) -> Incident {
    let (problem, severity, title) = worst(&evaluation.findings);
    let mut incident = Incident {
        id,
        resource: evaluation.resource,
        problem,
        severity,
        phase: Phase::Detected,
        title: title.clone(),
        findings: evaluation.findings,
        affected: Vec::new(),
        diagnoses: Vec::new(),
        chosen: None,
        decision: None,
        tasks: Vec::new(),
        flaps: 0,
        opened_at: now,
        updated_at: now,
        resolved_at: None,
        resolution: None,
        timeline: Vec::new(),
    };
    incident.note(now, Phase::Detected, title);
    incident
}

/// The finding that an incident is named after: the severest, and among equals the most telling.
fn worst(findings: &[steward_api::Finding]) -> (Problem, Severity, String) {
    findings
        .iter()
        // `Problem` is declared with the most telling first.
        .max_by_key(|finding| (finding.severity, std::cmp::Reverse(finding.problem)))
        .map_or_else(
            || (Problem::ContainerStopped, Severity::Degraded, String::new()),
            |finding| (finding.problem, finding.severity, finding.summary.clone()),
        )
}

/// Whether a problem can come from something further up. Running out of one's own memory or disk can not.
const fn can_be_an_effect(problem: Problem) -> bool {
    matches!(
        problem,
        Problem::ContainerStopped
            | Problem::RestartLoop
            | Problem::ContainerUnhealthy
            | Problem::EndpointFailing
            | Problem::EndpointSlow
            | Problem::DatabaseUnreachable
            | Problem::DatabaseConnections
            | Problem::McpServerUnreachable
            | Problem::McpToolsFailing
    )
}

/// Whether an incident's resource does not do its work, so that what needs it can't either.
fn takes_down(incident: &Incident) -> bool {
    incident.severity >= Severity::Unhealthy
        && matches!(
            incident.problem,
            Problem::DockerUnreachable
                | Problem::ContainerStopped
                | Problem::RestartLoop
                | Problem::OomKilled
                | Problem::ContainerUnhealthy
                | Problem::DatabaseUnreachable
                | Problem::EndpointFailing
        )
}
