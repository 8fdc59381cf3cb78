//! `scan config`: risks in how containers are configured, and Steward itself.
//!
//! What flows through: inspections of containers and Steward's own files; risks with what to do out. What it never does: show the value of a
//! variable or a token.

use serde::Serialize;
use steward_api::{ConfigurationRisk, ConfigurationRiskKind as Kind, ResourceId, ScanPart};

use super::{exit_for, gaps_as_text, print_found};
use crate::{
    cli::{
        Context,
        failure::{Exit, Failure},
        output::{Screen, Tone, units},
    },
    security::access::{self, Risks},
    wire,
};

pub(super) async fn config(context: &Context) -> Result<Exit, Failure> {
    let screen = &context.screen;
    let config = context.config()?;
    let (edges, gaps) = wire::scan_edges(&config);
    let (own, own_gaps) = wire::own_facts(&config);
    let mut found = access::scan_risks(&edges, &own).await;
    found.gaps.splice(0..0, gaps);
    let exit = exit_for(&found.gaps);
    found.gaps.extend(own_gaps);
    if screen.json {
        #[derive(Serialize)]
        struct RisksJson<'f> {
            risks: &'f [ConfigurationRisk],
            containers: u64,
        }
        let json = RisksJson {
            risks: &found.risks,
            containers: found.containers,
        };
        print_found(screen, ScanPart::Configuration, &found.gaps, json)?;
    } else {
        screen.print(&render(screen, &found))?;
    }
    Ok(exit)
}

pub(super) fn render(screen: &Screen, found: &Risks) -> String {
    let mut out = String::new();
    let mut last: Option<&ResourceId> = None;
    for risk in &found.risks {
        if last != Some(&risk.resource) {
            let gap = if last.is_some() { "\n" } else { "" };
            out.push_str(gap);
            out.push_str(&screen.heading(&crate::cli::output::clean(&risk.resource.to_string())));
            last = Some(&risk.resource);
        }
        let (mark, tone) = weight(risk.kind);
        let text = screen.wrapped(4, &risk.what);
        out.push_str(&format!(
            "  {} {}",
            screen.paint(tone, mark),
            text.trim_start()
        ));
        let text = screen.wrapped(6, &risk.advice);
        out.push_str(&format!("    → {}", text.trim_start()));
    }
    if found.risks.is_empty() {
        out.push_str(&format!(
            "{} No risk was found.\n",
            screen.paint(Tone::Good, "✔")
        ));
    }
    out.push_str(&format!(
        "\n{} in {} and Steward itself\n",
        units::count(found.risks.len() as u64, "risk"),
        units::count(found.containers, "container")
    ));
    out.push_str(&gaps_as_text(screen, &found.gaps));
    out
}

/// What amounts to root on the host, or to Steward's own rights, weighs most.
const fn weight(kind: Kind) -> (&'static str, Tone) {
    match kind {
        Kind::Privileged
        | Kind::DockerSocket
        | Kind::WritableHostPath
        | Kind::Capabilities
        | Kind::StewardListens
        | Kind::StewardFiles
        | Kind::StewardTokens => ("✖", Tone::Bad),
        Kind::HostNetwork | Kind::HostPid | Kind::SecretInEnvironment => ("▲", Tone::Warn),
        Kind::RunsAsRoot | Kind::LatestTag => ("·", Tone::Quiet),
    }
}
