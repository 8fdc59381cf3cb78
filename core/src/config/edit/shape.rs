//! What a configuration file's values look like: which of them mean the same, where they stand, what they have in common.
//!
//! Pure looks at what `toml_edit` has read; nothing here changes anything.

use std::ops::Range;

use toml_edit::{InlineTable, Item, Table, Value};

use super::layout::{Cannot, ODD};

/// What two lists have in common at both ends.
pub(super) struct Common {
    ahead: usize,
    behind: usize,
}

impl Common {
    /// Of two lists of these lengths.
    pub(super) fn of(old: usize, new: usize, same: impl Fn(usize, usize) -> bool) -> Self {
        let least = old.min(new);
        let ahead = (0..least).take_while(|&at| same(at, at)).count();
        let behind = (1..=least - ahead)
            .take_while(|&back| same(old - back, new - back))
            .count();
        Self { ahead, behind }
    }

    /// What is between in the old one.
    pub(super) fn in_old(&self, length: usize) -> Range<usize> {
        self.ahead..length - self.behind
    }

    /// What is between in the new one.
    pub(super) fn in_new(&self, length: usize) -> Range<usize> {
        self.ahead..length - self.behind
    }
}

/// A value on one line, without what may stand around it.
pub(super) fn plain(value: &Value) -> String {
    let mut value = value.clone();
    value.decor_mut().clear();
    value.to_string()
}

/// Where the fields of an inline table stand, each from its key to the end of its value.
pub(super) fn fields(inline: &InlineTable) -> Result<Vec<Range<usize>>, Cannot> {
    inline
        .iter()
        .map(|(name, value)| {
            let key = inline.get_key_value(name).and_then(|(key, _)| key.span());
            let is_dotted = value.as_inline_table().is_some_and(InlineTable::is_dotted);
            match (key, value.span()) {
                (Some(key), Some(value)) if !is_dotted => Ok(key.start..value.end),
                _ => Err(ODD),
            }
        })
        .collect()
}

/// Where the values that stand below one header are, those of dotted keys too.
pub(super) fn value_spans(table: &Table, found: &mut Vec<Range<usize>>) {
    for (_, item) in table.iter() {
        match item {
            Item::Value(Value::InlineTable(inline)) if inline.is_dotted() => {}
            Item::Value(value) => found.extend(value.span()),
            Item::Table(below) if below.is_dotted() => value_spans(below, found),
            _ => {}
        }
    }
}

/// Where section headers stand.
pub(super) fn find_headers(table: &Table, found: &mut Vec<Range<usize>>) {
    for (_, item) in table.iter() {
        let tables: Vec<&Table> = match item {
            Item::Table(table) => vec![table],
            Item::ArrayOfTables(rows) => rows.iter().collect(),
            _ => continue,
        };
        for table in tables {
            if !table.is_dotted() && !table.is_implicit() {
                found.extend(table.span());
            }
            find_headers(table, found);
        }
    }
}

/// Whether two values mean the same; a whole number may be written with a fraction of nothing.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.value() == b.value(),
        (Value::Integer(a), Value::Integer(b)) => a.value() == b.value(),
        (Value::Boolean(a), Value::Boolean(b)) => a.value() == b.value(),
        (Value::Float(_) | Value::Integer(_), Value::Float(_) | Value::Integer(_)) => {
            number(a) == number(b)
        }
        (Value::Datetime(a), Value::String(b)) => a.value().to_string() == *b.value(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b))
        }
        (Value::InlineTable(a), Value::InlineTable(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, value)| b.get(name).is_some_and(|other| same(value, other)))
        }
        _ => false,
    }
}

/// Whether a section of a list and a row mean the same.
pub(super) fn same_row(row: &Table, new: &InlineTable) -> bool {
    row.len() == new.len()
        && row.iter().all(|(name, item)| {
            item.as_value()
                .zip(new.get(name))
                .is_some_and(|(old, new)| same(old, new))
        })
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number.value() as f64),
        Value::Float(number) => Some(*number.value()),
        _ => None,
    }
}
