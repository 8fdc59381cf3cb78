//! `scan auth`: who tried to sign in, and failed.
//!
//! What flows through: a log file, or the logs of the host and its containers, streamed; a table by source out. What it never does: hold a
//! log in memory.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::Serialize;
use steward_api::{ScanPart, SignInPattern, SignInSource};

use super::{AuthArgs, gaps_as_text, print_found};
use crate::{
    cli::{
        Context,
        failure::{Exit, Failure},
        output::{Screen, Tone, clean, units},
    },
    config::{Authentication, Config},
    security::{
        access::{self, SignIns},
        authentication::{Clock, Lines, Origin, Own, Reading, address::address},
    },
    wire,
};

/// Sources that are shown to people; the rest is counted.
const MOST_SHOWN: usize = 40;

pub(super) async fn auth(context: &Context, args: &AuthArgs) -> Result<Exit, Failure> {
    let screen = &context.screen;
    let config = context.config()?;
    let clock = Clock {
        now: screen.now,
        zone: screen.zone.clone(),
    };
    let own = Own {
        networks: config.security.authentication.own(),
        host: wire::host_addresses(),
        session: session(),
    };
    let found = match &args.log {
        Some(path) => of_file(&config, path, clock, &own).await?,
        None => {
            let (edges, gaps) = wire::scan_edges(&config);
            let since = screen
                .now
                .checked_sub(args.since)
                .map_err(|_| Failure::usage("--since reaches back before time began"))?;
            let mut found = access::sign_ins(
                &edges,
                &config.security.authentication,
                &config.host_id(),
                &own,
                &Default::default(),
                since,
                clock,
            )
            .await;
            found.gaps.splice(0..0, gaps);
            found
        }
    };
    if screen.json {
        print_found(
            screen,
            ScanPart::Authentication,
            &found.gaps,
            as_json(&found),
        )?;
    } else {
        screen.print(&render(screen, &found, &config.security.authentication))?;
    }
    // Where only some could be read, that is told; where nothing could, nothing is known.
    Ok(if found.places.is_empty() {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// From where this person is signed in over SSH (sshd(8), `SSH_CONNECTION`).
fn session() -> Option<std::net::IpAddr> {
    ["SSH_CLIENT", "SSH_CONNECTION"].iter().find_map(|name| {
        let value = std::env::var(name).ok()?;
        address(value.split_whitespace().next()?)
    })
}

async fn of_file(
    config: &Config,
    path: &Path,
    clock: Clock,
    own: &Own,
) -> Result<SignIns, Failure> {
    let (mut reading, mut gaps) = access::reading(&config.security.authentication, clock);
    let origin = Origin {
        resource: config.host_id(),
        service: None,
    };
    let shown = if path == Path::new("-") {
        "the standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let failed = {
        let shown = shown.clone();
        move |error: &io::Error| Failure::failed(format!("{shown} can't be read: {error}"))
    };
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let cut = if path == Path::new("-") {
            stream(&mut io::stdin().lock(), &origin, &mut reading)
        } else {
            File::open(&path).and_then(|mut file| stream(&mut file, &origin, &mut reading))
        };
        cut.map(|cut| (reading, cut))
    })
    .await
    .map_err(|error| Failure::failed(format!("the reading broke off: {error}")))?;
    let (reading, cut) = read.map_err(|error| failed(&error))?;
    if cut > 0 {
        gaps.push(format!(
            "{} longer than {} KiB; only their beginning was looked at",
            units::count(cut, "line"),
            crate::security::authentication::LONGEST_LINE / 1024
        ));
    }
    Ok(SignIns {
        places: vec![shown],
        gaps,
        ..access::conclude(&reading, own)
    })
}

/// Reads to the end, a piece at a time; says how many lines were cut.
fn stream(from: &mut impl Read, origin: &Origin, reading: &mut Reading) -> io::Result<u64> {
    let mut lines = Lines::default();
    let mut piece = vec![0; 256 * 1024];
    loop {
        match from.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => lines.take(piece.get(..count).unwrap_or_default(), |line| {
                reading.line(origin, line);
            }),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    lines.finish(|line| reading.line(origin, line));
    Ok(lines.cut())
}

/// For machines: the contract's sources, and what was read.
#[derive(Serialize)]
struct AuthJson<'f> {
    sign_ins: &'f [SignInSource],
    failures: u64,
    successes: u64,
    lines: u64,
    understood: &'f std::collections::BTreeMap<String, u64>,
    places: &'f [String],
    dropped_sources: u64,
    dropped_failures: u64,
}

fn as_json(found: &SignIns) -> AuthJson<'_> {
    AuthJson {
        sign_ins: &found.sources,
        failures: found.failures,
        successes: found.successes,
        lines: found.lines,
        understood: &found.understood,
        places: &found.places,
        dropped_sources: found.dropped.sources,
        dropped_failures: found.dropped.failures,
    }
}

pub(super) fn render(screen: &Screen, found: &SignIns, config: &Authentication) -> String {
    let mut out = String::new();
    let rows: Vec<_> = found
        .sources
        .iter()
        .take(MOST_SHOWN)
        .map(|source| row(screen, source))
        .collect();
    if rows.is_empty() {
        out.push_str(&if found.failures == 0 && found.lines > 0 {
            format!(
                "{} No failed attempt to sign in.\n",
                screen.paint(Tone::Good, "✔")
            )
        } else if found.lines == 0 {
            format!("{} Nothing was read.\n", screen.paint(Tone::Unsure, "?"))
        } else {
            String::new()
        });
    }
    let peak = format!(
        "MOST IN {}",
        crate::config::human(config.window).to_uppercase()
    );
    out.push_str(&screen.table(
        &[
            "LOOKS LIKE",
            "FROM",
            "AT",
            "FAILED",
            &peak,
            "NAMES",
            "GOT IN",
            "LAST",
            "NOTE",
        ],
        rows,
    ));
    let more = found.sources.len().saturating_sub(MOST_SHOWN);
    if more > 0 {
        out.push_str(&format!(
            "… and {} more; all of them with --json\n",
            units::count(more as u64, "source")
        ));
    }
    for name in found.distributed.iter().take(5) {
        out.push_str(&screen.wrapped(
            0,
            &format!(
                "The name {} was tried at {} from {}, {} in all.",
                name.user,
                name.service,
                units::count(name.addresses, "address").replace("addresss", "addresses"),
                units::count(name.failures, "failure")
            ),
        ));
    }
    let forms: Vec<String> = found
        .understood
        .iter()
        .map(|(form, count)| format!("{form} {count}"))
        .collect();
    let understood: u64 = found.understood.values().sum();
    out.push_str(&format!(
        "\n{} read from {}; {} understood{}\n",
        units::count(found.lines, "line"),
        if found.places.is_empty() {
            "nowhere".to_owned()
        } else {
            clean(&found.places.join(", "))
        },
        understood,
        if forms.is_empty() {
            String::new()
        } else {
            format!(" ({})", clean(&forms.join(", ")))
        }
    ));
    out.push_str(&format!(
        "{}, {}\n",
        units::count(found.failures, "failure"),
        units::count(found.successes, "success").replace("successs", "successes")
    ));
    if found.untimed > 0 {
        out.push_str(&screen.wrapped(
            0,
            &format!(
                "{} without a time, counted as of now: how many came within {} can't be told of them.",
                units::count(found.untimed, "line"),
                crate::config::human(config.window)
            ),
        ));
    }
    if found.dropped.sources > 0 || found.dropped.names > 0 {
        out.push_str(&screen.wrapped(
            0,
            &format!(
                "So many came that {} with {} are not shown, and names were lost sight of {}.",
                units::count(found.dropped.sources, "source"),
                units::count(found.dropped.failures, "failure"),
                units::count(found.dropped.names, "time")
            ),
        ));
    }
    out.push_str(&gaps_as_text(screen, &found.gaps));
    out
}

fn row(screen: &Screen, source: &SignInSource) -> Vec<(String, Tone)> {
    let (word, tone) = match source.pattern {
        SignInPattern::SuccessAfterFailures => ("‼ got in after failures", Tone::Bad),
        SignInPattern::BruteForce => ("✖ brute force", Tone::Bad),
        SignInPattern::Spraying => ("✖ spraying", Tone::Bad),
        SignInPattern::Distributed => ("▲ distributed", Tone::Warn),
        SignInPattern::Few => ("· few", Tone::Quiet),
    };
    let names = match source.user_examples.as_slice() {
        [] => "–".to_owned(),
        [only] if source.users == 1 => only.clone(),
        [first, ..] => format!("{} ({first}, …)", source.users),
    };
    vec![
        (word.to_owned(), tone),
        (
            source
                .address
                .map_or_else(|| "not told".to_owned(), |address| address.to_string()),
            Tone::Strong,
        ),
        (source.service.clone(), Tone::Plain),
        (source.failures.to_string(), Tone::Plain),
        (source.peak.to_string(), Tone::Plain),
        (names, Tone::Plain),
        (
            if source.successes == 0 {
                "–".to_owned()
            } else {
                source.successes.to_string()
            },
            Tone::Plain,
        ),
        (
            units::clock(source.last_at, screen.now, &screen.zone),
            Tone::Plain,
        ),
        (
            source
                .own
                .as_ref()
                .map(|why| format!("yours? {why}"))
                .unwrap_or_default(),
            Tone::Ask,
        ),
    ]
}
