//! Patterns of the operator's own.
//!
//! What flows through: a name and a regular expression with the groups `address` and `user` in; attempts out. What it never does: take
//! longer than in proportion to the line, or more memory than a mebibyte for a pattern, whatever is written in it.

use regex::{Regex, RegexBuilder};

use super::{Seen, failure};
use crate::security::authentication::address::address;

/// The most that a pattern may take once compiled, bytes.
const LARGEST: usize = 1024 * 1024;

/// Why a pattern will not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CustomError {
    /// It is no regular expression, or too large a one.
    #[error("it is no regular expression that can be used: {0}")]
    Pattern(String),
    /// It can't tell who tried.
    #[error("it has neither a group `(?P<address>…)` nor `(?P<user>…)`")]
    Groups,
}

/// A pattern of the operator's own. It goes before all others.
#[derive(Clone, Debug)]
pub struct Custom {
    name: String,
    regex: Regex,
    success: bool,
}

impl Custom {
    /// A pattern by its name, which is also the service's where the log tells none; `success` for lines that tell of a success.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn new(name: &str, regex: &str, success: bool) -> Result<Self, CustomError> {
        let regex = RegexBuilder::new(regex)
            .size_limit(LARGEST)
            .build()
            .map_err(|error| CustomError::Pattern(error.to_string()))?;
        let has_group = regex
            .capture_names()
            .flatten()
            .any(|group| matches!(group, "address" | "user"));
        if !has_group {
            return Err(CustomError::Groups);
        }
        Ok(Self {
            name: name.to_owned(),
            regex,
            success,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn read(&self, text: &str) -> Option<Seen> {
        let found = self.regex.captures(text)?;
        let group = |name| found.name(name).map(|part| part.as_str());
        Some(Seen {
            success: self.success,
            ..failure(
                &self.name,
                group("address").and_then(address),
                group("user"),
            )
        })
    }
}
