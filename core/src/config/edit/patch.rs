//! Pieces of a text to be replaced, gathered first and put in place at once, so that what is not touched stays byte for byte.

use std::ops::Range;

use super::comments::comments;

/// Replacements for one text. They never overlap: each belongs to a value of its own.
#[derive(Default)]
pub(super) struct Patch {
    pieces: Vec<(Range<usize>, String)>,
}

impl Patch {
    /// Puts a text in the place of a range.
    pub(super) fn replace(&mut self, range: Range<usize>, with: impl Into<String>) {
        self.pieces.push((range, with.into()));
    }

    /// Puts a text at a place.
    pub(super) fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    /// The text with everything replaced; none where the pieces do not fit it.
    pub(super) fn apply(mut self, text: &str) -> Option<String> {
        // A stable sort: what is inserted at one place keeps its order.
        self.pieces.sort_by_key(|(range, _)| range.start);
        let mut out = String::with_capacity(text.len() + 256);
        let mut at = 0;
        for (range, with) in &self.pieces {
            out.push_str(text.get(at..range.start)?);
            out.push_str(with);
            at = range.end;
        }
        out.push_str(text.get(at..)?);
        Some(out)
    }
}

/// A text by its lines.
#[derive(Clone, Copy)]
pub(super) struct Lined<'t> {
    /// The text.
    pub(super) text: &'t str,
}

impl<'t> Lined<'t> {
    /// How lines end here.
    pub(super) fn newline(self) -> &'static str {
        if self.text.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        }
    }

    /// A part of the text; empty where there is no such part.
    pub(super) fn part(self, range: Range<usize>) -> &'t str {
        self.text.get(range).unwrap_or_default()
    }

    /// Where the line with this place begins.
    pub(super) fn begin(self, at: usize) -> usize {
        self.part(0..at).rfind('\n').map_or(0, |found| found + 1)
    }

    /// Where the line with this place ends, its end not included.
    pub(super) fn end(self, at: usize) -> usize {
        let rest = self.part(at..self.text.len());
        let end = at + rest.find('\n').unwrap_or(rest.len());
        if self.part(0..end).ends_with('\r') && end > at {
            end - 1
        } else {
            end
        }
    }

    /// Where the next line begins; the end of the text for the last one.
    pub(super) fn next(self, at: usize) -> usize {
        let rest = self.part(at..self.text.len());
        rest.find('\n')
            .map_or(self.text.len(), |found| at + found + 1)
    }

    /// The blanks at the beginning of the line with this place.
    pub(super) fn indent(self, at: usize) -> &'t str {
        let line = self.part(self.begin(at)..self.end(at));
        let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
        line.get(..blanks).unwrap_or_default()
    }

    /// Takes out a range of which the rest of its lines is not to stay but for comments: those before it are not touched, those inside
    /// and behind it stay as lines of their own.
    pub(super) fn take_out(self, range: Range<usize>, patch: &mut Patch) {
        let (begin, end) = (self.begin(range.start), self.end(range.end));
        let ahead = self.part(begin..range.start);
        let behind = self
            .part(range.end..end)
            .trim_start_matches([' ', '\t', ',']);
        let is_alone = ahead.trim().is_empty() && (behind.is_empty() || behind.starts_with('#'));
        if !is_alone {
            patch.replace(range, "");
            return;
        }
        let inside = self.part(range.clone());
        let mut left: Vec<&str> = comments(inside)
            .into_iter()
            .filter_map(|comment| inside.get(comment))
            .collect();
        left.extend((!behind.is_empty()).then_some(behind));
        if left.is_empty() {
            patch.replace(begin..self.next(end), "");
        } else {
            let between = format!("{}{ahead}", self.newline());
            patch.replace(begin..end, format!("{ahead}{}", left.join(&between)));
        }
    }
}
