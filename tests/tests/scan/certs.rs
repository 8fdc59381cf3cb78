//! `steward scan certs`.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use bollard::query_parameters::InspectNetworkOptions;
use steward_api::{CertificateFault, CertificateScan};
use steward_tests::{
    agent::program,
    docker::{Container, Workload},
    lab_or_skip, skip,
};
use tempfile::TempDir;

use super::servers::{House, Shown, alone, say, serve};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The program, with a house that it trusts, a configuration and a directory of its own. No agent runs.
struct Scanner {
    house: House,
    directory: TempDir,
    program: PathBuf,
    docker_host: String,
}

impl Scanner {
    async fn new() -> Result<Self> {
        let house = House::new()?;
        let directory = tempfile::Builder::new().prefix("steward-").tempdir()?;
        fs::write(directory.path().join("house.pem"), house.pem())?;
        Ok(Self {
            house,
            program: tokio::task::spawn_blocking(|| program("steward", "steward")).await??,
            docker_host: format!("unix://{}", directory.path().join("no.sock").display()),
            directory,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn run(&self, config: &str, arguments: &[&str]) -> Result<Output> {
        fs::write(self.path("steward.toml"), config)?;
        let mut command = tokio::process::Command::new(&self.program);
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("STEWARD_") {
                command.env_remove(key);
            }
        }
        command
            .args(["scan", "certs"])
            .args(arguments)
            .env("STEWARD_CONFIG", self.path("steward.toml"))
            .env("STEWARD_DATA_DIR", self.path("data"))
            // Whom this host trusts, for the library that reads the list.
            .env("SSL_CERT_FILE", self.path("house.pem"))
            .env_remove("SSL_CERT_DIR")
            .env("DOCKER_HOST", &self.docker_host)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok(
            tokio::time::timeout(Duration::from_secs(120), command.output())
                .await
                .context("the scan did not end")??,
        )
    }

    /// The certificates as the contract has them, and the exit code.
    async fn json(&self, config: &str, arguments: &[&str]) -> Result<(Vec<CertificateScan>, i32)> {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let output = self.run(config, &arguments).await?;
        let scans = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("it wrote {output:?}"))?;
        Ok((scans, output.status.code().unwrap_or(-1)))
    }

    async fn serve(&self, shown: Result<Shown>) -> Result<String> {
        Ok(format!("localhost:{}", serve(LOOPBACK, shown?).await?))
    }
}

fn kinds(scan: &CertificateScan) -> Vec<CertificateFault> {
    scan.faults.iter().map(|(kind, _)| *kind).collect()
}

fn at<'s>(scans: &'s [CertificateScan], place: &str) -> Result<&'s CertificateScan> {
    scans
        .iter()
        .find(|one| one.place == place)
        .with_context(|| format!("{place} is not among {scans:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_server_is_named() -> Result<()> {
    use CertificateFault::{Chain, Expired, Expiring, SelfSigned, WrongName};
    let scanner = Scanner::new().await?;
    let house = &scanner.house;
    let good = scanner.serve(house.certificate("localhost", 400)).await?;
    let expired = scanner.serve(house.certificate("localhost", -10)).await?;
    let soon = scanner.serve(house.certificate("localhost", 12)).await?;
    let wrong = scanner.serve(house.certificate("wiki.home", 400)).await?;
    let own = scanner.serve(alone("localhost")).await?;
    let broken = scanner
        .serve(house.certificate_without_its_chain("localhost"))
        .await?;
    let all = [&good, &expired, &soon, &wrong, &own, &broken].map(String::as_str);
    let (scans, code) = scanner.json("", &all).await?;
    ensure!(scans.len() == 6 && code == 1, "{code}: {scans:?}");
    for (place, expected) in [
        (&good, vec![]),
        (&expired, vec![Expired]),
        (&soon, vec![Expiring]),
        (&wrong, vec![WrongName]),
        (&own, vec![SelfSigned]),
        (&broken, vec![Chain]),
    ] {
        let seen = at(&scans, place)?;
        ensure!(kinds(seen) == expected, "{place}: {seen:?}");
    }
    // The first to end stands first.
    ensure!(
        scans[0].place == expired && scans[1].place == soon,
        "{scans:?}"
    );
    let days = |count: &'static str| ["--expiring-within", count];
    let (_, code) = scanner
        .json("", &[[&*soon].as_slice(), &days("5d")].concat())
        .await?;
    ensure!(code == 0, "{code}");
    let (_, code) = scanner
        .json("", &[[&*good].as_slice(), &days("500d")].concat())
        .await?;
    ensure!(code == 1, "{code}");

    let told = scanner.run("", &[&good, &expired, &wrong]).await?;
    let text = String::from_utf8(told.stdout)?;
    for words in [
        "it ended 10 d ago",
        "over 10 days",
        "it is for wiki.home, not for localhost",
        "well",
    ] {
        ensure!(text.contains(words), "{words}: {text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tls_server_is_a_gap_and_never_holds_it_up() -> Result<()> {
    let scanner = Scanner::new().await?;
    let plain = say(LOOPBACK, b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()).await?;
    let flood = say(LOOPBACK, vec![b'x'; 100 * 1024]).await?;
    let silent = say(LOOPBACK, Vec::new()).await?;
    let places = [plain, flood, silent].map(|port| format!("127.0.0.1:{port}"));
    let begun = std::time::Instant::now();
    let output = scanner
        .run("", &places.each_ref().map(String::as_str))
        .await?;
    ensure!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    ensure!(output.status.code() == Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr)?;
    for place in &places {
        ensure!(
            said.contains(&format!("{place}: it does not speak TLS")),
            "{said}"
        );
    }
    let refused = scanner.run("", &["localhost:0"]).await?;
    ensure!(refused.status.code() == Some(2), "{refused:?}");
    Ok(())
}

fn fixture(name: &str) -> PathBuf {
    steward_tests::workspace_root()
        .join("core/tests/certificates")
        .join(name)
}

fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("the path is no text")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_configuration_are_read_and_their_keys_are_not() -> Result<()> {
    let scanner = Scanner::new().await?;
    let live = scanner.path("live/wiki.home");
    fs::create_dir_all(&live)?;
    let good = scanner.house.certificate("wiki.home", 400)?;
    let key = good.key_pem();
    fs::write(live.join("fullchain.pem"), format!("{key}{}", good.pem()))?;
    fs::write(live.join("privkey.pem"), &key)?;
    let odd = scanner.path("odd");
    fs::create_dir(&odd)?;
    fs::write(
        odd.join("round.pem"),
        scanner.house.chain_that_goes_round()?,
    )?;
    fs::copy(fixture("rsa-1024.pem"), odd.join("weak.pem"))?;
    fs::write(odd.join("cut.pem"), &good.pem()[..200])?;
    fs::write(odd.join("large.pem"), vec![b'A'; 10 * 1024 * 1024])?;
    let config = format!(
        "[docker]\nenabled = false\n[security.certificates]\nfiles = [\"{}\", \"{}\", \"/nonexistent/*.pem\"]\n",
        text(&scanner.path("live/*/fullchain.pem"))?,
        text(&odd)?,
    );
    let output = scanner.run(&config, &["--json"]).await?;
    let scans: Vec<CertificateScan> = serde_json::from_slice(&output.stdout)?;
    let said = String::from_utf8(output.stderr.clone())?;
    ensure!(
        output.status.code() == Some(1) && scans.len() == 3,
        "{output:?}"
    );
    let seen = |name: &str| at(&scans, &scanner.path(name).display().to_string());
    ensure!(
        seen("live/wiki.home/fullchain.pem")?.faults.is_empty(),
        "{scans:?}"
    );
    let round = &seen("odd/round.pem")?.faults[0];
    ensure!(
        round.0 == CertificateFault::Chain && round.1.contains("goes round"),
        "{round:?}"
    );
    let weak = seen("odd/weak.pem")?;
    ensure!(weak.key == "RSA 1024 bit", "{weak:?}");
    ensure!(kinds(weak).contains(&CertificateFault::WeakKey), "{weak:?}");
    for gap in [
        "cut.pem: its certificate no. 1 is broken",
        "/nonexistent/*.pem: no such file",
    ] {
        ensure!(said.contains(gap), "{gap}: {said}");
    }
    let line = key.lines().nth(1).context("a key has lines")?;
    ensure!(!format!("{output:?}").contains(line), "a key was shown");
    Ok(())
}

/// A container that hands what comes to `inside` on to a port of `gateway`, and the port of this machine on which it is published.
async fn forwarding(
    lab: &steward_tests::docker::Lab,
    name: &str,
    gateway: &str,
    to: u16,
) -> Result<(Container, u16)> {
    let command = [
        "/bin/nc",
        "-ll",
        "-p",
        "8443",
        "-e",
        "/bin/nc",
        gateway,
        &to.to_string(),
    ];
    let container = lab
        .container(name)
        .workload(&Workload::Command(command.map(str::to_owned).to_vec()))
        .network(&format!("{}-net", lab.run()))
        .publish("8443/tcp")
        .start()
        .await?;
    let port = container.published("8443/tcp").await?;
    Ok((container, port))
}

#[tokio::test(flavor = "multi_thread")]
async fn published_ports_that_speak_tls_are_found_and_others_left_alone() -> Result<()> {
    let lab = lab_or_skip!("certs");
    let network = lab.network("net").await?;
    let seen = lab
        .docker()
        .inspect_network(&network, None::<InspectNetworkOptions>)
        .await?;
    let gateway = seen
        .ipam
        .and_then(|ipam| ipam.config)
        .and_then(|config| config.first()?.gateway.clone())
        .and_then(|gateway| gateway.split('/').next()?.parse::<IpAddr>().ok());
    let Some(gateway) = gateway else {
        skip!("the network has no gateway, so that no container reaches this test's servers");
    };
    let mut scanner = Scanner::new().await?;
    scanner.docker_host = lab.host().to_owned();
    let tls = serve(gateway, scanner.house.certificate("wiki.home", -3)?).await?;
    let plain = say(gateway, b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()).await?;
    let gateway = gateway.to_string();
    let (wiki, port) = forwarding(&lab, "wiki", &gateway, tls).await?;
    let (_ssh, _) = forwarding(&lab, "ssh", &gateway, plain).await?;
    let config = format!(
        "[docker]\nonly_label = \"{}\"\n[node]\nname = \"test\"\n",
        lab.only_label()
    );
    let (scans, code) = scanner.json(&config, &[]).await?;
    ensure!(scans.len() == 1 && code == 1, "{code}: {scans:?}");
    let one = &scans[0];
    ensure!(one.place == format!("127.0.0.1:{port}"), "{one:?}");
    ensure!(
        one.resource.as_ref().is_some_and(|id| id.name == wiki.name),
        "{one:?}"
    );
    // Whoever uses it knows it by a name of their own, so that no name is wrong; it is over all the same.
    ensure!(kinds(one) == [CertificateFault::Expired], "{one:?}");

    let without = format!("{config}[security.certificates]\npublished_ports = false\n");
    let nothing = scanner.run(&without, &[]).await?;
    ensure!(nothing.status.code() == Some(0), "{nothing:?}");
    ensure!(
        String::from_utf8(nothing.stdout)?.starts_with("No certificates."),
        "it should say so"
    );

    // An engine that does not answer is not one without containers.
    scanner.docker_host = format!("unix://{}", scanner.path("no.sock").display());
    let unknown = scanner.run(&config, &[]).await?;
    ensure!(unknown.status.code() == Some(1), "{unknown:?}");
    ensure!(
        String::from_utf8(unknown.stderr)?.contains("published ports: "),
        "it should say why"
    );
    Ok(())
}
