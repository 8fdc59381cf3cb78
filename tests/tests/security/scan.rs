//! What the scans find becomes the score, incidents, and questions; and is told on every channel.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection as _, SqliteConnection};
use steward_api::{
    AcceptPort, AcceptPortRequest, DeductionKind, Event, GetSecurity, GetSecuritySummary, Incident,
    ListResources, Nothing, Problem, ResourceId, ResourceKind, ResourceQuery, ScanPart,
    ScanRequest, ScanSecurity, SecurityLevel, SecurityReport, SecuritySummary, SignInPattern,
    TaskState, Verdict,
};
use steward_tests::{
    agent::{Agent, Builder},
    docker::Lab,
    findings::{certificate, failures, learned_long_ago},
    lab_or_skip,
    osv::{Hole, Osv},
    wait::until,
};

/// How long a scan may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(90);

/// An agent that scans these parts, and only when it is asked to.
pub(crate) fn agent(lab: &Lab, parts: &[&str]) -> Builder {
    let parts: Vec<toml::Value> = parts.iter().map(|part| (*part).into()).collect();
    Agent::for_lab(lab).set("security.parts", parts)
}

/// Has everything scanned and waits until each part was read after that.
pub(crate) async fn scanned(agent: &Agent) -> Result<SecurityReport> {
    let asked_at = Timestamp::now();
    agent.call::<ScanSecurity>(&ScanRequest::default()).await?;
    until(
        "every part is read",
        SOON,
        || agent.call::<GetSecurity>(&Nothing {}),
        |report| {
            report
                .parts
                .iter()
                .all(|part| part.read_at.is_some_and(|at| at >= asked_at))
        },
    )
    .await
}

async fn incident_of(agent: &Agent, id: &ResourceId) -> Result<Incident> {
    let is_it = |incident: &&Incident| incident.resource == *id && incident.decision.is_some();
    let incidents = until(
        &format!("an incident of {id}"),
        SOON,
        || agent.incidents(),
        |incidents| incidents.iter().any(|incident| is_it(&incident)),
    )
    .await?;
    incidents.iter().find(is_it).cloned().context("it is gone")
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_found_is_in_the_score_with_an_incident_and_a_way_back() -> Result<()> {
    let lab = lab_or_skip!("security");
    let osv = Osv::start(vec![
        Hole::critical("CVE-2099-0001", "lodash", "4.17.21"),
        Hole {
            vector: "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:L/I:N/A:N".to_owned(),
            ..Hole::critical("CVE-2099-0002", "lodash", "4.17.21")
        },
    ])
    .await?;
    let shop = lab.container("shop").start().await?;
    shop.run(
        r#"mkdir -p /app && echo '{"lockfileVersion":3,"packages":{"node_modules/lodash":{"version":"4.17.20"}}}' > /app/package-lock.json"#,
    )
    .await?;
    let place = tempfile::tempdir()?;
    let old = place.path().join("old.pem");
    let soon = place.path().join("soon.pem");
    std::fs::write(&old, certificate("old.home", -2)?)?;
    std::fs::write(&soon, certificate("soon.home", 10)?)?;
    let log = place.path().join("auth.log");
    let lines = [
        failures(40, "203.0.113.9", SignedDuration::from_mins(20))?,
        failures(3, "203.0.113.10", SignedDuration::from_mins(15))?,
        // Long ago: seen within the day, and no attack any more.
        failures(30, "203.0.113.77", SignedDuration::from_hours(20))?,
    ];
    std::fs::write(&log, lines.concat())?;
    let files = [&old, &soon].map(|file| toml::Value::from(file.display().to_string()));
    let agent = agent(&lab, &["vulnerabilities", "certificates", "authentication"])
        .set("security.vulnerabilities.osv_url", osv.url())
        .set("security.certificates.files", files.to_vec())
        .set("security.certificates.published_ports", false)
        .set("security.authentication.host", false)
        .set("security.authentication.containers", false)
        .set(
            "security.authentication.log_files",
            vec![toml::Value::from(log.display().to_string())],
        )
        .start()
        .await?;

    // Before the first scan nothing is known, and nothing looks clean.
    let before = agent.call::<GetSecuritySummary>(&Nothing {}).await?;
    ensure!(
        before.security_score.is_none() && before.gaps.len() == 3,
        "{before:?}"
    );

    let report = scanned(&agent).await?;
    let score = report.score.as_ref().context("no score")?;
    // 20 for the critical hole, 10 for the old certificate, 5 for the other, 15 for each of the two attacks (30, the cap).
    let weights: Vec<_> = score
        .deductions
        .iter()
        .map(|one| (one.kind, one.points))
        .collect();
    ensure!(
        weights
            == [
                (DeductionKind::FailedSignIns, 30),
                (DeductionKind::CriticalVulnerability, 20),
                (DeductionKind::ExpiredCertificate, 10),
                (DeductionKind::ExpiringCertificate, 5),
            ],
        "{score:#?}"
    );
    ensure!(score.score == 35 && score.level == SecurityLevel::Critical);
    let summary = agent.call::<GetSecuritySummary>(&Nothing {}).await?;
    ensure!(
        summary.vulnerabilities_found == 2
            && summary.vulnerable_containers == [shop.name.clone()]
            && summary.certificates_expired == 1
            && summary.certificates_expiring == 1
            && summary.failed_logins == 73
            && summary.suspicious_authentication
            && summary.suspicious_sources == 2
            && summary.security_score == Some(35),
        "{summary:?}"
    );
    let told: SecuritySummary = agent.cli_json(&["security"]).await?;
    ensure!(told == summary, "{told:?}");
    ensure!(
        report
            .sign_ins
            .iter()
            .any(|one| one.failures == 40 && one.pattern == SignInPattern::BruteForce),
        "{:?}",
        report.sign_ins
    );

    // Each has its incident, and what helps asks: nothing of it is done by itself.
    let image = ResourceId::new("test", ResourceKind::Image, lab.image());
    let vulnerable = incident_of(&agent, &image).await?;
    ensure!(vulnerable.problem == Problem::CriticalVulnerability);
    ensure!(
        vulnerable.findings[0].evidence[0].text.contains("4.17.21"),
        "{vulnerable:#?}"
    );
    let attack = incident_of(
        &agent,
        &ResourceId::new("test", ResourceKind::SignIn, "sshd"),
    )
    .await?;
    ensure!(attack.problem == Problem::SignInAttack, "{attack:#?}");
    let expired = incident_of(
        &agent,
        &ResourceId::new("test", ResourceKind::Certificate, old.display().to_string()),
    )
    .await?;
    ensure!(expired.problem == Problem::CertificateExpired);
    for incident in [&vulnerable, &attack, &expired] {
        let decision = incident.decision.as_ref().context("no decision")?;
        ensure!(decision.verdict != Verdict::ActNow, "{incident:#?}");
    }
    for task in agent.tasks().await? {
        ensure!(
            task.requires_approval && task.status == TaskState::Pending,
            "{task:#?}"
        );
    }
    // The deductions lead to their incidents.
    let report = agent.call::<GetSecurity>(&Nothing {}).await?;
    let score = report.score.context("no score")?;
    ensure!(
        score.deductions.iter().all(|one| one.incident.is_some()),
        "{score:#?}"
    );
    ensure!(report.trend.last().is_some_and(|point| point.score == 35));

    // Once more: no image is asked about twice, and nothing is counted twice.
    let asked = osv.batches();
    let again = scanned(&agent).await?;
    ensure!(again.score.context("no score")?.score == 35);
    ensure!(osv.batches() == asked, "{} batches", osv.batches());

    // Over a new start too.
    let mut agent = agent;
    agent.kill_9().await?;
    agent.start_again().await?;
    let again = scanned(&agent).await?;
    ensure!(again.score.context("no score")?.score == 35);
    ensure!(osv.batches() == asked, "{} batches", osv.batches());

    // What is mended is won back.
    std::fs::write(&old, certificate("old.home", 300)?)?;
    let mended = scanned(&agent).await?;
    ensure!(mended.score.context("no score")?.score == 45);
    let id = expired.id;
    until(
        "the certificate's incident is over",
        SOON,
        || agent.incidents(),
        |incidents| {
            incidents
                .iter()
                .any(|incident| incident.id == id && incident.resolved_at.is_some())
        },
    )
    .await?;
    let scans = agent
        .journal(0)
        .await?
        .into_iter()
        .filter(|entry| matches!(entry.event, Event::SecurityScanned { .. }))
        .count();
    ensure!(scans >= 12, "{scans}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_opens_later_is_asked_about_until_a_person_says_that_it_is_meant() -> Result<()>
{
    let lab = lab_or_skip!("ports");
    let network = lab.network("open").await?;
    let agent = agent(&lab, &["ports", "configuration"])
        // What is open at the first look is expected; what opens a moment later is not.
        .set("security.ports.learn_for", "1m")
        .start()
        .await?;
    scanned(&agent).await?;
    // The time of learning is over; nobody waits for it in a test.
    let mut agent = agent;
    let database = agent.data_dir().join("steward.db");
    agent.terminate().await?;
    learned_long_ago(&database).await?;
    agent.start_again().await?;

    let open = lab
        .container("open")
        .network(&network)
        .publish_to_all("8080/tcp")
        .start()
        .await?;
    let port = open.published("8080/tcp").await?;
    let id = ResourceId::new("test", ResourceKind::Port, format!("{port}/tcp"));
    // Others may open ports on this machine meanwhile: only this one is looked at.
    let points = |report: &SecurityReport| {
        let score = report.score.as_ref()?;
        let of_port = score
            .deductions
            .iter()
            .find(|one| one.about.as_ref() == Some(&id))?;
        (of_port.kind == DeductionKind::UnexpectedPort).then_some(of_port.points)
    };
    let report = scanned(&agent).await?;
    ensure!(points(&report) == Some(10), "{report:#?}");
    let incident = incident_of(&agent, &id).await?;
    ensure!(incident.problem == Problem::UnexpectedPort);

    // Not by anybody: by whoever may operate.
    let refused = agent
        .try_call_at::<AcceptPort>(
            "",
            &AcceptPortRequest {
                port: ResourceId::new("test", ResourceKind::Port, "1/tcp"),
            },
        )
        .await?;
    ensure!(refused.is_err());
    let word = format!("{port}/tcp");
    let output = agent.cli(&["security", "--accept", &word]).await?;
    ensure!(output.status.success(), "{output:?}");
    until(
        "the port is expected",
        SOON,
        || agent.call::<GetSecurity>(&Nothing {}),
        |report| points(report).is_none(),
    )
    .await?;
    let report = scanned(&agent).await?;
    ensure!(
        report.ports.iter().any(|one| one.port == port
            && one
                .expected
                .as_deref()
                .is_some_and(|why| why.starts_with("accepted on"))),
        "{:?}",
        report.ports
    );
    ensure!(
        agent
            .journal(0)
            .await?
            .iter()
            .any(|entry| matches!(&entry.event, Event::PortAccepted { port, .. } if *port == id))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_can_t_be_read_says_so_and_the_others_go_on() -> Result<()> {
    let lab = lab_or_skip!("gaps");
    let shop = lab.container("shop").start().await?;
    shop.run(
        r#"mkdir -p /app && echo '{"lockfileVersion":3,"packages":{"node_modules/lodash":{"version":"4.17.20"}}}' > /app/package-lock.json"#,
    )
    .await?;
    let mut agent = agent(&lab, &["vulnerabilities", "certificates", "configuration"])
        // Nobody is there.
        .set("security.vulnerabilities.osv_url", "http://127.0.0.1:9")
        .set(
            "security.certificates.files",
            vec![toml::Value::from("/nonexistent/wiki.pem")],
        )
        .start()
        .await?;
    let report = scanned(&agent).await?;
    let gaps = |part: ScanPart| {
        report
            .parts
            .iter()
            .find(|state| state.part == part)
            .map(|state| state.gaps.join("; "))
            .unwrap_or_default()
    };
    ensure!(
        gaps(ScanPart::Vulnerabilities).contains("can't be asked"),
        "{report:#?}"
    );
    ensure!(
        gaps(ScanPart::Certificates).contains("/nonexistent/wiki.pem"),
        "{report:#?}"
    );
    ensure!(gaps(ScanPart::Configuration).is_empty(), "{report:#?}");
    // The image is unknown, which is no health.
    let image = ResourceId::new("test", ResourceKind::Image, lab.image());
    let resources = agent
        .call::<ListResources>(&ResourceQuery::default())
        .await?
        .resources;
    let shown = resources
        .iter()
        .find(|resource| resource.id == image)
        .context("the image is not listed")?;
    ensure!(shown.health == steward_api::Health::Unknown, "{shown:#?}");
    // What fails as a whole is told each time that it is asked for, and the command line waits for no end that does not come.
    agent.terminate().await?;
    agent.edit_config(|config| config.set("security.parts", vec![toml::Value::from("ports")]))?;
    let url = format!("sqlite://{}", agent.data_dir().join("steward.db").display());
    let mut connection = SqliteConnection::connect(&url).await?;
    sqlx::query("INSERT INTO kept_documents (node, name, kept_at, doc) VALUES ('test', 'security/ports', 0, 'no JSON')")
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    agent.start_again().await?;
    for _ in 0..2 {
        let output = agent.cli(&["security", "--scan"]).await?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(
            told.contains("ports: could not be read: what was learned of ports"),
            "{output:?}"
        );
    }
    agent.edit_config(|config| {
        config.set("security.parts", vec![toml::Value::from("configuration")])
    })?;
    agent.terminate().await?;
    agent.start_again().await?;
    // A part that is not scanned here is refused in words.
    let refused = agent
        .try_call_at::<ScanSecurity>(
            "",
            &ScanRequest {
                parts: vec![ScanPart::Ports],
            },
        )
        .await?;
    let Err(problem) = refused else {
        anyhow::bail!("it was taken");
    };
    ensure!(problem.detail.contains("ports"), "{problem:?}");
    Ok(())
}
