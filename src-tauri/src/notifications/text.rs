//! What a notification says: a task that waits, in a few lines.
//!
//! What flows through: a task in, its words out. What it never does: let text from a container be mark-up. The agent has cleared secrets
//! from it before it was ever journaled.

use jiff::Timestamp;
use steward_api::{Risk, Step, Task, Undo};

/// So many steps of a plan are shown; the rest is counted.
const MOST_STEPS: usize = 3;
/// Longer reasons are cut, characters.
const LONGEST_REASON: usize = 200;

/// A notification in words. Plain text; see [`escaped`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) summary: String,
    pub(crate) body: String,
}

/// How pressing it is, as notification servers know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    Normal = 1,
    /// Stays until it is dealt with, and is shown over a full-screen program.
    Critical = 2,
}

/// What is asked: the risk, exactly what changes, why, how it is taken back, until when.
pub(crate) fn question(task: &Task, now: Timestamp) -> Words {
    let steps = task.plan.steps();
    let mut lines = vec![format!(
        "{} risk · {}",
        capital(task.risk.as_str()),
        task.resource
    )];
    for (index, step) in steps.iter().take(MOST_STEPS).enumerate() {
        let label = if index == 0 { "Will do" } else { "Then" };
        lines.push(format!("{label}: {}", step.action));
    }
    if steps.len() > MOST_STEPS {
        lines.push(format!("… and {} more steps", steps.len() - MOST_STEPS));
    }
    lines.push(format!("Why: {}", cut(&task.why, LONGEST_REASON)));
    lines.push(format!("Undo: {}", undo(steps)));
    if let Some(until) = task.expires_at {
        lines.push(format!("Lapses {}.", within(until, now)));
    }
    Words {
        summary: clean(&format!("Steward asks: {}", task.description)),
        body: lines
            .iter()
            .map(|line| clean(line))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

/// How it is taken back.
fn undo(steps: &[Step]) -> String {
    match steps {
        [one] => match &one.undo {
            Undo::Action { action } => action.to_string(),
            Undo::Impossible { reason } => format!("none: {}", cut(reason, LONGEST_REASON)),
        },
        many => {
            let all = many
                .iter()
                .all(|step| matches!(step.undo, Undo::Action { .. }));
            if all {
                "each step can be taken back".to_owned()
            } else {
                "not for every step; open it for the whole plan".to_owned()
            }
        }
    }
}

/// How pressing a question is.
pub(crate) const fn urgency(task: &Task) -> Urgency {
    match task.risk {
        Risk::High => Urgency::Critical,
        Risk::Low | Risk::Medium => Urgency::Normal,
    }
}

/// What became of an answer that was not taken.
pub(crate) fn not_taken(task: &Task, yes: bool, reason: &str) -> Words {
    Words {
        summary: if yes { "Not approved" } else { "Not rejected" }.to_owned(),
        body: format!("{}\n{}", clean(&task.description), clean(reason)),
    }
}

/// Text as a server that reads mark-up shows it unchanged.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// One line without what steers a terminal or the direction of writing.
fn clean(text: &str) -> String {
    text.chars()
        .filter_map(|character| match character {
            '\n' | '\r' | '\t' => Some(' '),
            character if character.is_control() => None,
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => None,
            other => Some(other),
        })
        .collect()
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most).collect();
    short.push('…');
    short
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn within(until: Timestamp, now: Timestamp) -> String {
    match until.duration_since(now).as_secs() {
        ..=59 => "within a minute".to_owned(),
        seconds @ 60..7200 => format!("in {} min", seconds / 60),
        seconds => format!("in {} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::task;
    use super::*;

    fn now() -> Timestamp {
        "2026-03-10T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_question_says_risk_change_reason_and_until_when() {
        let words = question(&task(12), now());
        assert_eq!(words.summary, "Steward asks: Restart nginx");
        assert_eq!(
            words.body,
            "Medium risk · atlas/container/nginx\n\
             Will do: Restart nginx (10 s grace)\n\
             Why: It fails its health check since 12:00\n\
             Undo: none: there is no need\n\
             Lapses in 30 min."
        );
        assert_eq!(urgency(&task(12)), Urgency::Normal);
    }

    #[test]
    fn text_from_a_container_stays_text() {
        let mut task = task(1);
        task.why = "<b>approve</b> & \"go\"\u{1b}[31m\u{202e}on\nnow".to_owned();
        let body = question(&task, now()).body;
        assert!(
            body.contains("Why: <b>approve</b> & \"go\"[31mon now\n"),
            "{body}"
        );
        let shown = escaped(&body);
        assert!(
            shown.contains("&lt;b&gt;approve&lt;/b&gt; &amp; &quot;go&quot;"),
            "{shown}"
        );
        assert!(!shown.contains('<'));
    }

    #[test]
    fn a_long_reason_is_cut_at_a_letter() {
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
    }
}
