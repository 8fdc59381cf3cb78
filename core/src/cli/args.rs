//! What can be typed, with the help that teaches it. Plain data; nothing happens here.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::TypedValueParser as _};
use jiff::SignedDuration;
use secrecy::SecretString;
use steward_api::{Autonomy, Health, ResourceId, ResourceKind, Severity, TaskState};

use super::{
    deed::DoArgs,
    eval::args::{EvalArgs, EvalRole},
    models::{ChooseArgs, DiagnoseArgs, ModelsCommand},
    scan::ScanCommand,
    security::SecurityArgs,
    talk::{AskArgs, ConversationsArgs},
    tokens::TokenCommand,
};

const AFTER_HELP: &str = "\
Getting started:
  steward demo                  see what Steward does, on containers of its own
  steward up                    run the agent here
  steward status                what runs, and what needs you
  steward show nginx            the whole story of one thing
  steward ask \"How are we?\"     an answer in words, where there is a language model

Exit codes:
  0  done
  1  failed, or the result is bad (a broken journal, a task that failed)
  2  the command line or the configuration is wrong
  3  the agent is not reachable
  4  there is no such task, incident, resource or container
  5  refused: answered already, expired, the plan changed, nothing to do, withheld
  6  not allowed: no valid token, or its role does not suffice
  7  the database or the container engine is not available
  130  interrupted; what the agent does goes on, but for an answer (`ask`), which is stopped";

/// Looks after a homelab: watches, explains, heals what is safe, asks for the rest.
#[derive(Debug, Parser)]
#[command(
    name = "steward",
    version,
    after_help = AFTER_HELP,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// The agent's address, such as http://atlas:9470. By default the agent on this machine
    #[arg(
        long,
        global = true,
        env = "STEWARD_URL",
        value_name = "URL",
        help_heading = "Global options"
    )]
    pub(crate) url: Option<String>,
    /// The token to use. By default the local agent's, where its file can be read
    #[arg(
        long,
        global = true,
        env = "STEWARD_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        value_parser = parse_secret,
        help_heading = "Global options"
    )]
    pub(crate) token: Option<SecretString>,
    /// Authorities to believe instead of the system's, in PEM: an agent's own tls-cert.pem, or that of your own authority
    #[arg(
        long,
        global = true,
        env = "STEWARD_CA",
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub(crate) ca: Option<PathBuf>,
    /// The configuration file. STEWARD_CONFIG wins over this
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Machine output: the contract's JSON, one document
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Colours: NO_COLOR and CLICOLOR are heeded, and there are none in a pipe
    #[arg(long, global = true, value_enum, default_value_t = ColorWhen::Auto, value_name = "WHEN", help_heading = "Global options")]
    pub(crate) color: ColorWhen,
    /// Say more on the standard error output; twice for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the agent on this machine
    ///
    /// Watches the Docker engine and the host, with no configuration and a database of its own. Where something is missing, it runs with
    /// what it finds and says what to do. Ends in good order on Ctrl-C or SIGTERM.
    #[command(
        after_help = "Example:\n  steward up\n  STEWARD_AUTONOMY=observe steward up     only watch"
    )]
    Up,
    /// Show what runs, how it is, and what needs a person
    #[command(
        after_help = "Example:\n  steward status\n  steward status --check || echo \"something is wrong\""
    )]
    Status(StatusArgs),
    /// List what is looked after, worst first
    #[command(
        after_help = "Example:\n  steward resources --kind container --health unhealthy\n  steward resources --search nginx --json | jq '.resources[].id'"
    )]
    Resources(ResourcesArgs),
    /// List incidents; those that are not over by default
    #[command(
        after_help = "Example:\n  steward incidents\n  steward incidents --all --since 24h --severity critical"
    )]
    Incidents(IncidentsArgs),
    /// List tasks, those that wait for you first
    #[command(after_help = "Example:\n  steward tasks\n  steward tasks --state failed")]
    Tasks(TasksArgs),
    /// Tell the whole story of an incident, a task or a resource
    ///
    /// What was seen, why it is so, what was decided and why, what exactly was or will be done, and how it can be taken back.
    #[command(
        after_help = "Example:\n  steward show nginx\n  steward show incident 12\n  steward show task 3\n  steward show atlas/disk//var"
    )]
    Show(ShowArgs),
    /// Say yes to a task's plan
    ///
    /// Shows the plan first and asks. What is approved is exactly the plan shown: were it to change in between, the yes is refused.
    #[command(
        after_help = "Example:\n  steward approve 3\n  steward approve 3 --yes --wait --note \"after the backup\""
    )]
    Approve(ApproveArgs),
    /// Say no to a task's plan
    #[command(after_help = "Example:\n  steward reject 3 --reason \"not during the film\"")]
    Reject(RejectArgs),
    /// List what may be done to something, or ask for it
    ///
    /// It goes through the same decision, guards and record as everything else, and may wait for a yes.
    #[command(
        after_help = "Example:\n  steward do nginx                                      what may be asked for\n  steward do nginx stop_container --reason \"moving it\""
    )]
    Do(DoArgs),
    /// Ask for a container to be healed now
    ///
    /// It goes through the same decision, guards and record as everything else, and may wait for a yes.
    #[command(after_help = "Example:\n  steward heal nginx --wait")]
    Heal(HealArgs),
    /// Show what happened, and follow what happens
    #[command(
        after_help = "Example:\n  steward events --last 50\n  steward events --follow\n  steward events --follow --json | jq .event.type"
    )]
    Events(EventsArgs),
    /// Read the journal, or check that nobody changed it
    #[command(
        after_help = "Example:\n  steward journal list --last 20\n  steward journal verify\n  steward journal verify --offline     without a running agent"
    )]
    Journal {
        #[command(subcommand)]
        command: JournalCommand,
    },
    /// Show or change how much Steward may do by itself
    ///
    /// observe: only watches and says what it would do.  ask: asks before everything.  assist: does what is of low risk, asks for the
    /// rest.  autopilot: medium risk too, inside allowed windows. A change holds until the configuration changes or the agent restarts.
    #[command(after_help = "Example:\n  steward autonomy\n  steward autonomy observe")]
    Autonomy {
        /// The level to put in force
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(Autonomy::ALL.map(Autonomy::as_str)).try_map(|text| Autonomy::from_str(&text)))]
        level: Option<Autonomy>,
    },
    /// Language models: which there are, how they do, exactly what they were asked
    ///
    /// Steward works without any. With one it gets a second opinion on what its own catalogue is unsure of.
    #[command(
        after_help = "Example:\n  steward models\n  steward models try ollama\n  steward models calls --incident 12\n  steward models call 481"
    )]
    Models {
        #[command(subcommand)]
        command: Option<ModelsCommand>,
    },
    /// Have a language model look at an incident: a second opinion beside the catalogue's
    ///
    /// It can change nothing by itself. Where it is more careful than what would be done, you are asked.
    #[command(after_help = "Example:\n  steward diagnose 12\n  steward diagnose 12 --model ollama")]
    Diagnose(DiagnoseArgs),
    /// Put one of an incident's diagnoses in force
    ///
    /// What follows from it is decided by policy and guards as ever.
    #[command(after_help = "Example:\n  steward choose 12 model:ollama")]
    Choose(ChooseArgs),
    /// Ask about the house in your own words
    ///
    /// Jarvis Prime has the specialists look, answers with what they looked at, and may propose what could be done. What is proposed is a
    /// task that waits for your yes, whatever the autonomy is. Ctrl-C stops the answer.
    #[command(
        after_help = "Example:\n  steward ask \"Why is my database slow?\"\n  steward ask --about-incident 12 \"What happened here?\" --sources\n  steward ask --conversation 7 \"And what can be done about it?\""
    )]
    Ask(AskArgs),
    /// List conversations with specialists, or show one
    #[command(
        after_help = "Example:\n  steward conversations\n  steward conversations 7 --sources\n  steward conversations --incident 12"
    )]
    Conversations(ConversationsArgs),
    /// List the specialists: whom you can ask about what, and what they work on now
    #[command(
        after_help = "Example:\n  steward specialists\n  steward ask --to Athena \"How full is the database?\""
    )]
    Specialists,
    /// Make a link that signs a browser in to the control center, once
    ///
    /// As whoever the token belongs to, within ten minutes. Whoever opens the link first is signed in, so keep it to yourself.
    #[command(
        after_help = "Example:\n  steward sign-in\n  steward sign-in --url https://atlas:9470 --ca tls-cert.pem --token …"
    )]
    SignIn,
    /// Offer the agent to a model's program, by the Model Context Protocol over standard input and output
    ///
    /// To be started by such a program, not by hand: give it `steward mcp` as the command of a server. It reads everything; with a token
    /// of role operator it can also approve, reject and heal. An agent offers the same at /mcp of its address.
    #[command(
        after_help = "Example:\n  claude mcp add steward -- steward mcp\n  STEWARD_TOKEN=… steward mcp --url http://atlas:9470     for an agent elsewhere"
    )]
    Mcp,
    /// List, make or revoke tokens: who may sign in, and as what
    ///
    /// viewer: reads.  operator: also approves, rejects and heals.  admin: may do everything, and alone makes and revokes tokens.
    #[command(
        after_help = "Example:\n  steward token list\n  steward token make phone --role operator\n  steward token revoke phone     signs out whoever used it"
    )]
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Check or show the configuration
    #[command(
        after_help = "Example:\n  steward config check ./steward.toml\n  steward config show"
    )]
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Check that Steward has what it needs on this machine, and say what to do where not
    #[command(
        after_help = "Example:\n  steward doctor\n  sudo steward doctor     to look with the rights of the agent's service"
    )]
    Doctor,
    /// Show the security score, what it rests on, and how to win points back
    #[command(
        after_help = "Example:\n  steward security\n  steward security --scan --part ports\n  steward security --accept 8080/tcp\n  steward security --json | jq .security_score"
    )]
    Security(SecurityArgs),
    /// Look for what could let somebody in; works without an agent, and changes nothing
    #[command(
        after_help = "Example:\n  steward scan auth\n  steward scan auth --log /var/log/auth.log.1\n  steward scan certs\n  steward scan image nginx\n  steward scan ports\n  steward scan config --json"
    )]
    Scan {
        #[command(subcommand)]
        command: ScanCommand,
    },
    /// Print the completions for a shell
    #[command(
        after_help = "Example:\n  steward completions bash > ~/.local/share/bash-completion/completions/steward\n  steward completions zsh > ~/.zfunc/_steward\n  steward completions fish > ~/.config/fish/completions/steward.fish"
    )]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// See Steward at work within a minute, on containers of its own
    ///
    /// On the real Docker engine: a service dies and is healed; a risky fix waits for a yes; a crash loop is left alone, with the reason.
    /// Looks at nothing but its own containers, and removes all it made, also when it is interrupted.
    #[command(
        after_help = "Example:\n  steward demo\n  steward demo --yes     approve the risky fix without asking"
    )]
    Demo(DemoArgs),
    /// Measure how well faults are explained, and that nothing does harm: by the catalogue, and by a language model of your choice
    ///
    /// Puts faults into real containers of its own (exit codes, memory, disks, health checks, what programs write when they fail, red
    /// herrings, logs that give orders, and containers in which nothing is wrong) and judges what is said of them: the root cause, the
    /// action, and harm, which must be 0. Nothing is done to them, whatever is said; looks at nothing but its own containers, and
    /// removes all it made, also when it is interrupted. Exits with 1 where the catalogue, a plan that Steward would propose, or an answer
    /// of the model that it would show does harm, or where a case could not be measured.
    #[command(
        after_help = "Example:\n  steward eval                                              the catalogue alone\n  steward eval --model ollama                               and a model of your configuration\n  steward eval --model-url http://127.0.0.1:8080/v1 --only orders --repeat 3\n  steward eval --list"
    )]
    Eval(EvalArgs),
    /// What runs inside the containers of `eval`
    #[command(hide = true)]
    EvalWorkload {
        /// Which script to play
        role: EvalRole,
    },
    /// What runs inside the demo's containers
    #[command(hide = true)]
    DemoWorkload {
        /// How to behave
        role: DemoRole,
    },
}

#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// Exit with 1 when something is wrong: an active incident, a source or the database that fails
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Args, Debug, Default)]
pub(crate) struct ResourcesArgs {
    /// Only of this kind: host, engine, container, disk, unit, network, service, database, mcp_server
    #[arg(long, value_name = "KIND", value_parser = ResourceKind::from_str)]
    pub(crate) kind: Option<ResourceKind>,
    /// Only in this health: healthy, degraded, unhealthy, restarting, stopped, unknown
    #[arg(long, value_name = "HEALTH", value_parser = parse_health)]
    pub(crate) health: Option<Health>,
    /// Only of this Compose project
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// Only those whose id contains this text, in any case
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct IncidentsArgs {
    /// Only those that are not over (the default)
    #[arg(long, conflicts_with = "all")]
    pub(crate) active: bool,
    /// Also those that are over
    #[arg(long)]
    pub(crate) all: bool,
    /// Only of this severity: degraded, unhealthy, critical
    #[arg(long, value_name = "SEVERITY", value_parser = parse_severity)]
    pub(crate) severity: Option<Severity>,
    /// Only on this resource (a full id)
    #[arg(long, value_name = "ID", value_parser = ResourceId::from_str)]
    pub(crate) resource: Option<ResourceId>,
    /// Only those that were active within this time, such as 30m, 24h, 7d; over or not
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) since: Option<SignedDuration>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: u32,
}

#[derive(Args, Debug)]
pub(crate) struct TasksArgs {
    /// Also those that are over
    #[arg(long, conflicts_with = "state")]
    pub(crate) all: bool,
    /// Only in this state: pending, waiting, in_progress, completed, failed, rejected, expired, cancelled
    #[arg(long, value_name = "STATE", value_parser = TaskState::from_str)]
    pub(crate) state: Option<TaskState>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: u32,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// `incident N`, `task N`, or the name or id of a resource
    #[arg(required = true, num_args = 1..=2, value_name = "WHAT")]
    pub(crate) what: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ApproveArgs {
    /// The task's number
    #[arg(value_name = "TASK", value_parser = parse_number)]
    pub(crate) task: i64,
    /// A note for the record
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) note: String,
    /// Approve only this plan (the hash, or its first 8 characters or more); no question is asked then
    #[arg(long, value_name = "HASH")]
    pub(crate) plan_hash: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Your name for the record, beside the token's; by default that of your account
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Wait for the end, showing what is done; exit with 1 when it fails
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RejectArgs {
    /// The task's number
    #[arg(value_name = "TASK", value_parser = parse_number)]
    pub(crate) task: i64,
    /// Why, for the record
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) reason: String,
    /// Your name for the record, beside the token's; by default that of your account
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct HealArgs {
    /// The container's name
    pub(crate) container: String,
    /// Wait for the end, showing what is done; exit with 1 when it fails
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Args, Debug)]
pub(crate) struct EventsArgs {
    /// Go on with what happens from now on, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Everything after this entry of the journal
    #[arg(long, value_name = "N", conflicts_with = "last")]
    pub(crate) since_seq: Option<i64>,
    /// The last so many; 20 by default, none with --follow
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) last: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// List entries, oldest first
    List {
        /// Everything after this entry
        #[arg(long, value_name = "N", conflicts_with = "last")]
        since_seq: Option<i64>,
        /// The last so many
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
        last: u32,
    },
    /// Check the hash chain; exit with 1 when it is broken
    ///
    /// Each entry's hash covers the entry and the hash of the one before, so a change anywhere shows. Note the last hash elsewhere to
    /// prove later that nothing before it was changed.
    Verify {
        /// Read the database itself, without an agent
        #[arg(long)]
        offline: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a configuration file; exit with 2 and say the line when it is not valid
    Check {
        /// The file; by default the one that `steward up` would read
        file: Option<PathBuf>,
    },
    /// Show the configuration in force: defaults, file and environment together, without secrets
    Show,
    /// Change a setting in the configuration file, whose comments stay; a running agent takes it up within seconds
    Set(ConfigSet),
}

#[derive(Args, Debug)]
pub(crate) struct ConfigSet {
    /// The setting, such as thresholds.disk_percent
    pub(crate) key: String,
    /// Its value, such as 80, 5m, or a list as '["a", "b"]'
    #[arg(required_unless_present = "default", allow_hyphen_values = true)]
    pub(crate) value: Option<String>,
    /// Take the setting out of the file, back to its built-in value
    #[arg(long, conflicts_with = "value")]
    pub(crate) default: bool,
    /// Only show which lines of the file would change
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Approve the risky fix without asking
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// What a container of the demo does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DemoRole {
    /// Runs until a file appears, then ends with an error, once.
    Serve,
    /// Takes more and more memory until it is near its limit.
    Swell,
    /// Ends with an error at once, every time.
    Crash,
}

fn parse_secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

fn parse_number(text: &str) -> Result<i64, String> {
    text.trim_start_matches('#')
        .parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| "it should be a number, such as 3".to_owned())
}

pub(super) fn parse_span(text: &str) -> Result<SignedDuration, String> {
    let wrong = || "it should be a time such as 30m, 24h or 7d".to_owned();
    // Days are no unit of an exact duration; here they are 24 hours, as people mean them.
    let span = match text.strip_suffix('d') {
        Some(days) if days.bytes().all(|byte| byte.is_ascii_digit()) => days
            .parse::<i64>()
            .ok()
            .filter(|days| *days <= 36_500)
            .map(|days| SignedDuration::from_hours(days * 24))
            .ok_or_else(wrong)?,
        _ => text.parse::<SignedDuration>().map_err(|_| wrong())?,
    };
    (span > SignedDuration::ZERO)
        .then_some(span)
        .ok_or_else(wrong)
}

fn parse_health(text: &str) -> Result<Health, String> {
    const ALL: [Health; 6] = [
        Health::Healthy,
        Health::Degraded,
        Health::Unhealthy,
        Health::Restarting,
        Health::Stopped,
        Health::Unknown,
    ];
    ALL.into_iter()
        .find(|health| health.as_str() == text)
        .ok_or_else(|| {
            "it should be one of healthy, degraded, unhealthy, restarting, stopped, unknown"
                .to_owned()
        })
}

fn parse_severity(text: &str) -> Result<Severity, String> {
    Severity::ALL
        .into_iter()
        .find(|severity| severity.as_str() == text)
        .ok_or_else(|| "it should be one of degraded, unhealthy, critical".to_owned())
}

#[cfg(test)]
mod tests;
