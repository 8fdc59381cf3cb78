//! From the engine's words to Steward's: inspections and list entries in, container facts, health and reasons out. Pure.
//!
//! A health is judged here from one reading alone; what only history can tell (a finished job, a stop on purpose, a loop) is left to
//! the rules. A reason holds no relative times, so that it only changes when something did.

use jiff::Timestamp;
use steward_api::{
    ContainerFacts, ContainerHealth, ContainerPort, ContainerStatus, Health, Limits, RestartPolicy,
};

use crate::redact::redact;

use super::{
    labels,
    logs::plain,
    models::{HostConfigModel, Inspect, RestartPolicyModel, Summary},
};

/// Characters of a health check's output that are kept: the end, where the error stands.
const HEALTH_OUTPUT_CHARS: usize = 500;
/// Characters of the engine's own error that are kept.
const ERROR_CHARS: usize = 300;

/// An inspection as facts.
pub(super) fn facts(inspect: &Inspect) -> ContainerFacts {
    let state = &inspect.state;
    let status = status(&state.status);
    let finished_at = time(&state.finished_at);
    let limits = limits(&inspect.host_config);
    let has_health_check = inspect
        .config
        .healthcheck
        .as_ref()
        .is_some_and(|check| check.test.first().is_some_and(|kind| kind != "NONE"));
    ContainerFacts {
        container_id: inspect.id.clone(),
        image: inspect.config.image.clone(),
        status,
        health: state
            .health
            .as_ref()
            .map_or(ContainerHealth::None, |health| self::health(&health.status)),
        health_output: state
            .health
            .as_ref()
            .and_then(|health| health.log.last())
            .map(|last| shorten(&last.output, HEALTH_OUTPUT_CHARS))
            .filter(|output| !output.is_empty()),
        exit_code: (finished_at.is_some() || has_ended(status)).then_some(state.exit_code),
        oom_killed: state.oom_killed,
        error: Some(shorten(&state.error, ERROR_CHARS)).filter(|error| !error.is_empty()),
        restart_count: inspect.restart_count,
        restart_policy: restart_policy(&inspect.host_config.restart_policy),
        created_at: time(&inspect.created),
        started_at: time(&state.started_at),
        finished_at,
        compose: labels::place(&inspect.config.labels).compose,
        labels: labels::parse(&inspect.config.labels),
        has_ports: !inspect.config.exposed_ports.is_empty()
            || !inspect.host_config.port_bindings.is_empty(),
        ports: ports(inspect),
        addresses: addresses(inspect),
        has_health_check: has_health_check || state.health.is_some(),
        auto_remove: inspect.host_config.auto_remove,
        memory_limit_bytes: limits.memory_bytes,
        #[allow(
            clippy::cast_precision_loss,
            reason = "thousandths of cores are far below 2^52"
        )]
        cpu_limit_cores: limits.cpu_millicores.map(|milli| milli as f64 / 1000.0),
    }
}

/// TCP ports that it publishes or exposes, by number. While it does not run, what its image exposes.
fn ports(inspect: &Inspect) -> Vec<ContainerPort> {
    let tcp = |key: &str| {
        key.strip_suffix("/tcp")
            .and_then(|port| port.parse::<u16>().ok())
    };
    let mut found: Vec<ContainerPort> = inspect
        .network_settings
        .ports
        .iter()
        .filter_map(|(key, bindings)| {
            let binding = bindings.as_ref().and_then(|bindings| bindings.first());
            Some(ContainerPort {
                container: tcp(key)?,
                published: binding.and_then(|binding| binding.host_port.parse().ok()),
                published_on: binding.map(|binding| binding.host_ip.clone()),
            })
        })
        .collect();
    for container in inspect
        .config
        .exposed_ports
        .keys()
        .filter_map(|key| tcp(key))
    {
        if !found.iter().any(|port| port.container == container) {
            found.push(ContainerPort {
                container,
                published: None,
                published_on: None,
            });
        }
    }
    found.sort_by_key(|port| port.container);
    found
}

/// Its addresses on the engine's networks, sorted.
fn addresses(inspect: &Inspect) -> Vec<String> {
    let networks = inspect.network_settings.networks.values();
    let mut found: Vec<String> = networks
        .map(|endpoint| endpoint.ip_address.clone())
        .filter(|address| !address.is_empty())
        .collect();
    found.sort();
    found
}

/// Brings facts from an earlier inspection up to what the list says now.
pub(super) fn refresh(facts: &mut ContainerFacts, summary: &Summary) {
    facts.status = status(&summary.state);
    if facts.status == ContainerStatus::Running && facts.has_health_check {
        facts.health = listed_health(&summary.status);
    }
}

/// The limits in force. Zero and below mean none.
pub(super) fn limits(config: &HostConfigModel) -> Limits {
    let positive = |value: i64| u64::try_from(value).ok().filter(|value| *value > 0);
    let by_quota = || {
        let period = positive(config.cpu_period).unwrap_or(super::limits::USUAL_PERIOD);
        positive(config.cpu_quota).map(|quota| quota * 1000 / period)
    };
    Limits {
        memory_bytes: positive(config.memory),
        cpu_millicores: positive(config.nano_cpus)
            .map(|nano| nano / 1_000_000)
            .or_else(by_quota),
    }
}

/// How a container is, judged from one reading of it, and why.
pub(super) fn judge(facts: &ContainerFacts) -> (Health, String) {
    match facts.status {
        ContainerStatus::Running => match facts.health {
            ContainerHealth::None => (Health::Healthy, "running".to_owned()),
            ContainerHealth::Healthy => (
                Health::Healthy,
                "running, and its health check passes".to_owned(),
            ),
            ContainerHealth::Starting => (
                Health::Unknown,
                "running; its health check has not finished yet".to_owned(),
            ),
            ContainerHealth::Unhealthy => (
                Health::Unhealthy,
                facts.health_output.as_deref().map_or_else(
                    || "its health check fails".to_owned(),
                    |output| format!("its health check fails: {}", first_line(output)),
                ),
            ),
        },
        ContainerStatus::Restarting => (
            Health::Restarting,
            format!("the engine restarts it: {}", ending(facts)),
        ),
        ContainerStatus::Paused => (Health::Stopped, "paused".to_owned()),
        ContainerStatus::Created => match &facts.error {
            Some(error) => (
                Health::Unhealthy,
                format!("could not be started: {}", first_line(error)),
            ),
            None => (Health::Stopped, "made, but never started".to_owned()),
        },
        ContainerStatus::Removing => (Health::Stopped, "being removed".to_owned()),
        ContainerStatus::Exited if facts.exit_code == Some(0) && !facts.oom_killed => {
            (Health::Stopped, ending(facts))
        }
        ContainerStatus::Exited => (Health::Unhealthy, ending(facts)),
        ContainerStatus::Dead => (
            Health::Unhealthy,
            "dead: the engine could not remove it fully".to_owned(),
        ),
        ContainerStatus::Unknown => (
            Health::Unknown,
            "its engine names a state that Steward does not know".to_owned(),
        ),
    }
}

/// How it ended, in words.
pub(super) fn ending(facts: &ContainerFacts) -> String {
    let mut text = match facts.exit_code {
        None => "ended".to_owned(),
        Some(code) => match exit_code_meaning(code) {
            Some(meaning) => format!("exited with code {code} ({meaning})"),
            None => format!("exited with code {code}"),
        },
    };
    if facts.oom_killed {
        text.push_str("; the kernel killed something in it because its memory limit was reached");
    }
    if let Some(error) = &facts.error {
        text.push_str("; ");
        text.push_str(first_line(error));
    }
    text
}

/// The common meaning of an exit code: those of shells and engines, and 128 + signal.
fn exit_code_meaning(code: i64) -> Option<&'static str> {
    Some(match code {
        125 => "the engine could not run it",
        126 => "its command can't be executed",
        127 => "its command was not found",
        129 => "hung up",
        130 => "interrupted",
        131 => "quit",
        132 => "illegal instruction",
        133 => "trap",
        134 => "aborted",
        135 => "bus error",
        136 => "arithmetic error",
        137 => "killed",
        139 => "segmentation fault",
        141 => "broken pipe",
        143 => "terminated",
        _ => return None,
    })
}

/// Whether a state is one after the main process's end.
pub(super) const fn has_ended(status: ContainerStatus) -> bool {
    matches!(
        status,
        ContainerStatus::Exited | ContainerStatus::Dead | ContainerStatus::Restarting
    )
}

/// The engine's word for a state.
pub(super) fn status(word: &str) -> ContainerStatus {
    match word {
        "created" => ContainerStatus::Created,
        // A container that is being stopped still runs (podman's word).
        "running" | "stopping" => ContainerStatus::Running,
        "paused" => ContainerStatus::Paused,
        "restarting" => ContainerStatus::Restarting,
        "removing" => ContainerStatus::Removing,
        "exited" | "stopped" => ContainerStatus::Exited,
        "dead" => ContainerStatus::Dead,
        _ => ContainerStatus::Unknown,
    }
}

/// The engine's word for the result of a health check.
pub(super) fn health(word: &str) -> ContainerHealth {
    match word {
        "healthy" => ContainerHealth::Healthy,
        "unhealthy" => ContainerHealth::Unhealthy,
        "" | "none" => ContainerHealth::None,
        // A word that is not known is no pass.
        _ => ContainerHealth::Starting,
    }
}

/// The health in a list entry's status text, as `Up 3 hours (healthy)`.
pub(super) fn listed_health(text: &str) -> ContainerHealth {
    let word = text
        .rsplit_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    match word {
        Some("healthy") => ContainerHealth::Healthy,
        Some("unhealthy") => ContainerHealth::Unhealthy,
        Some("health: starting") => ContainerHealth::Starting,
        _ => ContainerHealth::None,
    }
}

/// The longest time, in seconds, that a list entry's `Up 5 minutes` or `Exited (1) About an hour ago` can stand for. The engine
/// rounds as docker/go-units `HumanDuration` does.
pub(super) fn listed_age(text: &str) -> Option<u64> {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let text = text.strip_prefix("Up ").or_else(|| {
        text.strip_prefix("Exited (")
            .and_then(|rest| rest.split_once(") ").map(|(_, age)| age))
    })?;
    let text = text.split(" (").next()?.trim_end_matches(" ago");
    match text {
        "Less than a second" => return Some(1),
        "About a minute" => return Some(2 * MINUTE),
        "About an hour" => return Some(2 * HOUR),
        _ => {}
    }
    let (number, unit) = text.split_once(' ')?;
    let unit = match unit.trim_end_matches('s') {
        "second" => 1,
        "minute" => MINUTE,
        "hour" => HOUR,
        "day" => DAY,
        "week" => 7 * DAY,
        "month" => 30 * DAY,
        "year" => 365 * DAY,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_add(1)?
        .checked_mul(unit)
}

fn restart_policy(model: &RestartPolicyModel) -> RestartPolicy {
    match model.name.as_str() {
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        "on-failure" => RestartPolicy::OnFailure {
            max_retries: u32::try_from(model.maximum_retry_count).unwrap_or(0),
        },
        _ => RestartPolicy::No,
    }
}

/// A time as the engine writes it; Go's zero time means never.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    text.parse()
        .ok()
        .filter(|time: &Timestamp| time.as_second() > 0)
}

/// The end of a text, cleared of secrets and control characters.
fn shorten(text: &str, most: usize) -> String {
    let clean = plain(&redact(text)).trim().to_owned();
    let count = clean.chars().count();
    if count <= most {
        return clean;
    }
    let end: String = clean.chars().skip(count - most).collect();
    format!("…{end}")
}

fn first_line(text: &str) -> &str {
    text.lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspect(json: &str) -> Inspect {
        serde_json::from_str(json).unwrap()
    }

    /// As an engine of API 1.41 writes it, with a failing health check and a log driver of a plugin.
    const UNHEALTHY: &str = r#"{
        "Id": "ab", "Created": "2026-01-02T03:04:05.123456789Z", "Path": "/app", "Args": null,
        "Name": "/shop-web-1", "RestartCount": 2, "Platform": "linux",
        "State": {"Status": "running", "Running": true, "Paused": false, "OOMKilled": false, "Pid": 77, "ExitCode": 0, "Error": "",
            "StartedAt": "2026-01-02T03:05:00Z", "FinishedAt": "0001-01-01T00:00:00Z",
            "Health": {"Status": "unhealthy", "FailingStreak": 3, "Log": [
                {"Start": "x", "End": "y", "ExitCode": 0, "Output": "fine\n"},
                {"Start": "x", "End": "y", "ExitCode": 1, "Output": "\u001b[31mconnection refused\u001b[0m\nmore\n"}]}},
        "HostConfig": {"Memory": 536870912, "MemorySwap": 1073741824, "NanoCpus": 1500000000, "CpuPeriod": 0, "CpuQuota": 0,
            "LogConfig": {"Type": "some/plugin:latest"}, "CgroupnsMode": "a-new-word", "PortBindings": null,
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4}, "AutoRemove": false},
        "Config": {"Image": "shop/web:1", "Env": ["PASSWORD=x"], "ExposedPorts": {"80/tcp": {}}, "Healthcheck": {"Test": ["CMD", "x"]},
            "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": "web", "steward.critical": "true"}},
        "Mounts": null, "SomethingNew": {"a": [1]}
    }"#;

    #[test]
    fn an_inspection_becomes_facts() {
        let facts = facts(&inspect(UNHEALTHY));
        assert_eq!(facts.image, "shop/web:1");
        assert_eq!(facts.status, ContainerStatus::Running);
        assert_eq!(facts.health, ContainerHealth::Unhealthy);
        assert_eq!(facts.exit_code, None, "it has never ended");
        assert_eq!(facts.finished_at, None);
        assert_eq!(facts.restart_count, 2);
        assert_eq!(
            facts.restart_policy,
            RestartPolicy::OnFailure { max_retries: 4 }
        );
        assert_eq!(facts.memory_limit_bytes, Some(536_870_912));
        assert_eq!(facts.cpu_limit_cores, Some(1.5));
        assert!(facts.has_ports && facts.has_health_check && facts.labels.critical);
        assert_eq!(facts.compose.as_ref().unwrap().project, "shop");
        assert_eq!(
            judge(&facts),
            (
                Health::Unhealthy,
                "its health check fails: connection refused".to_owned()
            )
        );
    }

    #[test]
    fn a_container_made_by_an_unknown_engine_is_unknown_and_not_healthy() {
        let facts = facts(&inspect(r#"{"Id":"x","State":{"Status":"hibernating"}}"#));
        assert_eq!(judge(&facts).0, Health::Unknown);
        assert_eq!(health("meditating"), ContainerHealth::Starting);
    }

    #[test]
    fn ends_are_told_apart() {
        let end = |state: &str| {
            let facts = facts(&inspect(&format!(
                r#"{{"Id":"x","State":{{"FinishedAt":"2026-01-02T03:05:00Z",{state}}}}}"#
            )));
            judge(&facts)
        };
        assert_eq!(
            end(r#""Status":"exited","ExitCode":0"#),
            (Health::Stopped, "exited with code 0".to_owned())
        );
        assert_eq!(
            end(r#""Status":"exited","ExitCode":3"#),
            (Health::Unhealthy, "exited with code 3".to_owned())
        );
        let (health, reason) = end(r#""Status":"exited","ExitCode":137,"OOMKilled":true"#);
        assert_eq!(health, Health::Unhealthy);
        assert!(
            reason.contains("137 (killed)") && reason.contains("memory limit"),
            "{reason}"
        );
        // Only a child was killed: the code alone would look clean.
        assert_eq!(
            end(r#""Status":"exited","ExitCode":0,"OOMKilled":true"#).0,
            Health::Unhealthy
        );
        assert_eq!(
            end(r#""Status":"restarting","ExitCode":1"#).0,
            Health::Restarting
        );
        assert_eq!(
            end(r#""Status":"paused""#),
            (Health::Stopped, "paused".to_owned())
        );
        let never = facts(&inspect(
            r#"{"Id":"x","State":{"Status":"created","ExitCode":127,"Error":"exec: \"nope\": not found"}}"#,
        ));
        assert_eq!(never.exit_code, None);
        assert_eq!(
            judge(&never),
            (
                Health::Unhealthy,
                "could not be started: exec: \"nope\": not found".to_owned()
            )
        );
        assert_eq!(
            end(r#""Status":"running","Health":{"Status":"starting","Log":null}"#).0,
            Health::Unknown
        );
    }

    #[test]
    fn limits_are_read_from_either_way_of_setting_them() {
        let read = |json: &str| limits(&serde_json::from_str(json).unwrap());
        assert_eq!(read("{}"), Limits::default());
        assert_eq!(read(r#"{"Memory":-1,"CpuQuota":-1}"#), Limits::default());
        assert_eq!(
            read(r#"{"Memory":1048576,"CpuQuota":25000}"#),
            Limits {
                memory_bytes: Some(1_048_576),
                cpu_millicores: Some(250)
            }
        );
        assert_eq!(
            read(r#"{"CpuQuota":100000,"CpuPeriod":50000}"#).cpu_millicores,
            Some(2000)
        );
    }

    #[test]
    fn the_lists_text_tells_health_and_age() {
        assert_eq!(
            listed_health("Up 3 hours (healthy)"),
            ContainerHealth::Healthy
        );
        assert_eq!(
            listed_health("Up 3 hours (unhealthy)"),
            ContainerHealth::Unhealthy
        );
        assert_eq!(
            listed_health("Up 1 second (health: starting)"),
            ContainerHealth::Starting
        );
        assert_eq!(listed_health("Up 3 hours"), ContainerHealth::None);
        assert_eq!(listed_health("Up 3 hours (Paused)"), ContainerHealth::None);
        for (text, most) in [
            ("Up Less than a second", 1),
            ("Up 1 second", 2),
            ("Up 59 seconds (healthy)", 60),
            ("Up About a minute", 120),
            ("Up 5 minutes", 360),
            ("Up About an hour (unhealthy)", 7200),
            ("Exited (137) 2 hours ago", 3 * 3600),
            ("Exited (0) About a minute ago", 120),
            ("Up 3 days", 4 * 86_400),
        ] {
            assert_eq!(listed_age(text), Some(most), "{text}");
        }
        assert_eq!(listed_age("Created"), None);
        assert_eq!(listed_age("Restarting (1) 3 seconds ago"), None);
    }

    #[test]
    fn the_list_brings_older_facts_up_to_date() {
        let mut facts = facts(&inspect(UNHEALTHY));
        let summary: Summary = serde_json::from_str(
            r#"{"Id":"ab","Names":["/other/link","/shop-web-1"],"State":"running","Status":"Up 2 minutes (healthy)","Health":{"Status":"new-word"}}"#,
        )
        .unwrap();
        assert_eq!(summary.name(), Some("shop-web-1"));
        refresh(&mut facts, &summary);
        assert_eq!(judge(&facts).0, Health::Healthy);
    }

    #[test]
    fn long_output_keeps_its_end_and_stays_text() {
        let text = shorten(&format!("{}\né-end", "ö".repeat(600)), 10);
        assert!(text.starts_with('…') && text.ends_with("é-end"));
        assert_eq!(text.chars().count(), 11);
    }
}
