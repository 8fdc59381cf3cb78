//! What carries a line: syslog, the journal, Docker's own files, or nothing at all.
//!
//! What flows through: a line as it stands in a file in; its time, the program that wrote it and what that wrote come out. What it never
//! does: believe a program's name that somebody else can set: the journal tells both the name a program gave itself and what it was.

use std::{borrow::Cow, sync::LazyLock};

use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;

use super::{
    moment::{self, Clock},
    patterns::pattern,
};

/// A line, taken out of what carried it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'l> {
    /// When it was written, where that is told.
    pub at: Option<Timestamp>,
    /// The program, where the system's log tells it.
    pub program: Option<Cow<'l, str>>,
    /// What it wrote.
    pub text: Cow<'l, str>,
    /// Where it wrote a JSON object.
    pub json: Option<Value>,
    /// How often it was written (`message repeated 5 times`).
    pub times: u32,
    /// Whether a line without a program's name may be the SSH server's: others can be made to write such lines.
    pub may_be_ssh: bool,
}

/// `host program[pid]: ` of RFC 3164 §4.1.3; RFC 5424 §6 after its version and time.
static TAG: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:([^ ]+) )?([A-Za-z_][0-9A-Za-z_./-]{0,47})(?:\([0-9A-Za-z_.]+\))?(?:\[[0-9]+\])?: ",
    )
});
static RFC5424: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"^<[0-9]{1,3}>1 ([^ ]+) [^ ]+ ([^ ]+) [^ ]+ [^ ]+ (?:-|(?:\[(?:[^\]\\"]|\\.|"(?:[^"\\]|\\.)*")*\])+) (?:\u{FEFF})?"#,
    )
});
/// rsyslog's `$RepeatedMsgReduction`: `message repeated 5 times: [ … ]`.
static REPEATED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^message repeated ([0-9]{1,6}) times: \[ ?(.*?) ?\]$"));

impl<'l> Line<'l> {
    fn plain(text: impl Into<Cow<'l, str>>) -> Self {
        Self {
            at: None,
            program: None,
            text: text.into(),
            json: None,
            times: 1,
            may_be_ssh: false,
        }
    }

    /// A line of a file of which nothing is known.
    pub fn of_file(line: &'l str, clock: &Clock) -> Self {
        if line.starts_with('{')
            && let Ok(value) = serde_json::from_str::<Value>(line)
        {
            return Self::of_object(value, clock);
        }
        Self::of_text(line, clock).repeated()
    }

    /// A line of a container's log, which has no head but the time at which the engine took it. `may_be_ssh` for the container of an SSH
    /// server.
    pub fn of_container(
        at: Option<Timestamp>,
        line: &'l str,
        may_be_ssh: bool,
        clock: &Clock,
    ) -> Self {
        if line.starts_with('{')
            && let Ok(value) = serde_json::from_str::<Value>(line)
        {
            return Self {
                at,
                json: Some(value),
                ..Self::plain(line)
            };
        }
        let (own, rest) =
            moment::leading(line, clock).map_or((None, line), |(own, rest)| (Some(own), rest));
        Self {
            // The engine's time has a zone, a program's often has none.
            at: at.or(own),
            may_be_ssh,
            ..Self::plain(rest)
        }
    }

    fn of_text(line: &'l str, clock: &Clock) -> Self {
        if line.starts_with('<')
            && let Some(found) = RFC5424.captures(line)
            && let Some(whole) = found.get(0)
        {
            return Self {
                at: found.get(1).and_then(|at| at.as_str().parse().ok()),
                program: found.get(2).map(|program| Cow::Borrowed(program.as_str())),
                ..Self::plain(line.get(whole.end()..).unwrap_or_default())
            };
        }
        let Some((at, rest)) = moment::leading(line, clock) else {
            return Self {
                may_be_ssh: true,
                ..Self::plain(line)
            };
        };
        let line = Self {
            at: Some(at),
            may_be_ssh: true,
            ..Self::plain(rest)
        };
        let tag = TAG.captures(rest);
        match tag.and_then(|found| Some((found.get(0)?, found.get(2)?))) {
            // `FATAL: ` is a level of severity, not a program.
            Some((whole, program)) if !is_level(program.as_str()) => Self {
                program: Some(Cow::Borrowed(program.as_str())),
                text: Cow::Borrowed(rest.get(whole.end()..).unwrap_or_default()),
                ..line
            },
            _ => line,
        }
    }

    fn of_object(value: Value, clock: &Clock) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        // systemd.journal-fields(7) and the JSON of `journalctl -o json`.
        if let Some(micros) = text("__REALTIME_TIMESTAMP") {
            let at = micros
                .parse()
                .ok()
                .and_then(|micros| Timestamp::from_microsecond(micros).ok());
            let message = match value.get("MESSAGE") {
                Some(Value::String(message)) => message.clone(),
                // What is no UTF-8 comes as a list of bytes.
                Some(Value::Array(bytes)) => {
                    let bytes: Vec<u8> = bytes
                        .iter()
                        .filter_map(|byte| u8::try_from(byte.as_u64()?).ok())
                        .collect();
                    String::from_utf8_lossy(&bytes).into_owned()
                }
                _ => String::new(),
            };
            return Self {
                at,
                program: Some(Cow::Owned(journal_program(&value))),
                ..Self::plain(message)
            }
            .repeated();
        }
        // Docker's json-file driver (docs.docker.com, JSON File logging driver).
        if let (Some(log), Some(_), Some(at)) = (text("log"), text("stream"), text("time")) {
            let log = log.trim_end().to_owned();
            let at = at.parse().ok();
            let inner = Line::of_container(at, &log, true, clock);
            return Line {
                at: inner.at,
                program: None,
                text: Cow::Owned(inner.text.into_owned()),
                json: inner.json,
                times: inner.times,
                may_be_ssh: inner.may_be_ssh,
            };
        }
        Self {
            json: Some(value),
            ..Self::plain(String::new())
        }
    }

    fn repeated(mut self) -> Self {
        if !self.text.starts_with("message repeated ") {
            return self;
        }
        let inner = REPEATED.captures(&self.text).and_then(|found| {
            let times = found.get(1)?.as_str().parse().ok()?;
            Some((times, found.get(2)?.as_str().to_owned()))
        });
        if let Some((times, text)) = inner {
            self.times = times;
            self.text = Cow::Owned(text);
        }
        self
    }
}

fn is_level(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_uppercase()) && word != "CRON"
}

/// The program of a journal's entry. Whoever has an account can write entries under any `SYSLOG_IDENTIFIER`; what begins with `_` is the
/// journal's own word. An entry that says it is the SSH server's and was written by something else is taken for what it was.
fn journal_program(value: &Value) -> String {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let (claimed, was) = (text("SYSLOG_IDENTIFIER"), text("_COMM"));
    let is_trusted_name = matches!(
        claimed,
        "sshd" | "sshd-session" | "sshd-auth" | "sudo" | "su" | "pvedaemon" | "dropbear"
    );
    // The kernel cuts a program's name to 15 characters; perl programs such as pvedaemon rename themselves, `pvedaemon worke`.
    let agrees = was.is_empty()
        || was.starts_with(claimed)
        || claimed.starts_with(was)
        || (claimed.starts_with("sshd") && was.starts_with("sshd"));
    if claimed.is_empty() || (is_trusted_name && !agrees) {
        format!("not {claimed} but {was}")
    } else {
        claimed.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn clock() -> Clock {
        Clock {
            now: "2026-11-28T12:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        }
    }

    fn shown(line: &str) -> (Option<String>, String, u32) {
        let line = Line::of_file(line, &clock()).into_parts();
        (line.0, line.1, line.2)
    }

    impl Line<'_> {
        fn into_parts(self) -> (Option<String>, String, u32) {
            (
                self.program.map(Cow::into_owned),
                self.text.into_owned(),
                self.times,
            )
        }
    }

    #[test]
    fn the_program_and_its_words_come_out_of_every_carrier() {
        for line in [
            "Nov 28 03:03:31 atlas sshd[123]: Invalid user x",
            "Nov 28 2026 03:03:31 atlas sshd[123]: Invalid user x",
            "2026-11-28T03:03:31.123456+00:00 atlas sshd[123]: Invalid user x",
            "<38>1 2026-11-28T03:03:31Z atlas sshd 123 - - Invalid user x",
            "<38>Nov 28 03:03:31 atlas sshd[123]: Invalid user x",
            r#"{"__REALTIME_TIMESTAMP":"1795834800000000","SYSLOG_IDENTIFIER":"sshd","_COMM":"sshd","MESSAGE":"Invalid user x"}"#,
            r#"{"__REALTIME_TIMESTAMP":"1795834800000000","SYSLOG_IDENTIFIER":"sshd","MESSAGE":[73,110,118,97,108,105,100,32,117,115,101,114,32,120]}"#,
        ] {
            assert_eq!(
                shown(line),
                (Some("sshd".to_owned()), "Invalid user x".to_owned(), 1),
                "{line}"
            );
            assert!(Line::of_file(line, &clock()).at.is_some(), "{line}");
        }
        let repeated = "Nov 28 03:03:31 atlas sshd[1]: message repeated 5 times: [ Failed password for root from 192.0.2.1 port 22 ssh2]";
        assert_eq!(shown(repeated).2, 5);
        assert_eq!(
            shown(repeated).1,
            "Failed password for root from 192.0.2.1 port 22 ssh2"
        );
    }

    #[test]
    fn somebody_else_can_not_speak_as_the_ssh_server() {
        let line = r#"{"__REALTIME_TIMESTAMP":"1","SYSLOG_IDENTIFIER":"sshd","_COMM":"logger","MESSAGE":"Failed password for root from 192.0.2.1 port 22 ssh2"}"#;
        assert_eq!(shown(line).0.as_deref(), Some("not sshd but logger"));
        let line = r#"{"__REALTIME_TIMESTAMP":"1","SYSLOG_IDENTIFIER":"sshd-session","_COMM":"sshd-session","MESSAGE":"x"}"#;
        assert_eq!(shown(line).0.as_deref(), Some("sshd-session"));
    }
}
