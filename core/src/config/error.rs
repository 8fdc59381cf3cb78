//! What is wrong with a configuration: each fault with its place, its key and what would be right.
//!
//! Never holds the value of a secret, and no other value longer than a line.

use std::{fmt, path::PathBuf};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file that holds it, unless it came from the environment.
    pub file: Option<PathBuf>,
    /// Its line, from 1.
    pub line: Option<usize>,
    /// Its column in characters, from 1.
    pub column: Option<usize>,
    /// The environment variable that holds it.
    pub variable: Option<String>,
    /// The key, such as `thresholds.disk_percent` or `services[0].url`; empty where no key can be told.
    pub key: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right; empty where `wrong` says it all.
    pub right: String,
}

/// `/etc/steward/steward.toml:12: thresholds.disk_percent: 850 is out of range: it should be a percentage from 1 to 100`
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(variable) = &self.variable {
            write!(f, "{variable}: ")?;
        } else if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            // Where there is a key it says more than a column does.
            if let (Some(column), true) = (self.column, self.key.is_empty()) {
                write!(f, ":{column}")?;
            }
            f.write_str(": ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.wrong)?;
        if !self.right.is_empty() {
            write!(f, ": {}", self.right)?;
        }
        Ok(())
    }
}

/// Why a configuration is refused: everything that is wrong with it, in the order of the file. Nothing of it takes effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub faults: Vec<Fault>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
