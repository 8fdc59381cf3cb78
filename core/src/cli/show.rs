//! `show`: the whole story of an incident, a task or a resource, for a person.

use steward_api::{
    Approval, ErrorCode, GetIncident, GetResource, GetTask, Incident, ListResources, Nothing,
    RemedyRecord, Requester, ResourceDetail, ResourceId, ResourceIdQuery, ResourceQuery, Task,
    Verdict,
};

use super::{
    Context,
    args::ShowArgs,
    failure::{Exit, Failure},
    lists,
    output::{Screen, Tone, clean, health_mark, risk_mark, severity_mark, task_mark, units},
    story,
};
use crate::client::Client;

pub(super) async fn show(context: &Context, args: &ShowArgs) -> Result<Exit, Failure> {
    let client = context.connect()?;
    let screen = &context.screen;
    match parse(&args.what)? {
        What::Incident(id) => {
            let incident = client
                .call::<GetIncident>(Some(&id.to_string()), &Nothing {})
                .await?;
            if screen.json {
                screen.print_json(&incident)?;
            } else {
                let mut tasks = Vec::new();
                for id in &incident.tasks {
                    tasks.push(
                        client
                            .call::<GetTask>(Some(&id.to_string()), &Nothing {})
                            .await?,
                    );
                }
                screen.print(&render_incident(screen, &incident, &tasks))?;
            }
        }
        What::Task(id) => {
            let task = client
                .call::<GetTask>(Some(&id.to_string()), &Nothing {})
                .await?;
            if screen.json {
                screen.print_json(&task)?;
            } else {
                screen.print(&render_task(screen, &task))?;
            }
        }
        What::Resource(name) => {
            let id = find_resource(&client, &name).await?;
            let detail = client
                .call::<GetResource>(None, &ResourceIdQuery { id })
                .await?;
            if screen.json {
                screen.print_json(&detail)?;
            } else {
                screen.print(&render_resource(screen, &detail))?;
            }
        }
    }
    Ok(Exit::Done)
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Incident(i64),
    Task(i64),
    Resource(String),
}

fn parse(words: &[String]) -> Result<What, Failure> {
    let number = |text: &str| {
        text.trim_start_matches('#')
            .parse::<i64>()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| {
                Failure::usage(format!("`{text}` is no number: try `steward show task 3`"))
            })
    };
    match words {
        [kind, id] if kind == "incident" => Ok(What::Incident(number(id)?)),
        [kind, id] if kind == "task" => Ok(What::Task(number(id)?)),
        [kind, name] if kind == "resource" => Ok(What::Resource(name.clone())),
        [name] if name.trim_start_matches('#').parse::<i64>().is_ok() => {
            Err(Failure::usage(format!(
                "`{name}` of what? Try `steward show incident {name}` or `steward show task {name}`"
            )))
        }
        [name] => Ok(What::Resource(name.clone())),
        [kind, ..] => Err(Failure::usage(format!(
            "`{kind}` can't be shown by number: it should be `incident N`, `task N`, or the name of a resource"
        ))),
        [] => Err(Failure::usage("show what?")),
    }
}

/// The one resource that a person means by a name: an id, an exact name, or a part of just one.
pub(super) async fn find_resource(client: &Client, name: &str) -> Result<ResourceId, Failure> {
    if let Ok(id) = name.parse::<ResourceId>() {
        return Ok(id);
    }
    let query = ResourceQuery {
        search: Some(name.to_owned()),
        ..ResourceQuery::default()
    };
    let list = client.call::<ListResources>(None, &query).await?;
    let ids: Vec<_> = list
        .resources
        .into_iter()
        .map(|resource| resource.id)
        .collect();
    meant(name, &ids)
}

fn meant(name: &str, ids: &[ResourceId]) -> Result<ResourceId, Failure> {
    let exact: Vec<_> = ids.iter().filter(|id| id.short() == name).collect();
    let candidates = if exact.is_empty() {
        ids.iter().collect()
    } else {
        exact
    };
    match candidates.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Failure::refusal(
            ErrorCode::ResourceNotFound,
            format!("nothing that is looked after is called {name}; `steward resources` lists all"),
        )),
        several => {
            let names: Vec<_> = several.iter().take(8).map(ToString::to_string).collect();
            let more = if several.len() > names.len() {
                " …"
            } else {
                ""
            };
            Err(Failure::usage(format!(
                "{name} can mean {}{more}; say which by its full id",
                names.join(", ")
            )))
        }
    }
}

pub(super) fn render_incident(screen: &Screen, incident: &Incident, tasks: &[Task]) -> String {
    let mut out = format!(
        "{} {}\n",
        screen.paint(Tone::Strong, format!("Incident {}", incident.id)),
        screen.mark(severity_mark(incident.severity))
    );
    out.push_str(&screen.wrapped(0, &incident.title));
    out.push('\n');
    let (state, tone) = lists::incident_state(incident);
    out.push_str(&screen.painted_field("state", &screen.paint(tone, state)));
    out.push_str(&screen.field("resource", &incident.resource.to_string()));
    out.push_str(&screen.field("problem", incident.problem.as_str()));
    out.push_str(&screen.field("opened", &screen.when(incident.opened_at)));
    if let Some(at) = incident.resolved_at {
        let lasted = at.duration_since(incident.opened_at);
        out.push_str(&screen.field(
            "over",
            &format!("{}, after {}", screen.when(at), units::duration(lasted)),
        ));
    }
    if let Some(end) = &incident.resolution {
        out.push_str(&screen.field("how", &end.text));
    }
    if incident.flaps > 0 {
        out.push_str(&screen.field(
            "came back",
            &units::count(u64::from(incident.flaps), "time"),
        ));
    }
    if !incident.affected.is_empty() {
        let names: Vec<_> = incident.affected.iter().map(ToString::to_string).collect();
        out.push_str(&screen.field("takes down", &names.join(", ")));
    }

    for finding in &incident.findings {
        out.push('\n');
        out.push_str(&screen.heading("Found"));
        out.push_str(&screen.field(
            "what",
            &format!("{} ({})", finding.summary, finding.problem),
        ));
        for evidence in &finding.evidence {
            out.push_str(&screen.field("", &format!("[{}] {}", evidence.source, evidence.text)));
        }
    }
    for (index, diagnosis) in incident.diagnoses.iter().enumerate() {
        out.push('\n');
        out.push_str(&screen.heading(if index == 0 { "Diagnosis" } else { "Also said" }));
        out.push_str(&story::diagnosis(screen, diagnosis));
    }
    if let Some(decision) = &incident.decision {
        out.push('\n');
        out.push_str(&screen.heading("Decision"));
        let verdict = match decision.verdict {
            Verdict::ActNow => "act now",
            Verdict::Ask => "ask a person",
            Verdict::Withhold => "withhold",
        };
        out.push_str(&screen.field("verdict", verdict));
        out.push_str(&screen.field("because", &decision.reason));
        if let Some(guard) = &decision.guard {
            out.push_str(&screen.field("guard", guard));
        }
        if let Some(at) = decision.retry_at.filter(|_| incident.is_active()) {
            out.push_str(&screen.field("next look", &screen.when(at)));
        }
    }
    for task in tasks {
        out.push('\n');
        out.push_str(&task_part(screen, task));
    }
    if !incident.timeline.is_empty() {
        out.push('\n');
        out.push_str(&screen.heading("Time line"));
        for entry in &incident.timeline {
            let at = units::exact_clock(entry.at, screen.now, &screen.zone);
            out.push_str(&format!(
                "  {}  {:<9}  {}\n",
                screen.paint(Tone::Quiet, at),
                entry.phase,
                clean(&entry.text)
            ));
        }
    }
    out
}

pub(super) fn render_task(screen: &Screen, task: &Task) -> String {
    let mut out = task_part(screen, task);
    if let Some(incident) = task.incident {
        out.push_str(&format!(
            "\nIts incident: steward show incident {incident}\n"
        ));
    }
    out
}

/// A task with its plan, answer, log and result; also the part of an incident's story that it is.
pub(super) fn task_part(screen: &Screen, task: &Task) -> String {
    let mut out = format!(
        "{} {}\n",
        screen.paint(Tone::Strong, format!("Task {}", task.id)),
        screen.mark(task_mark(task.status))
    );
    out.push_str(&screen.wrapped(2, &task.description));
    out.push_str(&screen.painted_field("risk", &screen.mark(risk_mark(task.risk))));
    out.push_str(&screen.field("why", &task.why));
    out.push_str(&story::plan(screen, &task.plan));
    out.push_str(&screen.field("plan hash", &task.plan_hash.0));
    out.push_str(&screen.field("record", &record_words(&task.record)));
    let requester = match &task.requested_by {
        Requester::Steward => "Steward".to_owned(),
        Requester::Person { identity, .. } => identity.clone(),
        Requester::Specialist {
            name,
            conversation,
            identity,
        } => format!("{name}, who spoke with {identity} in conversation {conversation}"),
    };
    out.push_str(&screen.field(
        "made",
        &format!("{} by {requester}", screen.when(task.created_at)),
    ));
    match &task.approval {
        Some(answer) => out.push_str(&screen.field(
            if answer.approved {
                "approved"
            } else {
                "rejected"
            },
            &answer_words(screen, answer),
        )),
        None if task.requires_approval && !task.status.is_final() => {
            let lapses = task.expires_at.map_or_else(String::new, |at| {
                format!("; lapses {}", units::relative(at, screen.now))
            });
            out.push_str(&screen.painted_field(
                "answer",
                &screen.paint(
                    Tone::Ask,
                    format!("waits for you: steward approve {}{lapses}", task.id),
                ),
            ));
        }
        None if task.requires_approval => out.push_str(&screen.field("answer", "none was given")),
        None => {}
    }
    if !task.execution_log.is_empty() {
        out.push_str(&format!("  {}\n", screen.paint(Tone::Quiet, "log")));
        for entry in &task.execution_log {
            out.push_str(&story::log_line(screen, task, entry));
        }
    }
    if let Some(result) = &task.result {
        let tone = if result.success {
            Tone::Good
        } else {
            Tone::Bad
        };
        let word = if result.success {
            "✔ verified"
        } else {
            "✖ no success"
        };
        out.push_str(&screen.painted_field(
            "result",
            &format!("{}: {}", screen.paint(tone, word), clean(&result.details)),
        ));
    }
    out
}

fn record_words(record: &RemedyRecord) -> String {
    let ratio = |successes: u32, failures: u32| match successes.saturating_add(failures) {
        0 => "never tried".to_owned(),
        tries => format!("worked {successes} of {tries} times"),
    };
    format!(
        "{} here, {} anywhere",
        ratio(record.successes_here, record.failures_here),
        ratio(record.successes, record.failures)
    )
}

fn answer_words(screen: &Screen, answer: &Approval) -> String {
    let name = if answer.by.is_empty() || answer.by == answer.identity {
        answer.identity.clone()
    } else {
        format!("{} (token {})", answer.by, answer.identity)
    };
    let note = if answer.note.is_empty() {
        String::new()
    } else {
        format!(": {}", answer.note)
    };
    format!("by {name}, {}{note}", screen.when(answer.at))
}

pub(super) fn render_resource(screen: &Screen, detail: &ResourceDetail) -> String {
    let resource = &detail.resource;
    let mut out = format!(
        "{} {}\n",
        screen.paint(Tone::Strong, clean(&resource.id.to_string())),
        screen.mark(health_mark(resource.health))
    );
    if !resource.reason.is_empty() {
        out.push_str(&screen.wrapped(2, &resource.reason));
    }
    out.push_str(&screen.field("read", &screen.when(resource.read_at)));
    if let Some(on) = &resource.runs_on {
        out.push_str(&screen.field("runs on", &on.to_string()));
    }
    let list = |ids: Vec<String>| ids.join(", ");
    if !resource.depends_on.is_empty() {
        let ids = resource
            .depends_on
            .iter()
            .map(|edge| edge.on.to_string())
            .collect();
        out.push_str(&screen.field("needs", &list(ids)));
    }
    if !detail.dependents.is_empty() {
        let ids = detail.dependents.iter().map(ToString::to_string).collect();
        out.push_str(&screen.field("needed by", &list(ids)));
    }
    if let Some(facts) = resource.container() {
        out.push_str(&screen.field("image", &facts.image));
        if let Some(compose) = &facts.compose {
            out.push_str(&screen.field(
                "compose",
                &format!("{} / {}", compose.project, compose.service),
            ));
        }
        let limit = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
        out.push_str(&screen.field(
            "limits",
            &format!(
                "memory {}, CPU {}",
                limit(facts.memory_limit_bytes.map(units::byte_count)),
                limit(facts.cpu_limit_cores.map(|cores| format!("{cores} cores")))
            ),
        ));
        if facts.restart_count > 0 {
            out.push_str(&screen.field(
                "restarts",
                &format!("{} by the engine", facts.restart_count),
            ));
        }
        if let Some(at) = facts.started_at {
            out.push_str(&screen.field("started", &screen.when(at)));
        }
        for refused in &facts.labels.refused {
            out.push_str(&screen.field("bad label", refused));
        }
    }
    for (metric, value) in &resource.metrics {
        out.push_str(
            &screen.field(
                &metric
                    .as_str()
                    .replace("_percent", "")
                    .replace("_bytes", "")
                    .replace('_', " "),
                &units::metric(*metric, *value),
            ),
        );
    }
    let statistics = &detail.statistics;
    out.push('\n');
    out.push_str(&screen.heading("So far"));
    out.push_str(&screen.field(
        "incidents",
        &format!(
            "{}: {} healed, {} recovered without Steward",
            statistics.incidents, statistics.healed, statistics.recovered
        ),
    ));
    out.push_str(&screen.field(
        "actions",
        &format!(
            "{} succeeded, {} did not",
            statistics.actions_succeeded, statistics.actions_failed
        ),
    ));
    if !detail.incidents.is_empty() {
        out.push('\n');
        let page = steward_api::Page {
            items: detail.incidents.clone(),
            next: None,
        };
        out.push_str(&lists::render_incidents(screen, &page, false));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_meant_is_understood_or_asked_back() {
        assert_eq!(parse(&words("incident #12")).unwrap(), What::Incident(12));
        assert_eq!(parse(&words("task 3")).unwrap(), What::Task(3));
        assert_eq!(
            parse(&words("nginx")).unwrap(),
            What::Resource("nginx".to_owned())
        );
        assert_eq!(
            parse(&words("task")).unwrap(),
            What::Resource("task".to_owned())
        );
        for wrong in ["incident nginx", "12", "task 0", "guest 3"] {
            assert_eq!(parse(&words(wrong)).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn a_name_finds_the_exact_one_or_the_only_one_with_that_part() {
        let ids: Vec<ResourceId> = [
            "atlas/container/web",
            "atlas/container/web-db",
            "atlas/service/site",
        ]
        .iter()
        .map(|id| id.parse().unwrap())
        .collect();
        assert_eq!(meant("web", &ids).unwrap(), ids[0]);
        assert_eq!(meant("web-d", &ids[1..2]).unwrap(), ids[1]);
        assert_eq!(meant("we", &ids[..2]).unwrap_err().exit_code(), 2);
        assert_eq!(meant("none", &[]).unwrap_err().exit_code(), 4);
    }
}
