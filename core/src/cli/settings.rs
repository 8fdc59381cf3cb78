//! `up`, `autonomy`, `config` and `completions`: running the agent and what governs it.

use std::path::Path;

use clap::CommandFactory as _;
use steward_api::{Autonomy, AutonomyReply, AutonomyRequest, GetAutonomy, Nothing, SetAutonomy};

use super::{
    Context,
    args::{Cli, ConfigCommand},
    failure::{Exit, Failure},
    output::{Tone, clean},
};
use crate::wire;

pub(super) async fn up(context: &Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    super::start_log(&config.log, context.global.verbose)?;
    let options = wire::UpOptions {
        inputs: Some(wire::inputs(context.global.config.as_deref())),
        ..wire::UpOptions::default()
    };
    Box::pin(wire::run(config, options))
        .await
        .map_err(|error| {
            let text = super::chain(error.as_ref());
            if wire::is_misconfigured(&error) {
                Failure::new(Exit::Usage, "config_invalid", text)
            } else {
                Failure::failed(text)
            }
        })?;
    Ok(Exit::Done)
}

pub(super) async fn autonomy(context: &Context, level: Option<Autonomy>) -> Result<Exit, Failure> {
    let client = context.connect()?;
    let reply: AutonomyReply = match level {
        Some(autonomy) => {
            client
                .call::<SetAutonomy>(None, &AutonomyRequest { autonomy })
                .await?
        }
        None => client.call::<GetAutonomy>(None, &Nothing {}).await?,
    };
    let screen = &context.screen;
    if screen.json {
        screen.print_json(&reply)?;
    } else {
        screen.print(&format!(
            "{}: {}\n",
            screen.paint(Tone::Strong, reply.autonomy.as_str()),
            clean(&reply.explanation)
        ))?;
    }
    Ok(Exit::Done)
}

pub(super) fn config(context: &Context, command: &ConfigCommand) -> Result<Exit, Failure> {
    let screen = &context.screen;
    match command {
        ConfigCommand::Check { file } => {
            let config = match file {
                Some(file) => load_this(file),
                None => context.config(),
            }?;
            wire::look_at_tls(&config).map_err(|error| {
                Failure::new(Exit::Usage, "config_invalid", super::chain(error.as_ref()))
            })?;
            if screen.json {
                screen.print_json(&serde_json::json!({"valid": true, "file": config.file, "warnings": config.warnings}))?;
            } else {
                let from = config.file.as_ref().map_or_else(
                    || "there is no file; the defaults and the environment are valid".to_owned(),
                    |file| format!("{} is valid", file.display()),
                );
                screen.print(&format!("{} {from}\n", screen.paint(Tone::Good, "✔")))?;
                for warning in &config.warnings {
                    screen.print(&format!(
                        "{} {}\n",
                        screen.paint(Tone::Warn, "!"),
                        clean(warning)
                    ))?;
                }
            }
        }
        ConfigCommand::Show => {
            let text = crate::config::describe(&context.config()?);
            if screen.json {
                // As data where it is TOML, which JSON can hold.
                let value = toml::from_str::<toml::Table>(&text)
                    .ok()
                    .and_then(|table| serde_json::to_value(table).ok())
                    .unwrap_or(serde_json::Value::String(text));
                screen.print_json(&value)?;
            } else {
                screen.print(&format!("{}\n", text.trim_end()))?;
            }
        }
    }
    Ok(Exit::Done)
}

/// The configuration, or why it is not valid: always exit code 2.
pub(super) fn load(file: Option<&Path>) -> Result<crate::config::Config, Failure> {
    crate::config::load(&wire::inputs(file))
        .map_err(|error| Failure::new(Exit::Usage, "config_invalid", error.to_string()))
}

/// A file that is named on the spot is the one that is meant, whatever `STEWARD_CONFIG` says to an agent.
fn load_this(file: &Path) -> Result<crate::config::Config, Failure> {
    let mut inputs = wire::inputs(Some(file));
    inputs.env.remove("STEWARD_CONFIG");
    crate::config::load(&inputs)
        .map_err(|error| Failure::new(Exit::Usage, "config_invalid", error.to_string()))
}

pub(super) fn completions(context: &Context, shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "steward", &mut text);
    context.screen.print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}
