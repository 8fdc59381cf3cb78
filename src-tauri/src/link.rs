//! Places in the control center that other programs can name: `steward://task/12`.
//!
//! What flows through: a link from the command line, a notification or another start in, a place of the page out. What it never does: carry
//! text into the page; a place is a word of this list and a number.

use std::{fmt, str::FromStr};

/// The scheme of Steward's links.
const SCHEME: &str = "steward://";

/// A place in the control center.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Link {
    /// What needs a person, and how everything is.
    #[default]
    Overview,
    /// What waits for an answer.
    Tasks,
    /// The score of security and what it rests on.
    Security,
    /// One task.
    Task(i64),
    /// One incident.
    Incident(i64),
}

/// A text that is no link of Steward's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a place in Steward: it should read like steward://task/12, steward://incident/3 or steward://tasks"
)]
pub(crate) struct NoLink(String);

impl Link {
    /// The hash of the page's address.
    pub(crate) fn hash(self) -> String {
        match self {
            Self::Overview => "#/".to_owned(),
            Self::Tasks => "#/tasks".to_owned(),
            Self::Security => "#/security".to_owned(),
            Self::Task(number) => format!("#/tasks/{number}"),
            Self::Incident(number) => format!("#/incidents/{number}"),
        }
    }
}

impl FromStr for Link {
    type Err = NoLink;

    fn from_str(text: &str) -> Result<Self, NoLink> {
        let wrong = || NoLink(text.chars().filter(|c| !c.is_control()).take(80).collect());
        let scheme = text.get(..SCHEME.len()).ok_or_else(wrong)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(wrong());
        }
        // Browsers may add a slash behind what they take for a host.
        let place = text[SCHEME.len()..].trim_end_matches('/');
        let number = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<i64>()
                .ok()
                .filter(|number| plain && *number > 0)
                .ok_or_else(wrong)
        };
        match place.split_once('/') {
            None if place.is_empty() || place == "overview" => Ok(Self::Overview),
            None if place == "tasks" => Ok(Self::Tasks),
            None if place == "security" => Ok(Self::Security),
            Some(("task" | "tasks", rest)) => number(rest).map(Self::Task),
            Some(("incident" | "incidents", rest)) => number(rest).map(Self::Incident),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overview => write!(f, "{SCHEME}overview"),
            Self::Tasks => write!(f, "{SCHEME}tasks"),
            Self::Security => write!(f, "{SCHEME}security"),
            Self::Task(number) => write!(f, "{SCHEME}task/{number}"),
            Self::Incident(number) => write!(f, "{SCHEME}incident/{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_a_place() {
        for (text, hash) in [
            ("steward://task/12", "#/tasks/12"),
            ("STEWARD://task/12/", "#/tasks/12"),
            ("steward://tasks", "#/tasks"),
            ("steward://security", "#/security"),
            ("steward://incident/3", "#/incidents/3"),
            ("steward://", "#/"),
            ("steward:///", "#/"),
        ] {
            let link: Link = text.parse().unwrap();
            assert_eq!(link.hash(), hash, "{text}");
            assert_eq!(link.to_string().parse::<Link>().unwrap(), link);
        }
    }

    #[test]
    fn what_is_no_link_never_reaches_the_page() {
        for text in [
            "",
            "task/12",
            "http://task/12",
            "steward:task/12",
            "steward://task/",
            "steward://task/-1",
            "steward://task/+1",
            "steward://task/0",
            "steward://task/12'%3Balert(1)",
            "steward://task/99999999999999999999",
            "steward://settings",
            "stewardé//x",
        ] {
            assert!(text.parse::<Link>().is_err(), "{text}");
        }
    }
}
