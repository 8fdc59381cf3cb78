//! `scan image`: the known vulnerabilities of one image, the worst first, and what could not be read.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use steward_api::{ImageScan, Vulnerability, VulnerabilitySeverity};

use crate::{
    cli::{
        Context,
        failure::{Exit, Failure},
        output::{Screen, Tone, clean, units},
    },
    wire::{self, ScanError, SystemClock},
};

#[derive(Args, Debug)]
pub(crate) struct ImageArgs {
    /// A container's or an image's name or id
    #[arg(value_name = "IMAGE|CONTAINER")]
    name: String,
    /// Ask nobody: OSV's archive in this directory, as <ecosystem>/all.zip
    #[arg(long, value_name = "DIR")]
    offline: Option<PathBuf>,
    /// Exit with 1 where something at least so severe is found: low, medium, high, critical
    #[arg(long, value_name = "SEVERITY", value_parser = parse_severity)]
    fail_on: Option<VulnerabilitySeverity>,
}

fn parse_severity(text: &str) -> Result<VulnerabilitySeverity, String> {
    use VulnerabilitySeverity::{Critical, High, Low, Medium};
    [Low, Medium, High, Critical]
        .into_iter()
        .find(|severity| severity.as_str() == text)
        .ok_or_else(|| "it should be one of low, medium, high, critical".to_owned())
}

pub(super) async fn image(context: &Context, args: &ImageArgs) -> Result<Exit, Failure> {
    let config = context.config()?;
    let scanner = wire::image_scanner(&config, args.offline.as_deref(), Arc::new(SystemClock))
        .map_err(failure)?;
    let screen = &context.screen;
    let progress =
        |text: &str| screen.say(&screen.paint(Tone::Quiet, format!("{} …", clean(text))));
    let scan = tokio::select! {
        scan = scanner.scan(&args.name, &progress) => scan.map_err(failure),
        _ = tokio::signal::ctrl_c() => Err(Failure::new(
            Exit::Interrupted,
            "interrupted",
            "Interrupted; nothing was left behind.",
        )),
    };
    // What was made for the reading is removed first.
    scanner.reader.finished().await;
    let scan = scan?;
    if screen.json {
        screen.print_json(&scan)?;
    } else {
        screen.print(&render(screen, &scan))?;
    }
    let worst = scan.vulnerabilities.iter().map(|one| one.severity).max();
    Ok(match (args.fail_on, worst) {
        (Some(limit), Some(worst)) if worst >= limit => Exit::Failed,
        _ => Exit::Done,
    })
}

fn failure(error: ScanError) -> Failure {
    match &error {
        ScanError::NotFound(_) => {
            Failure::refusal(steward_api::ErrorCode::ResourceNotFound, error.to_string())
        }
        ScanError::Absent { .. } | ScanError::Engine { .. } => {
            Failure::new(Exit::Unavailable, "unavailable", error.to_string())
        }
        _ => Failure::failed(error.to_string()),
    }
}

const fn tone(severity: VulnerabilitySeverity) -> Tone {
    match severity {
        VulnerabilitySeverity::Critical | VulnerabilitySeverity::High => Tone::Bad,
        VulnerabilitySeverity::Medium => Tone::Warn,
        VulnerabilitySeverity::Low => Tone::Plain,
        VulnerabilitySeverity::Unknown => Tone::Unsure,
    }
}

pub(super) fn render(screen: &Screen, scan: &ImageScan) -> String {
    let mut out = screen.heading(&clean(&scan.image));
    let made_of = scan.distribution.as_deref().unwrap_or("not known");
    out.push_str(&screen.field("made of", made_of));
    out.push_str(&screen.field("packages", &scan.packages.to_string()));
    out.push_str(&screen.field("judged by", &scan.source));
    if !scan.containers.is_empty() {
        let names: Vec<String> = scan.containers.iter().map(ToString::to_string).collect();
        out.push_str(&screen.field("runs as", &names.join(", ")));
    }
    out.push('\n');
    out.push_str(&screen.table(
        &[
            "SEVERITY", "SCORE", "ID", "PACKAGE", "VERSION", "FIXED IN", "WHAT",
        ],
        scan.vulnerabilities.iter().map(row).collect(),
    ));
    if !scan.vulnerabilities.is_empty() {
        out.push('\n');
    }
    out.push_str(&summary(screen, scan));
    if !scan.gaps.is_empty() {
        let text = screen.paint(Tone::Unsure, "Could not be read or judged:");
        out.push_str(&format!("{text}\n"));
        for gap in &scan.gaps {
            let text = screen.wrapped(2, gap);
            out.push_str(&text);
        }
    }
    out
}

fn row(one: &Vulnerability) -> Vec<(String, Tone)> {
    let word = if one.known_exploited {
        format!("{}, exploited", one.severity.as_str())
    } else {
        one.severity.as_str().to_owned()
    };
    let fixed = one.fixed_version.clone();
    vec![
        (word, tone(one.severity)),
        (
            one.cvss
                .map_or_else(|| "–".to_owned(), |score| format!("{score:.1}")),
            Tone::Plain,
        ),
        (one.id.clone(), Tone::Strong),
        (one.package.name.clone(), Tone::Plain),
        (one.package.version.clone(), Tone::Plain),
        match fixed {
            Some(version) => (version, Tone::Good),
            None => ("none known".to_owned(), Tone::Quiet),
        },
        (one.summary.chars().take(80).collect(), Tone::Plain),
    ]
}

fn summary(screen: &Screen, scan: &ImageScan) -> String {
    let found = &scan.vulnerabilities;
    if found.is_empty() {
        return if scan.packages == 0 {
            screen.paint(Tone::Unsure, "Nothing is known of it.") + "\n"
        } else {
            screen.paint(Tone::Good, "No known vulnerability.") + "\n"
        };
    }
    let count = |severity| found.iter().filter(|one| one.severity == severity).count();
    let by_severity: Vec<String> = [
        VulnerabilitySeverity::Critical,
        VulnerabilitySeverity::High,
        VulnerabilitySeverity::Medium,
        VulnerabilitySeverity::Low,
        VulnerabilitySeverity::Unknown,
    ]
    .into_iter()
    .map(|severity| (count(severity), severity.as_str()))
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    let mendable = found
        .iter()
        .filter(|one| one.fixed_version.is_some())
        .count();
    let exploited = found.iter().filter(|one| one.known_exploited).count();
    let mut text = format!(
        "{}: {}; {mendable} with a fix",
        units::count(found.len() as u64, "known finding"),
        by_severity.join(", ")
    );
    if exploited > 0 {
        text.push_str(&format!("; {exploited} known to have been used in attacks"));
    }
    text + ".\n"
}
