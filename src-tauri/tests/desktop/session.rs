//! A session of one's own for each test: a display without a screen, a bus, folders; and the desktop in it.
//!
//! What flows through: what the test wants to have running in; its addresses out. What it never does: touch the session in which the tests
//! run, or leave a program behind.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};
use steward_tests::{
    process::{AtParentsDeath, Spawned, which},
    wait,
};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);

/// What is missing for a window on this machine, with how to get it.
pub(crate) fn missing() -> Option<String> {
    let programs = ["Xvfb", "dbus-daemon", "WebKitWebDriver"];
    let absent: Vec<_> = programs
        .into_iter()
        .filter(|program| which(program).is_none())
        .collect();
    (!absent.is_empty()).then(|| {
        format!(
            "{} not found; on Debian: apt-get install --no-install-recommends xvfb dbus webkit2gtk-driver",
            absent.join(", ")
        )
    })
}

/// A display, a bus and folders. Everything ends when it drops.
pub(crate) struct Session {
    dir: TempDir,
    _display: Spawned,
    _bus: Spawned,
    number: String,
    others: Vec<(String, Spawned)>,
}

impl Session {
    /// Begins one.
    pub(crate) async fn begin() -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("steward-desktop-")
            .tempdir()?;
        for name in ["home", "config", "data", "cache", "runtime", "state"] {
            let path = dir.path().join(name);
            std::fs::create_dir(&path)?;
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        }
        std::fs::write(
            dir.path().join("steward.toml"),
            "[node]\nname = \"workstation\"\n[docker]\nenabled = false\n[network]\nenabled = false\n[databases]\ndiscover = false\n",
        )?;
        let mut command = Command::new(which("Xvfb").context("no Xvfb")?);
        command.args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "1280x900x24",
            "-nolisten",
            "tcp",
        ]);
        let display = Spawned::start("Xvfb", &command, AtParentsDeath::Kill)?;
        let mut command = Command::new(which("dbus-daemon").context("no dbus-daemon")?);
        command
            .args(["--session", "--nofork", "--nopidfile"])
            .arg(format!(
                "--address=unix:path={}",
                dir.path().join("bus").display()
            ))
            .env("XDG_DATA_DIRS", dir.path().join("data"));
        let bus = Spawned::start("dbus-daemon", &command, AtParentsDeath::Kill)?;
        let read = || async {
            let said = display.output();
            let number = said.lines().find_map(|line| {
                let digits = line.rsplit(' ').next().unwrap_or(line).trim();
                digits.parse::<u32>().ok().map(|_| digits.to_owned())
            });
            Ok(number)
        };
        let number = wait::until("the display", SOON, read, Option::is_some)
            .await?
            .context("no display")?;
        let socket = dir.path().join("bus");
        let there = || async { Ok(socket.exists()) };
        wait::until("the bus", SOON, there, |there| *there).await?;
        Ok(Self {
            dir,
            _display: display,
            _bus: bus,
            number,
            others: Vec::new(),
        })
    }

    /// The folder of the session.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The address of its bus.
    pub(crate) fn bus(&self) -> String {
        format!("unix:path={}", self.path("bus").display())
    }

    /// A command in this session.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .env("HOME", self.path("home"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_RUNTIME_DIR", self.path("runtime"))
            .env("DISPLAY", format!(":{}", self.number))
            .env("DBUS_SESSION_BUS_ADDRESS", self.bus())
            .env("NO_AT_BRIDGE", "1")
            .env("USER", "evin")
            .env("STEWARD_DATA_DIR", self.path("steward"))
            .env("STEWARD_CONFIG", self.path("steward.toml"))
            .env("RUST_LOG", "info,steward_desktop=debug");
        command
    }

    /// Has a program run beside the test, in this session.
    pub(crate) fn run(&mut self, name: &str, command: &Command) -> Result<()> {
        let spawned = Spawned::start(name, command, AtParentsDeath::Kill)?;
        self.others.push((name.to_owned(), spawned));
        Ok(())
    }

    /// Ends a program that runs beside the test.
    pub(crate) fn stop(&mut self, name: &str) {
        // Each is killed as it drops.
        self.others.retain(|(known, _)| known != name);
    }

    /// A keyring that is unlocked, of GNOME's; or why there is none. Its password is `pw`.
    pub(crate) async fn keyring(&mut self) -> Result<Result<(), String>> {
        // From a file, not a pipe: of a pipe the shell would stay between, and would be ended in the keyring's stead.
        std::fs::write(self.path("password"), "pw")?;
        self.keyring_by(
            "exec gnome-keyring-daemon --foreground --unlock --components=secrets < \"$STEWARD_TEST_PASSWORD\"",
        )
        .await
    }

    /// The same keyring started anew, locked. It asks for its password in a window of its own.
    pub(crate) async fn locked_keyring(&mut self) -> Result<()> {
        self.stop("gnome-keyring-daemon");
        let bus = self.connect().await?;
        let proxy = zbus::fdo::DBusProxy::new(&bus).await?;
        let gone = || async {
            let there = proxy
                .name_has_owner("org.freedesktop.secrets".try_into()?)
                .await?;
            Ok(!there)
        };
        wait::until("the keyring to end", SOON, gone, |gone| *gone).await?;
        // The bus starts the program that asks: on this display, for this session.
        let command = self.command(Path::new("/bin/true"));
        let environment: std::collections::HashMap<&str, &str> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)))
            // The bus itself knows only the session's folder; a window of GTK's ends without the schemas of the machine.
            .chain([("XDG_DATA_DIRS", "/usr/local/share:/usr/share")])
            .collect();
        proxy.update_activation_environment(environment).await?;
        self.keyring_by("exec gnome-keyring-daemon --foreground --components=secrets")
            .await?
            .map_err(anyhow::Error::msg)
    }

    async fn keyring_by(&mut self, line: &str) -> Result<Result<(), String>> {
        if which("gnome-keyring-daemon").is_none() {
            return Ok(Err(
                "gnome-keyring-daemon not found; on Debian: apt-get install gnome-keyring"
                    .to_owned(),
            ));
        }
        let mut command = self.command(Path::new("/bin/sh"));
        command
            .args(["-c", line])
            .env("STEWARD_TEST_PASSWORD", self.path("password"));
        self.run("gnome-keyring-daemon", &command)?;
        self.named("org.freedesktop.secrets").await?;
        Ok(Ok(()))
    }

    /// Waits until somebody has a name on the bus.
    pub(crate) async fn named(&self, name: &'static str) -> Result<()> {
        let bus = self.connect().await?;
        let proxy = zbus::fdo::DBusProxy::new(&bus).await?;
        let read = || async { Ok(proxy.name_has_owner(name.try_into()?).await?) };
        wait::until(name, SOON, read, |there| *there).await?;
        Ok(())
    }

    /// A line to the bus.
    pub(crate) async fn connect(&self) -> Result<zbus::Connection> {
        let address = self.bus();
        Ok(zbus::connection::Builder::address(address.as_str())?
            .build()
            .await?)
    }

    /// What the programs beside the test have said.
    pub(crate) fn said(&self) -> String {
        self.others.iter().map(|(_, one)| one.output()).collect()
    }
}

/// The program under test.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_steward-desktop"))
}
