//! Small values of the contract for tests.

pub(crate) mod security;

use jiff::Timestamp;
use steward_api::*;

/// A time on the tenth of March 2026, UTC.
pub(crate) fn at(time: &str) -> Timestamp {
    format!("2026-03-10T{time}Z").parse().unwrap()
}

pub(crate) fn container_id(name: &str) -> ResourceId {
    ResourceId::container("atlas", name)
}

pub(crate) fn container(name: &str, health: Health) -> Resource {
    Resource {
        id: container_id(name),
        health,
        reason: format!("why {name}"),
        depends_on: Vec::new(),
        runs_on: Some(ResourceId::new("atlas", ResourceKind::Engine, "docker")),
        facts: Facts::Container(Box::new(ContainerFacts {
            container_id: format!("id-{name}"),
            image: format!("{name}:1"),
            ..ContainerFacts::default()
        })),
        metrics: std::collections::BTreeMap::new(),
        read_at: at("12:00:00"),
    }
}

pub(crate) fn container_of(name: &str, health: Health, project: &str) -> Resource {
    let mut resource = container(name, health);
    if let Facts::Container(facts) = &mut resource.facts {
        facts.compose = Some(ComposeRef {
            project: project.to_owned(),
            service: name.to_owned(),
        });
    }
    resource
}

/// `from` needs each of `on`, all containers.
pub(crate) fn needs(from: &str, on: &[&str]) -> Resource {
    let mut resource = container(from, Health::Healthy);
    resource.depends_on = on
        .iter()
        .map(|name| Dependency {
            on: container_id(name),
            condition: DependencyCondition::Started,
        })
        .collect();
    resource
}

pub(crate) fn host() -> Resource {
    Resource {
        id: ResourceId::host("atlas"),
        health: Health::Healthy,
        reason: String::new(),
        depends_on: Vec::new(),
        runs_on: None,
        facts: Facts::Host(HostFacts::default()),
        metrics: [(Metric::CpuPercent, 23.0)].into(),
        read_at: at("12:00:00"),
    }
}

pub(crate) fn list(resources: Vec<Resource>) -> ResourceList {
    ResourceList {
        taken_at: at("12:00:00"),
        resources,
        unreadable: Vec::new(),
    }
}

pub(crate) fn status() -> StatusReply {
    StatusReply {
        node: "atlas".to_owned(),
        version: "0.1.0".to_owned(),
        started_at: at("10:00:00"),
        uptime_seconds: 7200,
        autonomy: Autonomy::Assist,
        autonomy_explanation: Autonomy::Assist.explanation().to_owned(),
        sources: vec![SourceStatus {
            name: "docker".to_owned(),
            up: Some(true),
            last_success: Some(at("12:00:00")),
            error: None,
            last_duration_ms: Some(12),
        }],
        schedules: Vec::new(),
        store: StoreStatus {
            engine: "sqlite".to_owned(),
            writable: true,
            error: None,
            backlog: 0,
            journal_seq: 10,
        },
        versions: std::collections::BTreeMap::new(),
        resources: std::collections::BTreeMap::new(),
        active_incidents: std::collections::BTreeMap::new(),
        tasks_awaiting_approval: 0,
        unreadable: Vec::new(),
        config_error: None,
    }
}

pub(crate) fn envelope(seq: i64, event: Event) -> Envelope {
    Envelope {
        seq,
        node: "atlas".to_owned(),
        at: at("12:00:00"),
        event,
        hash: String::new(),
    }
}

pub(crate) fn changed(seq: i64, name: &str, from: Health, to: Health) -> Envelope {
    envelope(
        seq,
        Event::ResourceChanged {
            resource: container_id(name),
            from: Some(from),
            to,
            reason: format!("why {name}"),
        },
    )
}

pub(crate) fn gone(seq: i64, name: &str) -> Envelope {
    envelope(
        seq,
        Event::ResourceGone {
            resource: container_id(name),
        },
    )
}

pub(crate) fn agent_started(seq: i64) -> Envelope {
    envelope(
        seq,
        Event::AgentStarted {
            version: "0.1.0".to_owned(),
            autonomy: Autonomy::Assist,
        },
    )
}

pub(crate) fn autonomy(seq: i64, to: Autonomy) -> Envelope {
    envelope(
        seq,
        Event::AutonomyChanged {
            from: Autonomy::Assist,
            to,
            by: "admin".to_owned(),
        },
    )
}

pub(crate) fn source_down(seq: i64, source: &str, error: &str) -> Envelope {
    envelope(
        seq,
        Event::SourceDown {
            source: source.to_owned(),
            error: error.to_owned(),
        },
    )
}

pub(crate) fn source_up(seq: i64, source: &str) -> Envelope {
    envelope(
        seq,
        Event::SourceUp {
            source: source.to_owned(),
        },
    )
}

pub(crate) fn incident(id: i64, name: &str) -> Incident {
    Incident {
        id: IncidentId(id),
        resource: container_id(name),
        problem: Problem::ContainerStopped,
        severity: Severity::Unhealthy,
        phase: Phase::Detected,
        title: format!("{name} ended with exit code 1"),
        findings: Vec::new(),
        affected: Vec::new(),
        diagnoses: Vec::new(),
        chosen: None,
        decision: None,
        tasks: Vec::new(),
        flaps: 0,
        opened_at: at("11:58:00"),
        updated_at: at("11:58:00"),
        resolved_at: None,
        resolution: None,
        timeline: Vec::new(),
    }
}

pub(crate) fn finding(resource: &ResourceId, problem: Problem) -> Finding {
    Finding {
        resource: resource.clone(),
        problem,
        severity: Severity::Degraded,
        summary: String::new(),
        evidence: Vec::new(),
        since: at("11:58:00"),
    }
}

pub(crate) fn incident_event(seq: i64, change: IncidentChange, incident: &Incident) -> Envelope {
    envelope(
        seq,
        Event::IncidentChanged {
            change,
            incident: Box::new(incident.clone()),
        },
    )
}

pub(crate) fn set_limits(name: &str, from_mib: u64, to_mib: u64) -> Step {
    const MIB: u64 = 1024 * 1024;
    let container = ContainerRef::new(container_id(name), format!("id-{name}")).unwrap();
    let limits = |mib: u64| Limits {
        memory_bytes: Some(mib * MIB),
        cpu_millicores: None,
    };
    let set = |from, to| Action::SetLimits {
        container: container.clone(),
        from: limits(from),
        to: limits(to),
    };
    Step {
        action: set(from_mib, to_mib),
        precondition: Precondition::Limits {
            resource: container_id(name),
            container_id: format!("id-{name}"),
            limits: limits(from_mib),
        },
        verification: Verification::LimitsAre {
            container: container_id(name),
            limits: limits(to_mib),
            stable_seconds: 30,
        },
        undo: Undo::Action {
            action: Box::new(set(to_mib, from_mib)),
        },
    }
}

pub(crate) fn task(id: i64, name: &str) -> Task {
    let plan = Plan::new(vec![set_limits(name, 512, 768)]).unwrap();
    Task {
        id: TaskId(id),
        node: "atlas".to_owned(),
        incident: None,
        resource: container_id(name),
        description: format!("Raise memory of {name}"),
        task_type: TaskType::ResourceOptimization,
        priority: 5,
        risk: Risk::Medium,
        plan_hash: plan.hash().clone(),
        plan,
        requires_approval: true,
        approved: false,
        approval: None,
        status: TaskState::Pending,
        why: "It is of medium risk".to_owned(),
        record: RemedyRecord::default(),
        requested_by: Requester::Steward,
        created_at: at("11:59:00"),
        expires_at: Some(at("12:59:00")),
        not_before: None,
        started_at: None,
        finished_at: None,
        result: None,
        execution_log: Vec::new(),
    }
}

pub(crate) fn task_event(seq: i64, change: TaskChange, task: &Task) -> Envelope {
    envelope(
        seq,
        Event::TaskChanged {
            change,
            task: Box::new(task.clone()),
        },
    )
}

pub(crate) fn conversation(id: i64, title: &str) -> Conversation {
    Conversation {
        id: ConversationId(id),
        node: "atlas".to_owned(),
        title: title.to_owned(),
        by: "admin".to_owned(),
        channel: Channel::Browser,
        incident: None,
        task: None,
        started_at: at("11:50:00"),
        last_at: at("12:00:00"),
        messages: 1,
        tasks: Vec::new(),
    }
}

pub(crate) fn message(number: u32, kind: MessageKind, from: &str, to: &str) -> Message {
    Message {
        conversation: ConversationId(1),
        number,
        at: at("12:00:00"),
        from: from.to_owned(),
        to: to.to_owned(),
        kind,
        text: format!("words {number}"),
        reply_to: None,
        looked_at: Vec::new(),
        proposals: Vec::new(),
        unchecked: Vec::new(),
        model: None,
    }
}

/// The same, in answer to another or because of it.
pub(crate) fn reply(
    number: u32,
    kind: MessageKind,
    from: &str,
    to: &str,
    reply_to: u32,
) -> Message {
    Message {
        reply_to: Some(reply_to),
        ..message(number, kind, from, to)
    }
}

pub(crate) fn looked(reference: &str) -> LookedAt {
    LookedAt {
        reference: reference.to_owned(),
        tool: "get_log".to_owned(),
        what: "the log of atlas/container/web".to_owned(),
        text: "a line".to_owned(),
        failed: false,
        at: at("12:00:00"),
    }
}

/// A message as the journal tells it.
pub(crate) fn said(seq: i64, conversation: i64, message: &Message) -> Envelope {
    let id = ConversationId(conversation);
    let mut about = self::conversation(conversation, "Why is web slow?");
    about.messages = message.number;
    about.last_at = message.at;
    envelope(
        seq,
        Event::MessageSent {
            conversation: Box::new(about),
            message: Box::new(Message {
                conversation: id,
                ..message.clone()
            }),
        },
    )
}

/// Security in numbers, with this score.
pub(crate) fn summary(score: Option<u8>) -> SecuritySummary {
    SecuritySummary {
        security_score: score,
        security_level: score.map(SecurityLevel::of),
        ..SecuritySummary::default()
    }
}

pub(crate) fn scanned(seq: i64, score: Option<u8>) -> Envelope {
    envelope(
        seq,
        Event::SecurityScanned {
            part: ScanPart::Ports,
            failed: None,
            summary: Box::new(summary(score)),
        },
    )
}

pub(crate) fn port_accepted(seq: i64, name: &str) -> Envelope {
    envelope(
        seq,
        Event::PortAccepted {
            port: ResourceId::new("atlas", ResourceKind::Port, name),
            by: "admin".to_owned(),
        },
    )
}

pub(crate) fn security_day(seq: i64) -> Envelope {
    envelope(
        seq,
        Event::SecurityDay {
            day: Box::new(SecurityDay {
                day: "2026-03-09".to_owned(),
                title: "85 of 100 (good)".to_owned(),
                lines: vec!["1 certificate ends soon".to_owned()],
                summary: summary(Some(85)),
            }),
        },
    )
}

pub(crate) fn progress(version: u64, busy: bool, messages: u32) -> Progress {
    Progress {
        conversation: ConversationId(1),
        version,
        busy,
        working: Vec::new(),
        writing: None,
        messages,
    }
}
