//! `scan certs`: certificates by their end, with what is wrong with each in words.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::Args;
use jiff::{SignedDuration, Timestamp, Unit};
use steward_api::{CertificateFault, CertificateScan};

use crate::{
    cli::{
        Context,
        args::parse_span,
        failure::{Exit, Failure},
        output::{Screen, Tone, clean, units},
    },
    security::sweep::{NamedEndpoint, Sweep, endpoint},
    wire,
};

/// Names of a certificate that are shown, at most.
const MOST_NAMES: usize = 3;

#[derive(Args, Debug)]
pub(crate) struct CertsArgs {
    /// Where TLS is spoken (host:port; without a port 443), a file, or a directory
    #[arg(value_name = "HOST:PORT | FILE")]
    pub(crate) what: Vec<String>,
    /// So long before its end a certificate counts as ending soon, such as 30d; by default as configured
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) expiring_within: Option<SignedDuration>,
}

pub(super) async fn certs(context: &Context, args: &CertsArgs) -> Result<Exit, Failure> {
    let screen = &context.screen;
    let config = context.config()?;
    let certificates = &config.security.certificates;
    let mut gaps = Vec::new();
    let what = if args.what.is_empty() {
        let mut what = Sweep::configured(&config);
        if certificates.published_ports && config.docker.enabled {
            match wire::published_ports(&config).await {
                Ok(ports) => what.published = ports,
                Err(why) => gaps.push(format!(
                    "published ports: {why} (switch it off with published_ports = false under [security.certificates])"
                )),
            }
        }
        what
    } else {
        named(&args.what)?
    };
    let warn_before = args.expiring_within.unwrap_or(certificates.warn_before);
    let swept = wire::scan_certificates(&what, warn_before).await;
    gaps.extend(swept.gaps);
    if screen.json {
        screen.print_json(&swept.certificates)?;
    } else if swept.certificates.is_empty() && gaps.is_empty() {
        screen.print(&nothing(&what))?;
    } else {
        screen.print(&render(screen, &swept.certificates))?;
    }
    for gap in &gaps {
        let mark = screen.paint(Tone::Unsure, "? not read:");
        screen.say(&format!("{mark} {}", clean(gap)));
    }
    let is_well = gaps.is_empty() && swept.certificates.iter().all(|one| one.faults.is_empty());
    Ok(if is_well { Exit::Done } else { Exit::Failed })
}

/// What was named on the command line: a path where it reads like one or is there, else an endpoint.
fn named(words: &[String]) -> Result<Sweep, Failure> {
    let mut what = Sweep::default();
    for word in words {
        let is_path = !word.contains("://") && (word.contains('/') || Path::new(word).exists());
        if is_path {
            let path = std::path::absolute(word).unwrap_or_else(|_| PathBuf::from(word));
            what.files.push(path.to_string_lossy().into_owned());
        } else {
            let endpoint = endpoint(word).ok_or_else(|| {
                Failure::usage(format!(
                    "`{}` is neither host:port nor a file: it should be as wiki.example.lan:443 or /etc/ssl/wiki.pem",
                    clean(word)
                ))
            })?;
            what.endpoints.push(NamedEndpoint {
                endpoint,
                resource: None,
            });
        }
    }
    Ok(what)
}

fn nothing(what: &Sweep) -> String {
    let greeted = match what.published.len() {
        0 => String::new(),
        number => format!(
            " ({} greeted, and none of them speaks TLS)",
            units::count(number as u64, "published port")
        ),
    };
    format!(
        "No certificates{greeted}. Name some: steward scan certs wiki.example.lan:443, or `files` and `endpoints` under [security.certificates].\n"
    )
}

fn render(screen: &Screen, certificates: &[CertificateScan]) -> String {
    let rows = certificates
        .iter()
        .map(|one| {
            let (symbol, tone) = mark(one);
            let kinds: BTreeSet<CertificateFault> =
                one.faults.iter().map(|(kind, _)| *kind).collect();
            let kinds: Vec<&str> = kinds.into_iter().map(word).collect();
            vec![
                (symbol.to_owned(), tone),
                (left(one.not_after, screen.now), tone),
                (ends(screen, one.not_after), Tone::Plain),
                (place(one), Tone::Strong),
                (names(one), Tone::Plain),
                if kinds.is_empty() {
                    ("well".to_owned(), Tone::Good)
                } else {
                    (kinds.join(", "), tone)
                },
            ]
        })
        .collect();
    let mut out = screen.table(&["", "LEFT", "ENDS", "WHERE", "FOR", "HOW IT IS"], rows);
    for one in certificates.iter().filter(|one| !one.faults.is_empty()) {
        let (symbol, tone) = mark(one);
        let heading = format!("{symbol} {}", clean(&place(one)));
        out.push_str(&format!("\n{}\n", screen.paint(tone, heading)));
        for (_, why) in &one.faults {
            out.push_str(&screen.wrapped(2, why));
        }
        let by = format!("signed by {}; {}", one.issuer, one.key);
        out.push_str(&screen.wrapped(2, &by));
    }
    out
}

/// A kind of fault in a word or two.
const fn word(kind: CertificateFault) -> &'static str {
    match kind {
        CertificateFault::Expired => "over",
        CertificateFault::Expiring => "ends soon",
        CertificateFault::NotYetValid => "not begun",
        CertificateFault::WrongName => "wrong name",
        CertificateFault::SelfSigned => "signed itself",
        CertificateFault::Chain => "chain",
        CertificateFault::WeakKey => "weak",
    }
}

/// The shape and tone of the worst of its faults.
fn mark(one: &CertificateScan) -> (&'static str, Tone) {
    match one.faults.as_slice() {
        [] => ("✔", Tone::Good),
        faults
            if faults
                .iter()
                .all(|(kind, _)| *kind == CertificateFault::Expiring) =>
        {
            ("▲", Tone::Warn)
        }
        _ => ("✖", Tone::Bad),
    }
}

/// Whole days until its end, or since it.
fn left(until: Timestamp, now: Timestamp) -> String {
    let span = now.duration_until(until);
    let days = span.as_hours().unsigned_abs() / 24;
    match (span.is_negative(), days) {
        (false, 0) => "today".to_owned(),
        (false, 1..=99_999) => units::count(days, "day"),
        (false, _) => "for ever".to_owned(),
        (true, 0) => "over today".to_owned(),
        (true, days) => format!("over {}", units::count(days, "day")),
    }
}

fn ends(screen: &Screen, at: Timestamp) -> String {
    // "Never", as some write it, lies beyond what a calendar has.
    let zoned = at.to_zoned(screen.zone.clone());
    match zoned.round(Unit::Minute) {
        Ok(zoned) if zoned.year() < 9000 => zoned.strftime("%Y-%m-%d %H:%M %Z").to_string(),
        _ => "never".to_owned(),
    }
}

fn place(one: &CertificateScan) -> String {
    match &one.resource {
        Some(resource) => format!("{} ({})", one.place, resource.short()),
        None => one.place.clone(),
    }
}

fn names(one: &CertificateScan) -> String {
    if one.names.is_empty() {
        return one.subject.clone();
    }
    let shown = one
        .names
        .iter()
        .take(MOST_NAMES)
        .cloned()
        .collect::<Vec<_>>();
    let more = one.names.len().saturating_sub(MOST_NAMES);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}{rest}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use steward_api::ResourceId;

    use super::*;

    fn screen() -> Screen {
        Screen {
            color: false,
            width: None,
            now: "2026-03-10T12:00:00Z".parse().unwrap(),
            zone: TimeZone::fixed(jiff::tz::offset(2)),
            json: false,
        }
    }

    fn certificate(
        place: &str,
        until: &str,
        faults: &[(CertificateFault, &str)],
    ) -> CertificateScan {
        CertificateScan {
            place: place.to_owned(),
            resource: None,
            subject: "CN=wiki".to_owned(),
            names: vec!["wiki.home".to_owned()],
            issuer: "CN=The House".to_owned(),
            not_before: "2025-01-01T00:00:00Z".parse().unwrap(),
            not_after: until.parse().unwrap(),
            key: "ECDSA P-256".to_owned(),
            fingerprint: "00".to_owned(),
            faults: faults
                .iter()
                .map(|(kind, why)| (*kind, (*why).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn certificates_are_told_with_days_left_local_times_and_faults_in_words() {
        let mut shown = certificate(
            "127.0.0.1:8443",
            "2026-03-07T11:00:00Z",
            &[
                (CertificateFault::Expired, "it ended 3 d ago"),
                (CertificateFault::SelfSigned, "it signed itself"),
            ],
        );
        shown.resource = Some(ResourceId::container("atlas", "wiki"));
        let soon = certificate(
            "a.home:443",
            "2026-03-20T22:30:00Z",
            &[(CertificateFault::Expiring, "it ends in 10 d")],
        );
        let mut well = certificate("/etc/a.pem", "2026-12-31T23:00:00Z", &[]);
        well.names = (1..=5).map(|number| format!("n{number}.home")).collect();
        let mut never = certificate("b.home:443", "2026-12-31T23:00:00Z", &[]);
        never.not_after = Timestamp::MAX;
        let text = render(&screen(), &[shown, soon, well, never]);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .collect()
            })
            .collect();
        assert_eq!(lines[0], ["LEFT", "ENDS", "WHERE", "FOR", "HOW IT IS"]);
        assert_eq!(
            lines[1],
            [
                "✖",
                "over 3 days",
                "2026-03-07 13:00 +02",
                "127.0.0.1:8443 (wiki)",
                "wiki.home",
                "over, signed itself"
            ]
        );
        assert_eq!(lines[2][..3], ["▲", "10 days", "2026-03-21 00:30 +02"]);
        assert_eq!(lines[3][4], "n1.home, n2.home, n3.home and 2 more");
        assert_eq!(lines[3].last(), Some(&"well"));
        assert_eq!(lines[4][1..3], ["for ever", "never"]);
        let (_, below) = text.split_once("\n\n").unwrap();
        assert_eq!(
            below,
            "✖ 127.0.0.1:8443 (wiki)\n  it ended 3 d ago\n  it signed itself\n  signed by CN=The House; ECDSA P-256\n\n▲ a.home:443\n  it ends in 10 d\n  signed by CN=The House; ECDSA P-256\n"
        );
    }

    #[test]
    fn what_is_named_is_a_path_or_an_endpoint() {
        let words = [
            "wiki.home",
            "10.0.0.1:8443",
            "/etc/a.pem",
            "https://b.home/x",
        ];
        let what = named(&words.map(str::to_owned)).unwrap();
        let endpoints: Vec<_> = what
            .endpoints
            .iter()
            .map(|one| one.endpoint.to_string())
            .collect();
        assert_eq!(endpoints, ["wiki.home:443", "10.0.0.1:8443", "b.home:443"]);
        assert_eq!(what.files, ["/etc/a.pem"]);
        assert_eq!(named(&["a:0".to_owned()]).unwrap_err().exit_code(), 2);
    }
}
