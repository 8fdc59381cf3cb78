//! `up`, `autonomy`, `config` and `completions`: running the agent and what governs it.

use std::path::Path;

use clap::CommandFactory as _;
use steward_api::{
    Autonomy, AutonomyReply, AutonomyRequest, ConfigEdit, GetAutonomy, LineChange, Nothing,
    SetAutonomy,
};

use super::{
    Context,
    args::{Cli, ConfigCommand, ConfigSet},
    failure::{Exit, Failure},
    output::{Tone, clean},
};
use crate::{
    config::{OnDisk, WriteError, revise},
    wire,
};

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
            let tls = wire::look_at_tls(&config, screen.now).map_err(|error| {
                Failure::new(Exit::Usage, "config_invalid", super::chain(error.as_ref()))
            })?;
            let mut warnings = config.warnings.clone();
            warnings.extend(tls.and_then(|tls| {
                let untimely = tls.untimely?;
                Some(format!(
                    "server.cert_file: the certificate in {} {untimely}: {}",
                    tls.file.display(),
                    untimely.todo()
                ))
            }));
            if screen.json {
                screen.print_json(
                    &serde_json::json!({"valid": true, "file": config.file, "warnings": warnings}),
                )?;
            } else {
                let from = config.file.as_ref().map_or_else(
                    || "there is no file; the defaults and the environment are valid".to_owned(),
                    |file| format!("{} is valid", file.display()),
                );
                screen.print(&format!("{} {from}\n", screen.paint(Tone::Good, "✔")))?;
                for warning in &warnings {
                    screen.print(&format!(
                        "{} {}\n",
                        screen.paint(Tone::Warn, "!"),
                        clean(warning)
                    ))?;
                }
            }
        }
        ConfigCommand::Set(set) => return change(context, set),
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

/// Changes one setting in the file, by the same function and with the same limits as over HTTP.
fn change(context: &Context, set: &ConfigSet) -> Result<Exit, Failure> {
    let screen = &context.screen;
    let inputs = wire::inputs(context.global.config.as_deref());
    let in_force = context.config()?;
    let refused = |error: WriteError| {
        let code = match error {
            WriteError::Changed(_) => "config_changed",
            WriteError::ReadOnly(_) => "config_read_only",
        };
        Failure::new(Exit::Failed, code, error.to_string())
    };
    let disk = OnDisk::read(&inputs).map_err(refused)?;
    let value = set.value.as_deref();
    let edit = ConfigEdit {
        key: set.key.clone(),
        value: value.map(|text| crate::config::value_from_text(&set.key, text)),
    };
    let revision = revise(&inputs, &in_force, &disk, &[edit]).map_err(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::new(Exit::Usage, "config_invalid", all.join("\n"))
    })?;
    let writes = !set.dry_run && disk.text() != Some(revision.text.as_str());
    if writes {
        disk.write(&inputs, &revision.text).map_err(refused)?;
    }
    let path = disk.path().display().to_string();
    if screen.json {
        screen.print_json(&serde_json::json!({
            "file": path, "written": writes, "changed": revision.changed, "lines": revision.lines,
        }))?;
        return Ok(Exit::Done);
    }
    for line in &revision.lines {
        let (sign, tone) = match line.change {
            LineChange::Kept => (" ", Tone::Quiet),
            LineChange::Removed => ("-", Tone::Bad),
            LineChange::Added => ("+", Tone::Good),
        };
        let shown = format!("{:>4} {sign} {}", line.number, clean(&line.text));
        screen.print(&format!("{}\n", screen.paint(tone, &shown)))?;
    }
    let end = match (revision.lines.is_empty(), set.dry_run) {
        (true, _) => format!("{path} says so already"),
        (false, true) => format!("{path} would change so; nothing was written"),
        (false, false) => {
            format!("{path} is written; a running agent takes it up within seconds")
        }
    };
    screen.print(&format!("{end}\n"))?;
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
