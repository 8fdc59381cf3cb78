//! Light formatting of what specialists write: paragraphs, lists, code, bold words, references to what was looked at.
//!
//! What flows through: text that a model wrote in, typed pieces out. What it never does: make mark-up of it, lead anywhere but to a screen of
//! this control center, or leave a word out. What is not understood stands there as it was written.

mod spans;

use crate::route::Route;

pub use spans::references;
use spans::spans;

/// What a text is read by.
pub struct Known<'a> {
    /// The references that lead to something that was looked at.
    pub references: &'a [&'a str],
    /// Names in it of things that are not there.
    pub unchecked: &'a [String],
    /// The screen of a resource, where there is one of this id or name. Only what stands there as code is taken for a name alone.
    pub resource: &'a dyn Fn(&str) -> Option<Route>,
}

/// A run of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// As it stands.
    Text(String),
    /// Bold.
    Bold(Vec<Span>),
    /// Something of a program.
    Code(String),
    /// A name of something that is not there, as far as could be told.
    Unchecked(String),
    /// What was looked at, by its reference.
    Reference(String),
    /// A place in this control center.
    Link {
        /// What stands there.
        words: String,
        /// Where it leads.
        route: Route,
    },
}

/// One point of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// How far in it stands, from 0.
    pub depth: usize,
    /// Its number, where it has one.
    pub number: Option<u32>,
    /// What it says.
    pub spans: Vec<Span>,
}

/// A part of a text that stands by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A paragraph; its lines are kept.
    Paragraph(Vec<Span>),
    /// A heading within the text.
    Heading(Vec<Span>),
    /// A list.
    List(Vec<Item>),
    /// Code, a log or a table, kept as it stands.
    Code(String),
}

/// A block, and by what it is known again while the text grows: the same text at the same place is the same piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Of its place and its text.
    pub key: u64,
    /// What it is.
    pub block: Block,
}

/// How far in a point of a list may stand.
const DEEPEST: usize = 3;

/// Reads a text.
pub fn pieces(text: &str, known: &Known<'_>) -> Vec<Piece> {
    let mut reader = Reader {
        known,
        pieces: Vec::new(),
        lines: Vec::new(),
        items: Vec::new(),
        after_a_gap: false,
    };
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        reader.line(line, &mut lines);
    }
    reader.end();
    reader.pieces
}

struct Reader<'a> {
    known: &'a Known<'a>,
    pieces: Vec<Piece>,
    /// Of a paragraph that is not over.
    lines: Vec<&'a str>,
    /// Of a list that is not over, each as its depth, number and lines.
    items: Vec<(usize, Option<u32>, String)>,
    /// Whether the list was followed by an empty line.
    after_a_gap: bool,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a str, rest: &mut std::str::Lines<'a>) {
        let trimmed = line.trim();
        if let Some(fence) = fence(trimmed) {
            self.end();
            let mut code = Vec::new();
            for line in rest.by_ref() {
                if closes(line.trim(), fence) {
                    break;
                }
                code.push(line);
            }
            self.push(&code.join("\n"), |_, text| Block::Code(text.to_owned()));
        } else if trimmed.is_empty() {
            self.end_paragraph();
            self.after_a_gap = true;
        } else if let Some((depth, number, words)) = item(line) {
            self.end_paragraph();
            self.items.push((depth, number, words.to_owned()));
            self.after_a_gap = false;
        } else if let Some(heading) = heading(trimmed) {
            self.end();
            self.push(heading, |known, text| Block::Heading(spans(text, known)));
        } else if is_rule(trimmed) {
            self.end();
        } else if trimmed.starts_with('|') && trimmed.len() > 1 {
            self.end();
            self.row(trimmed);
        } else if let Some((_, _, last)) = self
            .items
            .last_mut()
            .filter(|_| line.starts_with(' ') || !self.after_a_gap)
        {
            // It goes on in the next line.
            last.push('\n');
            last.push_str(trimmed);
            self.after_a_gap = false;
        } else {
            self.end_list();
            self.lines.push(line.trim_end());
        }
    }

    /// A row of a table goes to the rows before it: what stands under each other stays so.
    fn row(&mut self, line: &str) {
        let rows = match self.pieces.pop() {
            Some(Piece {
                block: Block::Code(rows),
                ..
            }) if rows.starts_with('|') => format!("{rows}\n{line}"),
            other => {
                self.pieces.extend(other);
                line.to_owned()
            }
        };
        self.push(&rows, |_, text| Block::Code(text.to_owned()));
    }

    fn push(&mut self, source: &str, block: impl FnOnce(&Known<'_>, &str) -> Block) {
        let key = key(self.pieces.len(), source);
        let block = block(self.known, source);
        self.pieces.push(Piece { key, block });
    }

    fn end_paragraph(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.lines).join("\n");
        self.push(&text, |known, text| Block::Paragraph(spans(text, known)));
    }

    fn end_list(&mut self) {
        if self.items.is_empty() {
            return;
        }
        let items = std::mem::take(&mut self.items);
        let source: Vec<&str> = items.iter().map(|(_, _, words)| words.as_str()).collect();
        self.push(&source.join("\n"), |known, _| {
            let items = items.iter().map(|(depth, number, words)| Item {
                depth: *depth,
                number: *number,
                spans: spans(words, known),
            });
            Block::List(items.collect())
        });
    }

    fn end(&mut self) {
        self.end_paragraph();
        self.end_list();
        self.after_a_gap = false;
    }
}

/// FNV-1a, of the place and the text.
fn key(place: usize, text: &str) -> u64 {
    let place = place.to_le_bytes();
    place
        .iter()
        .chain(text.as_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// The sign of a fence and how often it stands there, where a line begins one.
fn fence(line: &str) -> Option<(char, usize)> {
    let sign = line
        .chars()
        .next()
        .filter(|sign| matches!(sign, '`' | '~'))?;
    let times = line.chars().take_while(|letter| *letter == sign).count();
    // A line such as ```so``` is code within a line.
    (times >= 3 && !line[times..].contains('`')).then_some((sign, times))
}

fn closes(line: &str, (sign, times): (char, usize)) -> bool {
    line.chars().count() >= times && line.chars().all(|letter| letter == sign)
}

fn heading(line: &str) -> Option<&str> {
    let words = line.trim_start_matches('#');
    let signs = line.len() - words.len();
    (1..=6)
        .contains(&signs)
        .then(|| words.strip_prefix(' '))?
        .map(|words| words.trim().trim_end_matches('#').trim_end())
        .filter(|words| !words.is_empty())
}

fn is_rule(line: &str) -> bool {
    ['-', '*', '_'].iter().any(|sign| {
        line.chars().filter(|letter| letter == sign).count() >= 3
            && line.chars().all(|letter| letter == *sign || letter == ' ')
    })
}

/// A point of a list: how far in, its number, its words.
fn item(line: &str) -> Option<(usize, Option<u32>, &str)> {
    let words = line.trim_start();
    let depth = ((line.len() - words.len()) / 2).min(DEEPEST);
    if is_rule(words) {
        return None;
    }
    for sign in ["- ", "* ", "+ ", "• ", "– "] {
        if let Some(words) = words.strip_prefix(sign) {
            return Some((depth, None, words.trim()));
        }
    }
    let digits = words.bytes().take_while(u8::is_ascii_digit).take(4).count();
    let (number, rest) = words.split_at(digits);
    let rest = rest.strip_prefix(['.', ')'])?.strip_prefix(' ')?;
    Some((depth, Some(number.parse().ok()?), rest.trim()))
}

/// The text without its formatting, for whoever hears it.
pub fn spoken(pieces: &[Piece]) -> String {
    let mut out = String::new();
    for piece in pieces {
        match &piece.block {
            Block::Paragraph(spans) | Block::Heading(spans) => {
                say(spans, &mut out);
                out.push('\n');
            }
            Block::List(items) => {
                for item in items {
                    say(&item.spans, &mut out);
                    out.push('\n');
                }
            }
            Block::Code(code) => {
                out.push_str(code);
                out.push('\n');
            }
        }
    }
    out
}

fn say(spans: &[Span], out: &mut String) {
    for span in spans {
        match span {
            Span::Text(text) | Span::Code(text) | Span::Unchecked(text) => out.push_str(text),
            Span::Link { words, .. } => out.push_str(words),
            Span::Bold(inside) => say(inside, out),
            // Heard, it would only be a letter and a number in the middle of a sentence.
            Span::Reference(_) => {}
        }
    }
}

#[cfg(test)]
#[path = "prose_tests.rs"]
mod tests;
