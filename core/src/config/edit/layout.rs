//! Changes one value in the text of a configuration file, in whatever layout it was written, and touches nothing else.
//!
//! What flows through: text, the path of a key and its new value in; text out. The file is read by `toml_edit`, which knows where each
//! key and value stands; only those bytes are replaced, so comments, order, blanks and line ends stay as they are. What it never does:
//! judge the value (the loader does), or guess: a layout that it does not know is refused and named.

use std::ops::Range;

use toml_edit::{Array, ArrayOfTables, Document, InlineTable, Item, Table, TableLike, Value};

use super::{
    patch::{Lined, Patch},
    shape::{Common, fields, find_headers, plain, same, same_row, value_spans},
};

/// Why a text can't be changed at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cannot(pub(super) &'static str);

pub(super) const ODD: Cannot = Cannot("is written there in a way that can only be changed by hand");

/// The text with this value at this path.
///
/// # Errors
/// Where the text is no TOML or in a layout that is not known.
pub(super) fn set(text: &str, path: &[&str], value: &Value) -> Result<String, Cannot> {
    let layout = Layout::read(text)?;
    let mut patch = Patch::default();
    if layout.set(path, value, &mut patch)? == Then::WriteEmpty {
        let without = patch.apply(text).ok_or(ODD)?;
        return set(&without, path, value);
    }
    patch.apply(text).ok_or(ODD)
}

/// The text without a value at this path.
///
/// # Errors
/// As for [`set`].
pub(super) fn remove(text: &str, path: &[&str]) -> Result<String, Cannot> {
    let layout = Layout::read(text)?;
    let mut patch = Patch::default();
    layout.remove(path, &mut patch)?;
    patch.apply(text).ok_or(ODD)
}

/// Whether a change is complete.
#[derive(PartialEq, Eq)]
enum Then {
    Done,
    /// Sections were taken out, and now an empty list has to be written in their place.
    WriteEmpty,
}

struct Layout<'t> {
    lines: Lined<'t>,
    document: Document<&'t str>,
    /// Where section headers stand, in order.
    headers: Vec<Range<usize>>,
}

/// A section on the way to a key, and how deep the last one with a header of its own lies.
struct Here<'d> {
    table: &'d dyn TableLike,
    item: &'d Item,
    depth: usize,
    header_depth: usize,
}

impl<'t> Layout<'t> {
    fn read(text: &'t str) -> Result<Self, Cannot> {
        let document =
            Document::parse(text).map_err(|_| Cannot("stands in a file that is not TOML"))?;
        let mut headers = Vec::new();
        find_headers(document.as_table(), &mut headers);
        headers.sort_by_key(|range| range.start);
        Ok(Self {
            lines: Lined { text },
            document,
            headers,
        })
    }

    /// The innermost section on the way to a path.
    fn descend<'d>(&'d self, path: &[&str]) -> Result<(Here<'d>, Option<&'d Item>), Cannot> {
        let root = self.document.as_item();
        let mut here = Here {
            table: root.as_table_like().ok_or(ODD)?,
            item: root,
            depth: 0,
            header_depth: 0,
        };
        for (index, name) in path.iter().enumerate() {
            let Some(item) = here.table.get(name).filter(|item| !item.is_none()) else {
                return Ok((here, None));
            };
            if index + 1 == path.len() {
                return Ok((here, Some(item)));
            }
            let has_header = matches!(item, Item::Table(table) if !table.is_dotted());
            here = Here {
                table: item.as_table_like().ok_or(ODD)?,
                item,
                depth: index + 1,
                header_depth: if has_header {
                    index + 1
                } else {
                    here.header_depth
                },
            };
        }
        Err(ODD)
    }

    fn set(&self, path: &[&str], value: &Value, patch: &mut Patch) -> Result<Then, Cannot> {
        let (here, found) = self.descend(path)?;
        match found {
            Some(Item::Value(old)) => self.merge(old, value, patch)?,
            Some(Item::ArrayOfTables(rows)) => {
                let new = value.as_array().ok_or(ODD)?;
                if new.is_empty() {
                    rows.iter()
                        .try_for_each(|row| self.take_out_row(row, patch))?;
                    return Ok(Then::WriteEmpty);
                }
                self.merge_rows(rows, new, path, patch)?;
            }
            Some(_) => return Err(ODD),
            None => self.add(&here, path, value, patch)?,
        }
        Ok(Then::Done)
    }

    fn remove(&self, path: &[&str], patch: &mut Patch) -> Result<(), Cannot> {
        let (here, found) = self.descend(path)?;
        let name = path.last().ok_or(ODD)?;
        match (found, here.item) {
            (None, _) => Ok(()),
            (Some(Item::ArrayOfTables(rows)), _) => rows
                .iter()
                .try_for_each(|row| self.take_out_row(row, patch)),
            (Some(Item::Value(_)), Item::Value(Value::InlineTable(inline))) => {
                let all = fields(inline)?;
                let index = inline.iter().position(|(key, _)| key == *name).ok_or(ODD)?;
                self.drop_elements(&all, index..index + 1, patch)
            }
            (Some(Item::Value(value)), _) => self.take_out_value(value, patch),
            (Some(_), _) => Err(ODD),
        }
    }

    /// Takes out the line or lines of a key that stands by itself.
    fn take_out_value(&self, value: &Value, patch: &mut Patch) -> Result<(), Cannot> {
        let span = value.span().ok_or(ODD)?;
        // Before the value on its line stands its key and nothing else, however that is written.
        let begin = self.lines.begin(span.start) + self.lines.indent(span.start).len();
        self.lines.take_out(begin..span.end, patch);
        Ok(())
    }

    // ------------------------------------------------------------------------------------------------------ values

    fn merge(&self, old: &Value, new: &Value, patch: &mut Patch) -> Result<(), Cannot> {
        if same(old, new) {
            return Ok(());
        }
        match (old, new) {
            (Value::Array(old), Value::Array(new)) => self.merge_array(old, new, patch),
            (Value::InlineTable(old), Value::InlineTable(new)) if !old.is_dotted() => {
                self.merge_inline(old, new, patch)
            }
            _ => {
                patch.replace(old.span().ok_or(ODD)?, plain(new));
                Ok(())
            }
        }
    }

    fn merge_array(&self, old: &Array, new: &Array, patch: &mut Patch) -> Result<(), Cannot> {
        let (was, will): (Vec<&Value>, Vec<&Value>) = (old.iter().collect(), new.iter().collect());
        let spans = was
            .iter()
            .map(|value| value.span().ok_or(ODD))
            .collect::<Result<Vec<_>, _>>()?;
        let whole = old.span().ok_or(ODD)?;
        let common = Common::of(was.len(), will.len(), |a, b| same(was[a], will[b]));
        let (old_middle, new_middle) = (common.in_old(was.len()), common.in_new(will.len()));
        for (a, b) in old_middle.clone().zip(new_middle.clone()) {
            self.merge(was[a], will[b], patch)?;
        }
        if old_middle.len() > new_middle.len() {
            let from = old_middle.start + new_middle.len();
            return self.drop_elements(&spans, from..old_middle.end, patch);
        }
        let added: Vec<String> = new_middle
            .skip(old_middle.len())
            .map(|index| plain(will[index]))
            .collect();
        self.add_elements(&spans, old_middle.end, &added, whole, patch);
        Ok(())
    }

    fn merge_inline(
        &self,
        old: &InlineTable,
        new: &InlineTable,
        patch: &mut Patch,
    ) -> Result<(), Cannot> {
        let spans = fields(old)?;
        let mut gone = Vec::new();
        for (index, (name, value)) in old.iter().enumerate() {
            match new.get(name) {
                Some(new) => self.merge(value, new, patch)?,
                None => gone.push(index),
            }
        }
        let added: Vec<String> = new
            .iter()
            .filter(|(name, _)| !old.contains_key(name))
            .map(|(name, value)| format!("{name} = {}", plain(value)))
            .collect();
        if !gone.is_empty() && (!added.is_empty() || gone.len() > 1) {
            // Rare, and in one line: written anew.
            return Err(ODD);
        }
        for index in gone {
            self.drop_elements(&spans, index..index + 1, patch)?;
        }
        let whole = old.span().ok_or(ODD)?;
        self.add_elements(&spans, spans.len(), &added, whole, patch);
        Ok(())
    }

    /// Adds elements of an array or an inline table before the one with this number.
    fn add_elements(
        &self,
        spans: &[Range<usize>],
        before: usize,
        added: &[String],
        whole: Range<usize>,
        patch: &mut Patch,
    ) {
        if added.is_empty() {
            return;
        }
        let Some(first) = spans.first() else {
            // Between the brackets there may be blanks and comments, which stay.
            let padded = if self.lines.part(whole.clone()).starts_with('{') {
                format!(" {} ", added.join(", "))
            } else {
                added.join(", ")
            };
            patch.insert(whole.start + 1, padded);
            return;
        };
        let over_lines = self.lines.part(whole.start..first.start).contains('\n');
        let between = if over_lines {
            format!(
                ",{}{}",
                self.lines.newline(),
                self.lines.indent(first.start)
            )
        } else {
            ", ".to_owned()
        };
        match before.checked_sub(1).and_then(|last| spans.get(last)) {
            Some(last) => patch.insert(last.end, format!("{between}{}", added.join(&between))),
            None => patch.insert(first.start, format!("{}{between}", added.join(&between))),
        }
    }

    /// Takes elements out of an array or an inline table, each with its comma.
    fn drop_elements(
        &self,
        spans: &[Range<usize>],
        gone: Range<usize>,
        patch: &mut Patch,
    ) -> Result<(), Cannot> {
        if self.is_tail_of_a_line(spans, &gone)
            && let Some(before) = gone.start.checked_sub(1).and_then(|last| spans.get(last))
            && let Some(last) = spans.last()
        {
            patch.replace(before.end..last.end, "");
            return Ok(());
        }
        for index in gone.clone() {
            let span = spans.get(index).ok_or(ODD)?.clone();
            let Some(comma) = self.comma_after(span.end) else {
                // The last one: the comma that led to it goes instead.
                if let Some(before) = gone.start.checked_sub(1).and_then(|last| spans.get(last))
                    && let Some(comma) = self.comma_after(before.end)
                {
                    patch.replace(comma..comma + 1, "");
                }
                let begin = self.lines.begin(span.start);
                let ahead = self.lines.part(begin..span.start);
                // With an element that goes before it on its line, the blanks between them go too.
                let goes_with_it = index > gone.start
                    && spans
                        .get(index - 1)
                        .is_some_and(|other| other.start >= begin);
                let blanks = if goes_with_it {
                    0
                } else {
                    ahead.len() - ahead.trim_end_matches([' ', '\t']).len()
                };
                if ahead.trim().is_empty() {
                    self.lines.take_out(span, patch);
                } else if gone.start == 0 {
                    patch.replace(span, "");
                } else {
                    patch.replace(span.start - blanks..span.end, "");
                }
                continue;
            };
            if self.lines.part(span.end..comma).trim().is_empty() {
                let end = comma + 1;
                let rest = self.lines.part(end..self.lines.end(end));
                let alone = self
                    .lines
                    .part(self.lines.begin(span.start)..span.start)
                    .trim()
                    .is_empty()
                    && (rest.trim().is_empty() || rest.trim_start().starts_with('#'));
                if alone {
                    self.lines.take_out(span.start..end, patch);
                } else {
                    let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
                    patch.replace(span.start..end + blanks, "");
                }
            } else {
                patch.replace(span, "");
                patch.replace(comma..comma + 1, "");
            }
        }
        Ok(())
    }

    /// Whether these are the last elements, with no comma behind them, and stand on one line with the one before them: then there is no
    /// comment among them.
    fn is_tail_of_a_line(&self, spans: &[Range<usize>], gone: &Range<usize>) -> bool {
        let (Some(before), Some(last)) = (
            gone.start.checked_sub(1).and_then(|last| spans.get(last)),
            spans.last(),
        ) else {
            return false;
        };
        gone.end == spans.len()
            && !gone.is_empty()
            && self.comma_after(last.end).is_none()
            && !self.lines.part(before.end..last.end).contains('\n')
    }

    /// The comma that follows here, past blanks and comments.
    fn comma_after(&self, from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            let rest = self.lines.part(at..self.lines.text.len());
            match rest.chars().next()? {
                ',' => return Some(at),
                '#' => at += rest.find('\n')?,
                c if c.is_whitespace() => at += c.len_utf8(),
                _ => return None,
            }
        }
    }

    // ------------------------------------------------------------------------------------------------------ sections in a list

    fn merge_rows(
        &self,
        rows: &ArrayOfTables,
        new: &Array,
        path: &[&str],
        patch: &mut Patch,
    ) -> Result<(), Cannot> {
        let was: Vec<&Table> = rows.iter().collect();
        let will = new
            .iter()
            .map(|value| value.as_inline_table().ok_or(ODD))
            .collect::<Result<Vec<_>, _>>()?;
        let common = Common::of(was.len(), will.len(), |a, b| same_row(was[a], will[b]));
        let (old_middle, new_middle) = (common.in_old(was.len()), common.in_new(will.len()));
        for (a, b) in old_middle.clone().zip(new_middle.clone()) {
            self.merge_row(was[a], will[b], patch)?;
        }
        for index in old_middle.clone().skip(new_middle.len()) {
            self.take_out_row(was[index], patch)?;
        }
        let added: String = new_middle
            .skip(old_middle.len())
            .map(|index| self.row_text(path, will[index]))
            .collect();
        if added.is_empty() {
            return Ok(());
        }
        let newline = self.lines.newline();
        match old_middle.end.checked_sub(1).and_then(|last| was.get(last)) {
            Some(last) => {
                let end = self.end_of(last)?;
                let at = self.lines.next(end);
                let lead = if self.lines.part(end..at).ends_with('\n') {
                    ""
                } else {
                    newline
                };
                patch.insert(at, format!("{lead}{added}"));
            }
            None => {
                // Above the comment that belongs to the first of them.
                let first = was.first().and_then(|row| row.span()).ok_or(ODD)?;
                let mut at = self.lines.begin(first.start);
                while at > 0 {
                    let above = self.lines.begin(at - 1);
                    if !self.lines.part(above..at).trim_start().starts_with('#') {
                        break;
                    }
                    at = above;
                }
                patch.insert(at, format!("{}{newline}", added.trim_start()));
            }
        }
        Ok(())
    }

    fn merge_row(&self, old: &Table, new: &InlineTable, patch: &mut Patch) -> Result<(), Cannot> {
        for (name, item) in old.iter() {
            let value = item.as_value().ok_or(ODD)?;
            match new.get(name) {
                Some(new) => self.merge(value, new, patch)?,
                None => self.take_out_value(value, patch)?,
            }
        }
        for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(name)) {
            self.add_line(old, name, name, value, patch)?;
        }
        Ok(())
    }

    fn take_out_row(&self, row: &Table, patch: &mut Patch) -> Result<(), Cannot> {
        self.lines.take_out(row.span().ok_or(ODD)?, patch);
        for (_, item) in row.iter() {
            self.take_out_value(item.as_value().ok_or(ODD)?, patch)?;
        }
        Ok(())
    }

    fn row_text(&self, path: &[&str], row: &InlineTable) -> String {
        let newline = self.lines.newline();
        let mut text = format!("{newline}[[{}]]{newline}", path.join("."));
        for (name, value) in row.iter() {
            text.push_str(&format!("{name} = {}{newline}", plain(value)));
        }
        text
    }

    // ------------------------------------------------------------------------------------------------------ what is not there yet

    fn add(
        &self,
        here: &Here<'_>,
        path: &[&str],
        value: &Value,
        patch: &mut Patch,
    ) -> Result<(), Cannot> {
        let (name, sections) = path.split_last().ok_or(ODD)?;
        if let Item::Value(Value::InlineTable(inline)) = here.item {
            let mut wrapped = plain(value);
            for name in path[here.depth + 1..].iter().rev() {
                wrapped = format!("{{ {name} = {wrapped} }}");
            }
            let added = [format!("{} = {wrapped}", path[here.depth])];
            let spans = fields(inline)?;
            self.add_elements(
                &spans,
                spans.len(),
                &added,
                inline.span().ok_or(ODD)?,
                patch,
            );
            return Ok(());
        }
        let Item::Table(table) = here.item else {
            return Err(ODD);
        };
        let has_rows = value
            .as_array()
            .is_some_and(|all| !all.is_empty() && all.iter().all(Value::is_inline_table));
        let in_sections = has_rows && sections.first() != Some(&"strategies");
        if table.is_dotted() {
            let dotted = path[here.header_depth..].join(".");
            return self.add_line(table, name, &dotted, value, patch);
        }
        let newline = self.lines.newline();
        let text = self.lines.text;
        let lead = match text {
            "" => String::new(),
            text if text.ends_with('\n') => newline.to_owned(),
            _ => newline.repeat(2),
        };
        if in_sections {
            let rows = value.as_array().ok_or(ODD)?;
            let rows: String = rows
                .iter()
                .filter_map(Value::as_inline_table)
                .map(|row| self.row_text(path, row))
                .collect();
            patch.insert(text.len(), format!("{lead}{}", rows.trim_start()));
            return Ok(());
        }
        if here.depth == sections.len() && !table.is_implicit() && here.depth > 0 {
            return self.add_line(table, name, name, value, patch);
        }
        if sections.is_empty() {
            return Err(ODD);
        }
        let section = sections.join(".");
        let line = format!(
            "{lead}[{section}]{newline}{name} = {}{newline}",
            plain(value)
        );
        patch.insert(text.len(), line);
        Ok(())
    }

    /// Adds a line to a section: below its commented-out example where there is one, else below the section's last key, else at its top.
    fn add_line(
        &self,
        table: &Table,
        name: &str,
        written: &str,
        value: &Value,
        patch: &mut Patch,
    ) -> Result<(), Cannot> {
        let mut spans = Vec::new();
        value_spans(table, &mut spans);
        let line = |indent: &str| format!("{indent}{written} = {}", plain(value));
        let newline = self.lines.newline();
        let after = match self.example(table, name, &spans) {
            Some(example) => example,
            None => match spans.iter().map(|span| span.end).max() {
                Some(last) => last,
                None => table.span().ok_or(ODD)?.end,
            },
        };
        let begin = spans
            .iter()
            .find(|span| span.end == after)
            .map_or(after, |span| span.start);
        let text = line(self.lines.indent(begin));
        let next = self.lines.next(after);
        if self.lines.part(after..next).ends_with('\n') {
            patch.insert(next, format!("{text}{newline}"));
        } else {
            patch.insert(next, format!("{newline}{text}{newline}"));
        }
        Ok(())
    }

    /// A line of a section such as `# disk_percent = 85`: where the key would be looked for.
    fn example(&self, table: &Table, name: &str, values: &[Range<usize>]) -> Option<usize> {
        let header = table.span().filter(|_| !table.is_dotted())?;
        let end = self
            .headers
            .iter()
            .find(|other| other.start > header.start)
            .map_or(self.lines.text.len(), |other| other.start);
        let mut at = self.lines.next(header.end);
        while at < end {
            let next = self.lines.next(at);
            let is_value = values.iter().any(|span| span.start < next && span.end > at);
            let line = self.lines.part(at..next).trim_start();
            let key = line.strip_prefix('#').map(str::trim_start);
            let is_it = key
                .and_then(|key| key.strip_prefix(name))
                .is_some_and(|rest| rest.trim_start().starts_with('='));
            if is_it && !is_value {
                return Some(at);
            }
            at = next;
        }
        None
    }

    /// Where a section's last value ends, or its header where it has none.
    fn end_of(&self, table: &Table) -> Result<usize, Cannot> {
        let mut spans = Vec::new();
        value_spans(table, &mut spans);
        let header = table.span().ok_or(ODD)?.end;
        Ok(spans.iter().map(|span| span.end).max().unwrap_or(header))
    }
}
