//! Tests of the reducer: what somebody who watches would notice.

use steward_api::{Health, IncidentChange, MessageKind, TaskChange, TaskState};

use super::*;
use crate::samples;

fn world() -> World {
    let mut world = World::default();
    world.load_status(samples::status());
    world.load_resources(samples::list(vec![
        samples::host(),
        samples::container_of("web", Health::Healthy, "shop"),
        samples::container("db", Health::Healthy),
    ]));
    world
}

fn health(world: &World, name: &str) -> Option<Health> {
    world
        .resources
        .get(&samples::container_id(name))
        .map(|entry| entry.health)
}

#[test]
fn a_changed_health_shows_at_once_and_asks_for_a_reading() {
    let mut world = world();
    let touched = world.apply(samples::changed(
        1,
        "web",
        Health::Healthy,
        Health::Unhealthy,
    ));
    assert_eq!(health(&world, "web"), Some(Health::Unhealthy));
    assert!(touched.resources && touched.journal && touched.read_resources);
    assert!(!touched.incidents && !touched.tasks);
    let entry = &world.resources[&samples::container_id("web")];
    assert_eq!(entry.project(), Some("shop"), "what was read stays");
    assert!(
        entry.search.contains("why web"),
        "and the new reason is found"
    );
}

#[test]
fn a_new_resource_shows_before_it_was_read() {
    let mut world = world();
    world.apply(samples::changed(
        1,
        "new",
        Health::Unknown,
        Health::Restarting,
    ));
    assert_eq!(health(&world, "new"), Some(Health::Restarting));
    assert_eq!(
        world.resources[&samples::container_id("new")].resource,
        None
    );
}

#[test]
fn what_is_gone_shows_no_more() {
    let mut world = world();
    let touched = world.apply(samples::gone(1, "web"));
    assert!(touched.resources);
    assert_eq!(health(&world, "web"), None);
    assert!(!world.apply(samples::gone(2, "web")).resources);
}

#[test]
fn an_event_that_was_seen_counts_once() {
    let mut world = world();
    world.apply(samples::changed(
        5,
        "web",
        Health::Healthy,
        Health::Unhealthy,
    ));
    world.apply(samples::changed(
        6,
        "web",
        Health::Unhealthy,
        Health::Healthy,
    ));
    let again = world.apply(samples::changed(
        5,
        "web",
        Health::Healthy,
        Health::Unhealthy,
    ));
    assert_eq!(again, Touched::default());
    assert_eq!(health(&world, "web"), Some(Health::Healthy));
}

#[test]
fn a_new_stream_may_count_from_the_beginning() {
    let mut world = world();
    world.apply(samples::changed(
        500,
        "web",
        Health::Healthy,
        Health::Unhealthy,
    ));
    world.begin_stream();
    world.apply(samples::changed(
        1,
        "web",
        Health::Unhealthy,
        Health::Stopped,
    ));
    assert_eq!(health(&world, "web"), Some(Health::Stopped));
}

#[test]
fn incidents_and_tasks_are_replaced_whole() {
    let mut world = world();
    let mut incident = samples::incident(7, "web");
    world.apply(samples::incident_event(
        1,
        IncidentChange::Detected,
        &incident,
    ));
    incident.title = "web is back".to_owned();
    incident.resolved_at = Some(samples::at("12:01:00"));
    let touched = world.apply(samples::incident_event(
        2,
        IncidentChange::Resolved,
        &incident,
    ));
    assert!(touched.incidents && !touched.resources);
    assert_eq!(world.incidents.len(), 1);
    assert!(!world.incidents[&incident.id].is_active());

    let mut task = samples::task(3, "web");
    assert!(awaits_answer(&task));
    world.apply(samples::task_event(3, TaskChange::Created, &task));
    task.status = TaskState::InProgress;
    task.approved = true;
    world.apply(samples::task_event(4, TaskChange::Started, &task));
    assert!(!awaits_answer(&world.tasks[&task.id]));
}

#[test]
fn autonomy_follows_whoever_changed_it() {
    let mut world = world();
    let touched = world.apply(samples::autonomy(1, Autonomy::Observe));
    assert!(touched.status);
    assert_eq!(world.autonomy, Some(Autonomy::Observe));
    let status = world.status.unwrap();
    assert_eq!(status.autonomy, Autonomy::Observe);
    assert_eq!(
        status.autonomy_explanation,
        Autonomy::Observe.explanation(),
        "never the words of another level"
    );
}

#[test]
fn a_source_that_fails_says_so_until_it_answers() {
    let mut world = world();
    world.apply(samples::source_down(1, "docker", "no such socket"));
    let source = world.status.as_ref().unwrap().sources[0].clone();
    assert_eq!(
        (source.up, source.error.as_deref()),
        (Some(false), Some("no such socket"))
    );
    world.apply(samples::source_up(2, "docker"));
    let source = world.status.as_ref().unwrap().sources[0].clone();
    assert_eq!((source.up, source.error), (Some(true), None));
}

#[test]
fn a_late_reading_does_not_turn_back_what_is_known() {
    let mut world = world();
    let old = samples::incident(7, "web");
    let mut new = old.clone();
    new.updated_at = samples::at("12:05:00");
    new.title = "newer".to_owned();
    world.merge_incident(new);
    assert!(!world.merge_incident(old).incidents);
    assert_eq!(world.incidents.values().next().unwrap().title, "newer");

    let waiting = samples::task(3, "web");
    let mut done = waiting.clone();
    done.status = TaskState::Completed;
    world.merge_task(done);
    assert!(!world.merge_task(waiting).tasks);
    assert_eq!(
        world.tasks.values().next().unwrap().status,
        TaskState::Completed
    );
}

#[test]
fn a_whole_list_replaces_and_what_is_the_same_is_kept() {
    let mut world = world();
    let kept = Arc::clone(&world.resources[&samples::container_id("db")]);
    world.load_resources(samples::list(vec![samples::container(
        "db",
        Health::Healthy,
    )]));
    assert_eq!(world.resources.len(), 1);
    assert!(Arc::ptr_eq(
        &kept,
        &world.resources[&samples::container_id("db")]
    ));
    assert!(world.resources_read);
}

#[test]
fn memory_is_bounded_and_what_is_active_is_never_forgotten() {
    let mut world = world();
    let active = samples::incident(1, "web");
    world.apply(samples::incident_event(
        1,
        IncidentChange::Detected,
        &active,
    ));
    for number in 2..2000 {
        let mut incident = samples::incident(number, "db");
        incident.resolved_at = Some(incident.opened_at);
        world.apply(samples::incident_event(
            number,
            IncidentChange::Resolved,
            &incident,
        ));
    }
    assert_eq!(world.incidents.len(), PAST_KEPT);
    assert!(world.incidents.contains_key(&active.id));
    assert_eq!(world.journal.len(), JOURNAL_KEPT);
    assert_eq!(world.journal[0].seq, 1999, "newest first");
}

#[test]
fn projects_are_listed_once() {
    let mut world = world();
    world.merge_resources(vec![
        samples::container_of("a", Health::Healthy, "media"),
        samples::container_of("b", Health::Healthy, "media"),
    ]);
    assert_eq!(world.projects(), ["media", "shop"]);
}

#[test]
fn what_is_said_goes_to_the_open_conversation_and_to_the_list() {
    let mut world = World::default();
    let id = ConversationId(1);
    let question = samples::message(1, MessageKind::Question, "admin", "Jarvis Prime");
    let answer = samples::reply(2, MessageKind::Answer, "Jarvis Prime", "admin", 1);
    world.open_dialogue(id);
    let touched = world.apply(samples::said(5, 1, &question));
    assert!(touched.conversations && touched.journal && !touched.tasks);
    world.apply(samples::said(6, 2, &question));
    world.apply(samples::said(7, 1, &answer));
    // The same again, as after a line that was lost, changes nothing.
    world.begin_stream();
    world.apply(samples::said(7, 1, &answer));
    let open = world.dialogue.as_ref().unwrap();
    assert_eq!(open.last(), 2);
    assert_eq!(open.messages.len(), 2);
    let known: Vec<_> = world
        .conversations
        .iter()
        .map(|one| (one.id.0, one.messages))
        .collect();
    assert_eq!(known, [(1, 2), (2, 1)]);
}

#[test]
fn a_reading_of_a_conversation_that_is_no_longer_open_only_goes_to_the_list() {
    let mut world = World::default();
    world.open_dialogue(ConversationId(2));
    let mut about = samples::conversation(1, "Why?");
    about.messages = 1;
    let detail = ConversationDetail {
        conversation: about,
        messages: vec![samples::message(
            1,
            MessageKind::Question,
            "admin",
            "Athena",
        )],
        progress: samples::progress(1, false, 1),
    };
    world.load_dialogue(detail);
    let open = world.dialogue.as_ref().unwrap();
    assert!(!open.is_read && open.messages.is_empty());
    assert_eq!(world.conversations.len(), 1);
    let old = samples::conversation(1, "Why?");
    assert!(!world.merge_conversations([old]).conversations);
}

#[test]
fn conversations_do_not_pile_up() {
    let mut world = World::default();
    let question = samples::message(1, MessageKind::Question, "admin", "Jarvis Prime");
    for number in 1..=600 {
        world.apply(samples::said(number, number, &question));
    }
    assert_eq!(world.conversations.len(), PAST_KEPT);
    assert_eq!(world.conversations.last().unwrap().id, ConversationId(600));
}

#[test]
fn the_score_follows_the_scans_and_is_unknown_where_it_was_not_told() {
    let mut world = World::default();
    assert_eq!(world.security, None);
    assert!(world.apply(samples::scanned(1, Some(85))).security);
    let score = |world: &World| world.security.as_ref().and_then(|told| told.security_score);
    assert_eq!(score(&world), Some(85));
    // What is only a sign that there is something new to read changes no number.
    assert!(world.apply(samples::port_accepted(2, "8080/tcp")).security);
    assert!(world.apply(samples::security_day(3)).security);
    assert_eq!(score(&world), Some(85));
    // A part that can't be read any more is told by its source alone.
    assert!(
        world
            .apply(samples::source_down(4, "security-ports", "why"))
            .security
    );
    assert!(
        !world
            .apply(samples::source_down(5, "docker", "why"))
            .security
    );
    assert!(world.load_security(None).security);
    assert_eq!(world.security, None);
}
