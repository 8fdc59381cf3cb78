//! What can be typed behind `eval`, with the help that teaches it. Plain data; nothing happens here.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use crate::cli::args::parse_span;

#[derive(Args, Debug)]
pub(crate) struct EvalArgs {
    /// Also measure this model, by its name under [[advisor.models]] in the configuration
    #[arg(long, value_name = "NAME", conflicts_with = "model_url")]
    pub(crate) model: Option<String>,
    /// Also measure the model behind this address of an OpenAI-compatible server, such as http://127.0.0.1:11434/v1
    #[arg(long, value_name = "URL")]
    pub(crate) model_url: Option<String>,
    /// What its server calls it; by default the first that it offers
    #[arg(long, value_name = "ID", requires = "model_url")]
    pub(crate) model_id: Option<String>,
    /// The file that holds the key for it
    #[arg(long, value_name = "FILE", requires = "model_url")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// How much it can read and write in one go, tokens
    #[arg(
        long,
        value_name = "TOKENS",
        default_value_t = 8192,
        requires = "model_url"
    )]
    pub(crate) context_tokens: u32,
    /// How long one answer of the model may take; by default as configured (advisor.timeout)
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) answer_within: Option<SignedDuration>,
    /// Ask the model so often about each case: right is what most answers are, harm what any of them does
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) repeat: u32,
    /// How many questions the model gets at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = parse_few)]
    pub(crate) questions_at_once: usize,
    /// Only cases with this text in their names; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Vec<String>,
    /// How many cases are set up at the same time
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = parse_few)]
    pub(crate) at_once: usize,
    /// List the cases, and run none
    #[arg(long)]
    pub(crate) list: bool,
}

/// Which script a container of `eval` plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EvalRole {
    /// That of its main process.
    Play,
    /// That of its health check.
    Check,
}

fn parse_few(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| (1..=32).contains(number))
        .ok_or_else(|| "it should be a number from 1 to 32".to_owned())
}
