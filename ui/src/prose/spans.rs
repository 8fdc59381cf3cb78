//! The words of a line or paragraph: bold ones, code, references, places, names.
//!
//! What flows through: a run of text in, its spans out. What it never does: leave a letter out, or lead anywhere but to a screen of this
//! control center.

use super::{Known, Span};
use crate::route::Route;

/// The references in a text, such as `A2` of `[A2, B1]`, each once, in their order.
pub fn references(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('[') {
        rest = after;
        let Some((inside, _)) = after.split_once(']') else {
            break;
        };
        if let Some(names) = listed(inside) {
            for name in names {
                if !found.contains(&name) {
                    found.push(name);
                }
            }
        }
    }
    found
}

/// What stands in brackets as references: letters and digits, apart by commas or blanks.
fn listed(inside: &str) -> Option<Vec<&str>> {
    let names: Vec<&str> = inside
        .split([',', ';', ' '])
        .filter(|name| !name.is_empty())
        .collect();
    let is_one = |name: &&str| {
        name.len() <= 8
            && name.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && name.ends_with(|letter: char| letter.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    (!names.is_empty() && names.iter().all(is_one)).then_some(names)
}

/// Reads the words of a line or paragraph.
pub(super) fn spans(text: &str, known: &Known<'_>) -> Vec<Span> {
    let mut out = Spans {
        known,
        done: Vec::new(),
        plain: String::new(),
    };
    out.read(text, true);
    out.end_plain();
    out.done
}

struct Spans<'a> {
    known: &'a Known<'a>,
    done: Vec<Span>,
    /// Text that nothing was found in so far.
    plain: String,
}

impl Spans<'_> {
    fn read(&mut self, text: &str, may_be_bold: bool) {
        let mut rest = text;
        while let Some(at) = rest.find(['`', '*', '[', '#']) {
            let (before, here) = rest.split_at(at);
            self.plain.push_str(before);
            let (sign, _) = here.split_at(1);
            let taken = match sign {
                "`" => self.code(here),
                "*" if may_be_bold => self.bold(here),
                "[" => self.brackets(here),
                "#" => self.place(here),
                _ => 0,
            };
            let taken = if taken == 0 {
                // A run of the same sign is passed over as a whole: it is as little as its first.
                let run = here.len() - here.trim_start_matches(sign).len();
                self.plain.push_str(&here[..run]);
                run
            } else {
                taken
            };
            rest = &here[taken..];
        }
        self.plain.push_str(rest);
    }

    fn code(&mut self, here: &str) -> usize {
        let words = here.trim_start_matches('`');
        let ticks = here.len() - words.len();
        let fence = &here[..ticks];
        let mut from = 0;
        while let Some(at) = words[from..].find(fence).map(|at| at + from) {
            let run = words[at..].len() - words[at..].trim_start_matches('`').len();
            if run == ticks {
                let code = words[..at].trim();
                if code.is_empty() {
                    return 0;
                }
                self.end_plain();
                self.done.push(self.of_code(code));
                return ticks + at + ticks;
            }
            from = at + run;
        }
        0
    }

    fn of_code(&self, code: &str) -> Span {
        if self.known.unchecked.iter().any(|name| name == code) {
            return Span::Unchecked(code.to_owned());
        }
        match self.leads_to(code) {
            Some(route) => Span::Link {
                words: code.to_owned(),
                route,
            },
            None => Span::Code(code.to_owned()),
        }
    }

    fn bold(&mut self, here: &str) -> usize {
        let Some(words) = here.strip_prefix("**") else {
            return 0;
        };
        let Some(end) = words.find("**").filter(|end| *end > 0) else {
            return 0;
        };
        let inside = &words[..end];
        if inside.starts_with(char::is_whitespace) || inside.ends_with(char::is_whitespace) {
            return 0;
        }
        self.end_plain();
        let mut within = Spans {
            known: self.known,
            done: Vec::new(),
            plain: String::new(),
        };
        within.read(inside, false);
        within.end_plain();
        self.done.push(Span::Bold(within.done));
        end + 4
    }

    fn brackets(&mut self, here: &str) -> usize {
        let Some(end) = here.find(']') else { return 0 };
        let inside = &here[1..end];
        let behind = &here[end + 1..];
        if let Some(address) = behind
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(')'))
            .map(|(address, _)| address)
        {
            let Some(route) = screen(address) else {
                return 0;
            };
            self.end_plain();
            self.done.push(Span::Link {
                words: inside.to_owned(),
                route,
            });
            return end + address.len() + 3;
        }
        let Some(names) = listed(inside).filter(|names| {
            names
                .iter()
                .all(|name| self.known.references.contains(name))
        }) else {
            return 0;
        };
        self.end_plain();
        let references = names
            .into_iter()
            .map(|name| Span::Reference(name.to_owned()));
        self.done.extend(references);
        end + 1
    }

    /// An address of this control center, such as `#/incidents/3`.
    fn place(&mut self, here: &str) -> usize {
        // Within another address it is a part of that, and leads where we don't.
        let is_a_beginning = self.plain.chars().next_back().is_none_or(|before| {
            before.is_whitespace() || matches!(before, '(' | '"' | '“' | '\'')
        });
        if !is_a_beginning {
            return 0;
        }
        let end = here
            .find(|letter: char| letter.is_whitespace() || matches!(letter, ')' | ',' | '`' | '*'))
            .unwrap_or(here.len());
        let address = here[..end].trim_end_matches(['.', '!', '?', ':', ';']);
        let Some(route) = screen(address) else {
            return 0;
        };
        self.end_plain();
        self.done.push(Span::Link {
            words: address.to_owned(),
            route,
        });
        address.len()
    }

    fn leads_to(&self, word: &str) -> Option<Route> {
        screen(word).or_else(|| (self.known.resource)(word))
    }

    /// Looks through plain text for names: of resources, which lead there, and of what is not there.
    fn end_plain(&mut self) {
        let plain = std::mem::take(&mut self.plain);
        let mut from = 0;
        let mut at = 0;
        while at < plain.len() {
            let rest = &plain[at..];
            let word = &rest[..name_end(rest)];
            if word.is_empty() {
                at += rest.chars().next().map_or(1, char::len_utf8);
                continue;
            }
            let name = word.trim_end_matches(['.', ':', '-', '/']);
            let found = if name.is_empty() {
                None
            } else if self.known.unchecked.iter().any(|one| one == name) {
                Some(Span::Unchecked(name.to_owned()))
            } else if name.contains('/') {
                (self.known.resource)(name).map(|route| Span::Link {
                    words: name.to_owned(),
                    route,
                })
            } else {
                None
            };
            if let Some(found) = found {
                if from < at {
                    self.done.push(Span::Text(plain[from..at].to_owned()));
                }
                self.done.push(found);
                at += name.len();
                from = at;
            } else {
                at += word.len();
            }
        }
        if from < plain.len() {
            self.done.push(Span::Text(plain[from..].to_owned()));
        }
    }
}

/// Where a name of the kind that things have ends: letters, digits and what stands within ids.
fn name_end(text: &str) -> usize {
    text.find(|letter: char| {
        !letter.is_alphanumeric() && !matches!(letter, '-' | '_' | '.' | '/' | ':' | '@')
    })
    .unwrap_or(text.len())
}

/// The screen of an address of this control center.
fn screen(address: &str) -> Option<Route> {
    if !address.starts_with("#/") {
        return None;
    }
    Some(Route::parse(address)).filter(|route| !matches!(route, Route::Nowhere(_)))
}
