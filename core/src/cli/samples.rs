//! One small homelab with a bad day, as the contract would tell it: what the golden tests render.

use steward_api::*;

pub(super) const NOW: &str = "2026-03-10T12:00:00Z";

fn at(text: &str) -> jiff::Timestamp {
    format!("2026-03-10T{text}Z").parse().unwrap()
}

fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

fn container_ref(name: &str) -> ContainerRef {
    ContainerRef {
        resource: ResourceId::container("atlas", name),
        container_id: "0123456789abcdef".to_owned(),
    }
}

pub(super) fn restart_plan() -> Plan {
    Plan::new(vec![Step {
        action: Action::RestartContainer {
            container: container_ref("nginx"),
            grace_seconds: 10,
        },
        precondition: Precondition::Container {
            resource: id("atlas/container/nginx"),
            container_id: "0123456789abcdef".to_owned(),
            condition: ContainerCondition::Failing,
        },
        verification: Verification::ContainersHealthy {
            containers: vec![id("atlas/container/nginx")],
            stable_seconds: 10,
            within_seconds: 90,
        },
        undo: Undo::Impossible {
            reason: "a restart needs none".to_owned(),
        },
    }])
    .unwrap()
}

pub(super) fn limits_plan() -> Plan {
    const MIB: u64 = 1024 * 1024;
    let from = Limits {
        memory_bytes: Some(256 * MIB),
        cpu_millicores: None,
    };
    let to = Limits {
        memory_bytes: Some(384 * MIB),
        cpu_millicores: None,
    };
    let action = |from, to| Action::SetLimits {
        container: container_ref("grafana"),
        from,
        to,
    };
    Plan::new(vec![Step {
        action: action(from, to),
        precondition: Precondition::Limits {
            resource: id("atlas/container/grafana"),
            container_id: "0123456789abcdef".to_owned(),
            limits: from,
        },
        verification: Verification::LimitsAre {
            container: id("atlas/container/grafana"),
            limits: to,
            stable_seconds: 10,
        },
        undo: Undo::Action {
            action: Box::new(action(to, from)),
        },
    }])
    .unwrap()
}

pub(super) fn done_task() -> Task {
    let plan = restart_plan();
    let entry = |timestamp: &str, action: &str, details: &str| ExecutionEntry {
        timestamp: at(timestamp),
        action: action.to_owned(),
        details: details.to_owned(),
    };
    Task {
        id: TaskId(3),
        node: "atlas".to_owned(),
        incident: Some(IncidentId(12)),
        resource: id("atlas/container/nginx"),
        description: "Restart nginx (10 s grace)".to_owned(),
        task_type: TaskType::Healing,
        priority: 3,
        risk: Risk::Low,
        plan_hash: plan.hash().clone(),
        plan,
        requires_approval: false,
        approved: false,
        approval: None,
        status: TaskState::Completed,
        why: "low risk, and autonomy is assist".to_owned(),
        record: RemedyRecord {
            successes_here: 4,
            failures_here: 1,
            failures_in_a_row_here: 0,
            successes: 9,
            failures: 2,
        },
        requested_by: Requester::Steward,
        created_at: at("11:58:00.050"),
        expires_at: None,
        not_before: None,
        started_at: Some(at("11:58:00.060")),
        finished_at: Some(at("11:58:11")),
        result: Some(TaskResult {
            success: true,
            details: "nginx has been well for 10 s".to_owned(),
        }),
        execution_log: vec![
            entry(
                "11:58:00.070",
                "validated_request",
                "still the same container",
            ),
            entry("11:58:00.090", "restarted_container", ""),
            entry("11:58:11", "verified_health", "well for 10 s"),
        ],
    }
}

pub(super) fn waiting_task() -> Task {
    let plan = limits_plan();
    Task {
        id: TaskId(4),
        incident: Some(IncidentId(13)),
        resource: id("atlas/container/grafana"),
        description: "Raise the memory limit of grafana from 256 MiB to 384 MiB".to_owned(),
        task_type: TaskType::ResourceOptimization,
        priority: 5,
        risk: Risk::Medium,
        plan_hash: plan.hash().clone(),
        plan,
        requires_approval: true,
        status: TaskState::Pending,
        why: "medium risk asks at autonomy assist".to_owned(),
        record: RemedyRecord::default(),
        created_at: at("11:40:00"),
        expires_at: Some("2026-03-11T11:40:00Z".parse().unwrap()),
        started_at: None,
        finished_at: None,
        result: None,
        execution_log: Vec::new(),
        ..done_task()
    }
}

pub(super) fn healed_incident() -> Incident {
    let resource = id("atlas/container/nginx");
    let evidence = vec![
        Evidence::new("docker event", "died with exit code 137").at(at("11:58:00")),
        Evidence::new("log", "worker process\u{1b}[31m exited"),
    ];
    let mut incident = Incident {
        id: IncidentId(12),
        resource: resource.clone(),
        problem: Problem::ContainerStopped,
        severity: Severity::Unhealthy,
        phase: Phase::Learned,
        title: "nginx exited with code 137".to_owned(),
        findings: vec![Finding {
            resource,
            problem: Problem::ContainerStopped,
            severity: Severity::Unhealthy,
            summary: "nginx exited with code 137, and nobody asked it to".to_owned(),
            evidence: evidence.clone(),
            since: at("11:58:00"),
        }],
        affected: vec![id("atlas/service/site")],
        chosen: None,
        diagnoses: vec![Diagnosis {
            diagnosis: "The main process was killed".to_owned(),
            recommended_action: Some(ActionName::RestartContainer),
            withheld: None,
            urgency: Urgency::High,
            confidence: 85,
            reasoning: "Exit code 137 is a SIGKILL, and the kernel did not report an OOM kill."
                .to_owned(),
            evidence,
            source: "catalogue:killed".to_owned(),
            advice: "Look for what kills it if it happens again.".to_owned(),
        }],
        decision: Some(Decision {
            verdict: Verdict::ActNow,
            reason: "restarting is of low risk, and no guard speaks against it".to_owned(),
            guard: None,
            retry_at: None,
        }),
        tasks: vec![TaskId(3)],
        flaps: 1,
        opened_at: at("11:58:00.010"),
        updated_at: at("11:58:11"),
        resolved_at: Some(at("11:58:11")),
        resolution: Some(Resolution {
            kind: ResolutionKind::Healed,
            text: "task 3 restarted nginx".to_owned(),
        }),
        timeline: Vec::new(),
    };
    incident.note(
        at("11:58:00.010"),
        Phase::Detected,
        "nginx exited with code 137",
    );
    incident.note(
        at("11:58:00.040"),
        Phase::Diagnosed,
        "The main process was killed",
    );
    incident.note(at("11:58:11"), Phase::Resolved, "task 3 restarted nginx");
    incident
}

pub(super) fn looping_incident() -> Incident {
    Incident {
        id: IncidentId(14),
        resource: id("atlas/container/importer"),
        problem: Problem::RestartLoop,
        severity: Severity::Critical,
        phase: Phase::Assessed,
        title: "importer ends again and again: 5 times in 5 min".to_owned(),
        affected: Vec::new(),
        decision: Some(Decision {
            verdict: Verdict::Withhold,
            reason: "one more restart does not help a loop; the missing variable DATABASE_URL must be set".to_owned(),
            guard: Some("loop".to_owned()),
            retry_at: None,
        }),
        tasks: Vec::new(),
        flaps: 0,
        opened_at: at("09:30:00"),
        resolved_at: None,
        resolution: None,
        ..healed_incident()
    }
}

pub(super) fn status() -> StatusReply {
    let counts = |pairs: &[(&str, u64)]| {
        pairs
            .iter()
            .map(|(word, count)| ((*word).to_owned(), *count))
            .collect()
    };
    StatusReply {
        node: "atlas".to_owned(),
        version: "0.1.0".to_owned(),
        started_at: at("03:00:00"),
        uptime_seconds: 9 * 3600,
        autonomy: Autonomy::Assist,
        autonomy_explanation: Autonomy::Assist.explanation().to_owned(),
        sources: vec![
            SourceStatus {
                name: "docker".to_owned(),
                up: Some(true),
                last_success: Some(at("11:59:40")),
                error: None,
                last_duration_ms: Some(132),
            },
            SourceStatus {
                name: "host".to_owned(),
                up: None,
                last_success: None,
                error: None,
                last_duration_ms: None,
            },
            SourceStatus {
                name: "network".to_owned(),
                up: Some(false),
                last_success: Some(at("10:00:00")),
                error: Some("no name server answers; check /etc/resolv.conf".to_owned()),
                last_duration_ms: None,
            },
        ],
        schedules: Vec::new(),
        store: StoreStatus {
            engine: "sqlite".to_owned(),
            writable: false,
            error: Some("the disk is full".to_owned()),
            backlog: 12,
            journal_seq: 4711,
        },
        versions: std::collections::BTreeMap::new(),
        resources: [
            (
                "container".to_owned(),
                counts(&[("healthy", 12), ("unhealthy", 1), ("unknown", 2)]),
            ),
            ("host".to_owned(), counts(&[("healthy", 1)])),
        ]
        .into(),
        active_incidents: counts(&[("critical", 1), ("degraded", 1)]),
        tasks_awaiting_approval: 1,
        unreadable: vec![Unreadable {
            source: "docker".to_owned(),
            what: "stats of container plex".to_owned(),
            error: "timed out after 5 s".to_owned(),
        }],
        config_error: Some(
            "/etc/steward/steward.toml, line 7: `levle` is not known; `level`?".to_owned(),
        ),
    }
}

pub(super) fn resources() -> ResourceList {
    let resource = |text: &str, health, reason: &str, metrics: &[(Metric, f64)]| Resource {
        id: id(text),
        health,
        reason: reason.to_owned(),
        depends_on: Vec::new(),
        runs_on: None,
        facts: Facts::Container(Box::new(ContainerFacts {
            image: "nginx:1.27".to_owned(),
            memory_limit_bytes: Some(256 * 1024 * 1024),
            restart_count: 2,
            ..ContainerFacts::default()
        })),
        metrics: metrics.iter().copied().collect(),
        read_at: at("11:59:40"),
    };
    let used = [
        (Metric::CpuPercent, 3.2),
        (Metric::MemoryBytes, 52.0 * 1024.0 * 1024.0),
    ];
    ResourceList {
        taken_at: at("11:59:40"),
        resources: vec![
            resource(
                "atlas/container/nginx",
                Health::Healthy,
                "running for 2 min",
                &used,
            ),
            resource(
                "atlas/container/importer",
                Health::Restarting,
                "exited with code 1, again",
                &[],
            ),
            resource(
                "atlas/container/plex",
                Health::Unknown,
                "could not be read",
                &[],
            ),
            resource(
                "atlas/container/backup",
                Health::Stopped,
                "finished with code 0",
                &[],
            ),
            resource(
                "atlas/container/grafana",
                Health::Unhealthy,
                "health check fails",
                &used,
            ),
        ],
        unreadable: status().unreadable,
    }
}

pub(super) fn detail() -> ResourceDetail {
    let mut resource = resources().resources.remove(0);
    resource.depends_on = vec![Dependency {
        on: id("atlas/container/app"),
        condition: DependencyCondition::Started,
    }];
    ResourceDetail {
        resource,
        dependents: vec![id("atlas/service/site")],
        incidents: vec![healed_incident()],
        statistics: ResourceStatistics {
            incidents: 5,
            healed: 4,
            recovered: 1,
            actions_succeeded: 4,
            actions_failed: 1,
            incident_seconds: 55.0,
            last_incident_at: Some(at("11:58:00")),
        },
    }
}

pub(super) fn journal() -> JournalPage {
    let events = vec![
        Event::AgentStarted {
            version: "0.1.0".to_owned(),
            autonomy: Autonomy::Assist,
        },
        Event::ResourceChanged {
            resource: id("atlas/container/nginx"),
            from: Some(Health::Healthy),
            to: Health::Unhealthy,
            reason: "exited with code 137".to_owned(),
        },
        Event::IncidentChanged {
            change: IncidentChange::Detected,
            incident: Box::new(healed_incident()),
        },
        Event::ActionIntended {
            task: TaskId(3),
            step: 0,
            undo: false,
            action: ActionName::RestartContainer,
            resource: id("atlas/container/nginx"),
            problem: Some(Problem::ContainerStopped),
        },
        Event::ActionConcluded {
            task: TaskId(3),
            step: 0,
            undo: false,
            action: ActionName::RestartContainer,
            resource: id("atlas/container/nginx"),
            problem: Some(Problem::ContainerStopped),
            result: StepResult::Succeeded,
            details: "well for 10 s".to_owned(),
        },
        Event::TaskChanged {
            change: TaskChange::Created,
            task: Box::new(waiting_task()),
        },
        Event::SourceDown {
            source: "network".to_owned(),
            error: "no name server answers".to_owned(),
        },
    ];
    let items = events
        .into_iter()
        .enumerate()
        .map(|(index, event)| Envelope {
            seq: index as i64 + 1,
            node: "atlas".to_owned(),
            at: at(&format!("11:58:0{index}.010")),
            event,
            hash: format!("{index}").repeat(64),
        })
        .collect();
    Page { items, next: None }
}
