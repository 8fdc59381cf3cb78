//! How things look on a terminal and in a pipe: colours, symbols, tables, wrapping. Rendering is pure: data in, text out, for a given
//! width, time and zone; only [`Screen::print`] writes.
//!
//! State has a shape and a word as well as a colour; unknown is never green. Text from outside (names, log lines, reasons) is cleaned
//! of control characters before it is shown: a log line must not be able to steer the terminal.

pub(crate) mod units;

use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use jiff::{Timestamp, tz::TimeZone};
use steward_api::{Health, Risk, Severity, TaskState};

use super::{args::ColorWhen, failure::Failure};

/// What a thing's look says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Well.
    Good,
    /// Wants attention.
    Warn,
    /// Wrong.
    Bad,
    /// Not known.
    Unsure,
    /// Of less interest.
    Quiet,
    /// A person is asked.
    Ask,
    /// A heading.
    Strong,
    /// As it is.
    Plain,
}

impl Tone {
    fn style(self) -> Style {
        let color = |color: AnsiColor| Style::new().fg_color(Some(anstyle::Color::Ansi(color)));
        match self {
            Self::Good => color(AnsiColor::Green),
            Self::Warn => color(AnsiColor::Yellow),
            Self::Bad => color(AnsiColor::Red).bold(),
            Self::Unsure => color(AnsiColor::Magenta),
            Self::Quiet => Style::new().dimmed(),
            Self::Ask => color(AnsiColor::Cyan).bold(),
            Self::Strong => Style::new().bold(),
            Self::Plain => Style::new(),
        }
    }
}

/// A symbol, a word and a tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) symbol: &'static str,
    pub(crate) word: &'static str,
    pub(crate) tone: Tone,
}

const fn mark(symbol: &'static str, word: &'static str, tone: Tone) -> Mark {
    Mark { symbol, word, tone }
}

pub(crate) const fn health_mark(health: Health) -> Mark {
    match health {
        Health::Healthy => mark("●", "healthy", Tone::Good),
        Health::Degraded => mark("◐", "degraded", Tone::Warn),
        Health::Unhealthy => mark("✖", "unhealthy", Tone::Bad),
        Health::Restarting => mark("↻", "restarting", Tone::Warn),
        Health::Stopped => mark("○", "stopped", Tone::Quiet),
        Health::Unknown => mark("?", "unknown", Tone::Unsure),
    }
}

pub(crate) const fn severity_mark(severity: Severity) -> Mark {
    match severity {
        Severity::Degraded => mark("▲", "degraded", Tone::Warn),
        Severity::Unhealthy => mark("✖", "unhealthy", Tone::Bad),
        Severity::Critical => mark("‼", "critical", Tone::Bad),
    }
}

pub(crate) const fn task_mark(state: TaskState) -> Mark {
    match state {
        TaskState::Pending => mark("◇", "pending", Tone::Ask),
        TaskState::Waiting => mark("◷", "waiting", Tone::Plain),
        TaskState::InProgress => mark("▶", "in_progress", Tone::Plain),
        TaskState::Completed => mark("✔", "completed", Tone::Good),
        TaskState::Failed => mark("✖", "failed", Tone::Bad),
        TaskState::Rejected => mark("⊘", "rejected", Tone::Quiet),
        TaskState::Expired => mark("⌛", "expired", Tone::Quiet),
        TaskState::Cancelled => mark("○", "cancelled", Tone::Quiet),
    }
}

pub(crate) const fn risk_mark(risk: Risk) -> Mark {
    match risk {
        Risk::Low => mark("▁", "low", Tone::Good),
        Risk::Medium => mark("▄", "medium", Tone::Warn),
        Risk::High => mark("█", "high", Tone::Bad),
    }
}

/// Everything about the reader that rendering depends on.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    /// Whether colours may be used.
    pub(crate) color: bool,
    /// Columns of the terminal; absent in a pipe, where nothing is wrapped or cut.
    pub(crate) width: Option<u16>,
    /// The time now.
    pub(crate) now: Timestamp,
    /// The reader's zone.
    pub(crate) zone: TimeZone,
    /// Whether output is for a machine.
    pub(crate) json: bool,
}

impl Screen {
    /// The screen of this process.
    #[allow(
        clippy::disallowed_methods,
        reason = "the command line is the edge: what it shows is relative to the reader's now"
    )]
    pub(crate) fn of_process(color: ColorWhen, json: bool) -> Self {
        use std::io::IsTerminal as _;
        let stdout = std::io::stdout();
        let color = match color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => {
                anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never
            }
        };
        Self {
            color: color && !json,
            // Some terminals do not tell their width, or tell 0.
            width: stdout
                .is_terminal()
                .then(|| Table::new().width())
                .flatten()
                .filter(|width| *width >= 20),
            now: Timestamp::now(),
            zone: TimeZone::system(),
            json,
        }
    }

    /// The same screen, later.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "the command line is the edge: what it shows is relative to the reader's now"
    )]
    pub(crate) fn later(&self) -> Self {
        Self {
            now: Timestamp::now(),
            ..self.clone()
        }
    }

    /// Text in a tone. The text must be clean.
    pub(crate) fn paint(&self, tone: Tone, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        if !self.color || tone == Tone::Plain || text.is_empty() {
            return text.to_owned();
        }
        let style = tone.style();
        format!("{style}{text}{style:#}")
    }

    /// Symbol and word, painted.
    pub(crate) fn mark(&self, mark: Mark) -> String {
        self.paint(mark.tone, format!("{} {}", mark.symbol, mark.word))
    }

    /// A heading on a line of its own.
    pub(crate) fn heading(&self, text: &str) -> String {
        format!("{}\n", self.paint(Tone::Strong, text))
    }

    /// A table without borders, as wide as the terminal where there is one. Empty where it has no rows.
    pub(crate) fn table(&self, header: &[&str], rows: Vec<Vec<(String, Tone)>>) -> String {
        if rows.is_empty() {
            return String::new();
        }
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_header(header.iter().map(|text| self.cell(text, Tone::Quiet)));
        for row in rows {
            table.add_row(row.into_iter().map(|(text, tone)| self.cell(&text, tone)));
        }
        if self.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        match self.width {
            Some(width) => table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        for column in table.column_iter_mut() {
            column
                .set_padding((0, 2))
                .set_cell_alignment(CellAlignment::Left);
        }
        let mut text = String::new();
        for line in table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn cell(&self, text: &str, tone: Tone) -> Cell {
        let cell = Cell::new(clean(text));
        if !self.color {
            return cell;
        }
        match tone {
            Tone::Good => cell.fg(comfy_table::Color::DarkGreen),
            Tone::Warn => cell.fg(comfy_table::Color::DarkYellow),
            Tone::Bad => cell
                .fg(comfy_table::Color::DarkRed)
                .add_attribute(comfy_table::Attribute::Bold),
            Tone::Unsure => cell.fg(comfy_table::Color::DarkMagenta),
            Tone::Ask => cell
                .fg(comfy_table::Color::DarkCyan)
                .add_attribute(comfy_table::Attribute::Bold),
            Tone::Quiet => cell.add_attribute(comfy_table::Attribute::Dim),
            Tone::Strong => cell.add_attribute(comfy_table::Attribute::Bold),
            Tone::Plain => cell,
        }
    }

    /// Text indented by `indent` columns, wrapped at the terminal's width; continuation lines stand under the first. Cleans the text.
    pub(crate) fn wrapped(&self, indent: usize, text: &str) -> String {
        let pad = " ".repeat(indent);
        let room = self.width.map_or(usize::MAX, |width| {
            usize::from(width).saturating_sub(indent).max(20)
        });
        let mut out = String::new();
        for line in text.lines() {
            for part in wrap(&clean(line), room) {
                out.push_str(&pad);
                out.push_str(&part);
                out.push('\n');
            }
        }
        out
    }

    /// A labelled value, `label` in a column of 12; continuation lines stand under the value. Cleans the value.
    pub(crate) fn field(&self, label: &str, value: &str) -> String {
        let body = self.wrapped(14, value);
        format!(
            "  {}{}",
            self.paint(Tone::Quiet, format!("{label:<11} ")),
            body.trim_start()
        )
    }

    /// The same with a painted value that is not wrapped or cleaned again.
    pub(crate) fn painted_field(&self, label: &str, value: &str) -> String {
        format!(
            "  {}{value}\n",
            self.paint(Tone::Quiet, format!("{label:<11} "))
        )
    }

    /// When, as the time of day and from now.
    pub(crate) fn when(&self, at: Timestamp) -> String {
        format!(
            "{} ({})",
            units::clock(at, self.now, &self.zone),
            units::relative(at, self.now)
        )
    }

    /// Writes text to the standard output.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// Writes text for a person to the standard error output, where it stays out of what a script reads. Nobody reading is fine.
    pub(crate) fn say(&self, text: &str) {
        let mut err = anstream::stderr().lock();
        let _ = writeln!(err, "{}", text.trim_end());
    }

    /// Writes a value as one JSON document: indented for a person, on one line in a pipe.
    pub(crate) fn print_json<T: serde::Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = if self.width.is_some() {
            serde_json::to_string_pretty(value)
        } else {
            serde_json::to_string(value)
        }
        .map_err(|error| Failure::failed(format!("can't write JSON: {error}")))?;
        self.print(&format!("{text}\n"))
    }

    /// Writes a value as JSON on one line.
    pub(crate) fn print_json_line<T: serde::Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::failed(format!("can't write JSON: {error}")))?;
        self.print(&format!("{text}\n"))
    }
}

/// Text without what could steer a terminal: control characters, escape sequences and marks that change the direction of writing.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' | '\n' | '\r' => ' ',
            c if c.is_control() => '\u{fffd}',
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                '\u{fffd}'
            }
            c => c,
        })
        .collect()
}

/// Breaks at spaces; a word longer than the room is broken where it must be.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + word.len() > room {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        while word.len() > room {
            let rest = word.split_off(room);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        length += word.len();
        line.extend(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(color: bool, width: Option<u16>) -> Screen {
        Screen {
            color,
            width,
            now: "2026-03-10T12:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
            json: false,
        }
    }

    #[test]
    fn text_from_outside_can_not_steer_the_terminal() {
        let nasty = "a\u{1b}[31mred\u{7}\u{202e}x\tb\r\n";
        let shown = clean(nasty);
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        assert_eq!(shown, "a\u{fffd}[31mred\u{fffd}\u{fffd}x b  ");
        let table = screen(false, None).table(&["A"], vec![vec![(nasty.to_owned(), Tone::Bad)]]);
        assert!(!table.contains('\u{1b}'));
    }

    #[test]
    fn a_pipe_has_no_colour_and_is_not_wrapped() {
        let long = "word ".repeat(60);
        let rows = || {
            vec![vec![
                ("x".to_owned(), Tone::Bad),
                (long.clone(), Tone::Plain),
            ]]
        };
        let piped = screen(false, None).table(&["A", "B"], rows());
        assert_eq!(piped.lines().count(), 2);
        assert!(!piped.contains('\u{1b}'));
        let narrow = screen(true, Some(40)).table(&["A", "B"], rows());
        assert!(narrow.lines().count() > 5);
        assert!(narrow.contains("\u{1b}["));
        for line in screen(false, Some(40)).table(&["A", "B"], rows()).lines() {
            assert!(line.chars().count() <= 40, "{line}");
        }
    }

    #[test]
    fn unknown_is_never_green_and_every_state_has_its_own_shape() {
        let all = [
            Health::Healthy,
            Health::Degraded,
            Health::Unhealthy,
            Health::Restarting,
            Health::Stopped,
            Health::Unknown,
        ];
        for health in all {
            let is_good = health_mark(health).tone == Tone::Good;
            assert_eq!(is_good, health == Health::Healthy);
        }
        let mut shapes: Vec<_> = all.map(|health| health_mark(health).symbol).to_vec();
        shapes.sort_unstable();
        shapes.dedup();
        assert_eq!(shapes.len(), all.len());
        let mut shapes: Vec<_> = TaskState::ALL.map(|state| task_mark(state).symbol).to_vec();
        shapes.sort_unstable();
        shapes.dedup();
        // A cancelled task looks like none of the others either.
        assert_eq!(shapes.len(), TaskState::ALL.len());
    }

    #[test]
    fn wrapping_keeps_every_word_and_the_indent() {
        let text =
            screen(false, Some(30)).field("reason", "one two three four five six sevenseven eight");
        assert!(
            text.lines().all(|line| line.chars().count() <= 34),
            "{text}"
        );
        assert_eq!(
            text.split_whitespace().collect::<Vec<_>>().join(" "),
            "reason one two three four five six sevenseven eight"
        );
        assert_eq!(wrap("abcdef", 4), ["abcd", "ef"]);
    }
}
