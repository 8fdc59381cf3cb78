//! Signing in from a browser, and TLS, with the real binary: what a person at a browser or a terminal would notice.
//!
//! Needs no container engine: the agents look at nothing.

use std::{
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use steward_api::{Envelope, GetSession, GetStatus, Nothing, Role, Session};
use steward_tests::agent::{Agent, Builder, http_client, http_client_for};

const PATIENCE: Duration = Duration::from_secs(30);

/// An agent that looks at nothing.
fn quiet() -> Builder {
    Agent::for_host("unix:///nonexistent/docker.sock").set("docker.enabled", false)
}

/// The code of the link that the agent printed.
async fn printed_link(agent: &Agent) -> Result<(String, String)> {
    let begin = Instant::now();
    loop {
        let output = agent.output();
        let line = output.lines().find(|line| line.contains("/#/link/"));
        if let Some(line) = line {
            let address = line
                .split_whitespace()
                .find(|word| word.contains("/#/link/"))
                .context("no address")?;
            assert!(line.contains("once, within 10 minutes"), "{line}");
            let (url, code) = address.split_once("/#/link/").context("no code")?;
            return Ok((url.to_owned(), code.to_owned()));
        }
        assert!(begin.elapsed() < PATIENCE, "no link was printed:\n{output}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn sign_in(client: &Client, url: &str, body: Value) -> Result<Response> {
    let request = client
        .post(format!("{url}/api/session"))
        .header("X-Steward-Request", "1")
        .header("Origin", url);
    Ok(request.json(&body).send().await?)
}

fn cookie(response: &Response) -> Result<String> {
    let whole = response.headers()["set-cookie"].to_str()?;
    Ok(whole.split(';').next().unwrap_or_default().to_owned())
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_link_signs_a_browser_in_once() -> Result<()> {
    let agent = quiet().start().await?;
    let (url, code) = printed_link(&agent).await?;
    assert_eq!(url, agent.url(), "it can be opened as it stands");
    let client = http_client()?;
    let response = sign_in(&client, &url, json!({"link": code})).await?;
    assert_eq!(response.status(), 200);
    let cookie = cookie(&response)?;
    let session: Session = response.json().await?;
    assert_eq!(session.role, Role::Admin);
    let names = |entries: &[Envelope]| {
        entries
            .iter()
            .any(|entry| entry.event.name() == "signed_in")
    };
    let entries = agent
        .wait(
            "the sign-in to be in the journal",
            PATIENCE,
            || agent.journal(0),
            |entries| names(entries),
        )
        .await?;
    let text = serde_json::to_string(&entries)?;
    assert!(text.contains(r#""by":"link","from":"127.0.0.1""#), "{text}");
    assert!(!text.contains(&code), "a link's code is in the journal");

    // The cookie works where a browser uses it, the event stream among them.
    let get = |path: &str| {
        client
            .get(format!("{url}{path}"))
            .header("Cookie", &cookie)
            .header("Sec-Fetch-Site", "same-origin")
            .send()
    };
    assert_eq!(get("/status").await?.status(), 200);
    let mut stream = get("/api/events").await?;
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert!(stream.chunk().await?.is_some());

    let again = sign_in(&client, &url, json!({"link": code})).await?;
    assert_eq!(again.status(), 401, "once is once");
    let mut other = http_client()?
        .get(format!("{url}/api/events"))
        .header("Cookie", &cookie)
        .header("Sec-Fetch-Site", "cross-site")
        .send()
        .await?;
    assert_eq!(other.status(), 403);
    other.chunk().await?;

    // Signing out ends the stream that is open.
    let out = client
        .post(format!("{url}/api/session/end"))
        .header("Cookie", &cookie)
        .header("X-Steward-Request", "1")
        .send()
        .await?;
    assert_eq!(out.status(), 200);
    let ended = tokio::time::timeout(Duration::from_secs(5), async {
        while let Ok(Some(_)) = stream.chunk().await {}
    });
    ended
        .await
        .context("the stream goes on after signing out")?;
    assert_eq!(get("/status").await?.status(), 401);

    // Neither the code nor the id of the session is written anywhere but to the terminal.
    let id = cookie.split_once('=').context("no id")?.1.to_owned();
    let output = agent.output();
    assert_eq!(output.matches(&code).count(), 1, "{output}");
    assert!(!output.contains(&id), "{output}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_makes_further_links() -> Result<()> {
    let agent = quiet().start().await?;
    let made: Value = agent.cli_json(&["sign-in"]).await?;
    let code = made["code"].as_str().context("no code")?;
    let url = made["url"].as_str().context("no url")?;
    assert_eq!(url, format!("{}/#/link/{code}", agent.url()));
    let client = http_client()?;
    let response = sign_in(&client, agent.url(), json!({"link": code})).await?;
    let session: Session = response.json().await?;
    // As the command line's own token, which is that of the environment here.
    let own = agent.call::<GetSession>(&Nothing {}).await?;
    assert_eq!(session.identity, own.identity);
    let shown = agent.cli(&["sign-in"]).await?;
    assert!(shown.status.success(), "{shown:?}");
    let text = said(&shown);
    assert!(
        text.contains(&format!("{}/#/link/", agent.url())) && text.contains("once"),
        "{text}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_on_one_host_have_a_cookie_each() -> Result<()> {
    let (one, two) = (quiet().start().await?, quiet().start().await?);
    let client = http_client()?;
    let mut cookies = Vec::new();
    for agent in [&one, &two] {
        let (url, code) = printed_link(agent).await?;
        let response = sign_in(&client, &url, json!({"link": code})).await?;
        cookies.push(cookie(&response)?);
    }
    // A browser sends both to both.
    let both = cookies.join("; ");
    for agent in [&one, &two] {
        let status = client
            .get(format!("{}/status", agent.url()))
            .header("Cookie", &both)
            .send()
            .await?
            .status();
        assert_eq!(status, 200);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_certificate_serves_browser_and_command_line() -> Result<()> {
    let mut agent = quiet()
        .set("server.tls", "generated")
        .set("server.allowed_hosts", vec!["steward.example.lan"])
        .start()
        .await?;
    assert!(agent.url().starts_with("https://"), "{}", agent.url());
    let (url, code) = printed_link(&agent).await?;
    assert_eq!(url, agent.url());
    let output = agent.output();
    assert!(output.contains("SHA-256"), "{output}");

    let certificate = agent.data_dir().join("tls-cert.pem");
    let trusting = http_client_for(&certificate)?;
    let response = sign_in(&trusting, &url, json!({"link": code})).await?;
    assert_eq!(response.status(), 200);
    let whole = response.headers()["set-cookie"].to_str()?;
    assert!(whole.contains("; Secure"), "{whole}");
    // Whoever does not trust it gets nowhere.
    let stranger = http_client()?.get(format!("{url}/health")).send().await;
    assert!(stranger.is_err(), "{stranger:?}");

    // The command line on this machine knows the agent by the certificate that it left.
    let status = agent.cli(&["status", "--json"]).await?;
    assert!(status.status.success(), "{}", said(&status));
    // From another machine by the file that was copied there.
    let file = certificate.to_string_lossy().into_owned();
    let token = steward_tests::agent::ADMIN_TOKEN;
    let port = url.rsplit_once(':').context("no port")?.1;
    let by_name = format!("https://localhost:{port}");
    let remote = ["status", "--json", "--url", &by_name, "--token", token];
    let elsewhere = tempfile::tempdir()?;
    let run = async |arguments: &[&str], ca: Option<&str>| {
        let mut command =
            tokio::process::Command::new(steward_tests::agent::program("steward", "steward")?);
        command
            .args(arguments)
            .env("STEWARD_DATA_DIR", elsewhere.path())
            .env("NO_COLOR", "1");
        match ca {
            Some(ca) => command.env("STEWARD_CA", ca),
            None => command.env_remove("STEWARD_CA"),
        };
        anyhow::Ok(command.output().await?)
    };
    let trusted = run(&remote, Some(&file)).await?;
    assert!(trusted.status.success(), "{}", said(&trusted));
    let untrusted = run(&remote, None).await?;
    assert_eq!(untrusted.status.code(), Some(3), "{}", said(&untrusted));
    assert!(said(&untrusted).contains("--ca"), "{}", said(&untrusted));
    // Without TLS on the port with it: said in words.
    let plain_url = format!("http://127.0.0.1:{port}");
    let plain = run(&["status", "--url", &plain_url, "--token", token], None).await?;
    assert_eq!(plain.status.code(), Some(2), "{}", said(&plain));
    assert!(said(&plain).contains("https://"), "{}", said(&plain));

    // The next start keeps the certificate, so what was trusted stays so.
    let before = std::fs::read(&certificate)?;
    agent.restart().await?;
    assert_eq!(before, std::fs::read(&certificate)?);
    agent.call::<GetStatus>(&Nothing {}).await?;
    let doctor = agent.cli(&["doctor"]).await?;
    assert!(said(&doctor).contains("SHA-256"), "{}", said(&doctor));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_files_that_can_not_be_used_are_named_and_nothing_starts() -> Result<()> {
    // An agent makes a certificate; another uses it as its user's own.
    let maker = quiet().set("server.tls", "generated").start().await?;
    let (cert, key) = (
        maker.data_dir().join("tls-cert.pem"),
        maker.data_dir().join("tls-key.pem"),
    );
    let with = |cert: &Path, key: &Path| {
        quiet()
            .set("server.tls", "files")
            .set("server.cert_file", cert.to_string_lossy().into_owned())
            .set("server.key_file", key.to_string_lossy().into_owned())
    };
    let good = with(&cert, &key).start().await?;
    let status = good.cli(&["status", "--json"]).await?;
    assert!(status.status.success(), "{}", said(&status));

    let missing = maker.data_dir().join("missing.pem");
    for (cert, key, words) in [
        (&missing, &key, ["missing.pem", "server.cert_file"]),
        (&cert, &missing, ["missing.pem", "server.key_file"]),
        (&cert, &cert, ["tls-cert.pem", "BEGIN PRIVATE KEY"]),
        (&key, &key, ["tls-key.pem", "BEGIN CERTIFICATE"]),
    ] {
        let (status, output) = with(cert, key).start_refused().await?;
        assert_eq!(status.code(), Some(2), "{output}");
        for word in words {
            assert!(output.contains(word), "{word}: {output}");
        }
    }
    let (status, output) = quiet().set("server.tls", "files").start_refused().await?;
    assert_eq!(status.code(), Some(2), "{output}");
    assert!(output.contains("server.cert_file"), "{output}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_and_revoked_on_the_command_line() -> Result<()> {
    let agent = quiet().start().await?;
    let made = agent
        .cli(&["token", "make", "phone", "--role", "viewer"])
        .await?;
    assert!(made.status.success(), "{}", said(&made));
    // The token alone on the standard output, so that it can be put where it is needed by a pipe.
    let secret = String::from_utf8(made.stdout.clone())?.trim().to_owned();
    assert!(
        secret.starts_with("stw_") && !secret.contains('\n'),
        "{secret}"
    );
    assert!(said(&made).contains("shown this once"), "{}", said(&made));
    let status = agent.cli(&["--token", &secret, "status", "--json"]).await?;
    assert!(status.status.success(), "{}", said(&status));
    let refused = agent
        .cli(&[
            "--token", &secret, "token", "make", "mine", "--role", "admin",
        ])
        .await?;
    assert!(!refused.status.success() && said(&refused).contains("admin"));
    let twice = agent
        .cli(&["token", "make", "phone", "--role", "admin"])
        .await?;
    assert!(said(&twice).contains("already"), "{}", said(&twice));
    let list = agent.cli(&["token", "list"]).await?;
    assert!(said(&list).contains("phone") && !said(&list).contains(&secret));

    let revoked = agent.cli(&["token", "revoke", "phone"]).await?;
    assert!(revoked.status.success(), "{}", said(&revoked));
    let status = agent.cli(&["--token", &secret, "status"]).await?;
    assert!(!status.status.success(), "{}", said(&status));
    let gone = agent.cli(&["token", "revoke", "phone"]).await?;
    assert!(said(&gone).contains("no token `phone`"), "{}", said(&gone));
    let journal = agent.journal(0).await?;
    let names: Vec<_> = journal.iter().map(|entry| entry.event.name()).collect();
    assert!(
        names.contains(&"token_made") && names.contains(&"token_revoked"),
        "{names:?}"
    );
    Ok(())
}
