//! Small things of the contract, for the store's tests.

use jiff::Timestamp;
use steward_api::{
    Action, ActionName, Autonomy, ContainerCondition, ContainerRef, Event, Finding, Health,
    Incident, IncidentChange, IncidentId, Phase, Plan, Precondition, Problem, RemedyRecord,
    Requester, Resolution, ResolutionKind, ResourceId, Severity, Step, StepResult, Task,
    TaskChange, TaskId, TaskState, TaskType, Undo, Verification,
};

use crate::ports::Fact;

/// The node of most tests.
pub(super) const NODE: &str = "atlas";

/// So many seconds after the beginning of the tests' time.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub(super) fn container(name: &str) -> ResourceId {
    ResourceId::container(NODE, name)
}

pub(super) fn fact(seconds: i64, event: Event) -> Fact {
    Fact {
        at: at(seconds),
        event,
    }
}

/// An event about nothing.
pub(super) fn started() -> Event {
    Event::AgentStarted {
        version: "0.1.0".to_owned(),
        autonomy: Autonomy::Assist,
    }
}

pub(super) fn health(name: &str, to: Health) -> Event {
    Event::ResourceChanged {
        resource: container(name),
        from: None,
        to,
        reason: "as read \"here\", with a \\ and ü".to_owned(),
    }
}

pub(super) fn incident(id: i64, name: &str, opened: i64) -> Incident {
    Incident {
        id: IncidentId(id),
        resource: container(name),
        problem: Problem::ContainerStopped,
        severity: Severity::Unhealthy,
        phase: Phase::Detected,
        title: format!("{name} exited with code 1"),
        findings: vec![Finding {
            resource: container(name),
            problem: Problem::ContainerStopped,
            severity: Severity::Unhealthy,
            summary: format!("{name} exited with code 1"),
            evidence: Vec::new(),
            since: at(opened),
        }],
        affected: Vec::new(),
        diagnoses: Vec::new(),
        chosen: None,
        decision: None,
        tasks: Vec::new(),
        flaps: 0,
        opened_at: at(opened),
        updated_at: at(opened),
        resolved_at: None,
        resolution: None,
        timeline: Vec::new(),
    }
}

pub(super) fn resolved(mut incident: Incident, seconds: i64, kind: ResolutionKind) -> Incident {
    incident.phase = Phase::Resolved;
    incident.resolved_at = Some(at(seconds));
    incident.resolution = Some(Resolution {
        kind,
        text: "over".to_owned(),
    });
    incident.note(at(seconds), Phase::Resolved, "over");
    incident
}

pub(super) fn reopened(mut incident: Incident) -> Incident {
    incident.phase = Phase::Detected;
    incident.resolved_at = None;
    incident.resolution = None;
    incident.flaps += 1;
    incident
}

pub(super) fn changed(change: IncidentChange, incident: &Incident) -> Event {
    Event::IncidentChanged {
        change,
        incident: Box::new(incident.clone()),
    }
}

pub(super) fn task(id: i64, name: &str, status: TaskState) -> Task {
    let restart = Action::RestartContainer {
        container: ContainerRef::new(container(name), "abc").unwrap(),
        grace_seconds: 10,
    };
    let plan = Plan::new(vec![Step {
        action: restart,
        precondition: Precondition::Container {
            resource: container(name),
            container_id: "abc".to_owned(),
            condition: ContainerCondition::Failing,
        },
        verification: Verification::ByReport,
        undo: Undo::Impossible {
            reason: "nothing to take back".to_owned(),
        },
    }])
    .unwrap();
    Task {
        id: TaskId(id),
        node: NODE.to_owned(),
        incident: Some(IncidentId(1)),
        resource: container(name),
        description: format!("Restart {name}"),
        task_type: TaskType::Healing,
        priority: 2,
        risk: plan.risk(),
        plan_hash: plan.hash().clone(),
        plan,
        requires_approval: false,
        approved: false,
        approval: None,
        status,
        why: "low risk".to_owned(),
        record: RemedyRecord::default(),
        requested_by: Requester::Steward,
        created_at: at(0),
        expires_at: None,
        not_before: None,
        started_at: None,
        finished_at: None,
        result: None,
        execution_log: Vec::new(),
    }
}

pub(super) fn task_changed(task: &Task) -> Event {
    Event::TaskChanged {
        change: TaskChange::Progressed,
        task: Box::new(task.clone()),
    }
}

pub(super) fn intended(task: i64, step: u32, name: &str) -> Event {
    Event::ActionIntended {
        task: TaskId(task),
        step,
        undo: false,
        action: ActionName::RestartContainer,
        resource: container(name),
        problem: Some(Problem::ContainerStopped),
    }
}

pub(super) fn concluded(task: i64, step: u32, name: &str, result: StepResult) -> Event {
    Event::ActionConcluded {
        task: TaskId(task),
        step,
        undo: false,
        action: ActionName::RestartContainer,
        resource: container(name),
        problem: Some(Problem::ContainerStopped),
        result,
        details: String::new(),
    }
}

pub(super) fn learned(name: &str, successes: u32, failures: u32, in_a_row: u32) -> Event {
    Event::RemedyLearned {
        problem: Problem::ContainerStopped,
        action: ActionName::RestartContainer,
        resource: container(name),
        success: in_a_row == 0,
        record: RemedyRecord {
            successes_here: successes,
            failures_here: failures,
            failures_in_a_row_here: in_a_row,
            successes,
            failures,
        },
    }
}
