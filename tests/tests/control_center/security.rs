//! The Security screen: what was found with its sum and what is done about it, scans on demand, a port that is meant to be open.

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use steward_api::{GetSecurity, Nothing, ScanRequest, ScanSecurity, SecurityReport};
use steward_tests::{
    agent::{Agent, Builder},
    browser::Browser,
    browser_or_skip,
    docker::Lab,
    findings, lab_or_skip,
    osv::{Hole, Osv},
    wait::until,
};

use super::{SOON, id, is_question_who, nothing_complained, sign_in, sign_in_at, token_of};

/// An agent that scans these parts of a lab, and leaves the machine's own logs alone.
fn agent_of(lab: &Lab, parts: &[&str]) -> Builder {
    let parts: Vec<toml::Value> = parts.iter().map(|part| (*part).into()).collect();
    Agent::for_lab(lab)
        .set("security.parts", parts)
        .set("security.certificates.published_ports", false)
        .set("security.authentication.host", false)
        .set("security.authentication.containers", false)
}

/// Waits until every part was read after now, having asked for that.
async fn scanned(agent: &Agent) -> Result<SecurityReport> {
    let asked_at = Timestamp::now();
    agent.call::<ScanSecurity>(&ScanRequest::default()).await?;
    until(
        "every part to be read",
        SOON,
        || agent.call::<GetSecurity>(&Nothing {}),
        |report| {
            let mut parts = report.parts.iter();
            parts.all(|part| part.read_at.is_some_and(|at| at >= asked_at))
        },
    )
    .await
}

/// What the page's sum comes to, which must be what it says it does.
async fn sum(browser: &Browser) -> Result<i64> {
    let text = browser.see(&id("formula")).await?.text().await?;
    let (terms, says) = text.split_once('=').context("no sum")?;
    let terms = terms.replace("− ", "-").replace("+ ", "");
    let total = terms
        .split_whitespace()
        .map(str::parse::<i64>)
        .sum::<Result<i64, _>>()
        .with_context(|| text.clone())?;
    let says: i64 = says.trim().parse()?;
    ensure!(total == says, "{text}");
    Ok(says)
}

/// How a part of the scan stands on the page.
fn part(name: &str, state: &str) -> String {
    format!("[data-testid=scan-{name}][data-state^='{state}']")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_is_shown_with_its_sum_and_won_back_before_ones_eyes() -> Result<()> {
    let lab = lab_or_skip!("ui-security");
    let browser = browser_or_skip!("security");
    // Many, so that the list has to be scrolled.
    let mut holes: Vec<Hole> = (0..300)
        .map(|number| Hole {
            vector: "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:L/I:N/A:N".to_owned(),
            ..Hole::critical(&format!("CVE-2098-{number:04}"), "lodash", "4.17.21")
        })
        .collect();
    holes.push(Hole::critical("CVE-2099-0001", "minimist", "1.2.6"));
    let osv = Osv::start(holes).await?;
    let shop = lab.container("shop").start().await?;
    shop.run(
        r#"mkdir -p /app && echo '{"lockfileVersion":3,"packages":{"node_modules/lodash":{"version":"4.17.20"},"node_modules/minimist":{"version":"1.2.5"}}}' > /app/package-lock.json"#,
    )
    .await?;
    let place = tempfile::tempdir()?;
    let old = place.path().join("old.pem");
    std::fs::write(&old, findings::certificate("old.home", -2)?)?;
    let log = place.path().join("auth.log");
    let attack = findings::failures(40, "203.0.113.9", SignedDuration::from_mins(20))?;
    std::fs::write(&log, attack)?;
    let files = |file: &std::path::Path| vec![toml::Value::from(file.display().to_string())];
    let parts = [
        "vulnerabilities",
        "certificates",
        "authentication",
        "ports",
        "configuration",
    ];
    let agent = agent_of(&lab, &parts)
        .set("security.vulnerabilities.osv_url", osv.url())
        .set("security.certificates.files", files(&old))
        .set("security.authentication.log_files", files(&log))
        .start()
        .await?;
    sign_in(&browser, &agent).await?;
    browser.run("window.stewardWasHere = 7", &[]).await?;
    browser.see(&id("security-card")).await?;

    // By the keyboard; everything is read at once where that is asked for.
    browser.press("gy").await?;
    browser.see(&id("page-security")).await?;
    browser.click(&id("scan-all")).await?;
    for name in parts {
        browser.see(&part(name, "read")).await?;
    }
    browser
        .text_where(&id("deductions"), "to tell all three", |text| {
            ["critical vulnerability", "old.home", "sshd"]
                .iter()
                .all(|word| text.contains(word))
        })
        .await?;
    let report = agent.call::<GetSecurity>(&Nothing {}).await?;
    let score = report.score.as_ref().context("no score")?.score;
    ensure!(sum(&browser).await? == i64::from(score), "{report:#?}");
    browser.picture("top").await?;

    // Evidence on demand, and what is done about it.
    // A question that is answered there has summaries of its own.
    let first = "[data-testid=deduction] [data-testid=deduction-evidence]";
    browser.click(&format!("{first} summary")).await?;
    browser
        .see(&format!("{first} [data-testid=evidence]"))
        .await?;
    browser
        .see("[data-testid=deduction] [data-testid=to-incident]")
        .await?;

    // Vulnerabilities: the worst first, few of them drawn, all reached, by package too, found by a search.
    browser.says(&id("vulnerability-group"), &shop.name).await?;
    browser
        .says(&id("vulnerability-row"), "CVE-2099-0001")
        .await?;
    let drawn = browser.count(&id("vulnerability-row")).await?;
    ensure!(drawn < 60, "{drawn} rows are drawn");
    let reached = browser
        .run_async(
            "const done = arguments[0], list = document.querySelector('[data-testid=vulnerability-list]'), seen = new Set();
             const step = () => {
               for (const row of list.querySelectorAll('[data-testid=vulnerability-row] .main-words')) seen.add(row.textContent);
               if (list.scrollTop + list.clientHeight >= list.scrollHeight - 2) return done(seen.size);
               list.scrollTop += list.clientHeight / 2;
               requestAnimationFrame(() => requestAnimationFrame(step));
             };
             step();",
            &[],
        )
        .await?;
    ensure!(reached == 301, "{reached}");
    browser.click(&id("by-package")).await?;
    browser.says(&id("vulnerability-group"), "minimist").await?;
    browser.type_into(&id("search"), "2098-0123").await?;
    browser
        .says(&id("part-vulnerabilities"), "1 shown of 301")
        .await?;
    let address = browser.address().await?;
    ensure!(
        address.contains("by=package") && address.contains("2098-0123"),
        "{address}"
    );
    browser.click(&id("vulnerability-row")).await?;
    let told = browser.says(&id("vulnerability"), "4.17.20").await?;
    ensure!(
        told.contains("4.17.21") && told.contains(&shop.name),
        "{told}"
    );
    browser.picture("vulnerabilities").await?;

    browser.says(&id("certificate"), "old.home").await?;
    browser.says(&id("certificate"), "ended").await?;
    browser.says(&id("sign-in"), "203.0.113.9").await?;
    browser.says(&id("sign-in"), "40 failures").await?;
    browser.see(&id("port")).await?;
    browser.says(&id("part-configuration"), &shop.name).await?;

    // What is mended is won back, without a reload.
    std::fs::write(&old, findings::certificate("old.home", 300)?)?;
    browser.run("window.scrollTo(0, 0)", &[]).await?;
    browser
        .click("[data-testid=scan-certificates] [data-testid=scan-now]")
        .await?;
    browser
        .text_where(&id("deductions"), "to forget the certificate", |text| {
            !text.contains("old.home")
        })
        .await?;
    let won = sum(&browser).await?;
    ensure!(won == i64::from(score) + 10, "{won} after {score}");
    browser.press("go").await?;
    browser.says(&id("security-card"), &won.to_string()).await?;
    browser.picture("overview").await?;
    let mark = browser.run("return window.stewardWasHere", &[]).await?;
    ensure!(mark == 7, "the page was loaded anew");
    nothing_complained(&browser).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_nobody_expects_is_accepted_by_a_person() -> Result<()> {
    let lab = lab_or_skip!("ui-port");
    let browser = browser_or_skip!("security-port");
    let mut agent = agent_of(&lab, &["ports"]).start().await?;
    scanned(&agent).await?;
    let database = agent.data_dir().join("steward.db");
    agent.terminate().await?;
    findings::learned_long_ago(&database).await?;
    agent.start_again().await?;
    // A program of the host's, not a container: a network that is made for one is news to every browser on this machine, which then
    // breaks off what it is fetching.
    let open = std::net::TcpListener::bind("0.0.0.0:0")?;
    let port = open.local_addr()?.port();
    scanned(&agent).await?;

    let row = |state: &str| format!("[data-testid=port][data-port='{port}'][data-state='{state}']");
    // Who may only look is offered nothing.
    let viewer = token_of(&agent, "viewer")?;
    sign_in_at(&browser, agent.url(), &viewer).await?;
    browser.click(&id("nav-security")).await?;
    browser.see(&row("not expected")).await?;
    let offered = browser
        .run(
            "return [...document.querySelectorAll('[data-testid=accept-port], [data-testid=scan-now], [data-testid=scan-all]')]
               .filter(button => button.offsetParent).length",
            &[],
        )
        .await?;
    ensure!(offered == 0, "a viewer is offered {offered} buttons");
    browser.click("[data-testid=nav-settings]").await?;
    browser.click(&id("sign-out")).await?;

    sign_in(&browser, &agent).await?;
    browser.click(&id("nav-security")).await?;
    browser
        .says(&id("deductions"), &format!("{port}/tcp"))
        .await?;
    let unexpected = row("not expected");
    browser.says(&unexpected, &port.to_string()).await?;
    browser.picture("unexpected").await?;
    browser
        .click(&format!("{unexpected} [data-testid=accept-port]"))
        .await?;
    browser.see(&row("expected")).await?;
    browser.says(&row("expected"), "accepted on").await?;
    browser
        .text_where(&id("deductions"), "to forget the port", |text| {
            !text.contains(&format!("{port}/tcp"))
        })
        .await?;
    browser.picture("accepted").await?;
    browser.expect_quiet(is_question_who).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_scanned_or_not_read_is_not_shown_as_clean() -> Result<()> {
    let browser = browser_or_skip!("security-nothing");
    let agent = Agent::for_host("unix:///nothing/is/here.sock")
        .start()
        .await?;
    sign_in(&browser, &agent).await?;
    browser.says(&id("security-card"), "not known yet").await?;
    let ring = browser.see("[data-testid=security-card] svg").await?;
    let look = ring.attr("class").await?.unwrap_or_default();
    ensure!(look.contains("tone-unsure"), "{look}");
    browser.click(&id("nav-security")).await?;
    browser.says(&id("nothing-scanned"), "[security]").await?;
    browser.picture("not-scanned").await?;
    nothing_complained(&browser).await?;

    // A part that can't be read says why, and has no number.
    let agent = Agent::for_host("unix:///nothing/is/here.sock")
        .set("security.parts", vec![toml::Value::from("vulnerabilities")])
        .start()
        .await?;
    sign_in(&browser, &agent).await?;
    browser.click(&id("nav-security")).await?;
    // Of a reading that failed no event tells: it is looked for, as long as a person waits for it.
    browser.click(&id("scan-now")).await?;
    browser
        .see(&part("vulnerabilities", "could not be read"))
        .await?;
    browser
        .says(&id("part-vulnerabilities"), "Could not be read")
        .await?;
    let said = browser.page_text().await?;
    ensure!(!said.contains("0 vulnerabilities"), "{said}");
    browser.picture("not-read").await?;
    nothing_complained(&browser).await
}
