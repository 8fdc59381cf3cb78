//! Checks a tree of values against the table of keys, and finds everything that is wrong in one go.

use std::path::Path;

use super::{
    error::Fault,
    place::Place,
    schema::{self, Kind, Names},
    span, text,
    tree::{Node, Value},
};

/// Every unknown key, wrong type, wrong word and value out of range in a tree.
pub(super) fn tree(root: &Node, file: Option<&Path>) -> Vec<Fault> {
    let mut check = Check {
        file,
        faults: Vec::new(),
    };
    check.value(root, "", &schema::ROOT);
    check.faults
}

/// Everything that is wrong with one value at a path, given whole: keys that must be there are looked for, too.
pub(super) fn value(node: &Node, path: &str, kind: &Kind) -> Vec<Fault> {
    let mut check = Check {
        file: None,
        faults: Vec::new(),
    };
    check.value(node, path, kind);
    check.required(node, path, kind);
    check.faults
}

/// Every key that must be there and is not. Looks at the merged tree, since a section may be given in parts.
pub(super) fn missing(root: &Node, file: Option<&Path>) -> Vec<Fault> {
    let mut check = Check {
        file,
        faults: Vec::new(),
    };
    check.required(root, "", &schema::ROOT);
    check.faults
}

struct Check<'f> {
    file: Option<&'f Path>,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(
        &mut self,
        place: &Place,
        path: &str,
        wrong: impl Into<String>,
        right: impl Into<String>,
    ) {
        self.faults.push(place.fault(self.file, path, wrong, right));
    }

    fn value(&mut self, node: &Node, path: &str, kind: &Kind) {
        match (kind, &node.value) {
            (Kind::Flag, Value::Flag(_)) => {}
            (Kind::Whole(_, from, to), Value::Whole(number)) => {
                if number < from || number > to {
                    self.out_of_range(node, path, kind);
                }
            }
            (Kind::Number(_, from, to), Value::Whole(_) | Value::Number(_)) => {
                // Written so that "not a number" is out of range too.
                if !number(node).is_some_and(|number| number >= *from && number <= *to) {
                    self.out_of_range(node, path, kind);
                }
            }
            (Kind::Time(from, to), Value::Text(text)) => match span::parse(text) {
                Ok(time) if time < *from || time > *to => self.out_of_range(node, path, kind),
                Ok(_) => {}
                Err(wrong) => self.should_be(node, path, wrong, kind),
            },
            (Kind::Time(..), Value::Whole(_) | Value::Number(_)) => {
                self.fault(
                    &node.place,
                    path,
                    format!("{} has no unit", node.shown()),
                    format!(
                        "write the unit with it, in quotes, such as \"{}s\": it should be {}",
                        node.shown(),
                        kind.right()
                    ),
                );
            }
            (Kind::TimeOfDay, Value::Text(text) | Value::Moment(text)) => {
                if !text::is_time_of_day(text) {
                    self.should_be(node, path, "is not a time of day", kind);
                }
            }
            (Kind::Word(what, words), Value::Text(text)) => {
                let words = words();
                if !words.contains(&text.as_str()) {
                    let meant = schema::nearest(text, words.iter().copied())
                        .map(|meant| format!("did you mean \"{meant}\"? "))
                        .unwrap_or_default();
                    self.fault(
                        &node.place,
                        path,
                        format!("{} is not {what}", node.shown()),
                        format!("{meant}it should be {}", kind.right()),
                    );
                }
            }
            (Kind::Text(rule), Value::Text(text)) => {
                if !(rule.holds)(text) {
                    self.should_be(node, path, "will not do", kind);
                }
            }
            (Kind::Secret(rule), Value::Text(text)) => {
                if !(rule.holds)(text) {
                    self.fault(
                        &node.place,
                        path,
                        "the value (not shown, it may hold a password) will not do",
                        format!("it should be {}", rule.right),
                    );
                }
            }
            (Kind::List(at_least, of), Value::List(list)) => {
                if list.len() < *at_least {
                    self.should_be(node, path, "is empty", kind);
                }
                for (index, item) in list.iter().enumerate() {
                    self.value(item, &format!("{path}[{index}]"), of);
                }
            }
            (Kind::Table(keys), Value::Table(table)) => {
                for (name, entry) in table {
                    match keys.iter().find(|key| key.name == name) {
                        Some(key) => self.value(&entry.node, &join(path, name), &key.kind),
                        None => {
                            let known: Vec<_> = keys.iter().map(|key| key.name).collect();
                            self.unknown(&entry.key, path, name, "a known key", &known);
                        }
                    }
                }
            }
            (Kind::Map(names, of), Value::Table(table)) => {
                for (name, entry) in table {
                    match names {
                        Names::Words(what, words) if !words().contains(&name.as_str()) => {
                            self.unknown(&entry.key, path, name, what, &words());
                            continue;
                        }
                        Names::Free(rule) => {
                            if !(rule.holds)(name) {
                                let wrong = format!("`{}` will not do as a name", short(name));
                                let right = format!("it should be {}", rule.right);
                                self.fault(&entry.key, path, wrong, right);
                                continue;
                            }
                        }
                        Names::Words(..) => {}
                    }
                    self.value(&entry.node, &join(path, name), of);
                }
            }
            (Kind::Secret(_), _) => {
                self.fault(
                    &node.place,
                    path,
                    "the value is of the wrong type",
                    format!("it should be {}", kind.right()),
                );
            }
            _ => self.should_be(node, path, "is of the wrong type", kind),
        }
    }

    fn out_of_range(&mut self, node: &Node, path: &str, kind: &Kind) {
        self.should_be(node, path, "is out of range", kind);
    }

    fn should_be(&mut self, node: &Node, path: &str, wrong: &str, kind: &Kind) {
        self.fault(
            &node.place,
            path,
            format!("{} {wrong}", node.shown()),
            format!("it should be {}", kind.right()),
        );
    }

    fn unknown(&mut self, place: &Place, path: &str, name: &str, what: &str, known: &[&str]) {
        let meant = schema::nearest(name, known.iter().copied())
            .map(|meant| format!("did you mean `{meant}`? "))
            .or_else(|| {
                let sections = schema::sections_with(name);
                (!sections.is_empty())
                    .then(|| format!("it belongs in [{}]; ", sections.join("] or [")))
            })
            .unwrap_or_default();
        let here = if path.is_empty() {
            "known at the top".to_owned()
        } else {
            format!("known in {path}")
        };
        self.fault(
            place,
            &join(path, &short(name)),
            format!("this is not {what}"),
            format!("{meant}{here}: {}", known.join(", ")),
        );
    }

    fn required(&mut self, node: &Node, path: &str, kind: &Kind) {
        match (kind, &node.value) {
            (Kind::List(_, of), Value::List(list)) => {
                for (index, item) in list.iter().enumerate() {
                    self.required(item, &format!("{path}[{index}]"), of);
                }
            }
            (Kind::Table(keys), Value::Table(table)) => {
                for key in *keys {
                    match table.get(key.name) {
                        Some(entry) => self.required(&entry.node, &join(path, key.name), &key.kind),
                        None if key.required => self.fault(
                            &node.place,
                            &join(path, key.name),
                            "is missing",
                            format!("it should be {}", key.kind.right()),
                        ),
                        None => {}
                    }
                }
            }
            (Kind::Map(_, of), Value::Table(table)) => {
                for (name, entry) in table {
                    self.required(&entry.node, &join(path, name), of);
                }
            }
            _ => {}
        }
    }
}

/// A value as a number, where it is one.
pub(super) fn number(node: &Node) -> Option<f64> {
    match &node.value {
        // Exact up to 2^53, far beyond every range.
        Value::Whole(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// A key's name as it can be shown: on one line and not endless.
fn short(name: &str) -> String {
    crate::redact::redact(name).chars().take(60).collect()
}
