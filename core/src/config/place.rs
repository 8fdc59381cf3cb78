//! Where a value came from, so that every fault can name its line or its variable.

use std::path::Path;

use super::error::Fault;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nobody said it: it is built in.
    Default,
    /// The file, at a line and column from 1.
    File {
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// An environment variable.
    Variable(String),
}

impl Place {
    /// Whether somebody said it.
    pub(super) const fn is_given(&self) -> bool {
        !matches!(self, Self::Default)
    }

    /// A fault at this place.
    pub(super) fn fault(
        &self,
        file: Option<&Path>,
        key: impl Into<String>,
        wrong: impl Into<String>,
        right: impl Into<String>,
    ) -> Fault {
        let (line, column, variable) = match self {
            Self::Default => (None, None, None),
            Self::File { line, column } => (Some(*line), Some(*column), None),
            Self::Variable(name) => (None, None, Some(name.clone())),
        };
        Fault {
            file: file.filter(|_| variable.is_none()).map(Path::to_path_buf),
            line,
            column,
            variable,
            key: key.into(),
            wrong: wrong.into(),
            right: right.into(),
        }
    }
}

/// The lines of a text, to turn byte offsets into places.
pub(super) struct Lines<'t> {
    text: &'t str,
    /// The offset at which each line begins.
    begins: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Of a text.
    pub(super) fn new(text: &'t str) -> Self {
        let begins = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self { text, begins }
    }

    /// The place of a byte offset; the end of the text for one beyond it.
    pub(super) fn place(&self, offset: usize) -> Place {
        let offset = offset.min(self.text.len());
        let line = self.begins.partition_point(|&begin| begin <= offset);
        let begin = self
            .begins
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let column = self
            .text
            .get(begin..offset)
            .map_or(0, |text| text.chars().count());
        Place::File {
            line,
            column: column + 1,
        }
    }
}
