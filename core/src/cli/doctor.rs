//! `doctor`: whether Steward has what it needs on this machine, and what to do where not. Looks only; changes nothing.

use std::{
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use bollard::Docker;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use steward_api::{GetHealth, GetStatus, Nothing, StatusReply};

use super::{
    Context, connect,
    connect::Local,
    failure::{Exit, Failure},
    output::{Screen, Tone, units},
    settings,
};
use crate::config::{Config, TlsMode};

/// Below this the database may soon take no writes. Bytes.
const LITTLE_SPACE: u64 = 1024 * 1024 * 1024;
/// Below this it will. Bytes.
const NO_SPACE: u64 = 100 * 1024 * 1024;
/// How far the engine's clock may be off.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(2);
const DOCKER_TIMEOUT: Duration = Duration::from_secs(5);

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    level: Level,
    /// What was found.
    found: String,
    /// What to do about it; empty where nothing is needed.
    todo: String,
}

fn ok(name: &'static str, found: impl Into<String>) -> Check {
    Check {
        name,
        level: Level::Ok,
        found: found.into(),
        todo: String::new(),
    }
}

fn warn(name: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Check {
    Check {
        name,
        level: Level::Warn,
        found: found.into(),
        todo: todo.into(),
    }
}

fn fail(name: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Check {
    Check {
        level: Level::Fail,
        ..warn(name, found, todo)
    }
}

pub(super) async fn doctor(context: &Context) -> Result<Exit, Failure> {
    let mut checks = Vec::new();
    let config = match settings::load(context.global.config.as_deref()) {
        Ok(config) => {
            checks.push(ok(
                "configuration",
                config.file.as_ref().map_or_else(
                    || "none given; the defaults are in force".to_owned(),
                    |file| format!("{} is valid", file.display()),
                ),
            ));
            Some(config)
        }
        Err(failure) => {
            checks.push(fail(
                "configuration",
                failure.to_string(),
                "correct it, then: steward config check",
            ));
            None
        }
    };
    let data_dir = config
        .as_ref()
        .map_or_else(crate::wire::data_dir, |config| config.data_dir.clone());
    checks.push(data_directory(&data_dir));
    checks.extend(disk_space(&data_dir));
    let status = agent(context, &mut checks).await;
    checks.push(database(config.as_ref(), &data_dir, status.as_ref()).await);
    checks.extend(docker(config.as_ref(), status.as_ref(), context.screen.now).await);
    checks.extend(
        config
            .as_ref()
            .map(|config| tls(config, context.screen.now)),
    );
    checks.push(clock(
        context.screen.now,
        Path::new("/run/systemd/timesync"),
    ));
    checks.push(systemd(Path::new("/run/systemd/system")));

    if context.screen.json {
        context.screen.print_json(&checks)?;
    } else {
        context.screen.print(&render(&context.screen, &checks))?;
    }
    let worst = checks.iter().map(|check| check.level).max();
    Ok(if worst == Some(Level::Fail) {
        Exit::Failed
    } else {
        Exit::Done
    })
}

fn render(screen: &Screen, checks: &[Check]) -> String {
    let mut out = String::new();
    for check in checks {
        let (symbol, tone) = match check.level {
            Level::Ok => ("✔ ok  ", Tone::Good),
            Level::Warn => ("▲ warn", Tone::Warn),
            Level::Fail => ("✖ fail", Tone::Bad),
        };
        let text = screen.wrapped(24, &check.found);
        out.push_str(&format!(
            "{}  {:<14}  {}",
            screen.paint(tone, symbol),
            check.name,
            text.trim_start()
        ));
        if !check.todo.is_empty() {
            let text = screen.wrapped(26, &check.todo);
            out.push_str(&format!("{:24}→ {}", "", text.trim_start()));
        }
    }
    let count = |level| checks.iter().filter(|check| check.level == level).count();
    out.push_str(&match (count(Level::Fail), count(Level::Warn)) {
        (0, 0) => "\nAll is well.\n".to_owned(),
        (0, warnings) => format!("\nNothing fails; {warnings} to look at.\n"),
        (failures, _) => format!("\n{failures} to mend.\n"),
    });
    out
}

fn data_directory(dir: &Path) -> Check {
    const NAME: &str = "data directory";
    let shown = dir.display();
    match std::fs::metadata(dir) {
        Ok(meta) if !meta.is_dir() => fail(
            NAME,
            format!("{shown} is no directory"),
            "remove it, or set STEWARD_DATA_DIR to another place",
        ),
        Ok(meta) => {
            if rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_err() {
                return fail(
                    NAME,
                    format!("this account may not write to {shown}"),
                    "run as the agent's user, or set STEWARD_DATA_DIR to a place of your own",
                );
            }
            let mode = meta.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return warn(
                    NAME,
                    format!(
                        "{shown} can be entered by others (mode {mode:03o}, owner {})",
                        meta.uid()
                    ),
                    format!("chmod 700 {shown}"),
                );
            }
            ok(NAME, shown.to_string())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = existing_parent(dir);
            if rustix::fs::access(&parent, rustix::fs::Access::WRITE_OK).is_ok() {
                ok(NAME, format!("{shown} will be made at the first start"))
            } else {
                fail(
                    NAME,
                    format!("{shown} is not there, and this account may not make it"),
                    "run as root once, or set STEWARD_DATA_DIR to a place of your own",
                )
            }
        }
        Err(error) => fail(
            NAME,
            format!("can't look at {shown}: {error}"),
            "run as the agent's user, or set STEWARD_DATA_DIR",
        ),
    }
}

/// The nearest directory above that is there.
fn existing_parent(dir: &Path) -> PathBuf {
    dir.ancestors()
        .skip(1)
        .find(|parent| parent.exists())
        .map_or_else(
            || PathBuf::from("."),
            |parent| {
                if parent.as_os_str().is_empty() {
                    PathBuf::from(".")
                } else {
                    parent.to_path_buf()
                }
            },
        )
}

fn disk_space(dir: &Path) -> Option<Check> {
    let place = if dir.exists() {
        dir.to_path_buf()
    } else {
        existing_parent(dir)
    };
    match rustix::fs::statvfs(&place) {
        Ok(stats) => Some(space_check(stats.f_bavail.saturating_mul(stats.f_frsize))),
        Err(error) => Some(warn(
            "disk space",
            format!("can't be read for {}: {error}", place.display()),
            "look with df",
        )),
    }
}

fn space_check(available: u64) -> Check {
    const NAME: &str = "disk space";
    let found = format!(
        "{} free for the data directory",
        units::byte_count(available)
    );
    if available < NO_SPACE {
        fail(
            NAME,
            found,
            "free some, or the journal stops and with it every action",
        )
    } else if available < LITTLE_SPACE {
        warn(NAME, found, "free some soon")
    } else {
        ok(NAME, found)
    }
}

/// Whether an agent answers and lets this account in; its status where it does.
async fn agent(context: &Context, checks: &mut Vec<Check>) -> Option<StatusReply> {
    const NAME: &str = "agent";
    const START: &str = "start it: steward up";
    let client = match context.connect() {
        Ok(client) => client,
        Err(failure) => {
            checks.push(match connect::find_local(&connect::data_dirs()) {
                Ok(Local::Absent { .. }) => warn(NAME, "none runs on this machine", START),
                _ => fail(
                    NAME,
                    failure.to_string(),
                    "run as the agent's user, or give --token",
                ),
            });
            return None;
        }
    };
    let client = client.with_timeout(Duration::from_secs(10));
    match client.call::<GetHealth>(None, &Nothing {}).await {
        Ok(health) => {
            let found = format!(
                "{} answers, version {}, up {}",
                client.url(),
                health.version,
                units::seconds(health.uptime_seconds)
            );
            checks.push(if health.version == env!("CARGO_PKG_VERSION") {
                ok(NAME, found)
            } else {
                warn(
                    NAME,
                    found,
                    format!(
                        "this command is version {}: use the same",
                        env!("CARGO_PKG_VERSION")
                    ),
                )
            });
        }
        Err(error) => {
            checks.push(warn(NAME, error.to_string(), START));
            return None;
        }
    }
    match client.call::<GetStatus>(None, &Nothing {}).await {
        Ok(status) => {
            checks.push(ok("token", "the agent accepts it"));
            Some(status)
        }
        Err(error) => {
            checks.push(fail(
                "token",
                error.to_string(),
                "give one with --token or STEWARD_TOKEN",
            ));
            None
        }
    }
}

async fn database(config: Option<&Config>, data_dir: &Path, status: Option<&StatusReply>) -> Check {
    const NAME: &str = "database";
    const MEND: &str = "free space or correct database.url; meanwhile Steward only watches";
    // A running agent knows best, and opening its database beside it could disturb it.
    if let Some(status) = status {
        let store = &status.store;
        return if store.writable {
            ok(
                NAME,
                format!("{} takes writes, entry {}", store.engine, store.journal_seq),
            )
        } else {
            let error = store.error.as_deref().unwrap_or("the reason is not known");
            fail(
                NAME,
                format!("{} takes no writes: {error}", store.engine),
                MEND,
            )
        };
    }
    let Some(config) = config else {
        return warn(NAME, "not looked at without a valid configuration", "");
    };
    let has_files = std::fs::read_dir(data_dir).is_ok_and(|mut entries| entries.next().is_some());
    if config.database.url.is_none() && !has_files {
        return ok(NAME, "SQLite, will be made at the first start");
    }
    let opened = async { crate::wire::open_store(config).await?.probe().await };
    match opened.await {
        Ok(()) => ok(NAME, "opens and takes writes"),
        Err(error) => fail(NAME, super::chain(&error), MEND),
    }
}

async fn docker(
    config: Option<&Config>,
    status: Option<&StatusReply>,
    now: Timestamp,
) -> Vec<Check> {
    const NAME: &str = "Docker";
    const MEND: &str = "is it installed and running (systemctl status docker), and is this user in the group docker?";
    if let Some(source) =
        status.and_then(|status| status.sources.iter().find(|source| source.name == "docker"))
    {
        return vec![match source.up {
            Some(true) => ok(NAME, "the agent reaches it"),
            Some(false) => fail(NAME, source.error.clone().unwrap_or_default(), MEND),
            None => warn(
                NAME,
                "the agent has not read it yet",
                "look again in a minute",
            ),
        }];
    }
    if config.is_some_and(|config| !config.docker.enabled) {
        return vec![ok(NAME, "switched off in the configuration")];
    }
    let host = std::env::var("DOCKER_HOST")
        .ok()
        .filter(|host| !host.is_empty())
        .or_else(|| config.and_then(|config| config.docker.host.clone()))
        .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
    let asked = async {
        Docker::connect_with_host(&host)?
            .negotiate_version()
            .await?
            .info()
            .await
    };
    match tokio::time::timeout(DOCKER_TIMEOUT, asked).await {
        Ok(Ok(info)) => {
            let mut checks = vec![ok(
                NAME,
                format!(
                    "{} at {host}, {} running",
                    info.server_version
                        .unwrap_or_else(|| "an unknown version".to_owned()),
                    units::count(
                        info.containers_running.unwrap_or_default().unsigned_abs(),
                        "container"
                    )
                ),
            )];
            let engine_time = info
                .system_time
                .and_then(|text| text.parse::<Timestamp>().ok());
            checks.extend(engine_time.and_then(|time| engine_clock(time, now)));
            checks
        }
        Ok(Err(error)) => vec![fail(
            NAME,
            format!("{host}: {}", super::chain(&error)),
            MEND,
        )],
        Err(_) => vec![fail(
            NAME,
            format!(
                "{host} does not answer within {} s",
                DOCKER_TIMEOUT.as_secs()
            ),
            MEND,
        )],
    }
}

/// Whether connections are encrypted where they should be, and with what.
fn tls(config: &Config, now: Timestamp) -> Check {
    const NAME: &str = "TLS";
    let looked = crate::wire::look_at_tls(config, now);
    match (config.server.tls, looked) {
        (_, Err(error)) => fail(
            NAME,
            super::chain(error.as_ref()),
            "correct [server] or the files, then: steward config check",
        ),
        (TlsMode::Off, Ok(_)) if config.server.is_beyond_loopback() => warn(
            NAME,
            format!(
                "{} can be reached from other machines, without encryption",
                config.server.listen
            ),
            "set server.tls to \"generated\" or \"files\", or put a proxy with TLS before it",
        ),
        (TlsMode::Off, Ok(_)) => ok(NAME, "off, and not needed: only this machine can connect"),
        (_, Ok(Some(look))) => match look.untimely {
            Some(untimely) => {
                let found = format!("the certificate in {} {untimely}", look.file.display());
                if untimely.is_refused() {
                    fail(NAME, found, untimely.todo())
                } else {
                    warn(NAME, found, untimely.todo())
                }
            }
            None => ok(NAME, format!("SHA-256 {}", look.fingerprint)),
        },
        (_, Ok(None)) => ok(NAME, "a certificate will be made at the next start"),
    }
}

fn engine_clock(engine: Timestamp, now: Timestamp) -> Option<Check> {
    let off = engine.duration_since(now).abs();
    // The question itself took up to the time limit.
    (off > CLOCK_TOLERANCE + SignedDuration::from_secs(5)).then(|| {
        warn(
            "engine clock",
            format!("it differs from this machine's by {}", units::duration(off)),
            "let both follow the same time server: times of events will not fit",
        )
    })
}

fn clock(now: Timestamp, timesync: &Path) -> Check {
    const NAME: &str = "clock";
    // Older than this program is wrong in any case.
    const EARLIEST: i64 = 1_735_689_600;
    let shown = now.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    if now.as_second() < EARLIEST {
        return fail(
            NAME,
            format!("{shown} can't be right"),
            "set it: timedatectl set-ntp true",
        );
    }
    if timesync.is_dir() && !timesync.join("synchronized").exists() {
        return warn(
            NAME,
            format!("{shown}, not synchronised yet"),
            "timedatectl set-ntp true, and see timedatectl timesync-status",
        );
    }
    ok(NAME, shown)
}

fn systemd(marker: &Path) -> Check {
    const NAME: &str = "systemd";
    if marker.is_dir() {
        ok(NAME, "is here: failed units are watched")
    } else {
        warn(
            NAME,
            "is not here: there are no units to watch or to restart",
            "nothing to do; Steward runs without it",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_judged_by_what_the_journal_needs() {
        assert_eq!(space_check(50 * 1024 * 1024).level, Level::Fail);
        assert_eq!(space_check(500 * 1024 * 1024).level, Level::Warn);
        assert_eq!(space_check(10 * LITTLE_SPACE).level, Level::Ok);
    }

    #[test]
    fn a_data_directory_open_to_others_is_told_with_the_command_that_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let set = |mode| {
            std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(0o755);
        let check = data_directory(dir.path());
        assert_eq!(check.level, Level::Warn);
        assert!(check.todo.starts_with("chmod 700"), "{}", check.todo);
        set(0o700);
        assert_eq!(data_directory(dir.path()).level, Level::Ok);
        assert_eq!(data_directory(&dir.path().join("a/b")).level, Level::Ok);
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(data_directory(&file).level, Level::Fail);
    }

    #[test]
    fn a_certificate_of_ones_own_is_looked_at_for_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config {
            data_dir: dir.path().to_owned(),
            ..Config::default()
        };
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let write = |name: &str, text: String| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            Some(path)
        };
        config.server.tls = TlsMode::Files;
        config.server.cert_file = write("own.pem", params.self_signed(&key).unwrap().pem());
        config.server.key_file = write("own.key", key.serialize_pem());
        let on = |day: &str| tls(&config, format!("{day}T12:00:00Z").parse().unwrap());
        assert_eq!(on("2026-12-01").level, Level::Ok);
        assert_eq!(on("2026-12-25").level, Level::Warn);
        assert_eq!(on("2025-12-31").level, Level::Fail);
        let ended = on("2027-01-02");
        assert_eq!(ended.level, Level::Fail);
        assert!(ended.found.contains("own.pem"), "{}", ended.found);
        assert!(ended.todo.contains("renew"), "{}", ended.todo);
    }

    #[test]
    fn clocks_that_can_not_be_right_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-03-10T12:00:00Z".parse().unwrap();
        assert_eq!(clock(Timestamp::UNIX_EPOCH, dir.path()).level, Level::Fail);
        assert_eq!(clock(now, dir.path()).level, Level::Warn);
        assert_eq!(clock(now, &dir.path().join("none")).level, Level::Ok);
        assert!(engine_clock(now, now).is_none());
        assert!(engine_clock(now + SignedDuration::from_mins(5), now).is_some());
    }
}
