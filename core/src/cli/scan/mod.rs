//! `scan`: one part of the security scan, now, on this machine; no agent has to run.

mod image;

use clap::Subcommand;

use super::{
    Context,
    failure::{Exit, Failure},
};

#[derive(Debug, Subcommand)]
pub(crate) enum ScanCommand {
    /// Known vulnerabilities of the packages in an image
    ///
    /// Reads the records of package managers and lock files in it; nothing in it is run. Asks OSV about the packages' names and versions,
    /// or another scanner by the configuration.
    #[command(
        after_help = "Example:\n  steward scan image nginx\n  steward scan image registry.example/app:1.2 --fail-on high\n  steward scan image nginx --offline /var/lib/osv --json"
    )]
    Image(image::ImageArgs),
}

pub(super) async fn scan(context: &Context, command: &ScanCommand) -> Result<Exit, Failure> {
    match command {
        ScanCommand::Image(args) => Box::pin(image::image(context, args)).await,
    }
}
