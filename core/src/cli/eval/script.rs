//! The language in which a case says what the process in its container does, line by line. Pure: text in, steps out.
//!
//! A line that begins with `>` is written to the standard output, one with `!` to the standard error output; any other is a command:
//!
//! | command | |
//! | --- | --- |
//! | `wait 1.5` | does nothing for so many seconds |
//! | `exit 1` | ends with this code |
//! | `stay` | runs on and does nothing |
//! | `meets full /data/x` | writes there until the file system is full; likewise `read-only PATH`, `denied PATH`, `missing PATH`, `taken PORT`, `refused HOST:PORT`, `unknown NAME`, `unset VARIABLE`, `open-files`. Meeting none of it is a fault of the case, not of Steward |
//! | `eat` | takes memory until the kernel ends it |
//! | `eat-beside` | has a process of its own do that, and goes on |
//! | `swell 94` | takes memory up to this share of its limit, percent, and holds it |
//! | `spin 80` | keeps a core busy for this share of the time, percent, from now on |
//! | `serve 8080 200 0` | answers HTTP at a port with a status, after so many milliseconds, from now on |
//! | `postgres 5432 28000 10 WORDS` | answers at a port as a PostgreSQL server that refuses every session with this code and these words, from now on for so many seconds (0: for ever), then not at all |
//! | `each 0.5` | repeats what follows for ever, each time after so many seconds |
//! | `fail-first 3 1 WORDS` | in its first three starts: complains with these words and ends with code 1 |

use std::time::Duration;

/// What the process meets, for real.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    Full(String),
    ReadOnly(String),
    Denied(String),
    Missing(String),
    Taken(u16),
    Refused(String),
    Unknown(String),
    Unset(String),
    OpenFiles,
}

/// One thing that the process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Say(String),
    Complain(String),
    Wait(Duration),
    Exit(u8),
    Stay,
    Meet(Obstacle),
    Eat,
    EatBeside,
    Swell {
        percent: u8,
    },
    Spin {
        percent: u8,
    },
    Serve {
        port: u16,
        status: u16,
        delay: Duration,
    },
    Postgres {
        port: u16,
        code: String,
        /// For how long; absent: for ever.
        time: Option<Duration>,
        words: String,
    },
    Each(Duration),
    FailFirst {
        starts: u32,
        code: u8,
        words: String,
    },
}

/// Reads a script.
///
/// # Errors
/// The first line that can't be understood, with its number.
pub(super) fn parse(text: &str) -> Result<Vec<Step>, String> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| step(line).ok_or_else(|| format!("line {number}: {line}")))
        .collect()
}

fn step(line: &str) -> Option<Step> {
    if let Some(words) = line.strip_prefix('>') {
        return Some(Step::Say(spoken(words)));
    }
    if let Some(words) = line.strip_prefix('!') {
        return Some(Step::Complain(spoken(words)));
    }
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    Some(match command {
        "wait" => Step::Wait(seconds(rest)?),
        "each" => Step::Each(seconds(rest)?),
        "exit" => Step::Exit(rest.parse().ok()?),
        "meets" => Step::Meet(obstacle(rest)?),
        "swell" => Step::Swell {
            percent: percent(rest)?,
        },
        "spin" => Step::Spin {
            percent: percent(rest)?,
        },
        "serve" => {
            let mut words = rest.split(' ');
            Step::Serve {
                port: words.next()?.parse().ok()?,
                status: words.next()?.parse().ok()?,
                delay: Duration::from_millis(words.next()?.parse().ok()?),
            }
        }
        "postgres" => {
            let mut words = rest.splitn(4, ' ');
            Step::Postgres {
                port: words.next()?.parse().ok()?,
                code: words.next().filter(|code| code.len() == 5)?.to_owned(),
                time: Some(seconds(words.next()?)?).filter(|time| !time.is_zero()),
                words: words.next()?.to_owned(),
            }
        }
        "fail-first" => {
            let mut words = rest.splitn(3, ' ');
            Step::FailFirst {
                starts: words.next()?.parse().ok()?,
                code: words.next()?.parse().ok()?,
                words: words.next()?.to_owned(),
            }
        }
        "stay" if rest.is_empty() => Step::Stay,
        "eat" if rest.is_empty() => Step::Eat,
        "eat-beside" if rest.is_empty() => Step::EatBeside,
        _ => return None,
    })
}

/// What stands behind the mark; one space between is for the reader.
fn spoken(words: &str) -> String {
    words.strip_prefix(' ').unwrap_or(words).to_owned()
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

fn percent(text: &str) -> Option<u8> {
    text.parse().ok().filter(|percent| *percent <= 100)
}

fn obstacle(text: &str) -> Option<Obstacle> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    if rest.is_empty() != (kind == "open-files") {
        return None;
    }
    let what = rest.to_owned();
    Some(match kind {
        "full" => Obstacle::Full(what),
        "read-only" => Obstacle::ReadOnly(what),
        "denied" => Obstacle::Denied(what),
        "missing" => Obstacle::Missing(what),
        "taken" => Obstacle::Taken(rest.parse().ok()?),
        "refused" => Obstacle::Refused(what),
        "unknown" => Obstacle::Unknown(what),
        "unset" => Obstacle::Unset(what),
        "open-files" => Obstacle::OpenFiles,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_steps_and_logs_stay_as_they_are() {
        let steps = parse(
            "> GET / 200\n!   indented: > ! wait\n\nwait 0.5\nmeets taken 8080\nfail-first 2 1 Error: no\nexit 137",
        )
        .unwrap();
        assert_eq!(
            steps,
            [
                Step::Say("GET / 200".to_owned()),
                Step::Complain("  indented: > ! wait".to_owned()),
                Step::Wait(Duration::from_millis(500)),
                Step::Meet(Obstacle::Taken(8080)),
                Step::FailFirst {
                    starts: 2,
                    code: 1,
                    words: "Error: no".to_owned()
                },
                Step::Exit(137),
            ]
        );
    }

    #[test]
    fn what_is_no_step_is_named_with_its_line() {
        for wrong in [
            "exit",
            "exit 300",
            "exit one",
            "wait -1",
            "wait",
            "stay here",
            "meets full",
            "meets open-files 3",
            "meets trouble /x",
            "swell 101",
            "serve 8080",
            "fail-first 1 1",
            "postgres 5432 280 0 no",
            "sleep 3",
        ] {
            let error = parse(&format!("> fine\n{wrong}")).unwrap_err();
            assert_eq!(error, format!("line 2: {wrong}"));
        }
    }
}
