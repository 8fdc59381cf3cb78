//! The configuration as people see and change it: which settings there are, what each may be, where its value comes from, and edits.
//!
//! What flows through: settings out, edits in, and what they would change or what is wrong with them. What it never does: carry a
//! secret, or a setting that could run a program or move where Steward keeps its things; those are for the file's owner alone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Role, tagged::tagged};

/// The hash that stands for a file that is not there.
pub const NO_FILE: &str = "none";

/// The reply of `GET /api/config`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigReply {
    /// The file that holds the settings.
    pub file: ConfigFile,
    /// Why the file on disk is not what is in force, where it is not.
    #[serde(default)]
    pub error: Option<String>,
    /// Every setting that can be changed here, grouped as in the file.
    pub groups: Vec<SettingGroup>,
    /// Names and roles of the tokens that are good; never a token.
    #[serde(default)]
    pub tokens: Vec<TokenName>,
    /// The file that holds the tokens; empty where none does, as in a desktop with its own engine, and none can be made then.
    #[serde(default)]
    pub token_file: String,
}

/// The configuration's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigFile {
    /// Where it is, or would be made; absent where there is no place for it.
    #[serde(default)]
    pub path: Option<String>,
    /// SHA-256 of its content in lower-case hexadecimal, `none` where there is no file. A change says on which it is based.
    pub hash: String,
    /// Whether Steward can write it.
    pub writable: bool,
    /// Why not, and what to do about it.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Settings that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettingGroup {
    /// A word for it, stable.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What it is about, in a sentence.
    pub help: String,
    /// Its settings.
    pub settings: Vec<Setting>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Setting {
    /// Its key in the file, such as `thresholds.disk_percent`.
    pub key: String,
    /// Its title.
    pub title: String,
    /// What it does, in a sentence.
    pub help: String,
    /// What its value may be.
    pub kind: SettingKind,
    /// The built-in value; null where nothing is built in.
    pub default: Value,
    /// The value in force; null where there is none.
    pub value: Value,
    /// Where that comes from.
    pub origin: SettingOrigin,
    /// Whether a change takes effect only when the agent starts anew.
    #[serde(default)]
    pub needs_restart: bool,
    /// Why it can't be changed here, where it can't.
    #[serde(default)]
    pub locked: Option<String>,
}

tagged! {
/// What the value of a setting may be.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingKind as "SettingKind" by "shape" {
    /// One value.
    One {
        /// Of which kind.
        of: ValueKind,
    },
    /// A list of values.
    List {
        /// Of which kind each.
        of: ValueKind,
        /// So many at least.
        at_least: u32,
    },
    /// A list of rows, each with these fields.
    Rows {
        /// The fields of a row.
        fields: Vec<RowField>,
    },
}
}

/// One field of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RowField {
    /// Its key.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Of which kind.
    pub kind: ValueKind,
    /// Whether it holds a list of such values.
    #[serde(default)]
    pub list: bool,
    /// Whether it must be there.
    #[serde(default)]
    pub required: bool,
    /// The value that counts where it is left out, in words.
    #[serde(default)]
    pub default: String,
}

tagged! {
/// The kind of a single value.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueKind as "ValueKind" by "kind" {
    /// `true` or `false`.
    Flag,
    /// A whole number, from and to inclusive.
    Whole {
        /// Its unit, such as `restarts`.
        unit: String,
        /// The least.
        from: i64,
        /// The most.
        to: i64,
    },
    /// A number, from and to inclusive.
    Number {
        /// Its unit, such as `%`.
        unit: String,
        /// The least.
        from: f64,
        /// The most.
        to: f64,
    },
    /// A duration as text, such as `1h 30m`.
    Duration {
        /// The shortest, as text.
        from: String,
        /// The longest, as text.
        to: String,
    },
    /// A time of day, such as `22:00`.
    TimeOfDay,
    /// One of some words.
    Choice {
        /// The words.
        choices: Vec<String>,
    },
    /// A text.
    Text {
        /// What would be right, to stand after "it should be".
        right: String,
    },
}
}

tagged! {
/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingOrigin as "SettingOrigin" by "from" {
    /// It is built in.
    Default,
    /// The file.
    File {
        /// The line on which it stands, from 1.
        line: u32,
    },
    /// An environment variable, which wins over the file.
    Environment {
        /// Its name.
        variable: String,
    },
}
}

#[allow(
    clippy::derivable_impls,
    reason = "the attribute that a derive wants on a variant means nothing to the second reading of the definition above"
)]
impl Default for SettingOrigin {
    fn default() -> Self {
        Self::Default
    }
}

/// A token without the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenName {
    /// Its name.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// Whether it is given by the environment instead of the file.
    #[serde(default)]
    pub environment: bool,
}

/// One change of one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConfigEdit {
    /// The setting's key, as `GET /api/config` gives it.
    pub key: String,
    /// Its new value; null or left out: back to the default.
    #[serde(default)]
    pub value: Option<Value>,
}

/// The body of `POST /api/config/check`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigCheckRequest {
    /// The changes, each key once.
    pub edits: Vec<ConfigEdit>,
}

/// The reply of `POST /api/config/check`: what would change, or what is wrong. Nothing was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigCheckReply {
    /// Whether the changes could be written and would be in force then.
    pub valid: bool,
    /// The hash of the file that this was checked against.
    pub hash: String,
    /// Everything that is wrong; empty when valid.
    pub problems: Vec<ConfigProblem>,
    /// The keys whose value in force would change.
    pub changed: Vec<String>,
    /// The lines of the file that would change, in its order; secrets are struck out.
    pub lines: Vec<ConfigLine>,
}

/// The body of `POST /api/config`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigWriteRequest {
    /// The hash of the file that the changes were made for; another one on disk refuses them.
    pub hash: String,
    /// The changes, each key once.
    pub edits: Vec<ConfigEdit>,
}

/// The reply of `POST /api/config`: it is written and in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigWritten {
    /// The file.
    pub path: String,
    /// The hash of what it holds now.
    pub hash: String,
    /// The keys whose value in force changed.
    pub changed: Vec<String>,
    /// The lines of the file that changed; secrets are struck out.
    pub lines: Vec<ConfigLine>,
    /// Whether the changes are in force already. Where not, they are written and will be within seconds.
    pub in_force: bool,
    /// What happened, in words.
    pub message: String,
}

/// One thing that is wrong with changes or with the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigProblem {
    /// The key that it is about, such as `autonomy.windows[0].from`; empty where none can be told.
    pub key: String,
    /// The line of the file as it would be, where it is about one.
    #[serde(default)]
    pub line: Option<u32>,
    /// What is wrong.
    pub wrong: String,
    /// What would be right; empty where `wrong` says it all.
    #[serde(default)]
    pub right: String,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LineChange {
    /// It stays and is shown so that the others can be placed.
    Kept,
    /// It goes.
    Removed,
    /// It comes.
    Added,
}

/// One line of the file in a preview.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigLine {
    /// What becomes of it.
    pub change: LineChange,
    /// Its number: in the file as it is for one that goes, as it will be for the others.
    pub number: u32,
    /// The line, without its end.
    pub text: String,
}

impl ConfigReply {
    /// Every setting of every group.
    pub fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.groups.iter().flat_map(|group| &group.settings)
    }
}

impl ConfigProblem {
    /// The setting that it belongs to, out of those whose keys are given: the key itself, or the one that it lies below.
    pub fn belongs_to(&self, key: &str) -> bool {
        self.key
            .strip_prefix(key)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

impl std::fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
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
