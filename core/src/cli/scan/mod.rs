//! `scan`: one part of the security scan at a time, here and now, with or without an agent.
//!
//! What flows through: the configuration in; what was found as a table for people or as the contract's JSON out. What it never does: change
//! anything, or show a secret.

mod auth;
mod certs;
mod config;
mod image;
mod ports;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use serde::Serialize;
use steward_api::{PartState, ScanPart};

use super::{
    Context,
    args::parse_span,
    failure::{Exit, Failure},
    output::{Screen, Tone},
};

pub(crate) use certs::CertsArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum ScanCommand {
    /// Who tried to sign in, and failed: by the logs of this host and of its containers
    ///
    /// Reads the logs of the last day, or any log file: OpenSSH, sudo, web servers, Home Assistant, Vaultwarden, Nextcloud, Gitea,
    /// PostgreSQL and others, and patterns of your own configuration.
    #[command(
        after_help = "Example:\n  steward scan auth\n  steward scan auth --since 7d\n  steward scan auth --log /var/log/auth.log.1\n  zcat auth.log.2.gz | steward scan auth --log -"
    )]
    Auth(AuthArgs),
    /// Certificates: when they end, and what is wrong with them
    ///
    /// Of endpoints and files that are named here; without any, of those that the configuration names and of every port that a container
    /// publishes and that speaks TLS. Exits with 1 where a certificate has a fault, or where something could not be read.
    #[command(
        after_help = "Example:\n  steward scan certs\n  steward scan certs wiki.example.lan:443 /etc/letsencrypt/live/*/fullchain.pem\n  steward scan certs --expiring-within 14d || echo \"renew them\""
    )]
    Certs(CertsArgs),
    /// Known vulnerabilities of the packages in an image
    ///
    /// Reads the records of package managers and lock files in it; nothing in it is run. Asks OSV about the packages' names and versions,
    /// or another scanner by the configuration.
    #[command(
        after_help = "Example:\n  steward scan image nginx\n  steward scan image registry.example/app:1.2 --fail-on high\n  steward scan image nginx --offline /var/lib/osv --json"
    )]
    Image(image::ImageArgs),
    /// What listens on this host and what containers publish, against what is expected
    #[command(
        after_help = "Example:\n  steward scan ports\n  sudo steward scan ports     to know every program"
    )]
    Ports,
    /// Risks in how containers are configured, and Steward itself
    #[command(
        after_help = "Example:\n  steward scan config\n  steward scan config --json | jq '.risks[].what'"
    )]
    Config,
}

#[derive(Args, Debug)]
pub(crate) struct AuthArgs {
    /// Read this log file instead; `-` for the standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// How far to look back, such as 24h or 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_span, conflicts_with = "log")]
    pub(crate) since: SignedDuration,
}

pub(super) async fn scan(context: &Context, command: &ScanCommand) -> Result<Exit, Failure> {
    match command {
        ScanCommand::Auth(args) => auth::auth(context, args).await,
        ScanCommand::Certs(args) => certs::certs(context, args).await,
        ScanCommand::Image(args) => Box::pin(image::image(context, args)).await,
        ScanCommand::Ports => ports::ports(context).await,
        ScanCommand::Config => config::config(context).await,
    }
}

/// What a scan prints for machines: how it went, and what it found under the name that the report has for it.
#[derive(Serialize)]
struct Found<T: Serialize> {
    #[serde(flatten)]
    state: PartState,
    #[serde(flatten)]
    found: T,
}

fn print_found<T: Serialize>(
    screen: &Screen,
    part: ScanPart,
    gaps: &[String],
    found: T,
) -> Result<(), Failure> {
    screen.print_json(&Found {
        state: PartState {
            part,
            read_at: Some(screen.now),
            tried_at: Some(screen.now),
            next_at: None,
            gaps: gaps.to_vec(),
        },
        found,
    })
}

/// What could not be read, for people.
fn gaps_as_text(screen: &Screen, gaps: &[String]) -> String {
    if gaps.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "\n{}\n",
        screen.paint(Tone::Unsure, "? not read, and so not known:")
    );
    for gap in gaps {
        out.push_str(&screen.wrapped(2, gap));
    }
    out
}

/// What is shown is not all where the engine or the host could not be read.
fn exit_for(gaps: &[String]) -> Exit {
    if gaps.is_empty() {
        Exit::Done
    } else {
        Exit::Unavailable
    }
}

#[cfg(test)]
mod tests;
