//! The command line: for people tables, colour and progress; for scripts `--json` and exit codes.
//!
//! What flows through: words in, calls of the contract out, text and an exit code back. It reaches the agent through [`crate::client`]
//! alone, as any other client would. What it never does: decide anything, or show a secret.

mod answer;
mod args;
mod connect;
mod deed;
mod demo;
mod doctor;
mod eval;
mod events;
mod failure;
mod follow;
#[cfg(test)]
mod golden;
mod lists;
mod mcp;
mod models;
mod output;
#[cfg(test)]
mod samples;
mod scan;
mod security;
mod settings;
mod show;
mod sign_in;
mod stage;
mod status;
mod story;
mod talk;
mod tokens;

use std::process::ExitCode;

use clap::Parser as _;
use steward_api::Channel;

use self::{
    args::{Cli, Command, Global},
    failure::{Exit, Failure},
    output::Screen,
};
use crate::{
    client::Client,
    config::{Config, Log, LogFormat},
};

/// What every command needs.
struct Context {
    global: Global,
    screen: Screen,
}

impl Context {
    fn connect(&self) -> Result<Client, Failure> {
        self.connect_as(Channel::Cli)
    }

    /// The same for what speaks through another channel.
    fn connect_as(&self, channel: Channel) -> Result<Client, Failure> {
        connect::connect(&self.global, channel)
    }

    fn config(&self) -> Result<Config, Failure> {
        settings::load(self.global.config.as_deref())
    }
}

/// Runs the command line of this process and gives its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. Nobody reading is no fault.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if let Command::DemoWorkload { role } = cli.command {
        return demo::workload::run(role);
    }
    if let Command::EvalWorkload { role } = cli.command {
        return eval::actor::run(role == eval::args::EvalRole::Check);
    }
    let context = Context {
        screen: Screen::of_process(cli.global.color, cli.global.json),
        global: cli.global,
    };
    if let Err(failure) = prepare(&context, &cli.command) {
        return end(&context, &failure);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::failed(format!("can't start the runtime: {error}"));
            return end(&context, &failure);
        }
    };
    let ended = runtime.block_on(Box::pin(run(&context, &cli.command)));
    // A thread that waits in a system call must not hold the prompt.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    match ended {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => end(&context, &failure),
    }
}

/// What is set up once for the process.
fn prepare(context: &Context, command: &Command) -> Result<(), Failure> {
    // Installing twice is harmless; whoever was first has chosen the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // `up` logs as its configuration says.
    if matches!(command, Command::Up) {
        return Ok(());
    }
    let quiet = Log {
        level: "error".to_owned(),
        format: LogFormat::Text,
    };
    start_log(&quiet, context.global.verbose)
}

/// Logs to the standard error output; `-v` says more of Steward, `-vv` still more.
fn start_log(log: &Log, verbose: u8) -> Result<(), Failure> {
    use std::io::IsTerminal as _;
    let level = match verbose {
        0 => log.level.as_str(),
        1 => "steward=debug,info",
        _ => "steward=trace,debug",
    };
    // Libraries that tell of every message, or of what servers answer; what matters of it is said by Steward itself, cleared of secrets.
    let directives = format!("rmcp=off,async_openai=off,{level}");
    let filter = tracing_subscriber::EnvFilter::try_new(&directives).map_err(|error| {
        Failure::usage(format!(
            "log.level: `{level}` is not a level or filter: {error}"
        ))
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    // A second one in the same process (the tests') changes nothing.
    let _ = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}

async fn run(context: &Context, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Up => settings::up(context).await,
        Command::Status(args) => status::status(context, args).await,
        Command::Resources(args) => status::resources(context, args).await,
        Command::Incidents(args) => lists::incidents(context, args).await,
        Command::Tasks(args) => lists::tasks(context, args).await,
        Command::Show(args) => show::show(context, args).await,
        Command::Approve(args) => answer::approve(context, args).await,
        Command::Reject(args) => answer::reject(context, args).await,
        Command::Do(args) => deed::deed(context, args).await,
        Command::Heal(args) => answer::heal(context, args).await,
        Command::Events(args) => events::events(context, args).await,
        Command::Journal { command } => events::journal(context, command).await,
        Command::Autonomy { level } => settings::autonomy(context, *level).await,
        Command::Models { command } => models::models(context, command.as_ref()).await,
        Command::Diagnose(args) => models::diagnose(context, args).await,
        Command::Choose(args) => models::choose(context, args).await,
        Command::Ask(args) => talk::ask(context, args).await,
        Command::Conversations(args) => talk::conversations(context, args).await,
        Command::Specialists => talk::specialists(context).await,
        Command::SignIn => sign_in::sign_in(context).await,
        Command::Mcp => Box::pin(mcp::mcp(context)).await,
        Command::Token { command } => tokens::token(context, command).await,
        Command::Config { command } => settings::config(context, command),
        Command::Doctor => doctor::doctor(context).await,
        Command::Security(args) => security::security(context, args).await,
        Command::Scan { command } => Box::pin(scan::scan(context, command)).await,
        Command::Completions { shell } => settings::completions(context, *shell),
        Command::Demo(args) => Box::pin(demo::demo(context, args)).await,
        Command::Eval(args) => Box::pin(eval::eval(context, args)).await,
        // Handled before there is a runtime, which they do not need.
        Command::DemoWorkload { .. } | Command::EvalWorkload { .. } => Ok(Exit::Done),
    }
}

/// Says why a command failed, on the standard error output, and gives its exit code.
fn end(context: &Context, failure: &Failure) -> ExitCode {
    let screen = &context.screen;
    match failure {
        Failure::NobodyReads => {}
        failure if screen.json => screen.say(&failure.to_json().to_string()),
        Failure::Other {
            exit: Exit::Interrupted,
            text,
            ..
        } => screen.say(&format!("\n{text}")),
        failure => {
            let lines: Vec<_> = failure.to_string().lines().map(output::clean).collect();
            let word = screen.paint(output::Tone::Bad, "steward:");
            screen.say(&format!("{word} {}", lines.join("\n  ")));
        }
    }
    ExitCode::from(failure.exit_code())
}

/// An error with all that caused it, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
