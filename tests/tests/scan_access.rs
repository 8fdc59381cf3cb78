//! `steward scan auth`, `ports` and `config` as their users run them: the real program on real log files and on real containers, without an
//! agent.

use std::{
    collections::HashMap,
    fmt::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use bollard::{
    models::{ContainerCreateBody, HostConfig, PortBinding},
    query_parameters::{CreateContainerOptionsBuilder, InspectContainerOptions},
};
use steward_api::{
    ConfigurationRisk, ConfigurationRiskKind, OpenPort, SignInPattern, SignInSource,
};
use steward_tests::{
    agent::program,
    docker::{LABEL, Lab},
    lab_or_skip,
};

/// A place with a configuration of its own.
struct Place {
    dir: tempfile::TempDir,
    docker_host: String,
}

impl Place {
    fn new(config: &str, docker_host: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join("steward.toml"), config)?;
        Ok(Self {
            dir,
            docker_host: docker_host.to_owned(),
        })
    }

    fn scan(&self, arguments: &[&str], stdin: Option<&Path>) -> Result<Output> {
        let mut command = Command::new(program("steward", "steward")?);
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("STEWARD_") {
                command.env_remove(key);
            }
        }
        let stdin = match stdin {
            Some(path) => Stdio::from(std::fs::File::open(path)?),
            None => Stdio::null(),
        };
        let output = command
            .env("STEWARD_CONFIG", self.dir.path().join("steward.toml"))
            .env("STEWARD_DATA_DIR", self.dir.path().join("data"))
            .env("DOCKER_HOST", &self.docker_host)
            .env("NO_COLOR", "1")
            .env("TZ", "UTC")
            .env_remove("SSH_CLIENT")
            .env_remove("SSH_CONNECTION")
            .arg("scan")
            .args(arguments)
            .stdin(stdin)
            .output()?;
        Ok(output)
    }

    fn found<T: serde::de::DeserializeOwned>(&self, arguments: &[&str], key: &str) -> Result<T> {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let output = self.scan(&arguments, None)?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        let mut value: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        serde_json::from_value(value[key].take()).with_context(|| format!("{value}"))
    }
}

/// The forms of a real OpenSSH server: 20,000 attempts of one address, 400 names of another, a person, and a name that is a trap.
fn ssh_log() -> String {
    let mut log = String::new();
    let mut add = |n: u32, message: &str| {
        let (hour, minute, second) = (n / 3600 % 24, n / 60 % 60, n % 60);
        let _ = writeln!(
            log,
            "2026-03-05T{hour:02}:{minute:02}:{second:02}.123456+00:00 atlas sshd[{n}]: {message}"
        );
    };
    for n in 0..20_000 {
        let port = 1024 + n;
        add(
            n,
            &format!("Failed password for root from 203.0.113.1 port {port} ssh2"),
        );
        add(
            n,
            &format!(
                "Connection closed by authenticating user root 203.0.113.1 port {port} [preauth]"
            ),
        );
    }
    for n in 0..400 {
        let port = 1024 + n;
        add(
            n * 60,
            &format!("Invalid user name{n} from 203.0.113.2 port {port}"),
        );
        add(
            n * 60,
            &format!("Failed password for invalid user name{n} from 203.0.113.2 port {port} ssh2"),
        );
    }
    add(
        30_000,
        "Failed password for alice from 192.168.1.20 port 5000 ssh2",
    );
    add(
        30_005,
        "Accepted password for alice from 192.168.1.20 port 5000 ssh2",
    );
    add(
        30_010,
        "Invalid user x from 198.51.100.99 port 22 ssh2 from 203.0.113.3 port 42506",
    );
    log
}

#[test]
fn a_log_of_many_lines_is_counted_by_source() -> Result<()> {
    let place = Place::new(
        "[docker]\nenabled = false\n[security.authentication]\nown_networks = [\"192.168.1.0/24\"]\n",
        "unix:///nonexistent",
    )?;
    let path = place.dir.path().join("auth.log");
    std::fs::write(&path, ssh_log())?;
    let file = path.display().to_string();
    let sources: Vec<SignInSource> = place.found(&["auth", "--log", &file], "sign_ins")?;
    let of = |address: &str| {
        sources
            .iter()
            .find(|source| source.address == address.parse().ok())
            .with_context(|| format!("{address} in {sources:?}"))
    };
    let root = of("203.0.113.1")?;
    assert_eq!(
        (root.failures, root.pattern),
        (20_000, SignInPattern::BruteForce)
    );
    let names = of("203.0.113.2")?;
    assert_eq!(
        (names.failures, names.users, names.pattern),
        (400, 400, SignInPattern::Spraying)
    );
    let alice = of("192.168.1.20")?;
    assert!(alice.own.is_some() && alice.successes == 1);
    assert_eq!(of("203.0.113.3")?.failures, 1);
    assert!(of("198.51.100.99").is_err(), "a name forged an address");

    // For people, and from the standard input.
    let shown = place.scan(&["auth", "--log", "-"], Some(&path))?;
    let text = String::from_utf8(shown.stdout)?;
    assert!(shown.status.success());
    assert!(
        text.contains("brute force") && text.contains("spraying"),
        "{text}"
    );
    assert!(
        text.contains("40803 lines read from the standard input; 40803 understood"),
        "{text}"
    );
    // What is not there is said so.
    let missing = place.scan(&["auth", "--log", "/nonexistent/auth.log"], None)?;
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8(missing.stderr)?.contains("can't be read"));
    Ok(())
}

/// A container that is set up as carelessly as can be: made and not started, since not every machine that tests may start it.
async fn careless(lab: &Lab) -> Result<String> {
    let name = format!("{}-careless", lab.run());
    let host = HostConfig {
        privileged: Some(true),
        pid_mode: Some("host".to_owned()),
        network_mode: Some("host".to_owned()),
        binds: Some(vec!["/etc:/host-etc".to_owned()]),
        ..HostConfig::default()
    };
    let body = ContainerCreateBody {
        image: Some(lab.image().to_owned()),
        cmd: Some(vec!["/bin/workload".to_owned(), "serve".to_owned()]),
        labels: Some(HashMap::from([(LABEL.to_owned(), lab.run().to_owned())])),
        env: Some(vec![
            "DB_PASSWORD=hunter2secret".to_owned(),
            "OTHER_PASSWORD_FILE=/run/secrets/other".to_owned(),
        ]),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    lab.docker().create_container(Some(options), body).await?;
    Ok(name)
}

/// A container that publishes a port and that somebody tries to get into; removed with the lab.
async fn tried(lab: &Lab) -> Result<(String, u16)> {
    let name = format!("{}-tried", lab.run());
    let line = "[2026-03-05 03:03:31.123][vaultwarden::api::identity][ERROR] Username or password is incorrect. Try again. IP: 203.0.113.9. Username: alice@example.org.";
    let log = [line; 7].join("\n");
    let host = HostConfig {
        network_mode: Some("bridge".to_owned()),
        port_bindings: Some(HashMap::from([(
            "8080/tcp".to_owned(),
            Some(vec![PortBinding {
                host_ip: Some("0.0.0.0".to_owned()),
                host_port: Some("0".to_owned()),
            }]),
        )])),
        ..HostConfig::default()
    };
    let body = ContainerCreateBody {
        image: Some(lab.image().to_owned()),
        cmd: Some(vec!["/bin/workload".to_owned(), "serve".to_owned()]),
        labels: Some(HashMap::from([(LABEL.to_owned(), lab.run().to_owned())])),
        env: Some(vec![format!("LOG={log}")]),
        exposed_ports: Some(vec!["8080/tcp".to_owned()]),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    lab.docker().create_container(Some(options), body).await?;
    lab.docker()
        .start_container(
            &name,
            None::<bollard::query_parameters::StartContainerOptions>,
        )
        .await?;
    let found = lab
        .docker()
        .inspect_container(&name, None::<InspectContainerOptions>)
        .await?;
    let port = found
        .network_settings
        .and_then(|settings| settings.ports)
        .and_then(|mut ports| ports.remove("8080/tcp").flatten())
        .and_then(|bindings| bindings.first()?.host_port.clone())
        .context("it publishes no port")?;
    Ok((name, port.parse()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_seen_as_they_are() -> Result<()> {
    let lab = lab_or_skip!("careless");
    let is_careless = careless(&lab).await?;
    let (name, port) = tried(&lab).await?;
    let place = Place::new(
        &format!(
            "[node]\nname = \"test\"\n[docker]\nonly_label = \"{}\"\n[security.authentication]\nhost = false\n[server]\nlisten = \"0.0.0.0:9470\"\n",
            lab.only_label()
        ),
        lab.host(),
    )?;

    let risks: Vec<ConfigurationRisk> = place.found(&["config"], "risks")?;
    let kinds: Vec<ConfigurationRiskKind> = risks
        .iter()
        .filter(|risk| risk.resource.name == is_careless)
        .map(|risk| risk.kind)
        .collect();
    use ConfigurationRiskKind as Kind;
    assert_eq!(
        kinds,
        [
            Kind::Privileged,
            Kind::WritableHostPath,
            Kind::HostNetwork,
            Kind::HostPid,
            Kind::RunsAsRoot,
            Kind::LatestTag,
            Kind::SecretInEnvironment
        ],
        "{risks:#?}"
    );
    let text = serde_json::to_string(&risks)?;
    assert!(
        text.contains("DB_PASSWORD") && !text.contains("hunter2secret"),
        "{text}"
    );
    assert!(!text.contains("OTHER_PASSWORD_FILE"), "{text}");
    assert!(
        risks.iter().any(|risk| risk.kind == Kind::StewardListens),
        "{text}"
    );

    // Its port is there once, whether the engine's helper listens or not.
    let ports: Vec<OpenPort> = place.found(&["ports"], "ports")?;
    let of: Vec<&OpenPort> = ports.iter().filter(|open| open.port == port).collect();
    assert_eq!(of.len(), 1, "{of:?}");
    let (container, inside) = of[0].container.clone().context("whose is it?")?;
    assert_eq!((container.name.as_str(), inside), (name.as_str(), 8080));
    assert!(of[0].is_exposed && of[0].expected.is_none());

    // What it wrote of signing in.
    let mut sources: Vec<SignInSource> = Vec::new();
    for _ in 0..50 {
        sources = place.found(&["auth"], "sign_ins")?;
        if !sources.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(sources.len(), 1, "{sources:?}");
    assert_eq!(sources[0].address, "203.0.113.9".parse().ok());
    assert_eq!(
        (sources[0].failures, sources[0].pattern),
        (7, SignInPattern::BruteForce)
    );
    assert_eq!(
        (
            sources[0].service.as_str(),
            sources[0].resource.name.as_str()
        ),
        (name.as_str(), name.as_str())
    );

    // An engine that is not there is no clean engine.
    let gone = Place::new(
        "[node]\nname = \"test\"\n",
        "unix:///nonexistent/docker.sock",
    )?;
    let output = gone.scan(&["config"], None)?;
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(String::from_utf8(output.stdout)?.contains("not known"));
    Ok(())
}
