//! Container labels: `steward.*`, the common `autoheal`, and Compose's. Pure: labels in, [`Labels`] out.
//!
//! A label that can't be understood is listed as refused, with what would be right, and has no effect.

use steward_api::{ComposeRef, DependencyCondition, Labels};

use super::{anew, client::is_name, models::HeededLabels};

const CRITICAL: &str = "steward.critical";
const AUTO_RESTART: &str = "steward.auto_restart";
const MAX_RESTARTS: &str = "steward.max_restarts_per_hour";
const HEALTH_URL: &str = "steward.health_url";
const DEPENDS_ON: &str = "steward.depends_on";
/// A container with this label is not looked after at all.
pub(super) const IGNORE: &str = "steward.ignore";
/// Of another tool, and common: whether a container may be restarted when it is unhealthy.
const AUTOHEAL: &str = "autoheal";

const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const COMPOSE_SERVICE: &str = "com.docker.compose.service";
const COMPOSE_DEPENDS_ON: &str = "com.docker.compose.depends_on";
const COMPOSE_ONE_OFF: &str = "com.docker.compose.oneoff";

/// More restarts within an hour than this are no guard any more.
const MOST_RESTARTS: u32 = 1000;

/// Whether a label is one that is looked at.
pub(super) fn is_heeded(key: &str) -> bool {
    key.starts_with("steward.")
        || matches!(
            key,
            AUTOHEAL | COMPOSE_PROJECT | COMPOSE_SERVICE | COMPOSE_DEPENDS_ON | COMPOSE_ONE_OFF
        )
}

/// A Compose dependency on a service of the same project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceDependency {
    pub(super) service: String,
    pub(super) condition: DependencyCondition,
}

/// A container's place among others, as its labels tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) compose: Option<ComposeRef>,
    /// Started by `compose run`: no instance of the service that others depend on.
    pub(super) one_off: bool,
    pub(super) depends_on: Vec<ServiceDependency>,
}

/// Reads the labels that steer Steward.
pub(super) fn parse(all: &HeededLabels) -> Labels {
    let mut labels = Labels::default();
    for (key, value) in &all.0 {
        let value = value.trim();
        let refused = &mut labels.refused;
        match key.as_str() {
            CRITICAL => labels.critical = flag(key, value, refused).unwrap_or_default(),
            IGNORE => labels.ignore = flag(key, value, refused).unwrap_or_default(),
            AUTO_RESTART => labels.auto_restart = flag(key, value, refused),
            AUTOHEAL if all.get(AUTO_RESTART).is_none() => {
                // Another tool's label: a value that this one does not know is no mistake of the operator's.
                labels.auto_restart = flag(key, value, &mut Vec::new());
            }
            MAX_RESTARTS => match value.parse() {
                Ok(number) if number <= MOST_RESTARTS => {
                    labels.max_restarts_per_hour = Some(number);
                }
                _ => refused.push(format!(
                    "{key}: `{value}` should be a whole number from 0 to {MOST_RESTARTS}"
                )),
            },
            HEALTH_URL => {
                if is_url(value) {
                    labels.health_url = Some(value.to_owned());
                } else {
                    // The address may hold a password: it is not repeated.
                    refused.push(format!(
                        "{key}: it should be an address as http://host:port/path"
                    ));
                }
            }
            DEPENDS_ON => {
                for name in value.split(',').map(str::trim).filter(|n| !n.is_empty()) {
                    if is_name(name) {
                        labels.depends_on.push(name.to_owned());
                    } else {
                        refused.push(format!(
                            "{key}: `{name}` should be the name of a container"
                        ));
                    }
                }
            }
            // The demo marks what it makes with these.
            other if other.starts_with("steward.demo") => {}
            // What made it anew says from which one.
            anew::MADE_FROM => {}
            other if other.starts_with("steward.") => refused.push(format!(
                "{other}: there is no such label; known are {CRITICAL}, {AUTO_RESTART}, {MAX_RESTARTS}, {HEALTH_URL}, {DEPENDS_ON}, {IGNORE}"
            )),
            _ => {}
        }
    }
    labels
}

/// Whether a container with this value of [`IGNORE`] is left alone.
pub(super) fn is_ignored(value: Option<&str>) -> bool {
    value.is_some_and(|value| flag(IGNORE, value.trim(), &mut Vec::new()) == Some(true))
}

/// Reads a container's place in its Compose project.
pub(super) fn place(all: &HeededLabels) -> Place {
    let compose = all
        .get(COMPOSE_PROJECT)
        .zip(all.get(COMPOSE_SERVICE))
        .filter(|(project, service)| !project.is_empty() && !service.is_empty())
        .map(|(project, service)| ComposeRef {
            project: project.to_owned(),
            service: service.to_owned(),
        });
    Place {
        one_off: all
            .get(COMPOSE_ONE_OFF)
            .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        depends_on: if compose.is_some() {
            services(all.get(COMPOSE_DEPENDS_ON).unwrap_or_default())
        } else {
            Vec::new()
        },
        compose,
    }
}

/// Reads `db:service_healthy:false,cache:service_started:true`; older Compose writes only `db,cache`.
fn services(text: &str) -> Vec<ServiceDependency> {
    text.split(',')
        .filter_map(|entry| {
            let mut parts = entry.trim().split(':');
            let service = parts.next().filter(|service| !service.is_empty())?;
            let condition = match parts.next() {
                Some("service_healthy") => DependencyCondition::Healthy,
                Some("service_completed_successfully") => DependencyCondition::Completed,
                _ => DependencyCondition::Started,
            };
            Some(ServiceDependency {
                service: service.to_owned(),
                condition,
            })
        })
        .collect()
}

fn flag(key: &str, value: &str, refused: &mut Vec<String>) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => {
            refused.push(format!("{key}: `{value}` should be true or false"));
            None
        }
    }
}

fn is_url(text: &str) -> bool {
    text.strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
        .is_some_and(|rest| {
            !rest.is_empty()
                && !rest.starts_with('/')
                && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heeded(pairs: &[(&str, &str)]) -> HeededLabels {
        let map: std::collections::BTreeMap<_, _> = pairs.iter().copied().collect();
        serde_json::from_value(serde_json::to_value(map).unwrap()).unwrap()
    }

    #[test]
    fn reads_every_label() {
        let labels = parse(&heeded(&[
            ("steward.critical", "true"),
            ("steward.auto_restart", "no"),
            ("steward.max_restarts_per_hour", "5"),
            ("steward.health_url", "http://localhost:8080/health"),
            ("steward.depends_on", "db, cache ,"),
            ("steward.ignore", "False"),
            ("autoheal", "true"),
            ("maintainer", "somebody"),
        ]));
        assert_eq!(
            labels,
            Labels {
                critical: true,
                auto_restart: Some(false),
                max_restarts_per_hour: Some(5),
                health_url: Some("http://localhost:8080/health".to_owned()),
                depends_on: vec!["db".to_owned(), "cache".to_owned()],
                ignore: false,
                refused: Vec::new(),
            }
        );
    }

    #[test]
    fn autoheal_lets_restart_where_nothing_else_is_said() {
        assert_eq!(
            parse(&heeded(&[("autoheal", "true")])).auto_restart,
            Some(true)
        );
        let odd = parse(&heeded(&[("autoheal", "all")]));
        assert_eq!((odd.auto_restart, odd.refused), (None, Vec::new()));
    }

    #[test]
    fn what_cannot_be_understood_is_refused_with_the_reason_and_has_no_effect() {
        let labels = parse(&heeded(&[
            ("steward.critical", "maybe"),
            ("steward.max_restarts_per_hour", "-1"),
            ("steward.health_url", "user:secret@host"),
            ("steward.depends_on", "db,../etc"),
            ("steward.crtical", "true"),
            ("steward.ignore", ""),
        ]));
        assert!(!labels.critical && !labels.ignore);
        assert_eq!(labels.max_restarts_per_hour, None);
        assert_eq!(labels.health_url, None);
        assert_eq!(labels.depends_on, ["db"]);
        assert_eq!(labels.refused.len(), 6, "{:?}", labels.refused);
        let text = labels.refused.join("\n");
        assert!(text.contains("steward.critical: `maybe` should be true or false"));
        assert!(text.contains("steward.crtical: there is no such label"));
        assert!(!text.contains("secret"));
    }

    #[test]
    fn reads_the_place_in_a_compose_project() {
        let place = place(&heeded(&[
            (COMPOSE_PROJECT, "shop"),
            (COMPOSE_SERVICE, "web"),
            (
                COMPOSE_DEPENDS_ON,
                "db:service_healthy:false,cache:service_started:true,init:service_completed_successfully:false,old",
            ),
            (COMPOSE_ONE_OFF, "True"),
        ]));
        assert!(place.one_off);
        assert_eq!(place.compose.unwrap().service, "web");
        let found: Vec<_> = place
            .depends_on
            .iter()
            .map(|d| (d.service.as_str(), d.condition))
            .collect();
        assert_eq!(
            found,
            [
                ("db", DependencyCondition::Healthy),
                ("cache", DependencyCondition::Started),
                ("init", DependencyCondition::Completed),
                ("old", DependencyCondition::Started),
            ]
        );
    }

    #[test]
    fn labels_that_are_null_are_none() {
        assert_eq!(
            serde_json::from_str::<HeededLabels>("null").unwrap(),
            HeededLabels::default()
        );
    }
}
