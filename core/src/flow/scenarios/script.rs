//! A scenario's text: read into settings, a stage and what happens when. See the folder's first page for the words.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp, civil};
use steward_api::Autonomy;

use super::stage::Stage;
use crate::config::Config;

/// The node in every scenario.
pub(super) const NODE: &str = "atlas";

/// A scenario, read.
pub(super) struct Script {
    pub(super) config: Config,
    pub(super) autonomy: Autonomy,
    pub(super) start: Timestamp,
    pub(super) stage: Stage,
    /// What happens, in order: how long after the start, and the words.
    pub(super) events: Vec<(SignedDuration, Vec<String>)>,
    pub(super) end: SignedDuration,
}

impl Script {
    /// Reads a scenario; panics with the line that is wrong.
    pub(super) fn parse(text: &str) -> Self {
        let mut settings = format!("node.name = \"{NODE}\"\n");
        let mut start = civil::date(2026, 1, 5).at(12, 0, 0, 0);
        let mut declarations = Vec::new();
        let mut events: Vec<(SignedDuration, Vec<String>)> = Vec::new();
        let mut end = None;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(setting) = line.strip_prefix("config ") {
                settings.push_str(setting);
                settings.push('\n');
                continue;
            }
            let words = words(line);
            match words[0].as_str() {
                "start" => {
                    start = words[1]
                        .parse()
                        .unwrap_or_else(|error| panic!("line {number}: {error}"));
                }
                "tasks" => events.push((SignedDuration::ZERO, words)),
                "at" => {
                    let at = duration(&words[1]);
                    assert!(
                        events.last().is_none_or(|(before, _)| *before <= at),
                        "line {number}: the times must rise"
                    );
                    if words[2] == "end" {
                        end = Some(at);
                    } else {
                        events.push((at, words[2..].to_vec()));
                    }
                }
                _ => declarations.push((number, words)),
            }
        }
        let config: Config =
            toml::from_str(&settings).unwrap_or_else(|error| panic!("config: {error}"));
        let start = start
            .to_zoned(jiff::tz::TimeZone::UTC)
            .map(|zoned| zoned.timestamp())
            .unwrap();
        let mut stage = Stage::new(start);
        for (number, words) in declarations {
            assert!(
                stage.declare(&words, start),
                "line {number}: `{}` is not understood",
                words.join(" ")
            );
        }
        let last = events.last().map_or(SignedDuration::ZERO, |(at, _)| *at);
        Self {
            autonomy: config.autonomy.level,
            config,
            start,
            stage,
            events,
            end: end.unwrap_or(last + SignedDuration::from_secs(60)),
        }
    }
}

/// A duration as `3s`, `0.1s`, `1m30s`, `2h`.
pub(super) fn duration(text: &str) -> SignedDuration {
    SignedDuration::from_str(text).unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

/// A line's words; what stands in double quotes is one word.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            '#' if !quoted && word.is_empty() => break,
            letter if letter.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            letter => word.push(letter),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}
