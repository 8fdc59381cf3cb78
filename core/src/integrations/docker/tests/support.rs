//! What the tests share: an image from nothing but busybox, containers that go when their test does, and waiting for what must happen.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use steward_api::{Action, ContainerRef, Envelope, Event, Resource, ResourceId, TaskId};

use super::super::{DockerEngine, connect};
use crate::{
    config,
    ports::{Clock, Depth, Observation, Permit, Source as _},
};

pub(super) const NODE: &str = "testnode";
const BUSYBOX: &str = "/bin/busybox";
const LABEL: &str = "steward.test=docker";

pub(super) struct WallClock;

impl Clock for WallClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the tests' own edge to the wall clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

pub(super) fn now() -> Timestamp {
    WallClock.now()
}

pub(super) fn engine_at(host: Option<&str>) -> Arc<DockerEngine> {
    let config = config::Docker {
        host: host.map(str::to_owned),
        ..config::Docker::default()
    };
    connect(&config, NODE, Arc::new(WallClock)).unwrap()
}

pub(super) fn resource_id(name: &str) -> ResourceId {
    ResourceId::container(NODE, name)
}

pub(super) fn engine_id() -> ResourceId {
    ResourceId::new(NODE, steward_api::ResourceKind::Engine, "docker")
}

/// The right to do an action, as the journal's entry of its intent would give it.
pub(super) fn permit(action: &Action) -> Permit {
    let entry = Envelope {
        seq: 1,
        node: NODE.to_owned(),
        at: now(),
        event: Event::ActionIntended {
            task: TaskId(1),
            step: 0,
            undo: false,
            action: action.name(),
            resource: action.target().clone(),
            problem: None,
        },
        hash: "00".to_owned(),
    };
    Permit::for_intent(&entry, action).unwrap()
}

/// The Docker command line, for an engine at `host` or the usual one.
#[derive(Clone, Debug)]
pub(super) struct Cli {
    pub(super) host: Option<String>,
}

impl Cli {
    #[allow(
        clippy::disallowed_methods,
        reason = "tests make their world with the engine's own tool"
    )]
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        if let Some(host) = &self.host {
            command.args(["-H", host]);
        }
        command.args(args).stdin(Stdio::null());
        command
    }

    pub(super) fn run(&self, args: &[&str]) -> Result<String, String> {
        let output = self
            .command(args)
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }

    /// Runs what must succeed.
    pub(super) fn must(&self, args: &[&str]) -> String {
        self.run(args)
            .unwrap_or_else(|error| panic!("docker {args:?}: {error}"))
    }

    pub(super) fn import(&self, tag: &str, archive: &[u8]) {
        let mut child = self
            .command(&["import", "--change", &format!("LABEL {LABEL}"), "-", tag])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(archive).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

/// A real engine with the test's image; `None`, and a word why, where there is none.
pub(super) struct World {
    pub(super) cli: Cli,
    pub(super) engine: Arc<DockerEngine>,
    image: Arc<Image>,
}

impl World {
    pub(super) fn new() -> Option<Self> {
        let cli = Cli { host: None };
        if let Err(reason) = cli.run(&["version"]) {
            println!("SKIPPED: no Docker engine answers: {reason}");
            return None;
        }
        if !Path::new(BUSYBOX).exists() {
            println!("SKIPPED: {BUSYBOX} is missing (Debian: apt-get install busybox-static)");
            return None;
        }
        let image = Image::shared(&cli);
        Some(Self {
            engine: engine_at(std::env::var("DOCKER_HOST").ok().as_deref()),
            cli,
            image,
        })
    }

    /// Runs a shell script in a new container. `name` is made unique.
    pub(super) fn run(&self, name: &str, options: &[&str], script: &str) -> Container {
        let image = self.image.tag.clone();
        Container::run(&self.cli, name, options, &image, &["/bin/sh", "-c", script])
    }

    /// Runs `sleep` in a container that has no other program.
    pub(super) fn run_bare(&self, name: &str, options: &[&str]) -> Container {
        let image = self.image.bare_tag.clone();
        Container::run(&self.cli, name, options, &image, &["/bin/sleep", "1000"])
    }

    pub(super) async fn observe(&self) -> Observation {
        self.engine.observe(Depth::Cycle).await.unwrap()
    }

    pub(super) async fn read(&self, container: &Container) -> Option<Resource> {
        self.engine.read_one(&container.resource()).await.unwrap()
    }
}

/// The image lives as long as any test uses it.
#[derive(Debug)]
struct Image {
    cli: Cli,
    tag: String,
    bare_tag: String,
}

impl Image {
    fn shared(cli: &Cli) -> Arc<Self> {
        static CURRENT: Mutex<Weak<Image>> = Mutex::new(Weak::new());
        let mut current = CURRENT
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(image) = current.upgrade() {
            return image;
        }
        let number = next_number();
        let image = Arc::new(Self {
            cli: cli.clone(),
            tag: format!("steward-test-docker-{}:{number}", std::process::id()),
            bare_tag: format!("steward-test-docker-bare-{}:{number}", std::process::id()),
        });
        cli.import(&image.tag, &busybox_archive());
        cli.import(&image.bare_tag, &bare_archive());
        *current = Arc::downgrade(&image);
        image
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = self.cli.run(&["rmi", "-f", &self.tag, &self.bare_tag]);
    }
}

fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An image's files: busybox under the names of its parts.
pub(super) fn busybox_archive() -> Vec<u8> {
    let mut archive = directories();
    add_program(&mut archive, "bin/busybox");
    for name in [
        "sh", "sleep", "find", "stat", "rm", "cat", "tail", "dd", "touch", "ln", "mkdir", "echo",
        "test", "nc", "true",
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive
            .append_link(&mut header, format!("bin/{name}"), "busybox")
            .unwrap();
    }
    archive.into_inner().unwrap()
}

/// An image's files: one program, `sleep`, and nothing else.
fn bare_archive() -> Vec<u8> {
    let mut archive = directories();
    add_program(&mut archive, "bin/sleep");
    archive.into_inner().unwrap()
}

fn directories() -> tar::Builder<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for directory in ["bin/", "tmp/", "var/", "var/tmp/", "data/"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        archive
            .append_data(&mut header, directory, std::io::empty())
            .unwrap();
    }
    archive
}

fn add_program(archive: &mut tar::Builder<Vec<u8>>, path: &str) {
    let program = std::fs::read(BUSYBOX).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(program.len() as u64);
    archive
        .append_data(&mut header, path, program.as_slice())
        .unwrap();
}

/// A container that goes when its test does.
pub(super) struct Container {
    pub(super) cli: Cli,
    pub(super) name: String,
    pub(super) id: String,
}

impl Container {
    pub(super) fn run(
        cli: &Cli,
        name: &str,
        options: &[&str],
        image: &str,
        command: &[&str],
    ) -> Self {
        let name = format!(
            "steward-test-{}-{}-{name}",
            std::process::id(),
            next_number()
        );
        let mut args = vec![
            "run",
            "-d",
            "--name",
            &name,
            "--label",
            LABEL,
            "--network",
            "none",
        ];
        args.extend(options);
        args.push(image);
        args.extend(command);
        let id = cli.must(&args);
        Self {
            cli: cli.clone(),
            name,
            id,
        }
    }

    pub(super) fn resource(&self) -> ResourceId {
        resource_id(&self.name)
    }

    pub(super) fn reference(&self) -> ContainerRef {
        ContainerRef::new(self.resource(), self.id.as_str()).unwrap()
    }

    pub(super) fn exec(&self, script: &str) -> String {
        self.cli
            .must(&["exec", &self.name, "/bin/sh", "-c", script])
    }

    pub(super) fn inspect(&self, format: &str) -> String {
        self.cli.must(&["inspect", "--format", format, &self.id])
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.cli.run(&["rm", "-f", "-v", &self.id]);
    }
}

/// Waits until `look` finds something; fails after `seconds`.
pub(super) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    seconds: u64,
    mut look: impl FnMut() -> F,
) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(seconds), waiting)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {seconds} s"))
}

/// A directory for sockets and a private daemon's data.
pub(super) fn scratch() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::Builder::new()
        .prefix("stw")
        .tempdir_in("/tmp")
        .unwrap();
    let path = directory.path().to_owned();
    (directory, path)
}
