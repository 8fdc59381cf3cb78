//! `security`: the score and what it rests on, as the agent's scans found it; scans now, and ports that are meant to be open.
//!
//! What flows through: the agent's report in; a summary for people, or the contract's JSON, out. What it never does: scan by itself (`scan`
//! does, without an agent), or show what was never read as clean.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use jiff::Timestamp;
use steward_api::{
    AcceptPort, AcceptPortRequest, Deduction, GetSecurity, GetSecuritySummary, Nothing, PartState,
    ResourceId, ResourceKind, ScanPart, ScanRequest, ScanSecurity, SecurityLevel, SecurityReport,
    SecuritySummary,
};

use super::{
    Context,
    failure::{Exit, Failure},
    output::{Screen, Tone, clean, units},
};
use crate::client::Client;

/// How often it is looked how far a scan is.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Gaps that are shown one by one.
const MOST_GAPS: usize = 10;

#[derive(Args, Debug)]
pub(crate) struct SecurityArgs {
    /// Have the agent scan now, and wait for its end
    #[arg(long)]
    pub(crate) scan: bool,
    /// Only this part; may be given several times
    #[arg(long, value_name = "PART", requires = "scan", value_parser = part)]
    pub(crate) part: Vec<ScanPart>,
    /// Say that a port is meant to be open, such as 8080/tcp
    #[arg(long, value_name = "PORT", conflicts_with = "scan", value_parser = port)]
    pub(crate) accept: Option<String>,
    /// With --json: all that was found, not only the numbers
    #[arg(long)]
    pub(crate) full: bool,
}

fn part(word: &str) -> Result<ScanPart, String> {
    ScanPart::ALL
        .into_iter()
        .find(|part| part.as_str() == word)
        .ok_or_else(|| {
            let known: Vec<_> = ScanPart::ALL.iter().map(|part| part.as_str()).collect();
            format!("it should be one of {}", known.join(", "))
        })
}

/// `8080/tcp`, or `8080` for TCP.
fn port(text: &str) -> Result<String, String> {
    let (number, transport) = text.split_once('/').unwrap_or((text, "tcp"));
    let is_port = number.parse::<u16>().is_ok_and(|number| number > 0);
    if is_port && matches!(transport, "tcp" | "udp") {
        Ok(format!("{number}/{transport}"))
    } else {
        Err("it should be a port from 1 to 65535 with its transport, such as 8080/tcp".to_owned())
    }
}

pub(super) async fn security(context: &Context, args: &SecurityArgs) -> Result<Exit, Failure> {
    let client = context.connect()?;
    let screen = &context.screen;
    if let Some(name) = &args.accept {
        let report = client.call::<GetSecurity>(None, &Nothing {}).await?;
        let port = ResourceId::new(report.node, ResourceKind::Port, name.as_str());
        let accepted = client
            .call::<AcceptPort>(None, &AcceptPortRequest { port })
            .await?;
        if screen.json {
            screen.print_json(&accepted)?;
        } else {
            screen.print(&format!("{}\n", clean(&accepted.message)))?;
        }
        return Ok(Exit::Done);
    }
    if args.scan {
        scan(&client, screen, &args.part).await?;
    }
    if screen.json && !args.full {
        let summary = client.call::<GetSecuritySummary>(None, &Nothing {}).await?;
        screen.print_json(&summary)?;
        return Ok(Exit::Done);
    }
    let report = client.call::<GetSecurity>(None, &Nothing {}).await?;
    if screen.json {
        screen.print_json(&report)?;
    } else {
        let summary = client.call::<GetSecuritySummary>(None, &Nothing {}).await?;
        screen.print(&render(&screen.later(), &report, &summary))?;
    }
    Ok(Exit::Done)
}

/// Has parts scanned and waits until each was read anew, or said why it can't be.
async fn scan(client: &Client, screen: &Screen, parts: &[ScanPart]) -> Result<(), Failure> {
    let before = client.call::<GetSecurity>(None, &Nothing {}).await?;
    let known: BTreeMap<ScanPart, PartState> = before
        .parts
        .into_iter()
        .map(|state| (state.part, state))
        .collect();
    let request = ScanRequest {
        parts: parts.to_vec(),
    };
    let started = client.call::<ScanSecurity>(None, &request).await?;
    screen.say(&format!(
        "{}; this may take minutes the first time.",
        started.message
    ));
    let mut waiting: Vec<ScanPart> = if parts.is_empty() {
        known.keys().copied().collect()
    } else {
        parts.to_vec()
    };
    let wait = async {
        while !waiting.is_empty() {
            tokio::time::sleep(LOOK_EVERY).await;
            let report = client.call::<GetSecurity>(None, &Nothing {}).await?;
            waiting.retain(|part| {
                let Some(state) = report.parts.iter().find(|state| state.part == *part) else {
                    return false;
                };
                let before = known.get(part);
                let is_new = before.and_then(|before| before.tried_at) != state.tried_at;
                if is_new {
                    let was_read = before.and_then(|before| before.read_at) != state.read_at;
                    let how = match (was_read, state.gaps.len()) {
                        (false, _) => format!("could not be read: {}", state.gaps.join("; ")),
                        (true, 0) => "read".to_owned(),
                        (true, gaps) => format!("read, with {}", units::count(gaps as u64, "gap")),
                    };
                    screen.say(&format!("{}: {}", part.as_str(), clean(&how)));
                }
                !is_new
            });
        }
        Ok::<(), Failure>(())
    };
    tokio::select! {
        done = wait => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(
            Exit::Interrupted,
            "interrupted",
            "No longer waiting. The scan goes on: `steward security` tells what it finds.",
        )),
    }
}

const fn tone(level: SecurityLevel) -> Tone {
    match level {
        SecurityLevel::Excellent | SecurityLevel::Good => Tone::Good,
        SecurityLevel::Warning => Tone::Warn,
        SecurityLevel::Critical => Tone::Bad,
    }
}

/// The report for a person: the score, why, the numbers, what is not known.
pub(super) fn render(
    screen: &Screen,
    report: &SecurityReport,
    summary: &SecuritySummary,
) -> String {
    let mut out = String::new();
    match &report.score {
        None => {
            out.push_str(&format!(
                "{} {}\n",
                screen.paint(Tone::Strong, "Security"),
                screen.paint(Tone::Unsure, "? not known yet")
            ));
            let why = if report.parts.is_empty() {
                "Nothing is scanned here: see `parts` under [security]."
            } else {
                "Nothing was read yet. An agent scans a minute after its start, then as configured; `steward security --scan` has it done now."
            };
            out.push_str(&screen.wrapped(2, why));
        }
        Some(score) => {
            out.push_str(&format!(
                "{} {}\n",
                screen.paint(Tone::Strong, "Security"),
                screen.paint(
                    tone(score.level),
                    format!("{} of 100, {}", score.score, score.level.as_str())
                )
            ));
            let points: u32 = score.deductions.iter().map(|one| one.points).sum();
            let beyond = if score.beyond_zero > 0 {
                format!(" ({} more than there are)", score.beyond_zero)
            } else {
                String::new()
            };
            out.push_str(&screen.wrapped(
                2,
                &format!(
                    "100 less {}{beyond} is {}.",
                    units::count(u64::from(points), "point"),
                    score.score
                ),
            ));
            for deduction in &score.deductions {
                out.push_str(&of_deduction(screen, deduction));
            }
        }
    }
    out.push('\n');
    out.push_str(&numbers(screen, report, summary));
    out.push_str(&parts(screen, report));
    if let Some(day) = &report.day {
        out.push('\n');
        out.push_str(&screen.heading(&clean(&day.title)));
        for line in &day.lines {
            out.push_str(&screen.wrapped(2, line));
        }
    }
    out
}

fn of_deduction(screen: &Screen, deduction: &Deduction) -> String {
    let mut out = format!(
        "\n  {} {}\n",
        screen.paint(Tone::Bad, format!("−{}", deduction.points)),
        clean(&deduction.what)
    );
    if deduction.spared > 0 {
        out.push_str(&screen.wrapped(
            6,
            &format!(
                "{} more are spared, so that this does not hide the rest.",
                units::count(u64::from(deduction.spared), "point")
            ),
        ));
    }
    for evidence in deduction.evidence.iter().take(3) {
        out.push_str(&screen.wrapped(6, &clean(&evidence.text)));
    }
    if deduction.evidence.len() > 3 {
        out.push_str(&screen.wrapped(6, &format!("and {} more", deduction.evidence.len() - 3)));
    }
    out.push_str(&screen.wrapped(6, &format!("To win it back: {}", deduction.way)));
    match (deduction.task, deduction.incident) {
        (Some(task), _) => {
            out.push_str(&screen.wrapped(6, &format!("See: steward show task {task}")));
        }
        (None, Some(incident)) => {
            out.push_str(&screen.wrapped(6, &format!("See: steward show incident {incident}")));
        }
        (None, None) => {}
    }
    out
}

fn numbers(screen: &Screen, report: &SecurityReport, summary: &SecuritySummary) -> String {
    let read = |part: ScanPart| {
        report
            .parts
            .iter()
            .any(|state| state.part == part && state.read_at.is_some())
    };
    let field = |label: &str, part: ScanPart, text: String| {
        if read(part) {
            screen.field(label, &text)
        } else {
            screen.painted_field(label, &screen.paint(Tone::Unsure, "? not read"))
        }
    };
    let mut out = screen.heading("What was found");
    let names = |names: &[String]| match names {
        [] => String::new(),
        names => format!(" ({})", clean(&names.join(", "))),
    };
    out.push_str(&field(
        "images",
        ScanPart::Vulnerabilities,
        format!(
            "{} known vulnerabilities in {}{}",
            summary.vulnerabilities_found,
            units::count(summary.vulnerable_containers.len() as u64, "container"),
            names(&summary.vulnerable_containers)
        ),
    ));
    out.push_str(&field(
        "certificates",
        ScanPart::Certificates,
        format!(
            "{} over, {} soon to end, {} seen",
            summary.certificates_expired,
            summary.certificates_expiring,
            report.certificates.len()
        ),
    ));
    out.push_str(&field(
        "sign-ins",
        ScanPart::Authentication,
        format!(
            "{} within the last day, {} like an attack",
            units::count(summary.failed_logins, "failed attempt"),
            units::count(summary.suspicious_sources, "source")
        ),
    ));
    let open: Vec<String> = summary.open_ports.iter().map(ToString::to_string).collect();
    out.push_str(&field(
        "open ports",
        ScanPart::Ports,
        if open.is_empty() {
            "none".to_owned()
        } else {
            open.join(", ")
        },
    ));
    out.push_str(&field(
        "risks",
        ScanPart::Configuration,
        format!(
            "{} in how containers and Steward are configured",
            report.risks.len()
        ),
    ));
    out
}

/// A part in a word that fits into a column.
const fn label(part: ScanPart) -> &'static str {
    match part {
        ScanPart::Vulnerabilities => "images",
        ScanPart::Certificates => "certificates",
        ScanPart::Authentication => "sign-ins",
        ScanPart::Ports => "open ports",
        ScanPart::Configuration => "risks",
    }
}

fn parts(screen: &Screen, report: &SecurityReport) -> String {
    let mut out = format!("\n{}", screen.heading("Scans"));
    for state in &report.parts {
        let when = |at: Option<Timestamp>, else_what: &str| {
            at.map_or_else(|| else_what.to_owned(), |at| screen.when(at))
        };
        let next = state
            .next_at
            .map_or_else(String::new, |at| format!(", next {}", screen.when(at)));
        let text = format!("{}{next}", when(state.read_at, "never read"));
        out.push_str(&screen.field(label(state.part), &text));
        for gap in state.gaps.iter().take(MOST_GAPS) {
            out.push_str(&screen.wrapped(4, &format!("not read: {gap}")));
        }
        if state.gaps.len() > MOST_GAPS {
            out.push_str(&screen.wrapped(4, &format!("and {} more", state.gaps.len() - MOST_GAPS)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_parts_are_words_that_people_write() {
        assert_eq!(port("8080").unwrap(), "8080/tcp");
        assert_eq!(port("53/udp").unwrap(), "53/udp");
        for wrong in ["0", "70000", "http", "80/sctp", ""] {
            assert!(port(wrong).is_err(), "{wrong}");
        }
        assert_eq!(part("ports").unwrap(), ScanPart::Ports);
        assert!(part("port").unwrap_err().contains("certificates"));
    }

    #[test]
    fn what_was_never_read_is_not_shown_as_clean() {
        let screen = super::super::golden::screen(None, false);
        let report = SecurityReport {
            node: "atlas".to_owned(),
            parts: vec![PartState {
                part: ScanPart::Ports,
                read_at: None,
                tried_at: None,
                next_at: None,
                gaps: vec!["the sockets can't be read".to_owned()],
            }],
            ..SecurityReport::default()
        };
        let text = render(&screen, &report, &SecuritySummary::default());
        assert!(text.contains("not known yet"), "{text}");
        assert!(text.contains("? not read"), "{text}");
        assert!(text.contains("the sockets can't be read"), "{text}");
        assert!(!text.contains("none"), "{text}");
    }
}
