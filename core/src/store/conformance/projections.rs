//! The projections: lists, statistics, memory, rebuilding.

use steward_api::{
    ActionName, Health, IncidentChange, IncidentId, IncidentQuery, IncidentState, Problem,
    RemedyRecord, ResolutionKind, ResourceId, Severity, StepResult, TaskId, TaskQuery, TaskState,
};

use super::{Factory, assert_rebuilds};
use crate::{
    ports::Store,
    store::builders::{
        NODE, at, changed, concluded, container, fact, health, incident, intended, learned,
        reopened, resolved, started, task, task_changed,
    },
};

const DAY: i64 = 24 * 3600;

pub(crate) async fn incidents_are_listed_by_page_and_filter(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    for number in 1..=25 {
        let name = if number % 2 == 0 { "even" } else { "odd" };
        let mut one = incident(number, name, number * 100);
        if number % 5 == 0 {
            one.severity = Severity::Critical;
        }
        let mut facts = vec![fact(number * 100, changed(IncidentChange::Detected, &one))];
        if number <= 20 {
            let end = number * 100 + 50;
            let over = resolved(one, end, ResolutionKind::Recovered);
            facts.push(fact(end, changed(IncidentChange::Resolved, &over)));
        }
        store.append(NODE, &facts).await.unwrap();
    }
    let ids = async |query: IncidentQuery| {
        let page = store.incidents(&query).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|incident| incident.id.0).collect();
        (ids, page.next)
    };
    let all = IncidentQuery::default();
    let (found, next) = ids(all.clone()).await;
    assert_eq!(found, (1..=25).rev().collect::<Vec<_>>());
    assert_eq!(next, None);

    let mut page = IncidentQuery {
        limit: Some(10),
        ..all.clone()
    };
    let mut seen = Vec::new();
    loop {
        let (found, next) = ids(page.clone()).await;
        seen.extend(found);
        page.before = next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
    // A page that is just full is the last one.
    page.before = Some(11);
    assert_eq!(ids(page).await, ((1..=10).rev().collect(), None));

    let active = IncidentQuery {
        state: Some(IncidentState::Active),
        ..all.clone()
    };
    assert_eq!(ids(active).await.0, [25, 24, 23, 22, 21]);
    let critical = IncidentQuery {
        state: Some(IncidentState::Resolved),
        severity: Some(Severity::Critical),
        resource: Some(container("even")),
        ..all.clone()
    };
    assert_eq!(ids(critical).await.0, [20, 10]);
    // Active then or later: those that ended before are out, and one that ended in that moment is in.
    let since = IncidentQuery {
        since: Some(at(1850)),
        ..all.clone()
    };
    assert_eq!(ids(since).await.0, [25, 24, 23, 22, 21, 20, 19, 18]);
    let huge = IncidentQuery {
        limit: Some(u32::MAX),
        ..all.clone()
    };
    assert_eq!(ids(huge).await.0.len(), 25);
    let none = IncidentQuery {
        resource: Some(container("o'dd")),
        ..all
    };
    assert_eq!(ids(none).await, (Vec::new(), None));

    let one = store.incident(IncidentId(25)).await.unwrap().unwrap();
    assert_eq!(one, {
        let mut one = incident(25, "odd", 2500);
        one.severity = Severity::Critical;
        one
    });
    assert_eq!(store.incident(IncidentId(26)).await.unwrap(), None);
}

pub(crate) async fn tasks_are_listed_by_page_and_filter(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    for number in 1..=12 {
        let mut one = task(number, "web", TaskState::Pending);
        one.incident = (number > 6).then_some(IncidentId(9));
        store
            .append(NODE, &[fact(number, task_changed(&one))])
            .await
            .unwrap();
        if number % 3 == 0 {
            one.status = TaskState::Completed;
            one.resource = container("db");
            store
                .append(NODE, &[fact(number, task_changed(&one))])
                .await
                .unwrap();
        }
    }
    let ids = async |query: TaskQuery| {
        let page = store.tasks(&query).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|task| task.id.0).collect();
        (ids, page.next)
    };
    let all = TaskQuery::default();
    assert_eq!(ids(all.clone()).await.0, (1..=12).rev().collect::<Vec<_>>());
    let completed = TaskQuery {
        state: Some(TaskState::Completed),
        limit: Some(3),
        ..all.clone()
    };
    assert_eq!(ids(completed).await, (vec![12, 9, 6], Some(6)));
    let of_incident = TaskQuery {
        incident: Some(9),
        resource: Some(container("web")),
        before: Some(11),
        ..all
    };
    assert_eq!(ids(of_incident).await.0, [10, 8, 7]);
    let one = store.task(TaskId(3)).await.unwrap().unwrap();
    assert_eq!(one.status, TaskState::Completed);
    assert_eq!(store.task(TaskId(99)).await.unwrap(), None);
}

pub(crate) async fn flapping_is_counted_once(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    let mut one = incident(1, "web", 100);
    let mut facts = vec![fact(100, changed(IncidentChange::Detected, &one))];
    // 100–130 down, healed; 170–180 down again, recovered by itself; 200–260 down again, healed.
    for (back, over, kind) in [
        (None, 130, ResolutionKind::Healed),
        (Some(170), 180, ResolutionKind::Recovered),
        (Some(200), 260, ResolutionKind::Healed),
    ] {
        if let Some(back) = back {
            one = reopened(one);
            facts.push(fact(back, changed(IncidentChange::Reopened, &one)));
            facts.push(fact(back + 1, changed(IncidentChange::Updated, &one)));
        }
        one = resolved(one, over, kind);
        facts.push(fact(over, changed(IncidentChange::Resolved, &one)));
        facts.push(fact(over + 1, changed(IncidentChange::Learned, &one)));
    }
    let last = facts.len();
    let statistics = async || store.statistics(&container("web")).await.unwrap();
    let mut seen = Vec::new();
    for fact in &facts[..last] {
        store
            .append(NODE, std::slice::from_ref(fact))
            .await
            .unwrap();
        let now = statistics().await;
        seen.push((
            now.incidents,
            now.healed,
            now.recovered,
            now.incident_seconds,
        ));
    }
    assert_eq!(
        seen,
        [
            (1, 0, 0, 0.0),
            (1, 1, 0, 30.0),
            (1, 1, 0, 30.0),
            // While it is open again it is not over, however it ended before.
            (1, 0, 0, 0.0),
            (1, 0, 0, 0.0),
            (1, 0, 1, 40.0),
            (1, 0, 1, 40.0),
            (1, 0, 0, 0.0),
            (1, 0, 0, 0.0),
            (1, 1, 0, 100.0),
            (1, 1, 0, 100.0),
        ]
    );
    let memory = store.recall(NODE, at(300)).await.unwrap();
    assert_eq!(
        memory.incident_totals,
        [(Problem::ContainerStopped, "unhealthy".to_owned(), 1)]
    );
    assert_rebuilds(&store).await;
}

pub(crate) async fn statistics_tell_what_happened_to_a_resource(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    let first = incident(1, "web", 0);
    let second = incident(2, "web", 500);
    let elsewhere = incident(3, "db", 600);
    let mut facts = vec![
        fact(0, changed(IncidentChange::Detected, &first)),
        fact(500, changed(IncidentChange::Detected, &second)),
        fact(600, changed(IncidentChange::Detected, &elsewhere)),
        fact(
            90,
            changed(
                IncidentChange::Resolved,
                &resolved(first, 90, ResolutionKind::Healed),
            ),
        ),
    ];
    for (step, result) in [
        StepResult::Succeeded,
        StepResult::NotVerified,
        StepResult::Failed,
        StepResult::Interrupted,
        StepResult::Skipped,
    ]
    .into_iter()
    .enumerate()
    {
        let step = u32::try_from(step).unwrap();
        facts.push(fact(10, intended(4, step, "web")));
        facts.push(fact(11, concluded(4, step, "web", result)));
    }
    facts.push(fact(12, intended(5, 0, "web")));
    store.append(NODE, &facts).await.unwrap();
    let statistics = store.statistics(&container("web")).await.unwrap();
    assert_eq!(statistics.incidents, 2);
    assert_eq!(statistics.healed, 1);
    assert_eq!(statistics.recovered, 0);
    assert_eq!(statistics.actions_succeeded, 1);
    assert_eq!(statistics.actions_failed, 3);
    assert_eq!(statistics.incident_seconds, 90.0);
    assert_eq!(statistics.last_incident_at, Some(at(500)));
    let nothing = store.statistics(&container("never")).await.unwrap();
    assert_eq!(nothing, steward_api::ResourceStatistics::default());
}

pub(crate) async fn an_agent_remembers_what_it_needs(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    let now = 10 * DAY;
    let long_over = incident(1, "web", 0);
    let lately_over = incident(2, "web", now - 2 * DAY);
    let active = incident(3, "db", 0);
    let facts = [
        fact(0, changed(IncidentChange::Detected, &long_over)),
        fact(
            9,
            changed(
                IncidentChange::Resolved,
                &resolved(long_over, 9, ResolutionKind::Healed),
            ),
        ),
        fact(0, changed(IncidentChange::Detected, &active)),
        fact(
            now - 2 * DAY,
            changed(IncidentChange::Detected, &lately_over),
        ),
        fact(
            now - 60,
            changed(
                IncidentChange::Resolved,
                &resolved(lately_over, now - 60, ResolutionKind::Gone),
            ),
        ),
        fact(1, task_changed(&task(10, "web", TaskState::Completed))),
        fact(2, task_changed(&task(11, "web", TaskState::Pending))),
        fact(2, task_changed(&task(12, "web", TaskState::Waiting))),
        fact(2, task_changed(&task(13, "web", TaskState::InProgress))),
        fact(2, task_changed(&task(14, "web", TaskState::Expired))),
        // Long ago and done; long ago and open; lately, done twice over.
        fact(3, intended(10, 0, "web")),
        fact(4, concluded(10, 0, "web", StepResult::Succeeded)),
        fact(5, intended(11, 0, "web")),
        fact(now - 100, intended(13, 0, "web")),
        fact(now - 90, concluded(13, 0, "web", StepResult::Failed)),
        fact(now - 80, intended(13, 0, "web")),
        fact(now - 70, concluded(13, 0, "web", StepResult::Succeeded)),
        fact(7, learned("web", 1, 0, 0)),
        fact(8, learned("web", 1, 1, 1)),
        fact(9, learned("db", 4, 2, 0)),
        fact(1, health("web", Health::Healthy)),
        fact(2, health("web", Health::Degraded)),
        fact(2, health("gone", Health::Healthy)),
        fact(
            3,
            steward_api::Event::ResourceGone {
                resource: container("gone"),
            },
        ),
    ];
    store.append(NODE, &facts).await.unwrap();
    let elsewhere = steward_api::Event::ResourceChanged {
        resource: ResourceId::host("boreas"),
        from: None,
        to: Health::Healthy,
        reason: String::new(),
    };
    let other = [
        fact(now - 5, elsewhere),
        fact(
            now - 5,
            changed(IncidentChange::Detected, &incident(50, "x", now - 5)),
        ),
        fact(now - 5, intended(60, 0, "x")),
    ];
    store.append("boreas", &other).await.unwrap();

    let memory = store.recall(NODE, at(now)).await.unwrap();
    let ids: Vec<_> = memory
        .incidents
        .iter()
        .map(|incident| incident.id.0)
        .collect();
    assert_eq!(ids, [2, 3]);
    let ids: Vec<_> = memory.tasks.iter().map(|task| task.id.0).collect();
    assert_eq!(ids, [11, 12, 13]);
    let actions: Vec<_> = memory
        .actions
        .iter()
        .map(|action| (action.task.0, action.intended_at, action.concluded))
        .collect();
    assert_eq!(
        actions,
        [
            (11, at(5), None),
            (13, at(now - 100), Some((at(now - 90), StepResult::Failed))),
            (
                13,
                at(now - 80),
                Some((at(now - 70), StepResult::Succeeded))
            ),
        ]
    );
    assert_eq!(memory.actions[0].resource, container("web"));
    assert_eq!(memory.actions[0].problem, Some(Problem::ContainerStopped));
    let record = |name: &str| {
        let key = (
            Problem::ContainerStopped,
            ActionName::RestartContainer,
            container(name),
        );
        let found = memory.remedies.iter().find(|(known, _)| *known == key);
        found.unwrap().1
    };
    assert_eq!(
        record("web"),
        RemedyRecord {
            successes_here: 1,
            failures_here: 1,
            failures_in_a_row_here: 1,
            successes: 5,
            failures: 3,
        }
    );
    assert_eq!(
        (record("db").successes_here, record("db").successes),
        (4, 5)
    );
    assert_eq!(
        memory.resources.into_iter().collect::<Vec<_>>(),
        [(container("web"), Health::Degraded)]
    );
    assert_eq!(memory.last_entry_at, Some(at(now - 60)));
    assert_eq!(
        memory.incident_totals,
        [(Problem::ContainerStopped, "unhealthy".to_owned(), 3)]
    );
    let nobody = store.recall("nobody", at(now)).await.unwrap();
    assert_eq!(nobody.last_entry_at, None);
    assert!(nobody.incidents.is_empty() && nobody.actions.is_empty());
}

pub(crate) async fn a_rich_history_rebuilds_the_same(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    for round in 0..20 {
        let name = format!("box{}", round % 6);
        let start = round * 1000;
        let one = incident(round + 1, &name, start);
        let over = resolved(one.clone(), start + 30, ResolutionKind::Healed);
        let back = reopened(over.clone());
        let facts = [
            fact(start, health(&name, Health::Unhealthy)),
            fact(start, changed(IncidentChange::Detected, &one)),
            fact(
                start + 1,
                task_changed(&task(round + 100, &name, TaskState::Pending)),
            ),
            fact(start + 2, intended(round + 100, 0, &name)),
            fact(
                start + 9,
                concluded(round + 100, 0, &name, StepResult::Succeeded),
            ),
            // Nobody intended this one.
            fact(
                start + 9,
                concluded(round + 100, 1, &name, StepResult::Skipped),
            ),
            fact(
                start + 10,
                task_changed(&task(round + 100, &name, TaskState::Completed)),
            ),
            fact(start + 11, learned(&name, 1, 0, 0)),
            fact(start + 30, changed(IncidentChange::Resolved, &over)),
            fact(start + 40, changed(IncidentChange::Reopened, &back)),
            fact(start + 41, started()),
            fact(
                start + 42,
                steward_api::Event::ResourceGone {
                    resource: container("box3"),
                },
            ),
        ];
        let node = if round % 4 == 0 { "boreas" } else { NODE };
        store.append(node, &facts).await.unwrap();
    }
    assert_rebuilds(&store).await;
    // And once more after going on from there.
    store
        .append(NODE, &[fact(99_000, intended(7, 0, "web"))])
        .await
        .unwrap();
    assert_rebuilds(&store).await;
}
