//! The security scan: packages matched, lines of logs read, and a scan of many images of which all is known already.
//!
//! What flows through: an archive in OSV's own layout and logs of sshd, made here; images of the real engine. The packages and records are
//! made up, their number and shape are as in life; what judges them is the product's own code.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use jiff::{Timestamp, tz::TimeZone};
use steward::security::{
    access,
    authentication::{Clock, Origin},
    osv, packages,
};
use steward_api::{GetSecurity, Nothing, ResourceId, ScanRequest, ScanSecurity};

use super::{Extent, Row, Verdict, step};
use crate::{agent::Agent, docker::Lab, osv::Osv, wait::until};

/// Packages of an image of Debian with a program or two.
const PACKAGES: usize = 2_000;
/// Records that may concern them: as many as OSV has for such an image.
const RECORDS: usize = 4_000;
/// Lines of a log of a busy day.
const LINES: usize = 200_000;

pub(super) async fn measure(extent: Extent) -> Result<Vec<Row>> {
    let mut rows = vec![matched()?, read()?];
    rows.push(warm(extent).await?);
    Ok(rows)
}

/// Best of three, since another program may take the processor.
fn best_of_three(mut work: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut best = work()?;
    for _ in 0..2 {
        best = best.min(work()?);
    }
    Ok(best)
}

fn per_second(number: usize, took: Duration) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let number = number as f64;
    number / took.as_secs_f64().max(1e-9)
}

fn matched() -> Result<Row> {
    step("matching packages with records");
    let mut status = String::new();
    for number in 0..PACKAGES {
        write!(
            status,
            "Package: package-{number}\nStatus: install ok installed\nVersion: 1:{}.{}-{}+deb12u1\nArchitecture: amd64\n\n",
            number % 9,
            number % 31,
            number % 7
        )?;
    }
    let files = BTreeMap::from([
        (
            "etc/os-release".to_owned(),
            b"ID=debian\nVERSION_ID=\"12\"\n".to_vec(),
        ),
        ("var/lib/dpkg/status".to_owned(), status.into_bytes()),
    ]);
    let inventory = packages::inventory(&files);
    anyhow::ensure!(
        inventory.packages.len() == PACKAGES,
        "{}",
        inventory.packages.len()
    );
    let mut told = steward::ports::Advisories {
        source: "OSV archive".to_owned(),
        ..Default::default()
    };
    for number in 0..RECORDS {
        let id = format!("DEBIAN-CVE-2099-{number}");
        let package = number % PACKAGES;
        let record = serde_json::json!({
            "id": id, "modified": "2025-01-01T00:00:00Z",
            "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
            "affected": [{"package": {"ecosystem": "Debian:12", "name": format!("package-{package}")},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": format!("1:{}.15-1", number % 9)}]}]}],
        });
        let place = inventory
            .packages
            .iter()
            .position(|one| one.name == format!("package-{package}"))
            .context("a package is missing")?;
        told.pairs.push((place, id.clone()));
        told.records.insert(id, record.to_string());
    }
    let mut found = 0;
    let took = best_of_three(|| {
        let began = Instant::now();
        let outcome = osv::findings(&inventory.packages, &told, &Default::default());
        found = outcome.vulnerabilities.len();
        Ok(began.elapsed())
    })?;
    Ok(Row::new(
        format!("packages matched ({PACKAGES} of Debian, {RECORDS} records)"),
        "–",
        format!(
            "{:.0} packages/s ({found} found)",
            per_second(PACKAGES, took)
        ),
        Verdict::Note,
    ))
}

fn read() -> Result<Row> {
    step("reading a log of sshd");
    let mut log = Vec::new();
    for number in 0..LINES {
        let (hour, minute, second) = (number / 3600 % 24, number / 60 % 60, number % 60);
        // One connection has three lines: it fails, gives up, and is gone.
        let (host, port) = (number / 3 % 250, 1024 + number / 3 % 60_000);
        let text = match number % 3 {
            0 => format!("Failed password for root from 203.0.113.{host} port {port} ssh2"),
            1 => format!(
                "Connection closed by authenticating user root 203.0.113.{host} port {port} [preauth]"
            ),
            _ => format!(
                "Received disconnect from 203.0.113.{host} port {port}:11: Bye Bye [preauth]"
            ),
        };
        writeln!(
            log,
            "2026-03-05T{hour:02}:{minute:02}:{second:02}.123456+00:00 atlas sshd[{number}]: {text}"
        )?;
    }
    let log = String::from_utf8(log)?;
    let origin = Origin {
        resource: ResourceId::host("bench"),
        service: None,
    };
    let mut failures = 0;
    let took = best_of_three(|| {
        let clock = Clock {
            now: "2026-03-06T00:00:00Z".parse::<Timestamp>()?,
            zone: TimeZone::UTC,
        };
        let (mut reading, _) = access::reading(&Default::default(), clock);
        let began = Instant::now();
        for line in log.lines() {
            reading.line(&origin, line);
        }
        let took = began.elapsed();
        failures = reading.tally().failures();
        Ok(took)
    })?;
    anyhow::ensure!(
        failures == LINES.div_ceil(3) as u64,
        "{failures} failures were counted"
    );
    Ok(Row::new(
        format!("lines of logs read for attempts to sign in ({LINES} of sshd)"),
        "–",
        format!("{:.0} lines/s", per_second(LINES, took)),
        Verdict::Note,
    ))
}

/// A scan by a real agent of as many images, all of which it knows already.
async fn warm(extent: Extent) -> Result<Row> {
    let what = format!("scan of {} images with a warm cache", extent.images);
    let lab = match Lab::open("bench-images").await? {
        Ok(lab) => lab,
        Err(reason) => return Ok(Row::new(what, "–", reason, Verdict::Skipped)),
    };
    step(&format!(
        "making {} images and their containers",
        extent.images
    ));
    for number in 0..extent.images {
        let lock = format!(
            r#"{{"lockfileVersion":3,"packages":{{"node_modules/lodash":{{"version":"4.17.{number}"}}}}}}"#
        );
        let name = format!("image-{number}");
        let files = [("app/package-lock.json", lock.as_bytes())];
        let image = lab.image_with(&name, &files).await?;
        lab.container(&name).image(&image).sleep().start().await?;
    }
    let osv = Osv::start(Vec::new()).await?;
    let agent = Agent::for_lab(&lab)
        .set("security.parts", vec![toml::Value::from("vulnerabilities")])
        .set("security.vulnerabilities.osv_url", osv.url())
        .start()
        .await?;
    let mut took = [Duration::ZERO; 2];
    for (turn, took) in took.iter_mut().enumerate() {
        step(if turn == 0 {
            "scanning them the first time"
        } else {
            "scanning them again"
        });
        let asked_at = Timestamp::now();
        let began = Instant::now();
        agent.call::<ScanSecurity>(&ScanRequest::default()).await?;
        let report = until(
            "the images are scanned",
            Duration::from_mins(10),
            || agent.call::<GetSecurity>(&Nothing {}),
            |report| {
                report
                    .parts
                    .iter()
                    .all(|part| part.read_at.is_some_and(|at| at >= asked_at))
            },
        )
        .await?;
        *took = began.elapsed();
        anyhow::ensure!(
            report.images.len() == extent.images,
            "{} images were scanned: {:?}",
            report.images.len(),
            report.parts
        );
    }
    lab.remove_all().await?;
    Ok(Row::new(
        what,
        "–",
        format!(
            "{:.2} s (the first time {:.2} s)",
            took[1].as_secs_f64(),
            took[0].as_secs_f64()
        ),
        Verdict::Note,
    ))
}
