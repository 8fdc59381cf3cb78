//! A daemon of the test's own, on its own socket and data: what removes things, and what happens while a daemon goes and comes.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures_util::StreamExt as _;
use steward_api::{Action, Health, Precondition, Verification};

use super::{
    super::prune,
    support::{
        Cli, Container, busybox_archive, engine_at, engine_id, eventually, now, permit, scratch,
    },
};
use crate::ports::{Actuator as _, Depth, Reading, Source as _, SourceError};

struct Daemon {
    child: Child,
    directory: PathBuf,
    _guard: Option<tempfile::TempDir>,
}

impl Daemon {
    /// `None`, and a word why, where no second daemon can run.
    async fn begin() -> Option<(Self, Cli)> {
        let (guard, directory) = scratch();
        let mut daemon = Self {
            child: spawn(&directory).or_else(|| {
                println!("SKIPPED: there is no dockerd here to start a private daemon with");
                None
            })?,
            directory,
            _guard: Some(guard),
        };
        let cli = Cli {
            host: Some(daemon.host()),
        };
        for _ in 0..600 {
            if cli.run(&["version"]).is_ok() {
                return Some((daemon, cli));
            }
            if daemon.child.try_wait().unwrap().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log = std::fs::read_to_string(daemon.directory.join("log")).unwrap_or_default();
        let last = log.lines().last().unwrap_or_default();
        println!("SKIPPED: a private daemon does not start here: {last}");
        None
    }

    fn host(&self) -> String {
        format!("unix://{}", self.directory.join("d.sock").display())
    }

    fn end(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id())
            && let Some(pid) = rustix::process::Pid::from_raw(pid)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        // It ends its containers and its own containerd first.
        let _ = self.child.wait();
    }

    fn begin_again(&mut self) {
        self.child = spawn(&self.directory).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

#[allow(clippy::disallowed_methods, reason = "the test's own daemon")]
fn spawn(directory: &Path) -> Option<Child> {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"))
        .unwrap();
    let at = |name: &str| directory.join(name).display().to_string();
    // The machine's own configuration is for its own daemon.
    std::fs::write(directory.join("daemon.json"), "{}").unwrap();
    // In a network of its own: `--bridge=none` would take the bridge of the machine's own engine away.
    Command::new("unshare")
        .args(["--net", "--", "dockerd"])
        .args(["--config-file", &at("daemon.json")])
        .args(["-H", &format!("unix://{}", at("d.sock"))])
        .args([
            "--data-root",
            &at("data"),
            "--exec-root",
            &at("exec"),
            "--pidfile",
            &at("pid"),
        ])
        .args([
            "--iptables=false",
            "--ip6tables=false",
            "--bridge=none",
            "--storage-driver=vfs",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .ok()
}

#[tokio::test]
async fn what_is_unused_is_removed_and_what_is_used_stays() {
    let Some((daemon, cli)) = Daemon::begin().await else {
        return;
    };
    let engine = engine_at(Some(&daemon.host()));
    let archive = busybox_archive();
    cli.import("app:1", &archive);
    cli.import("unused:1", &archive);
    cli.import("dangling:1", &archive);
    // An import under a name that is taken leaves the older image without one.
    cli.import("dangling:1", &archive);
    let keep = Container::run(
        &cli,
        "keep",
        &["--volume=kept:/data"],
        "app:1",
        &["/bin/sleep", "1000"],
    );
    cli.must(&["volume", "create", "spare"]);

    // Containers that ended: one now, one that is to be ignored, one that runs.
    let ended = Container::run(
        &cli,
        "ended",
        &["--volume=/var/tmp"],
        "app:1",
        &["/bin/sh", "-c", "echo 12345 > /data/x; exit 1"],
    );
    let ignored = Container::run(
        &cli,
        "ignored",
        &["--label=steward.ignore=true"],
        "app:1",
        &["/bin/true"],
    );
    eventually("they ended", 30, || async {
        [&ended, &ignored]
            .iter()
            .all(|c| c.inspect("{{.State.Status}}") == "exited")
            .then_some(())
    })
    .await;
    let by_days = Action::PruneStoppedContainers {
        engine: engine_id(),
        older_than_days: 30,
    };
    assert_eq!(
        engine.preview(&by_days).await.unwrap(),
        ["no containers would be removed"]
    );
    assert_eq!(
        engine.apply(&permit(&by_days)).await.unwrap(),
        "removed 0 containers, freed 0 B"
    );
    let hour_ago = now() - Duration::from_secs(3600);
    assert!(
        prune::stopped(&engine, hour_ago)
            .await
            .unwrap()
            .starts_with("removed 0"),
        "made long ago or not, it ended just now"
    );
    let preview = prune::preview_stopped(&engine, now()).await.unwrap();
    assert!(
        preview[0].starts_with("1 containers, ") && preview[1].starts_with(&ended.name),
        "{preview:?}"
    );
    let done = prune::stopped(&engine, now()).await.unwrap();
    assert!(
        done.starts_with(&format!("removed 1 container ({}), freed ", ended.name)),
        "{done}"
    );
    let left = cli.must(&["ps", "-a", "--format", "{{.Names}}"]);
    assert!(
        left.contains(&keep.name) && left.contains(&ignored.name) && !left.contains(&ended.name),
        "{left}"
    );
    drop(ignored);

    let dangling = Action::PruneDanglingImages {
        engine: engine_id(),
    };
    let preview = engine.preview(&dangling).await.unwrap();
    assert_eq!(preview.len(), 2, "{preview:?}");
    let done = engine.apply(&permit(&dangling)).await.unwrap();
    assert!(
        done.starts_with("removed ") && !done.contains("removed 0"),
        "{done}"
    );
    assert_eq!(
        engine.preview(&dangling).await.unwrap(),
        ["no images would be removed"]
    );
    let tags = || cli.must(&["images", "--format", "{{.Repository}}"]);
    assert!(tags().contains("unused") && tags().contains("dangling") && tags().contains("app"));

    let unused = Action::PruneUnusedImages {
        engine: engine_id(),
    };
    let preview = engine.preview(&unused).await.unwrap().join("\n");
    assert!(
        preview.starts_with("2 images, ")
            && preview.contains("unused:1")
            && !preview.contains("app:1"),
        "{preview}"
    );
    engine.apply(&permit(&unused)).await.unwrap();
    assert_eq!(tags(), "app");

    let volumes = Action::PruneUnusedVolumes {
        engine: engine_id(),
    };
    let preview = engine.preview(&volumes).await.unwrap().join("\n");
    assert!(
        preview.contains("spare, ") && !preview.contains("kept, "),
        "{preview}"
    );
    // The volume of the container that was removed is still there: a prune of containers takes none.
    assert!(preview.starts_with("2 volumes, "), "{preview}");
    let done = engine.apply(&permit(&volumes)).await.unwrap();
    assert!(
        done.starts_with("removed 2 volumes (") && done.contains("spare"),
        "{done}"
    );
    assert_eq!(cli.must(&["volume", "ls", "-q"]), "kept");

    let cache = Action::PruneBuildCache {
        engine: engine_id(),
    };
    assert_eq!(
        engine.preview(&cache).await.unwrap(),
        ["no build cache entries would be removed"]
    );
    assert_eq!(
        engine.apply(&permit(&cache)).await.unwrap(),
        "removed 0 build cache entries, freed 0 B"
    );
    for action in [&dangling, &unused, &volumes, &cache, &by_days] {
        assert_eq!(engine.was_applied(action, now()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_daemon_that_goes_and_comes_is_found_again() {
    let Some((mut daemon, cli)) = Daemon::begin().await else {
        return;
    };
    let engine = engine_at(Some(&daemon.host()));
    cli.import("app:1", &busybox_archive());
    let container = Container::run(
        &cli,
        "service",
        &["--restart=always"],
        "app:1",
        &["/bin/sleep", "1000"],
    );
    let before = engine.observe(Depth::Cycle).await.unwrap();
    assert!(
        before
            .resources
            .iter()
            .any(|resource| resource.id == container.resource())
    );
    let mut signals = engine.watch(None).await.unwrap().unwrap();

    daemon.end();
    let last = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            if let Err(error) = signals.next().await.unwrap() {
                break error;
            }
        }
    })
    .await
    .unwrap();
    assert!(
        matches!(
            last,
            SourceError::Unreachable { .. } | SourceError::Absent { .. }
        ),
        "{last}"
    );
    assert!(signals.next().await.is_none());
    let error = engine.observe(Depth::Cycle).await.unwrap_err();
    assert!(
        matches!(
            &error,
            SourceError::Unreachable { .. } | SourceError::Absent { .. }
        ),
        "{error}"
    );
    let stands_for_it = engine.representative(Some(&error), now()).unwrap();
    assert_eq!(
        stands_for_it.health,
        Health::Unhealthy,
        "it was there before, whatever became of its socket"
    );
    assert_eq!(
        engine
            .check(&Precondition::EngineSilent {
                engine: engine_id()
            })
            .await
            .unwrap(),
        Reading::Holds
    );
    let restart = Action::RestartContainer {
        container: container.reference(),
        grace_seconds: 1,
    };
    let failed = engine.apply(&permit(&restart)).await.unwrap_err();
    assert!(
        matches!(failed, crate::ports::ActError::Unreachable { .. }),
        "{failed}"
    );

    daemon.begin_again();
    let after = eventually("it answers again", 60, || async {
        engine.observe(Depth::Cycle).await.ok()
    })
    .await;
    let answers = Verification::EngineAnswers {
        engine: engine_id(),
        within_seconds: 10,
    };
    assert_eq!(engine.verify(&answers).await.unwrap(), Reading::Holds);
    assert!(
        after
            .resources
            .iter()
            .any(|resource| resource.id == container.resource())
    );
    eventually("its policy brought the container back", 30, || async {
        let found = engine.read_one(&container.resource()).await.unwrap()?;
        (found.health == Health::Healthy).then_some(())
    })
    .await;
    assert!(engine.watch(None).await.is_ok());
}
