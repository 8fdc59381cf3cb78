//! `scan`: the security of what is looked after, looked at now. Works without an agent.
//!
//! What flows through: what to look at in; what was found, as text or as the contract's JSON out. What it never does: change anything, or
//! say "well" of what could not be read.

mod certs;

use clap::Subcommand;

use super::{
    Context,
    failure::{Exit, Failure},
};

pub(crate) use certs::CertsArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum ScanCommand {
    /// Certificates: when they end, and what is wrong with them
    ///
    /// Of endpoints and files that are named here; without any, of those that the configuration names and of every port that a container
    /// publishes and that speaks TLS. Exits with 1 where a certificate has a fault, or where something could not be read.
    #[command(
        after_help = "Example:\n  steward scan certs\n  steward scan certs wiki.example.lan:443 /etc/letsencrypt/live/*/fullchain.pem\n  steward scan certs --expiring-within 14d || echo \"renew them\""
    )]
    Certs(CertsArgs),
}

pub(super) async fn scan(context: &Context, command: &ScanCommand) -> Result<Exit, Failure> {
    match command {
        ScanCommand::Certs(args) => certs::certs(context, args).await,
    }
}
