//! Hand-made things of every kind, always the same.

use steward_api::*;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use crate::engine::View;

pub(in crate::server) fn at(minute: i8) -> Timestamp {
    format!("2025-11-19T10:{minute:02}:00Z").parse().unwrap()
}

pub(in crate::server) fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

pub(in crate::server) fn resource(name: &str, health: Health, facts: Facts) -> Resource {
    Resource {
        id: id(name),
        health,
        reason: String::new(),
        depends_on: Vec::new(),
        runs_on: None,
        facts,
        metrics: BTreeMap::new(),
        read_at: at(30),
    }
}

pub(in crate::server) fn container(name: &str, health: Health) -> Resource {
    let facts = ContainerFacts {
        container_id: format!("{name}0123456789abcdef"),
        image: format!("{name}:latest"),
        status: ContainerStatus::Running,
        created_at: Some(at(0)),
        started_at: Some(at(1)),
        compose: Some(ComposeRef {
            project: "web".to_owned(),
            service: name.to_owned(),
        }),
        ..ContainerFacts::default()
    };
    Resource {
        runs_on: Some(id("atlas/engine/docker")),
        metrics: BTreeMap::from([(Metric::CpuPercent, 12.5), (Metric::MemoryBytes, 1e6)]),
        ..resource(
            &format!("atlas/container/{name}"),
            health,
            Facts::Container(Box::new(facts)),
        )
    }
}

pub(in crate::server) fn incident(number: i64) -> Incident {
    Incident {
        id: IncidentId(number),
        resource: id("atlas/container/db"),
        problem: Problem::ContainerStopped,
        severity: Severity::Unhealthy,
        phase: Phase::Assessed,
        title: "db exited with code 1".to_owned(),
        findings: vec![Finding {
            resource: id("atlas/container/db"),
            problem: Problem::ContainerStopped,
            severity: Severity::Unhealthy,
            summary: "db exited with code 1".to_owned(),
            evidence: vec![Evidence::new("docker event", "die, exit code 1").at(at(29))],
            since: at(29),
        }],
        affected: vec![id("atlas/container/app")],
        chosen: None,
        diagnoses: vec![Diagnosis {
            diagnosis: "PostgreSQL connection pool exhausted".to_owned(),
            recommended_action: Some(ActionName::RestartContainer),
            withheld: None,
            urgency: Urgency::High,
            confidence: 92,
            reasoning: "The log says so".to_owned(),
            evidence: vec![Evidence::new("log", "too many clients already")],
            source: "catalogue:postgres-too-many-clients".to_owned(),
            advice: String::new(),
        }],
        decision: Some(Decision {
            verdict: Verdict::Ask,
            reason: "Autonomy is ask".to_owned(),
            guard: Some("autonomy".to_owned()),
            retry_at: None,
        }),
        tasks: vec![TaskId(number)],
        flaps: 0,
        opened_at: at(29),
        updated_at: at(30),
        resolved_at: None,
        resolution: None,
        timeline: Vec::new(),
    }
}

pub(in crate::server) fn task(number: i64, priority: u8, minute: i8) -> Task {
    let plan = Plan::new(vec![Step {
        action: Action::RestartContainer {
            container: ContainerRef {
                resource: id("atlas/container/db"),
                container_id: "db0123456789abcdef".to_owned(),
            },
            grace_seconds: 10,
        },
        precondition: Precondition::Nothing,
        verification: Verification::ByReport,
        undo: Undo::Impossible {
            reason: "A restart needs no undo".to_owned(),
        },
    }])
    .unwrap();
    Task {
        id: TaskId(number),
        node: "atlas".to_owned(),
        incident: Some(IncidentId(number)),
        resource: id("atlas/container/db"),
        description: "Restart db (10 s grace)".to_owned(),
        task_type: TaskType::Healing,
        priority,
        risk: plan.risk(),
        plan_hash: plan.hash().clone(),
        plan,
        requires_approval: true,
        approved: false,
        approval: None,
        status: TaskState::Pending,
        why: "Autonomy is ask".to_owned(),
        record: RemedyRecord::default(),
        requested_by: Requester::Steward,
        created_at: at(minute),
        expires_at: Some(at(59)),
        not_before: None,
        started_at: None,
        finished_at: None,
        result: None,
        execution_log: Vec::new(),
    }
}

/// A task that is over.
pub(in crate::server) fn done(number: i64) -> Task {
    let step = |minute, action: &str| ExecutionEntry {
        timestamp: at(minute),
        action: action.to_owned(),
        details: String::new(),
    };
    Task {
        requires_approval: false,
        status: TaskState::Completed,
        started_at: Some(at(31)),
        finished_at: Some(at(32)),
        result: Some(TaskResult {
            success: true,
            details: "db runs and is healthy".to_owned(),
        }),
        execution_log: vec![
            step(31, "validated_request"),
            step(31, "restarted_container"),
            step(32, "verified_health"),
        ],
        ..task(number, 5, 30)
    }
}

pub(in crate::server) fn view() -> View {
    let mut app = container("app", Health::Degraded);
    app.depends_on.push(Dependency {
        on: id("atlas/container/db"),
        condition: DependencyCondition::Healthy,
    });
    let mut engine = resource(
        "atlas/engine/docker",
        Health::Healthy,
        Facts::Engine(EngineFacts {
            version: "28.2.2".to_owned(),
            ..EngineFacts::default()
        }),
    );
    engine.runs_on = Some(id("atlas/host"));
    let mut database = resource(
        "atlas/database/main",
        Health::Healthy,
        Facts::Database(DatabaseFacts {
            engine: "postgresql".to_owned(),
            connected: Some(true),
            ..DatabaseFacts::default()
        }),
    );
    database.metrics.insert(Metric::LatencyMs, 15.0);
    let mut disk = resource(
        "atlas/disk//",
        Health::Healthy,
        Facts::Disk(DiskFacts {
            file_system: "ext4".to_owned(),
            device: "/dev/sda1".to_owned(),
            total_bytes: 430_000_000_000,
            available_bytes: 150_000_000_000,
        }),
    );
    disk.metrics.insert(Metric::DiskPercent, 65.0);
    let resources = [
        resource(
            "atlas/host",
            Health::Healthy,
            Facts::Host(HostFacts::default()),
        ),
        engine,
        container("nginx", Health::Healthy),
        container("db", Health::Unhealthy),
        container("job", Health::Stopped),
        container("new", Health::Unknown),
        app,
        disk,
        resource(
            "atlas/network/dns",
            Health::Healthy,
            Facts::Network(NetworkFacts::default()),
        ),
        resource(
            "atlas/network/outside",
            Health::Healthy,
            Facts::Network(NetworkFacts::default()),
        ),
        database,
    ];
    let schedule = ScheduleStatus {
        name: "container_cycle".to_owned(),
        enabled: true,
        every_seconds: 30,
        next_run: Some(at(31)),
        last_run: Some(at(30)),
    };
    let source = SourceStatus {
        name: "docker".to_owned(),
        up: Some(true),
        last_success: Some(at(30)),
        error: None,
        last_duration_ms: Some(140),
    };
    View {
        node: "atlas".to_owned(),
        started_at: at(0),
        autonomy: Autonomy::Assist,
        taken_at: at(30),
        resources: Arc::new(
            resources
                .into_iter()
                .map(|resource| (resource.id.clone(), Arc::new(resource)))
                .collect(),
        ),
        unreadable: vec![Unreadable {
            source: "docker".to_owned(),
            what: "stats of container new".to_owned(),
            error: "timed out".to_owned(),
        }],
        sources: vec![source],
        schedules: vec![schedule],
        versions: BTreeMap::from([("docker".to_owned(), "28.2.2".to_owned())]),
        security: Arc::default(),
        security_summary: Arc::default(),
        active_incidents: vec![Arc::new(incident(1))],
        open_tasks: vec![
            Arc::new(task(1, 5, 30)),
            Arc::new(task(2, 2, 31)),
            Arc::new(task(3, 5, 29)),
            Arc::new(Task {
                requires_approval: false,
                status: TaskState::InProgress,
                ..task(4, 1, 30)
            }),
        ],
        store_error: None,
        store_backlog: 0,
        config_error: None,
    }
}
