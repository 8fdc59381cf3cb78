//! `incidents` and `tasks`: lists, newest or most urgent first.

use jiff::Timestamp;
use steward_api::{
    Incident, IncidentQuery, IncidentState, ListIncidents, ListTasks, Page, Task, TaskQuery,
    TaskState,
};

use super::{
    Context,
    args::{IncidentsArgs, TasksArgs},
    failure::{Exit, Failure},
    output::{Screen, Tone, risk_mark, severity_mark, task_mark, units},
};
use crate::client::Client;

/// The most that one page may hold.
const PAGE: u32 = 1000;

pub(super) async fn incidents(context: &Context, args: &IncidentsArgs) -> Result<Exit, Failure> {
    let since = match args.since {
        Some(span) => Some(before(context.screen.now, span)?),
        None => None,
    };
    let state = (args.active || (!args.all && since.is_none())).then_some(IncidentState::Active);
    let query = IncidentQuery {
        state,
        severity: args.severity,
        resource: args.resource.clone(),
        since,
        before: None,
        limit: None,
    };
    let page = all_incidents(&context.connect()?, query, args.limit).await?;
    if context.screen.json {
        context.screen.print_json(&page)?;
    } else {
        let active_only = state.is_some();
        context
            .screen
            .print(&render_incidents(&context.screen, &page, active_only))?;
    }
    Ok(Exit::Done)
}

fn before(now: Timestamp, span: jiff::SignedDuration) -> Result<Timestamp, Failure> {
    now.checked_sub(span)
        .map_err(|_| Failure::usage("--since reaches further back than time does"))
}

/// Pages until there is no more, or enough.
async fn all_incidents(
    client: &Client,
    mut query: IncidentQuery,
    limit: u32,
) -> Result<Page<Incident>, Failure> {
    let mut items: Vec<Incident> = Vec::new();
    loop {
        let left = limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        query.limit = Some(left.clamp(1, PAGE));
        let page = client.call::<ListIncidents>(None, &query).await?;
        // A page that does not lead further back would never end.
        let next = page
            .next
            .filter(|next| query.before.is_none_or(|before| *next < before));
        items.extend(page.items);
        if next.is_none() || items.len() >= limit as usize {
            items.truncate(limit as usize);
            return Ok(Page { items, next });
        }
        query.before = next;
    }
}

pub(super) fn render_incidents(
    screen: &Screen,
    page: &Page<Incident>,
    active_only: bool,
) -> String {
    if page.items.is_empty() {
        return if active_only {
            "No active incidents. (Those that are over: --all)\n".to_owned()
        } else {
            "No incidents.\n".to_owned()
        };
    }
    let rows = page
        .items
        .iter()
        .map(|incident| {
            let mark = severity_mark(incident.severity);
            let (state, tone) = incident_state(incident);
            vec![
                (incident.id.to_string(), Tone::Strong),
                (
                    format!("{} {}", mark.symbol, mark.word),
                    if incident.is_active() {
                        mark.tone
                    } else {
                        Tone::Quiet
                    },
                ),
                (state, tone),
                (units::relative(incident.opened_at, screen.now), Tone::Plain),
                (lasted(incident, screen.now), Tone::Plain),
                (incident.resource.to_string(), Tone::Plain),
                (incident.title.clone(), Tone::Plain),
            ]
        })
        .collect();
    let mut out = screen.table(
        &[
            "NO", "SEVERITY", "STATE", "OPENED", "LASTED", "RESOURCE", "WHAT",
        ],
        rows,
    );
    if page.next.is_some() {
        out.push_str("\nThere are more: --limit\n");
    }
    out
}

fn lasted(incident: &Incident, now: Timestamp) -> String {
    let end = incident.resolved_at.unwrap_or(now);
    units::duration(
        end.duration_since(incident.opened_at)
            .max(jiff::SignedDuration::ZERO),
    )
}

/// Where an incident stands, in a word with a shape.
pub(super) fn incident_state(incident: &Incident) -> (String, Tone) {
    use steward_api::ResolutionKind as Kind;
    match &incident.resolution {
        Some(end) => match end.kind {
            Kind::Healed => ("✔ healed".to_owned(), Tone::Good),
            Kind::Recovered => ("✔ recovered".to_owned(), Tone::Good),
            Kind::Deliberate => ("○ deliberate".to_owned(), Tone::Quiet),
            Kind::Absorbed => ("○ absorbed".to_owned(), Tone::Quiet),
            Kind::Gone => ("○ gone".to_owned(), Tone::Quiet),
        },
        None if incident.is_active() => (format!("● {}", incident.phase), Tone::Bad),
        None => ("✔ over".to_owned(), Tone::Quiet),
    }
}

pub(super) async fn tasks(context: &Context, args: &TasksArgs) -> Result<Exit, Failure> {
    let client = context.connect()?;
    let page = if args.all || args.state.is_some() {
        all_tasks(&client, args.state, args.limit).await?
    } else {
        let mut items = Vec::new();
        let mut more = None;
        for state in [
            TaskState::Pending,
            TaskState::Waiting,
            TaskState::InProgress,
        ] {
            let page = all_tasks(&client, Some(state), args.limit).await?;
            items.extend(page.items);
            more = more.max(page.next);
        }
        Page { items, next: more }
    };
    let page = Page {
        items: urgent_first(page.items),
        next: page.next,
    };
    if context.screen.json {
        context.screen.print_json(&page)?;
    } else {
        let open_only = !args.all && args.state.is_none();
        context
            .screen
            .print(&render_tasks(&context.screen, &page, open_only))?;
    }
    Ok(Exit::Done)
}

async fn all_tasks(
    client: &Client,
    state: Option<TaskState>,
    limit: u32,
) -> Result<Page<Task>, Failure> {
    let mut query = TaskQuery {
        state,
        ..TaskQuery::default()
    };
    let mut items: Vec<Task> = Vec::new();
    loop {
        let left = limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        query.limit = Some(left.clamp(1, PAGE));
        let page = client.call::<ListTasks>(None, &query).await?;
        let next = page
            .next
            .filter(|next| query.before.is_none_or(|before| *next < before));
        items.extend(page.items);
        if next.is_none() || items.len() >= limit as usize {
            items.truncate(limit as usize);
            return Ok(Page { items, next });
        }
        query.before = next;
    }
}

/// Whether a person is asked.
fn asks(task: &Task) -> bool {
    task.status == TaskState::Pending && task.requires_approval && !task.approved
}

/// What asks a person comes first, then what is not over, each by priority; then what is over, newest first.
fn urgent_first(mut tasks: Vec<Task>) -> Vec<Task> {
    tasks.sort_by_key(|task| {
        let over = task.status.is_final();
        (
            !asks(task),
            over,
            if over { 0 } else { task.priority },
            std::cmp::Reverse(task.id),
        )
    });
    tasks
}

pub(super) fn render_tasks(screen: &Screen, page: &Page<Task>, open_only: bool) -> String {
    if page.items.is_empty() {
        return if open_only {
            "No open tasks. (Those that are over: --all)\n".to_owned()
        } else {
            "No tasks.\n".to_owned()
        };
    }
    let rows = page
        .items
        .iter()
        .map(|task| {
            let mark = task_mark(task.status);
            let risk = risk_mark(task.risk);
            let asked = if asks(task) {
                task.expires_at.map_or_else(
                    || "asks you".to_owned(),
                    |at| format!("asks you, lapses {}", units::relative(at, screen.now)),
                )
            } else {
                String::new()
            };
            vec![
                (task.id.to_string(), Tone::Strong),
                (format!("{} {}", mark.symbol, mark.word), mark.tone),
                (format!("{} {}", risk.symbol, risk.word), risk.tone),
                (units::relative(task.created_at, screen.now), Tone::Plain),
                (task.description.clone(), Tone::Plain),
                (asked, Tone::Ask),
            ]
        })
        .collect();
    let mut out = screen.table(&["NO", "STATE", "RISK", "MADE", "WHAT", ""], rows);
    let waiting: Vec<_> = page.items.iter().filter(|task| asks(task)).collect();
    if let Some(first) = waiting.first() {
        out.push_str(&format!(
            "\n{} for a yes: steward approve {}\n",
            if waiting.len() == 1 {
                "1 task waits".to_owned()
            } else {
                format!("{} tasks wait", waiting.len())
            },
            first.id
        ));
    }
    if page.next.is_some() {
        out.push_str("\nThere are more: --limit\n");
    }
    out
}
