//! `status` and `resources`: what there is and how it is.

use steward_api::{
    GetStatus, Health, Incident, IncidentQuery, IncidentState, ListIncidents, ListPendingTasks,
    ListResources, Metric, Nothing, Resource, ResourceKind, ResourceList, ResourceQuery,
    SourceStatus, StatusReply, Task, Unreadable,
};

use super::{
    Context,
    args::{ResourcesArgs, StatusArgs},
    failure::{Exit, Failure},
    output::{Screen, Tone, clean, health_mark, risk_mark, severity_mark, units},
};

pub(super) async fn status(context: &Context, args: &StatusArgs) -> Result<Exit, Failure> {
    let client = context.connect()?;
    let status = client.call::<GetStatus>(None, &Nothing {}).await?;
    if context.screen.json {
        context.screen.print_json(&status)?;
    } else {
        let active = IncidentQuery {
            state: Some(IncidentState::Active),
            ..IncidentQuery::default()
        };
        let incidents = client.call::<ListIncidents>(None, &active).await?;
        let tasks = client.call::<ListPendingTasks>(None, &Nothing {}).await?;
        let text = render(&context.screen, &status, &incidents.items, &tasks);
        context.screen.print(&text)?;
    }
    Ok(if args.check && is_wrong(&status) {
        Exit::Failed
    } else {
        Exit::Done
    })
}

fn is_wrong(status: &StatusReply) -> bool {
    !status.store.writable
        || status.config_error.is_some()
        || status.sources.iter().any(|source| source.up == Some(false))
        || status.active_incidents.values().any(|count| *count > 0)
}

/// The status for a person: what is wrong with Steward itself first, what needs the person last, next to the prompt.
pub(super) fn render(
    screen: &Screen,
    status: &StatusReply,
    incidents: &[Incident],
    tasks: &[Task],
) -> String {
    let mut out = String::new();
    let bold = |text: &str| screen.paint(Tone::Strong, clean(text));
    out.push_str(&format!(
        "{} {} on {}, up {}, autonomy {}\n",
        bold("Steward"),
        clean(&status.version),
        bold(&status.node),
        units::seconds(status.uptime_seconds),
        bold(status.autonomy.as_str())
    ));
    out.push_str(&screen.wrapped(2, &status.autonomy_explanation));
    out.push_str(&troubles(screen, status));

    out.push('\n');
    out.push_str(&screen.heading("Looked after"));
    let mut rows = Vec::new();
    for kind in ResourceKind::ALL {
        let Some(counts) = status.resources.get(kind.as_str()) else {
            continue;
        };
        let parts: Vec<_> = HEALTH_ORDER
            .iter()
            .filter_map(|health| {
                let count = counts
                    .get(health.as_str())
                    .copied()
                    .filter(|count| *count > 0)?;
                let mark = health_mark(*health);
                Some(screen.paint(mark.tone, format!("{} {count} {}", mark.symbol, mark.word)))
            })
            .collect();
        if !parts.is_empty() {
            rows.push(screen.painted_field(kind.as_str(), &parts.join("   ")));
        }
    }
    if rows.is_empty() {
        out.push_str("  nothing yet\n");
    }
    out.push_str(&rows.concat());

    out.push('\n');
    out.push_str(&screen.heading("Sources"));
    for source in &status.sources {
        let (mark, tone) = match source.up {
            Some(true) => ("● answers", Tone::Good),
            Some(false) => ("✖ fails", Tone::Bad),
            None => ("? not read yet", Tone::Unsure),
        };
        let last = source.last_success.map_or_else(
            || "never read".to_owned(),
            |at| format!("read {}", units::relative(at, screen.now)),
        );
        let took = source
            .last_duration_ms
            .map_or_else(String::new, |ms| format!(", took {ms} ms"));
        out.push_str(&screen.painted_field(
            &clean(&source.name),
            &format!("{}  {last}{took}", screen.paint(tone, mark)),
        ));
    }

    out.push('\n');
    out.push_str(&needs_a_person(screen, incidents, tasks));
    out
}

/// What is wrong with Steward's own means, as loud as it must be.
fn troubles(screen: &Screen, status: &StatusReply) -> String {
    let mut out = String::new();
    let mut say = |title: &str, text: &str| {
        out.push('\n');
        out.push_str(&format!(
            "{}\n",
            screen.paint(Tone::Bad, format!("✖ {title}"))
        ));
        out.push_str(&screen.wrapped(2, text));
    };
    if !status.store.writable {
        say(
            &format!(
                "The {} database takes no writes: Steward watches and does nothing",
                status.store.engine
            ),
            &format!(
                "{}. {} to be recorded.",
                status
                    .store
                    .error
                    .as_deref()
                    .unwrap_or("the reason is not known"),
                if status.store.backlog == 1 {
                    "1 fact waits".to_owned()
                } else {
                    format!("{} facts wait", status.store.backlog)
                }
            ),
        );
    }
    for source in status
        .sources
        .iter()
        .filter(|source| source.up == Some(false))
    {
        say(
            &format!("Source {} fails", clean(&source.name)),
            source.error.as_deref().unwrap_or("the reason is not known"),
        );
    }
    if let Some(error) = &status.config_error {
        say(
            "The configuration on disk is refused; the one before goes on",
            error,
        );
    }
    // That a source fails as a whole stands above already.
    let parts: Vec<_> = status
        .unreadable
        .iter()
        .filter(|item| {
            let fails =
                |source: &SourceStatus| source.up == Some(false) && source.name == item.source;
            item.what != "everything" || !status.sources.iter().any(fails)
        })
        .cloned()
        .collect();
    if !parts.is_empty() {
        out.push('\n');
        out.push_str(&unreadable(screen, &parts));
    }
    out
}

fn unreadable(screen: &Screen, items: &[Unreadable]) -> String {
    const MOST: usize = 10;
    let mut out = format!(
        "{}\n",
        screen.paint(
            Tone::Unsure,
            format!(
                "? {} could not be read",
                units::count(items.len() as u64, "thing")
            )
        )
    );
    for item in items.iter().take(MOST) {
        out.push_str(&screen.wrapped(
            2,
            &format!("{}: {} ({})", item.what, item.error, item.source),
        ));
    }
    if items.len() > MOST {
        out.push_str(&format!(
            "  and {} more: steward resources --json\n",
            items.len() - MOST
        ));
    }
    out
}

fn needs_a_person(screen: &Screen, incidents: &[Incident], tasks: &[Task]) -> String {
    let mut out = screen.heading("Needs you");
    if tasks.is_empty() && incidents.is_empty() {
        out.push_str("  Nothing.\n");
        return out;
    }
    for task in tasks {
        let lapses = task.expires_at.map_or_else(String::new, |at| {
            format!(", lapses {}", units::relative(at, screen.now))
        });
        out.push_str(&format!(
            "  {} task {}: {}  [{} risk{lapses}]\n      steward approve {}   steward reject {}\n",
            screen.paint(Tone::Ask, "◇"),
            task.id,
            clean(&task.description),
            screen.mark(risk_mark(task.risk)),
            task.id,
            task.id
        ));
    }
    // A task that waits says already what its incident needs.
    let asked: Vec<_> = tasks.iter().filter_map(|task| task.incident).collect();
    for incident in incidents
        .iter()
        .filter(|incident| !asked.contains(&incident.id))
    {
        let mark = severity_mark(incident.severity);
        let state = incident.decision.as_ref().map_or_else(
            || incident.phase.to_string(),
            |decision| decision.reason.clone(),
        );
        out.push_str(&format!(
            "  {} incident {}: {}\n",
            screen.paint(mark.tone, format!("{} {}", mark.symbol, mark.word)),
            incident.id,
            clean(&incident.title)
        ));
        out.push_str(&screen.wrapped(6, &state));
        out.push_str(&format!("      steward show incident {}\n", incident.id));
    }
    out
}

/// Worst first; what is not known comes before what is known to be well.
const HEALTH_ORDER: [Health; 6] = [
    Health::Unhealthy,
    Health::Restarting,
    Health::Degraded,
    Health::Unknown,
    Health::Stopped,
    Health::Healthy,
];

pub(super) async fn resources(context: &Context, args: &ResourcesArgs) -> Result<Exit, Failure> {
    let query = ResourceQuery {
        kind: args.kind,
        health: args.health,
        project: args.project.clone(),
        search: args.search.clone(),
    };
    let filtered = query != ResourceQuery::default();
    let list = context
        .connect()?
        .call::<ListResources>(None, &query)
        .await?;
    if context.screen.json {
        context.screen.print_json(&list)?;
    } else {
        context
            .screen
            .print(&render_resources(&context.screen, &list, filtered))?;
    }
    Ok(Exit::Done)
}

pub(super) fn render_resources(screen: &Screen, list: &ResourceList, filtered: bool) -> String {
    let mut out = String::new();
    let mut resources: Vec<&Resource> = list.resources.iter().collect();
    resources.sort_by_key(|resource| {
        (
            HEALTH_ORDER
                .iter()
                .position(|health| *health == resource.health),
            resource.id.clone(),
        )
    });
    let nodes: std::collections::BTreeSet<_> = resources
        .iter()
        .map(|resource| resource.id.node.as_str())
        .collect();
    let several_nodes = nodes.len() > 1;
    let rows = resources
        .iter()
        .map(|resource| {
            let mark = health_mark(resource.health);
            let name = if several_nodes {
                format!("{}/{}", resource.id.node, resource.id.name)
            } else {
                resource.id.short().to_owned()
            };
            vec![
                (format!("{} {}", mark.symbol, mark.word), mark.tone),
                (resource.id.kind.to_string(), Tone::Plain),
                (name, Tone::Strong),
                (use_words(resource), Tone::Plain),
                (resource.reason.clone(), Tone::Plain),
            ]
        })
        .collect();
    out.push_str(&screen.table(&["STATE", "KIND", "NAME", "USE", "WHY"], rows));
    if list.resources.is_empty() {
        out.push_str(if filtered {
            "Nothing matches.\n"
        } else {
            "Nothing is looked after yet.\n"
        });
    }
    if !list.unreadable.is_empty() {
        out.push('\n');
        out.push_str(&unreadable(screen, &list.unreadable));
    }
    out
}

/// The few numbers that tell most of a resource.
fn use_words(resource: &Resource) -> String {
    const SHOWN: [(Metric, &str); 6] = [
        (Metric::CpuPercent, "cpu"),
        (Metric::MemoryBytes, "mem"),
        (Metric::DiskPercent, "used"),
        (Metric::DiskAvailableBytes, "free"),
        (Metric::LatencyMs, ""),
        (Metric::ConnectionsPercent, "conn"),
    ];
    SHOWN
        .into_iter()
        .filter_map(|(metric, label)| {
            let value = units::metric(metric, *resource.metrics.get(&metric)?);
            Some(if label.is_empty() {
                value
            } else {
                format!("{label} {value}")
            })
        })
        .collect::<Vec<_>>()
        .join(", ")
}
