//! Asks systemd about its units through `systemctl`.
//!
//! What flows through: questions to the program out, failed units and a unit's properties in. What it never does: change anything, or
//! take "could not ask" for "nothing failed".

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::Deserialize;

use super::program::{self, ProgramError};
use crate::redact::redact;

/// How long a question may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How much of an answer is read; a list of some thousand failed units fits.
const KEEP: usize = 1024 * 1024;
/// The kinds of units, by the end of their names.
const SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

/// Where systemd is.
#[derive(Clone, Debug)]
pub(super) struct Systemd {
    /// The program.
    pub(super) systemctl: PathBuf,
    /// A directory that exists only while systemd is the init system.
    pub(super) marker: PathBuf,
}

impl Default for Systemd {
    fn default() -> Self {
        Self {
            systemctl: find("systemctl"),
            // See sd_booted(3).
            marker: PathBuf::from("/run/systemd/system"),
        }
    }
}

/// The full path of a program of the system; the name alone where it is not there.
pub(super) fn find(name: &str) -> PathBuf {
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from(name))
}

/// A unit that systemd calls failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct FailedUnit {
    /// Its full name, such as `nginx.service`.
    #[serde(rename = "unit")]
    pub(super) name: String,
    /// What it is, as its file says.
    #[serde(default)]
    pub(super) description: String,
}

/// What systemd says of one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UnitState(BTreeMap<String, String>);

impl UnitState {
    fn get(&self, property: &str) -> &str {
        self.0.get(property).map_or("", String::as_str)
    }

    /// Whether systemd knows no such unit.
    pub(super) fn is_missing(&self) -> bool {
        self.get("LoadState") == "not-found" && !self.is_failed()
    }

    /// Whether it is failed.
    pub(super) fn is_failed(&self) -> bool {
        self.get("ActiveState") == "failed"
    }

    /// Whether it does what it is there for: it is active, or it is a job that has run to its end without error.
    pub(super) fn is_well(&self) -> bool {
        match self.get("ActiveState") {
            "active" => true,
            "inactive" => {
                self.get("Type") == "oneshot"
                    && self.get("Result") == "success"
                    && self.last_change().is_some()
            }
            _ => false,
        }
    }

    /// Its state in systemd's words.
    pub(super) fn words(&self) -> String {
        let (active, sub) = (self.get("ActiveState"), self.get("SubState"));
        match (active.is_empty(), sub.is_empty()) {
            (true, _) => "in a state that systemd does not tell".to_owned(),
            (_, true) => active.to_owned(),
            _ => format!("{active} ({sub})"),
        }
    }

    /// Its description.
    pub(super) fn description(&self) -> &str {
        self.get("Description")
    }

    /// When it last began to start or became active, to the second.
    pub(super) fn last_change(&self) -> Option<Timestamp> {
        ["ActiveEnterTimestamp", "InactiveExitTimestamp"]
            .into_iter()
            .filter_map(|property| parse_time(self.get(property)))
            .max()
    }
}

impl Systemd {
    /// Whether systemd is the init system here.
    pub(super) fn is_running(&self) -> bool {
        self.marker.exists()
    }

    /// Every failed unit.
    ///
    /// # Errors
    /// In words, where systemd could not be asked or its answer not be understood.
    pub(super) async fn failed(&self) -> Result<Vec<FailedUnit>, String> {
        // Releases before 246 know no JSON here and print the plain lines that the other options ask for.
        let text = self
            .ask(&[
                "list-units",
                "--state=failed",
                "--output=json",
                "--plain",
                "--no-legend",
                "--full",
                "--no-pager",
            ])
            .await?;
        parse_failed(&text)
    }

    /// The state of one unit, whose name must have been checked with [`check_name`].
    ///
    /// # Errors
    /// As for [`Self::failed`].
    pub(super) async fn show(&self, unit: &str) -> Result<UnitState, String> {
        let text = self
            .ask(&[
                "show",
                "--no-pager",
                "--property=LoadState,ActiveState,SubState,Type,Result,Description,ActiveEnterTimestamp,InactiveExitTimestamp",
                "--",
                unit,
            ])
            .await?;
        let state = parse_show(&text);
        if state.get("ActiveState").is_empty() {
            return Err(format!(
                "{} said nothing about the state of {unit}",
                self.systemctl.display()
            ));
        }
        Ok(state)
    }

    async fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        let ended = program::run(&self.systemctl, arguments, true, LIMIT, KEEP)
            .await
            .map_err(|error: ProgramError| error.to_string())?;
        if ended.code != Some(0) {
            return Err(format!(
                "{} {}: {}",
                self.systemctl.display(),
                ended.how(),
                redact(&brief(&ended.stderr))
            ));
        }
        if ended.stdout_cut {
            return Err(format!(
                "{} answered with more than {KEEP} bytes",
                self.systemctl.display()
            ));
        }
        Ok(ended.stdout)
    }
}

/// The first lines of an error, in one.
pub(super) fn brief(text: &str) -> String {
    let text: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let text = text.join("; ");
    if text.is_empty() {
        return "it gave no reason".to_owned();
    }
    text.chars().take(400).collect()
}

/// Checks that a text is the full name of a unit, so that it can be nothing else on a command line.
///
/// # Errors
/// In words.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    // The characters of systemd.unit(5): letters, digits and ":-_.\", and "@" before an instance.
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let stem = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    if name.len() > 255
        || name.starts_with('-')
        || !name.chars().all(allowed)
        || stem.is_none_or(str::is_empty)
    {
        return Err(format!(
            "`{}` is not the name of a systemd unit: it should read like nginx.service",
            name.escape_debug()
        ));
    }
    Ok(())
}

fn parse_failed(text: &str) -> Result<Vec<FailedUnit>, String> {
    let text = text.trim();
    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(|error| {
            format!("systemctl's list of failed units is not as expected: {error}")
        });
    }
    text.lines()
        .map(|line| {
            // unit, load, active, sub, description; older releases mark failed units with a dot in front even so.
            let mut fields = line
                .trim_start_matches(['●', '*', '×', ' '])
                .split_whitespace();
            let (name, _load, active, _sub) =
                (fields.next(), fields.next(), fields.next(), fields.next());
            match (name, active) {
                (Some(name), Some("failed")) => Ok(FailedUnit {
                    name: name.to_owned(),
                    description: fields.collect::<Vec<_>>().join(" "),
                }),
                _ => Err(format!(
                    "systemctl's list of failed units has a line that can't be understood: `{}`",
                    redact(&brief(line))
                )),
            }
        })
        .collect()
}

fn parse_show(text: &str) -> UnitState {
    UnitState(
        text.lines()
            .filter_map(|line| line.split_once('='))
            .map(|(property, value)| (property.to_owned(), value.trim().to_owned()))
            .collect(),
    )
}

/// `Wed 2025-11-19 10:30:00 UTC`, as systemctl writes it under `TZ=UTC`; absent for `n/a`, `0` or nothing.
fn parse_time(text: &str) -> Option<Timestamp> {
    let time = text.strip_suffix(" UTC")?;
    let (_weekday, time) = time.split_once(' ')?;
    let time: civil::DateTime = time.parse().ok()?;
    time.to_zoned(TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_units_are_read_from_json_and_from_plain_lines() {
        let json = r#"[{"unit":"nginx.service","load":"loaded","active":"failed","sub":"failed","description":"A web server"},
                       {"unit":"srv-media.mount","load":"loaded","active":"failed","sub":"failed","description":"/srv/media"}]"#;
        let plain = "● nginx.service   loaded failed failed A web server\nsrv-media.mount loaded failed failed /srv/media\n";
        let read = parse_failed(json).unwrap();
        assert_eq!(read, parse_failed(plain).unwrap());
        assert_eq!(read[0].name, "nginx.service");
        assert_eq!(read[0].description, "A web server");
        assert_eq!(parse_failed("[]").unwrap(), []);
        assert_eq!(parse_failed("").unwrap(), []);
        assert!(parse_failed("Failed to connect to bus").is_err());
        assert!(parse_failed("[{\"nonsense\": 1}]").is_err());
    }

    #[test]
    fn only_names_of_units_pass() {
        for good in [
            "nginx.service",
            "user@1000.service",
            "srv-my\\x2dmedia.mount",
            "a:b.timer",
        ] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-H.service",
            "--force",
            "nginx",
            ".service",
            "a b.service",
            "*.service",
            "a/b.service",
            "a;reboot.service",
            "nginx.service\n",
            "ä.service",
            &format!("{}.service", "a".repeat(255)),
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_unit_is_well_when_active_or_when_its_job_is_done() {
        let state = |text: &str| parse_show(text);
        assert!(state("ActiveState=active\nSubState=running\nType=simple").is_well());
        assert!(state("ActiveState=inactive\nType=oneshot\nResult=success\nInactiveExitTimestamp=Wed 2025-11-19 10:30:00 UTC").is_well());
        assert!(!state("ActiveState=inactive\nType=simple\nResult=success\nInactiveExitTimestamp=Wed 2025-11-19 10:30:00 UTC").is_well());
        assert!(
            !state("ActiveState=inactive\nType=oneshot\nResult=success\nInactiveExitTimestamp=")
                .is_well()
        );
        assert!(!state("ActiveState=activating\nType=simple").is_well());
        assert!(state("LoadState=not-found\nActiveState=inactive").is_missing());
        assert!(!state("LoadState=not-found\nActiveState=failed").is_missing());
    }

    #[test]
    fn times_are_read_as_systemctl_writes_them() {
        assert_eq!(
            parse_time("Wed 2025-11-19 10:30:00 UTC"),
            Some("2025-11-19T10:30:00Z".parse().unwrap())
        );
        for none in ["", "n/a", "0", "Wed 2025-11-19 10:30:00 CET"] {
            assert_eq!(parse_time(none), None, "{none}");
        }
    }
}
