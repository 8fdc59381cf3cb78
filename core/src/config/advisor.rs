//! Which language models may be asked, what they may see, and what they may cost.
//!
//! Shapes only; what is allowed in a value is in [`super::schema`].

use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use steward_api::ModelClass;

use super::{Span, show, span};

/// The Advisor.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Advisor {
    /// Whether models are asked at all.
    pub enabled: bool,
    /// Whether to look for an Ollama or a llama.cpp server on this machine, on its usual port.
    pub discover: bool,
    /// Which incidents a model is asked about without being told to.
    pub diagnose: WhenToDiagnose,
    /// Below this confidence the catalogue counts as unsure, percent.
    pub unsure_below: u8,
    /// How long one answer may take.
    #[serde(with = "span")]
    pub timeout: Span,
    /// How often a call that failed for a passing reason is tried again.
    pub retries: u32,
    /// So many failures in a row, and a model is left alone …
    pub rest_after_failures: u32,
    /// … for this long.
    #[serde(with = "span")]
    pub rest: Span,
    /// What may be spent in a day, US dollars; 0 lets only models be asked that cost nothing.
    pub daily_budget_usd: f64,
    /// How long the texts of calls are kept.
    #[serde(with = "span")]
    pub keep_texts: Span,
    /// What a cloud model may see.
    pub privacy: Privacy,
    /// The models.
    pub models: Vec<Model>,
    /// Specialists besides the built-in ones, and what is to be different about those.
    pub specialists: Vec<Specialist>,
}

impl Default for Advisor {
    fn default() -> Self {
        Self {
            enabled: true,
            discover: true,
            diagnose: WhenToDiagnose::Unsure,
            unsure_below: 70,
            timeout: Span::from_secs(90),
            retries: 2,
            rest_after_failures: 3,
            rest: Span::from_mins(5),
            daily_budget_usd: 1.0,
            keep_texts: Span::from_hours(24 * 30),
            privacy: Privacy::default(),
            models: Vec::new(),
            specialists: Vec::new(),
        }
    }
}

/// Which incidents a model is asked about by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenToDiagnose {
    /// None: only when somebody asks.
    OnRequest,
    /// Those that the catalogue is unsure of.
    #[default]
    Unsure,
    /// All.
    Always,
}

/// What a cloud model may see. A local one may see all of it. Secrets are seen by none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Privacy {
    /// Lines of logs, and what health checks print.
    pub logs_to_cloud: bool,
    /// How things are set up: images, commands, ports, limits, labels, networks.
    pub configuration_to_cloud: bool,
    /// What concerns security.
    pub security_to_cloud: bool,
}

/// A model that may be asked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Its name, as it is shown and recorded.
    pub name: String,
    /// Where its OpenAI-compatible interface is, such as `http://127.0.0.1:11434/v1`.
    pub url: String,
    /// What the server calls it; by default the first that the server offers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Where it runs; by default local for an address of this machine or of a private network, else cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<ModelClass>,
    /// The key for it; best in a file, see `api_key_file`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "show::struck_secret"
    )]
    pub api_key: Option<SecretString>,
    /// A file that holds the key, which nobody but Steward reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// How much it can read and write in one go, tokens; 8192 by default.
    #[serde(default = "eight_thousand")]
    pub context_tokens: u32,
    /// The price of a million tokens sent, US dollars.
    #[serde(default)]
    pub input_usd_per_million: f64,
    /// The price of a million tokens that come back, US dollars.
    #[serde(default)]
    pub output_usd_per_million: f64,
    /// Whether it calls tools; by default that is found out by trying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<bool>,
}

/// A specialist. With the name of a built-in one it changes what is given here about that one, and its instructions are added.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Specialist {
    /// Its name, such as `Chronos`.
    pub name: String,
    /// Its field in a few words, such as `backups`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What the models that speak for it are told about its work.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instructions: String,
    /// Its tools, by name; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// The model that is asked first; others only where it can't be asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
}

/// The specialists that come with Steward.
pub const BUILT_IN_SPECIALISTS: [&str; 5] = [
    steward_api::JARVIS_PRIME,
    "Athena",
    "Mercury",
    "Atlas",
    "Sentinel",
];

const fn eight_thousand() -> u32 {
    8192
}
