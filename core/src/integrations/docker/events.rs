//! The engine's event stream as signals. The engine filters for what is heeded: each health check alone makes three other events.
//!
//! Every signal also marks what is known of its container as stale, so that the next reading inspects it. Events can be missed; the
//! reader of the stream lists again after each reconnect.

use std::sync::{Arc, Mutex};

use bollard::{models::EventMessage, query_parameters::EventsOptionsBuilder};
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use jiff::Timestamp;
use steward_api::ResourceId;

use crate::ports::{ContainerSignal, Signal, SourceError};

use super::{
    anew,
    cache::Cache,
    client::{Client, Failure, LIST},
    labels, lock, translate,
};

/// What is asked for. The engine matches the beginning of an event's name once `health_status` is among them.
const HEEDED: [&str; 11] = [
    "create",
    "destroy",
    "die",
    "health_status",
    "kill",
    "oom",
    "pause",
    "rename",
    "start",
    "stop",
    "update",
];
const ALSO_HEEDED: &str = "unpause";

/// Signals strictly after `since`, without end. The last item is always an error: why there are no more.
pub(super) async fn watch(
    client: Arc<Client>,
    cache: Arc<Mutex<Cache>>,
    node: String,
    only_label: Option<&str>,
    since: Timestamp,
) -> Result<BoxStream<'static, Result<Signal, SourceError>>, SourceError> {
    let engine = client
        .connected()
        .await
        .map_err(|failure| failure.into_source_error(client.who()))?;
    // Times are inclusive for the engine; what happened at `since` is known.
    let after = since.as_nanosecond() + 1;
    let mut filters = std::collections::HashMap::from([
        ("type", vec!["container"]),
        ("event", HEEDED.into_iter().chain([ALSO_HEEDED]).collect()),
    ]);
    if let Some(label) = only_label {
        filters.insert("label", vec![label]);
    }
    let options = EventsOptionsBuilder::default()
        .since(&format!(
            "{}.{:09}",
            after.div_euclid(1_000_000_000),
            after.rem_euclid(1_000_000_000)
        ))
        .filters(&filters)
        .build();
    // The limit is bollard's: it holds until the stream begins, which an engine lets it do at once, and not between events.
    let events = engine.docker().with_timeout(LIST).events(Some(options));

    let labelled = only_label.is_some();
    let state = Some((Box::pin(events), client, cache, node));
    Ok(stream::unfold(state, move |state| async move {
        let (mut events, client, cache, node) = state?;
        loop {
            match events.next().await {
                Some(Ok(event)) => {
                    if let Some(signal) = signal(&node, labelled, &event) {
                        lock(&cache).mark_stale(&signal.container_id);
                        return Some((Ok(signal), Some((events, client, cache, node))));
                    }
                }
                Some(Err(error)) => {
                    let failure = match client.failure(&error) {
                        Failure::TimedOut(_) => Failure::TimedOut(LIST),
                        other => other,
                    };
                    return Some((Err(failure.into_source_error(client.who())), None));
                }
                None => {
                    let ended = Failure::Unreachable("its event stream ended".to_owned());
                    return Some((Err(ended.into_source_error(client.who())), None));
                }
            }
        }
    })
    .boxed())
}

/// An event as a signal. `None`: it says nothing of interest, or its container is ignored. Where only `labelled` containers are looked
/// after, their own label says more than one that speaks to every agent.
fn signal(node: &str, labelled: bool, event: &EventMessage) -> Option<Signal> {
    let actor = event.actor.as_ref()?;
    let attributes = actor.attributes.as_ref()?;
    let attribute = |name: &str| attributes.get(name).map(String::as_str);
    if !labelled && labels::is_ignored(attribute(labels::IGNORE)) {
        return None;
    }
    // What stands aside is made, renamed and removed by Steward itself.
    if attribute("name").is_some_and(anew::is_aside) {
        return None;
    }
    let action = event.action.as_deref()?;
    let kind = match action {
        "create" => ContainerSignal::Created,
        "start" => ContainerSignal::Started,
        "die" => ContainerSignal::Died {
            // An end without a code is no clean one.
            exit_code: attribute("exitCode")
                .and_then(|code| code.parse().ok())
                .unwrap_or(-1),
        },
        "oom" => ContainerSignal::OomKilled,
        "kill" => ContainerSignal::KillRequested {
            signal: attribute("signal").map_or(0, signal_number),
        },
        "stop" => ContainerSignal::Stopped,
        "destroy" => ContainerSignal::Removed,
        "pause" | "unpause" | "update" | "rename" => ContainerSignal::Changed,
        other => {
            let word = other
                .strip_prefix("health_status")?
                .trim_start_matches(':')
                .trim();
            // Podman names the result in an attribute.
            let word = if word.is_empty() {
                attribute("health_status")?
            } else {
                word
            };
            ContainerSignal::HealthChanged(translate::health(word))
        }
    };
    Some(Signal {
        at: happened_at(event)?,
        resource: ResourceId::container(node, attribute("name")?),
        container_id: actor.id.clone()?,
        kind,
    })
}

fn happened_at(event: &EventMessage) -> Option<Timestamp> {
    match event.time_nano.filter(|nano| *nano > 0) {
        Some(nano) => Timestamp::from_nanosecond(i128::from(nano)).ok(),
        None => Timestamp::from_second(event.time?).ok(),
    }
}

/// A signal's number; engines write it as a number, some as a name.
fn signal_number(text: &str) -> i32 {
    if let Ok(number) = text.parse() {
        return number;
    }
    match text.trim_start_matches("SIG") {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ABRT" => 6,
        "KILL" => 9,
        "USR1" => 10,
        "USR2" => 12,
        "TERM" => 15,
        "CONT" => 18,
        "STOP" => 19,
        "WINCH" => 28,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use steward_api::ContainerHealth;

    use super::*;

    fn read(action: &str, attributes: &str) -> Option<Signal> {
        let event = serde_json::from_str(&format!(
            r#"{{"status":"x","id":"abc","from":"img","Type":"container","Action":"{action}","Actor":{{"ID":"abc","Attributes":{{"image":"img","name":"web"{attributes}}}}},"scope":"local","time":1767225600,"timeNano":1767225600000000123}}"#
        ))
        .unwrap();
        signal("atlas", false, &event)
    }

    #[test]
    fn each_event_becomes_its_signal() {
        let kind =
            |action: &str, attributes: &str| read(action, attributes).map(|signal| signal.kind);
        assert_eq!(kind("create", ""), Some(ContainerSignal::Created));
        assert_eq!(kind("start", ""), Some(ContainerSignal::Started));
        assert_eq!(
            kind("die", r#","exitCode":"137""#),
            Some(ContainerSignal::Died { exit_code: 137 })
        );
        assert_eq!(kind("oom", ""), Some(ContainerSignal::OomKilled));
        assert_eq!(
            kind("kill", r#","signal":"15""#),
            Some(ContainerSignal::KillRequested { signal: 15 })
        );
        assert_eq!(
            kind("kill", r#","signal":"SIGKILL""#),
            Some(ContainerSignal::KillRequested { signal: 9 })
        );
        assert_eq!(kind("stop", ""), Some(ContainerSignal::Stopped));
        assert_eq!(kind("destroy", ""), Some(ContainerSignal::Removed));
        for changed in ["pause", "unpause", "update", "rename"] {
            assert_eq!(kind(changed, ""), Some(ContainerSignal::Changed));
        }
        assert_eq!(
            kind("health_status: unhealthy", ""),
            Some(ContainerSignal::HealthChanged(ContainerHealth::Unhealthy))
        );
        assert_eq!(
            kind("health_status: healthy", ""),
            Some(ContainerSignal::HealthChanged(ContainerHealth::Healthy))
        );
        assert_eq!(
            kind("health_status", r#","health_status":"healthy""#),
            Some(ContainerSignal::HealthChanged(ContainerHealth::Healthy))
        );
        assert_eq!(kind("exec_start: sh -c x", ""), None);
        assert_eq!(
            kind("restart", ""),
            None,
            "its death and start were told already"
        );
    }

    #[test]
    fn an_end_without_a_code_is_not_clean() {
        let died = read("die", "").unwrap();
        assert_eq!(died.kind, ContainerSignal::Died { exit_code: -1 });
    }

    #[test]
    fn a_signal_says_who_and_when() {
        let signal = read("start", "").unwrap();
        assert_eq!(signal.resource.to_string(), "atlas/container/web");
        assert_eq!(signal.container_id, "abc");
        assert_eq!(signal.at.as_nanosecond(), 1_767_225_600_000_000_123);
    }

    #[test]
    fn an_ignored_containers_events_are_dropped() {
        assert_eq!(read("die", r#","steward.ignore":"true""#), None);
        assert!(read("die", r#","steward.ignore":"false""#).is_some());
    }
}
