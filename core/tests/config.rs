//! Configurations as people write them: folders of files that must load and that must be refused with given words, the example file,
//! the environment, and the file's watcher.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::ExposeSecret;
use steward::config::{
    Config, ConfigError, Inputs, Watcher, check, default_strategy, describe, diff, load,
    needs_restart,
};
use steward_api::{ActionName, Autonomy, Problem};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Inputs with a home that does not exist, so that no file of the machine's user is read.
fn inputs(file: Option<&Path>, variables: &[(&str, &str)]) -> Inputs {
    let mut env: BTreeMap<String, String> = BTreeMap::from([
        ("HOME".to_owned(), "/nonexistent/home".to_owned()),
        (
            "STEWARD_DATA_DIR".to_owned(),
            "/nonexistent/data".to_owned(),
        ),
    ]);
    for (name, value) in variables {
        env.insert((*name).to_owned(), (*value).to_owned());
    }
    Inputs {
        path: file.map(Path::to_path_buf),
        env,
    }
}

/// A file with a text, in a directory that goes away with it.
struct Written {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

fn written(text: &str) -> Written {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("steward.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    Written {
        _directory: directory,
        path,
    }
}

fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load(&inputs(Some(&written(text).path), variables))
}

fn from_variables(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load_text("", variables)
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(here(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    assert!(files.len() > 3, "the folder {folder} should hold cases");
    files
}

#[test]
fn every_valid_configuration_loads_and_what_it_shows_loads_again() {
    for file in files("tests/valid_configs") {
        let config = load(&inputs(Some(&file), &[]))
            .unwrap_or_else(|error| panic!("{} should load:\n{error}", file.display()));
        let text = describe(&config);
        if text.contains("•••") {
            continue;
        }
        let again = load_text(&text, &[])
            .unwrap_or_else(|error| panic!("{}: shown as\n{text}\n{error}", file.display()));
        let differing: Vec<_> = diff(&config, &again)
            .into_iter()
            // What is shown spells the built-in strategies out.
            .filter(|key| !key.starts_with("strategies."))
            .collect();
        assert_eq!(differing, Vec::<String>::new(), "{}", file.display());
    }
}

#[test]
fn every_invalid_configuration_is_refused_with_line_key_and_what_would_be_right() {
    for file in files("tests/invalid_configs") {
        let error = match load(&inputs(Some(&file), &[])) {
            Ok(_) => panic!("{} should be refused", file.display()),
            Err(error) => error.to_string(),
        };
        let folder = format!("{}/", file.parent().unwrap().display());
        let said = error.replace(&folder, "");
        let expected = fs::read_to_string(file.with_extension("expected")).unwrap_or_default();
        assert_eq!(said.trim(), expected.trim(), "{}", file.display());
    }
}

#[test]
fn what_a_watched_program_is_given_is_never_shown_and_its_change_is_noticed() {
    let text = fs::read_to_string(here("tests/valid_configs/mcp.toml")).unwrap();
    let config = load_text(&text, &[]).unwrap();
    let shown = describe(&config);
    assert!(!shown.contains("not-shown"), "{shown}");
    assert!(shown.contains("API_KEY"), "{shown}");
    assert!(!format!("{:?}", config.mcp.servers[1].env).contains("not-shown"));
    let changed = text.replace("API_KEY = \"not-shown\"", "API_KEY = \"another\"");
    let changed = load_text(&changed, &[]).unwrap();
    assert_eq!(diff(&config, &changed), ["mcp.servers"]);
}

fn example() -> String {
    fs::read_to_string(here("../steward.example.toml")).unwrap()
}

/// The example with every commented key and section in force.
fn uncommented_example() -> String {
    let is_key = |line: &str| {
        line.split_once(" = ").is_some_and(|(key, _)| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        })
    };
    let lines: Vec<_> = example()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if is_key(rest) || rest.starts_with('[') => rest.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    lines.join("\n")
}

#[test]
fn the_example_as_it_is_changes_nothing() {
    let nothing = from_variables(&[]).unwrap();
    let example = load_text(&example(), &[]).unwrap();
    assert_eq!(diff(&nothing, &example), Vec::<String>::new());
    assert_eq!(example.warnings, Vec::<String>::new());
}

#[test]
fn the_example_in_full_shows_the_built_in_values_but_for_its_examples() {
    let nothing = from_variables(&[]).unwrap();
    let full = load_text(&uncommented_example(), &[]).unwrap();
    assert_eq!(
        diff(&nothing, &full),
        [
            "advisor.models",
            "advisor.specialists",
            "autonomy.actions.prune_build_cache",
            "autonomy.actions.stop_container",
            "autonomy.resources",
            "autonomy.windows",
            "database.url",
            "databases.postgres",
            "docker.host",
            "docker.only_label",
            "maintenance",
            "mcp.servers",
            "scripts.tidy.command",
            "scripts.tidy.risk",
            "scripts.tidy.timeout",
            "security.authentication.patterns",
            "security.certificates.renew",
            "security.vulnerabilities.known_exploited_file",
            "security.vulnerabilities.offline_directory",
            "security.vulnerabilities.program",
            "server.cert_file",
            "server.key_file",
            "services",
            "strategies.container_stopped",
            "strategies.disk_filling",
            "strategies.endpoint_slow",
        ]
    );
    assert_eq!(
        full.strategies[&Problem::ContainerStopped],
        default_strategy(Problem::ContainerStopped),
        "the strategy shown as built in is the built-in one"
    );
    assert_eq!(full.services[0].timeout.as_secs(), 10);
    assert_eq!(full.scripts["tidy"].timeout.as_secs(), 60);
}

#[test]
fn variables_win_over_the_file_and_the_named_ones_over_all() {
    let file = "[autonomy]\nlevel = \"observe\"\n[thresholds]\ndisk_percent = 70\n[schedules.health_check]\nenabled = false\n";
    let config = load_text(
        file,
        &[
            ("STEWARD__AUTONOMY__LEVEL", "ask"),
            ("STEWARD_AUTONOMY", "autopilot"),
            ("STEWARD__THRESHOLDS__DISK_PERCENT", "80"),
            ("STEWARD_LISTEN", "127.0.0.1:0"),
            (
                "STEWARD_DATABASE_URL",
                "postgres://steward:hunter2@db/steward",
            ),
            ("STEWARD_ADMIN_TOKEN", "0123456789abcdef0123"),
            ("DOCKER_HOST", "unix:///tmp/other.sock"),
            ("STEWARD__NODE__NAME", "42"),
            ("STEWARD__SCHEDULES__CONTAINER_CYCLE__EVERY", "1m 30s"),
            ("STEWARD__NETWORK__DNS_NAMES", r#"["debian.org"]"#),
            ("STEWARD__AUTONOMY__ACTIONS__STOP_CONTAINER", "observe"),
            ("STEWARD__DOCKER__GRACE", ""),
        ],
    )
    .unwrap();
    assert_eq!(config.autonomy.level, Autonomy::Autopilot);
    assert_eq!(config.thresholds.disk_percent, 80.0);
    assert_eq!(config.server.listen, "127.0.0.1:0");
    assert_eq!(
        config.docker.host.as_deref(),
        Some("unix:///tmp/other.sock")
    );
    assert_eq!(config.docker.grace.as_secs(), 10, "an empty value is none");
    assert_eq!(config.node.name, "42", "a name stays a text");
    assert_eq!(config.schedules.container_cycle.every.as_secs(), 90);
    assert!(!config.schedules.health_check.enabled);
    assert_eq!(
        config.schedules.health_check.every.as_secs(),
        120,
        "a section given in part keeps the rest"
    );
    assert_eq!(config.network.dns_names, ["debian.org"]);
    assert_eq!(
        config.autonomy.actions[&ActionName::StopContainer],
        Autonomy::Observe
    );
    let url = config.database.url.as_ref().unwrap();
    assert_eq!(url.expose_secret(), "postgres://steward:hunter2@db/steward");
    let shown = format!("{config:?}\n{}", describe(&config));
    assert!(!shown.contains("hunter2") && !shown.contains("0123456789abcdef"));
    assert!(shown.contains("postgres://steward:•••@db/steward"));
}

#[test]
fn faults_of_variables_name_the_variable() {
    let error = from_variables(&[
        ("STEWARD__THRESHOLDS__DISK_PERCNT", "80"),
        ("STEWARD__THRESHOLDS__DISK_PERCENT", "850"),
        ("STEWARD__DOCKER__GRACE", "30"),
        ("STEWARD__SERVICES__0__NAME", "wiki"),
        ("STEWARD_AUTONOMY", "autopilott"),
        ("STEWARD_LISTEN", "9470"),
        ("STEWARD_DATABASE_URL", "mysql://root:hunter2@db"),
        ("STEWARD_ADMIN_TOKEN", "two words"),
        ("DOCKER_HOST", "ssh://me@server"),
    ])
    .unwrap_err();
    let said = error.to_string();
    let lines: Vec<_> = said.lines().collect();
    for begins in [
        "DOCKER_HOST: docker.host: \"ssh://me@server\" will not do: it should be \"unix:///",
        "STEWARD_ADMIN_TOKEN: the token (not shown)",
        "STEWARD_AUTONOMY: autonomy.level: \"autopilott\" is not a level of autonomy: did you mean \"autopilot\"? it should be one of observe, ask, assist, autopilot",
        "STEWARD_DATABASE_URL: database.url: the value (not shown, it may hold a password) will not do: it should be \"sqlite:\"",
        "STEWARD_LISTEN: server.listen: \"9470\" will not do: it should be host:port",
        "STEWARD__DOCKER__GRACE: docker.grace: \"30\" has no unit: it should be a duration such as \"30s\"",
        "STEWARD__SERVICES__0__NAME: `services` has no keys of its own: set it as a whole with STEWARD__SERVICES",
        "STEWARD__THRESHOLDS__DISK_PERCENT: thresholds.disk_percent: 850 is out of range: it should be a percentage from 1 to 100",
        "STEWARD__THRESHOLDS__DISK_PERCNT: names no known key: did you mean `STEWARD__THRESHOLDS__DISK_PERCENT`?",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(begins)),
            "should say: {begins}\n{said}"
        );
    }
    assert_eq!(lines.len(), 9, "{said}");
    assert!(!said.contains("hunter2") && !said.contains("two words"));
}

#[test]
fn unknown_variables_of_steward_are_only_a_warning() {
    let config = from_variables(&[
        ("STEWARD_LISTN", "x"),
        ("STEWARD_URL", "http://other:9470"),
        ("STEWARD_TOKEN", "t"),
        ("STEWARDESS", "x"),
        ("STEWARD_EMPTY", ""),
    ])
    .unwrap();
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(
        config.warnings[0]
            .starts_with("STEWARD_LISTN: this variable does nothing: did you mean STEWARD_LISTEN?")
    );
}

#[test]
fn a_named_file_must_be_there_a_default_one_need_not() {
    let missing = Path::new("/nonexistent/steward.toml");
    let error = load(&inputs(Some(missing), &[])).unwrap_err().to_string();
    assert!(
        error.starts_with("/nonexistent/steward.toml: cannot be read:"),
        "{error}"
    );
    assert!(error.contains("--config"), "{error}");
    let error = load(&inputs(None, &[("STEWARD_CONFIG", "/nonexistent/b.toml")]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nonexistent/b.toml") && error.contains("STEWARD_CONFIG"));
    // STEWARD_CONFIG wins over --config.
    let file = written("[docker]\nlog_lines = 7\n");
    let by_variable = inputs(
        Some(missing),
        &[("STEWARD_CONFIG", file.path.to_str().unwrap())],
    );
    let config = load(&by_variable).unwrap();
    assert_eq!(
        (config.docker.log_lines, config.file),
        (7, Some(file.path.clone()))
    );
    let directory = file.path.parent().unwrap();
    assert!(load(&inputs(Some(directory), &[])).is_err());
}

#[test]
fn a_file_that_is_no_text_is_refused_with_its_line() {
    let file = written("");
    fs::write(&file.path, b"[node]\nname = \"\xff\"\n").unwrap();
    let error = load(&inputs(Some(&file.path), &[]))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("steward.toml:2:9: this is not UTF-8 text"),
        "{error}"
    );
    fs::write(&file.path, vec![b'#'; 2 * 1024 * 1024]).unwrap();
    let error = load(&inputs(Some(&file.path), &[]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("longer than 1 MiB"), "{error}");
}

#[test]
fn passwords_show_in_no_error() {
    for text in [
        "[database]\nurl = \"postgres://steward:hunter2@db/steward\n",
        "[database]\nurl = \"hunter2\"\n",
        "[database]\nurl = [\"hunter2\"]\n",
        "[database]\nurll = \"postgres://steward:hunter2@db/steward\"\n",
        "[[databases.postgres]]\nname = \"a\"\nurl = \"mysql://a:hunter2@db\"\n",
        "[[services]]\nname = \"a\"\nurl = \"ftp://a:hunter2@host\"\n",
        "[scripts.a]\ncommand = [\"tidy --password=hunter2\"]\n",
    ] {
        let error = load_text(text, &[]).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn a_readable_file_with_a_password_is_warned_about() {
    let file = written("[database]\nurl = \"postgres://steward:hunter2@db/steward\"\n");
    let of = |mode: u32| {
        fs::set_permissions(&file.path, fs::Permissions::from_mode(mode)).unwrap();
        check(&inputs(Some(&file.path), &[])).unwrap().warnings
    };
    assert_eq!(of(0o600), Vec::<String>::new());
    let warnings = of(0o644);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("database.url") && warnings[0].contains("chmod 600"));
    assert!(!warnings[0].contains("hunter2"));
    assert!(
        of(0o662)
            .iter()
            .any(|warning| warning.contains("may change it"))
    );
    // So are the key of a language model, and what an MCP server is given.
    let text = "[[advisor.models]]\nname = \"m\"\nurl = \"https://example.org/v1\"\napi_key = \"hunter2\"\n[[mcp.servers]]\nname = \"s\"\ncommand = \"/bin/cat\"\nenv = { API_TOKEN = \"hunter2hunter2\" }\n";
    fs::write(&file.path, text).unwrap();
    let warnings = of(0o644).join("\n");
    for key in ["advisor.models[0].api_key", "mcp.servers[0].env"] {
        assert!(warnings.contains(key), "{key} in {warnings}");
    }
    assert!(!warnings.contains("hunter2"), "{warnings}");
    assert_eq!(of(0o600), Vec::<String>::new());
    // The password of a variable is not in the file.
    fs::write(&file.path, "").unwrap();
    let variable = [("STEWARD_DATABASE_URL", "postgres://a:hunter2@db/a")];
    fs::set_permissions(&file.path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        check(&inputs(Some(&file.path), &variable))
            .unwrap()
            .warnings,
        Vec::<String>::new()
    );
}

#[test]
fn scripts_that_cannot_run_and_open_ports_are_warned_about() {
    let file = written("");
    let directory = file.path.parent().unwrap().display();
    let text = format!(
        "[server]\nlisten = \"0.0.0.0:9470\"\n[scripts.gone]\ncommand = [\"{directory}/gone\"]\n[scripts.plain]\ncommand = [\"{}\"]\n[scripts.good]\ncommand = [\"/bin/sh\", \"-c\", \"true\"]\n",
        file.path.display()
    );
    let config = load_text(&text, &[("STEWARD_ADMIN_TOKEN", "short")]).unwrap();
    let said = config.warnings.join("\n");
    assert!(
        said.contains("scripts.gone:") && said.contains("does not exist"),
        "{said}"
    );
    assert!(
        said.contains("scripts.plain:") && said.contains("is not executable"),
        "{said}"
    );
    assert!(!said.contains("scripts.good"), "{said}");
    assert!(
        said.contains("0.0.0.0:9470 can be reached from other machines"),
        "{said}"
    );
    assert!(
        said.contains("STEWARD_ADMIN_TOKEN") && !said.contains("short\n"),
        "{said}"
    );
}

#[test]
fn an_open_port_with_tls_is_no_warning_and_a_certificate_without_tls_is() {
    let open = "[server]\nlisten = \"0.0.0.0:9470\"\n";
    let warnings = |text: &str| load_text(text, &[]).unwrap().warnings;
    assert_eq!(
        warnings(&format!("{open}tls = \"generated\"\n")),
        Vec::<String>::new()
    );
    let idle = warnings("[server]\ncert_file = \"/etc/steward/cert.pem\"\n");
    assert!(
        idle.len() == 1 && idle[0].contains("server.tls"),
        "{idle:?}"
    );
}

#[test]
fn differences_name_keys_and_never_values() {
    let old = load_text("[database]\nurl = \"postgres://a:one@db/a\"\n", &[]).unwrap();
    let new = load_text(
        "[node]\nname = \"other\"\n[database]\nurl = \"postgres://a:two@db/a\"\n[thresholds]\ndisk_percent = 70\n[docker]\nhost = \"tcp://a:2375\"\n[server]\nlisten = \"127.0.0.1:1\"\n[[databases.postgres]]\nname = \"a\"\nurl = \"postgres://a:three@db/a\"\n",
        &[],
    )
    .unwrap();
    assert_eq!(
        diff(&old, &new),
        [
            "database.url",
            "databases.postgres",
            "docker.host",
            "node.name",
            "server.listen",
            "thresholds.disk_percent"
        ]
    );
    assert_eq!(
        needs_restart(&old, &new),
        ["database.url", "docker.host", "node.name", "server.listen"]
    );
    let mut third = new.clone();
    third.databases.postgres[0].url = "postgres://a:four@db/a".into();
    assert_eq!(
        diff(&new, &third),
        ["databases.postgres"],
        "only the password differs"
    );
}

/// Waits for a change; the clock is paused, so the waiting takes no time, only the file's reading does.
async fn notices(watcher: &mut Watcher) -> bool {
    tokio::time::timeout(Duration::from_secs(30), watcher.changed())
        .await
        .is_ok()
}

#[tokio::test(start_paused = true)]
async fn the_watcher_notices_every_way_of_changing_a_file() {
    let file = written("one");
    let mut watcher = Watcher::new(&file.path).await;
    assert!(!notices(&mut watcher).await, "nothing has changed");

    fs::write(&file.path, "two").unwrap();
    assert!(
        notices(&mut watcher).await,
        "written in place, of the same length"
    );
    assert!(!notices(&mut watcher).await, "each change is told once");

    let times = fs::metadata(&file.path).unwrap().modified().unwrap();
    fs::write(&file.path, "six").unwrap();
    fs::File::options()
        .write(true)
        .open(&file.path)
        .unwrap()
        .set_modified(times)
        .unwrap();
    assert!(
        notices(&mut watcher).await,
        "within the same tick of the clock"
    );

    let new = file.path.with_extension("new");
    fs::write(&new, "three").unwrap();
    fs::rename(&new, &file.path).unwrap();
    assert!(notices(&mut watcher).await, "replaced as editors do");

    fs::remove_file(&file.path).unwrap();
    assert!(
        !notices(&mut watcher).await,
        "a file that is gone is waited for"
    );
    fs::write(&file.path, "four").unwrap();
    assert!(notices(&mut watcher).await, "it has come back");
}

#[tokio::test(start_paused = true)]
async fn the_watcher_notices_a_file_that_comes_into_being() {
    let file = written("");
    fs::remove_file(&file.path).unwrap();
    let mut watcher = Watcher::new(&file.path).await;
    assert!(!notices(&mut watcher).await);
    fs::write(&file.path, "").unwrap();
    assert!(notices(&mut watcher).await);
}
