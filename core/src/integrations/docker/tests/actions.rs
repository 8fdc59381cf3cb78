//! Actions on a real engine. Nothing here removes what other users of the engine may have; that is for `private_daemon.rs`.

use std::time::Duration;

use steward_api::{
    Action, ContainerCondition, ContainerRef, Limits, Precondition, ResourceId, Verification,
};

use super::support::{Container, World, engine_id, eventually, now, permit};
use crate::ports::{ActError, Actuator as _, Reading};

const HEEDS_TERM: &str = "trap 'exit 0' TERM; while true; do sleep 0.1; done";

fn condition(container: &Container, condition: ContainerCondition) -> Precondition {
    Precondition::Container {
        resource: container.resource(),
        container_id: container.id.clone(),
        condition,
    }
}

fn healthy(containers: &[&Container]) -> Verification {
    Verification::ContainersHealthy {
        containers: containers
            .iter()
            .map(|container| container.resource())
            .collect(),
        stable_seconds: 1,
        within_seconds: 10,
    }
}

#[tokio::test]
async fn start_stop_and_restart_do_what_they_say_and_it_can_be_told_afterwards() {
    let Some(world) = World::new() else { return };
    let engine = &world.engine;
    let container = world.run("service", &[], HEEDS_TERM);
    let stopped = Verification::ContainerStopped {
        container: container.resource(),
    };

    let stop = Action::StopContainer {
        container: container.reference(),
        grace_seconds: 5,
    };
    let before = now();
    assert_eq!(
        engine.was_applied(&stop, before).await.unwrap(),
        Some(false)
    );
    assert!(matches!(
        engine.verify(&stopped).await.unwrap(),
        Reading::Broken(_)
    ));
    let done = engine.apply(&permit(&stop)).await.unwrap();
    assert_eq!(done, format!("stopped {}", container.name));
    assert_eq!(container.inspect("{{.State.Status}}"), "exited");
    assert_eq!(engine.was_applied(&stop, before).await.unwrap(), Some(true));
    assert_eq!(engine.verify(&stopped).await.unwrap(), Reading::Holds);
    assert_eq!(
        engine
            .check(&condition(&container, ContainerCondition::NotRunning))
            .await
            .unwrap(),
        Reading::Holds
    );

    let start = Action::StartContainer {
        container: container.reference(),
    };
    let before = now();
    assert_eq!(
        engine.was_applied(&start, before).await.unwrap(),
        Some(false)
    );
    engine.apply(&permit(&start)).await.unwrap();
    assert_eq!(container.inspect("{{.State.Running}}"), "true");
    assert_eq!(
        engine.was_applied(&start, before).await.unwrap(),
        Some(true)
    );
    assert_eq!(
        engine.verify(&healthy(&[&container])).await.unwrap(),
        Reading::Holds
    );
    let failing = engine
        .check(&condition(&container, ContainerCondition::Failing))
        .await
        .unwrap();
    assert_eq!(failing, Reading::Broken(format!("{} runs", container.name)));

    let restart = Action::RestartContainer {
        container: container.reference(),
        grace_seconds: 5,
    };
    let preview = engine.preview(&restart).await.unwrap();
    assert!(
        preview[1].starts_with(&format!("{} now: running, since ", container.name)),
        "{preview:?}"
    );
    let (before, first) = (now(), container.inspect("{{.State.StartedAt}}"));
    assert_eq!(
        engine.was_applied(&restart, before).await.unwrap(),
        Some(false)
    );
    engine.apply(&permit(&restart)).await.unwrap();
    assert_ne!(container.inspect("{{.State.StartedAt}}"), first);
    assert_eq!(
        engine.was_applied(&restart, before).await.unwrap(),
        Some(true)
    );
}

#[tokio::test]
async fn a_recreated_container_is_not_mistaken_for_the_one_that_was_meant() {
    let Some(world) = World::new() else { return };
    let engine = &world.engine;
    let old = world.run("recreated", &[], "exit 1");
    old.cli.must(&["rm", "-f", &old.id]);
    let successor = world.cli.must(&[
        "run",
        "-d",
        "--name",
        &old.name,
        "--label=steward.test=docker",
        "--network=none",
        &image_of(&world),
        "/bin/sh",
        "-c",
        "exit 1",
    ]);
    let successor = Container {
        cli: world.cli.clone(),
        name: old.name.clone(),
        id: successor,
    };
    eventually("it ended", 20, || async {
        (successor.inspect("{{.State.Status}}") == "exited").then_some(())
    })
    .await;
    let started = successor.inspect("{{.State.StartedAt}}");

    let gone = engine
        .check(&condition(&old, ContainerCondition::NotRunning))
        .await
        .unwrap();
    assert_eq!(gone, Reading::Hopeless(format!("{} is gone", old.name)));
    let restart = Action::RestartContainer {
        container: old.reference(),
        grace_seconds: 1,
    };
    let error = engine.apply(&permit(&restart)).await.unwrap_err();
    assert!(matches!(error, ActError::Gone(_)), "{error}");
    assert_eq!(engine.was_applied(&restart, now()).await.unwrap(), None);

    // Neither a name nor the beginning of an id addresses a container.
    for id in [successor.name.as_str(), &successor.id[..12]] {
        let short = ContainerRef::new(successor.resource(), id).unwrap();
        let start = Action::StartContainer { container: short };
        let error = engine.apply(&permit(&start)).await.unwrap_err();
        assert!(error.to_string().contains("is not the full id"), "{error}");
    }
    // Nor does another node's.
    let foreign = ContainerRef::new(
        ResourceId::container("elsewhere", "x"),
        successor.id.as_str(),
    )
    .unwrap();
    let error = engine
        .apply(&permit(&Action::StartContainer { container: foreign }))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("is not looked after"), "{error}");
    assert_eq!(
        successor.inspect("{{.State.StartedAt}}"),
        started,
        "it was left alone"
    );

    world
        .cli
        .must(&["rename", &successor.id, &format!("{}-b", successor.name)]);
    let renamed = engine
        .check(&condition(&successor, ContainerCondition::Exists))
        .await
        .unwrap();
    assert!(matches!(renamed, Reading::Hopeless(why) if why.contains("is named")));
}

fn image_of(world: &World) -> String {
    let any = world.run("image", &[], "exit 0");
    any.inspect("{{.Config.Image}}")
}

const MIB: u64 = 1 << 20;

async fn change(
    world: &World,
    container: &Container,
    from: Limits,
    to: Limits,
) -> Result<String, ActError> {
    let action = Action::SetLimits {
        container: container.reference(),
        from,
        to,
    };
    world.engine.apply(&permit(&action)).await
}

#[tokio::test]
async fn limits_are_raised_and_lowered_live() {
    let Some(world) = World::new() else { return };
    let engine = &world.engine;
    let container = world.run(
        "limited",
        &["--memory=64m", "--memory-swap=128m", "--cpus=0.5"],
        "sleep 1000",
    );
    let (started, restarts) = (
        container.inspect("{{.State.StartedAt}}"),
        container.inspect("{{.RestartCount}}"),
    );
    let limits = |memory: u64, cpu: u64| Limits {
        memory_bytes: Some(memory * MIB),
        cpu_millicores: Some(cpu),
    };
    let (small, large) = (limits(64, 500), limits(256, 1000));
    let swap_before: i64 = container
        .inspect("{{.HostConfig.MemorySwap}}")
        .parse()
        .unwrap();
    let found = |limits: Limits| Precondition::Limits {
        resource: container.resource(),
        container_id: container.id.clone(),
        limits,
    };
    let action = Action::SetLimits {
        container: container.reference(),
        from: small,
        to: large,
    };
    assert_eq!(engine.check(&found(small)).await.unwrap(), Reading::Holds);
    assert_eq!(
        engine.preview(&action).await.unwrap(),
        [
            "memory limit 64 MiB → 256 MiB live, no restart",
            "CPU limit 0.5 cores → 1 cores live, no restart"
        ]
    );
    assert_eq!(
        engine.was_applied(&action, now()).await.unwrap(),
        Some(false)
    );

    change(&world, &container, small, large).await.unwrap();
    assert_eq!(
        container.inspect("{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}"),
        format!("{} 1000000000", 256 * MIB)
    );
    let swap: i64 = container
        .inspect("{{.HostConfig.MemorySwap}}")
        .parse()
        .unwrap();
    if swap_before > 0 {
        assert_eq!(swap, 320 << 20, "64 MiB of swap, as before");
    }
    assert_eq!(
        engine.was_applied(&action, now()).await.unwrap(),
        Some(true)
    );
    let are = Verification::LimitsAre {
        container: container.resource(),
        limits: large,
        stable_seconds: 1,
    };
    assert_eq!(engine.verify(&are).await.unwrap(), Reading::Holds);

    // A plan made for other limits is stale.
    assert!(matches!(
        engine.check(&found(small)).await.unwrap(),
        Reading::Broken(_)
    ));
    let stale = change(&world, &container, small, limits(512, 500))
        .await
        .unwrap_err();
    assert!(
        stale
            .to_string()
            .contains("256 MiB of memory and 1 cores now"),
        "{stale}"
    );

    change(&world, &container, large, small).await.unwrap();
    assert_eq!(
        container.inspect("{{.HostConfig.Memory}}"),
        (64 * MIB).to_string()
    );
    assert_eq!(
        container
            .inspect("{{.HostConfig.MemorySwap}}")
            .parse::<i64>()
            .unwrap(),
        swap_before
    );
    // The kernel has it too, not only the engine's books.
    let kernel = container.exec("cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max");
    assert_eq!(kernel, (64 * MIB).to_string());
    assert_eq!(
        container.inspect("{{.State.StartedAt}}"),
        started,
        "live, without a restart"
    );
    assert_eq!(container.inspect("{{.RestartCount}}"), restarts);
}

#[tokio::test]
async fn limits_set_in_other_ways_are_kept_in_them() {
    let Some(world) = World::new() else { return };
    let cpu = |milli| Limits {
        memory_bytes: None,
        cpu_millicores: milli,
    };
    let quota = world.run(
        "quota",
        &["--cpu-period=50000", "--cpu-quota=25000"],
        "sleep 1000",
    );
    change(&world, &quota, cpu(Some(500)), cpu(Some(800)))
        .await
        .unwrap();
    assert_eq!(
        quota.inspect("{{.HostConfig.CpuQuota}} {{.HostConfig.NanoCpus}}"),
        "40000 0"
    );
    change(&world, &quota, cpu(Some(800)), cpu(None))
        .await
        .unwrap();
    assert_eq!(
        world
            .engine
            .check(&Precondition::Limits {
                resource: quota.resource(),
                container_id: quota.id.clone(),
                limits: cpu(None)
            })
            .await
            .unwrap(),
        Reading::Holds
    );

    let nano = world.run("nano", &["--cpus=0.5"], "sleep 1000");
    let error = change(&world, &nano, cpu(Some(500)), cpu(None))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("can't take a CPU limit away"),
        "{error}"
    );

    // From no memory limit to one, up and down, with swap as the engine keeps it.
    let memory = |mib: Option<u64>| Limits {
        memory_bytes: mib.map(|mib| mib * MIB),
        cpu_millicores: None,
    };
    let free = world.run("free", &[], "sleep 1000");
    change(&world, &free, memory(None), memory(Some(64)))
        .await
        .unwrap();
    change(&world, &free, memory(Some(64)), memory(Some(128)))
        .await
        .unwrap();
    change(&world, &free, memory(Some(128)), memory(Some(32)))
        .await
        .unwrap();
    let error = change(&world, &free, memory(Some(32)), memory(None))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("can't take a memory limit away"),
        "{error}"
    );

    let unswapped = world.run(
        "unswapped",
        &["--memory=64m", "--memory-swap=-1"],
        "sleep 1000",
    );
    change(&world, &unswapped, memory(Some(64)), memory(Some(128)))
        .await
        .unwrap();
    assert_eq!(unswapped.inspect("{{.HostConfig.MemorySwap}}"), "-1");
}

#[tokio::test]
async fn a_limit_below_what_is_in_use_is_refused() {
    let Some(world) = World::new() else { return };
    let container = world.run(
        "full",
        &["--memory=128m", "--tmpfs=/data:size=64m"],
        "dd if=/dev/zero of=/data/x bs=1M count=40 2>/dev/null; sleep 1000",
    );
    eventually("it uses memory", 30, || async {
        let found = world.observe().await;
        let used = found
            .resources
            .iter()
            .find(|resource| resource.id == container.resource())?
            .metrics
            .get(&steward_api::Metric::MemoryBytes)
            .copied()?;
        (used > 40e6).then_some(())
    })
    .await;
    let memory = |mib: u64| Limits {
        memory_bytes: Some(mib * MIB),
        cpu_millicores: None,
    };
    let error = change(&world, &container, memory(128), memory(16))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("would end processes in it"),
        "{error}"
    );
    assert_eq!(
        container.inspect("{{.HostConfig.Memory}}"),
        (128 * MIB).to_string()
    );
}

/// Makes an old file, a young one, a socket, and a link to an old file elsewhere.
const FILL: &str = "mkdir -p /tmp/deep /var/tmp; echo 12345 > /tmp/old; echo 1 > /tmp/deep/old; echo 1 > /var/tmp/old; echo 1 > /tmp/young; \
    echo 1 > /data/precious; ln -s /data/precious /tmp/link; ln -s /data /tmp/linked; \
    touch -d '2020-01-01 00:00:00' /tmp/old /tmp/deep/old /var/tmp/old /data/precious; \
    (nc -l -s local:/tmp/app.sock -p 1 >/dev/null 2>&1 || true) & sleep 1000";

fn clear(container: &Container) -> Action {
    Action::ClearTmp {
        container: container.reference(),
        untouched_seconds: 3600,
    }
}

#[tokio::test]
async fn old_files_in_tmp_go_and_nothing_else() {
    let Some(world) = World::new() else { return };
    let container = world.run("littered", &[], FILL);
    eventually("it is littered", 20, || async {
        world
            .cli
            .run(&["exec", &container.name, "/bin/test", "-L", "/tmp/linked"])
            .ok()
    })
    .await;
    let preview = world.engine.preview(&clear(&container)).await.unwrap();
    assert_eq!(
        preview[1],
        format!(
            "would remove 3 files, 10 B in /tmp and /var/tmp of {}",
            container.name
        )
    );
    let done = world
        .engine
        .apply(&permit(&clear(&container)))
        .await
        .unwrap();
    assert_eq!(
        done,
        format!(
            "removed 3 files, 10 B in /tmp and /var/tmp of {}",
            container.name
        )
    );
    let left = container.exec("find /tmp /var/tmp /data");
    for gone in ["/tmp/old", "/tmp/deep/old", "/var/tmp/old"] {
        assert!(
            !left.lines().any(|line| line == gone),
            "{gone} is still there"
        );
    }
    for kept in [
        "/tmp/young",
        "/tmp/link",
        "/tmp/linked",
        "/tmp/deep",
        "/data/precious",
    ] {
        assert!(left.lines().any(|line| line == kept), "{kept} is gone");
    }
    let again = world
        .engine
        .apply(&permit(&clear(&container)))
        .await
        .unwrap();
    assert!(again.starts_with("removed 0 files"), "{again}");
    assert_eq!(
        world
            .engine
            .was_applied(&clear(&container), now())
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn a_container_without_programs_is_cleared_through_its_processs_root() {
    let Some(world) = World::new() else { return };
    let (_guard, shared) = super::support::scratch();
    std::fs::write(shared.join("old"), "123").unwrap();
    let volume = format!("--volume={}:/var/tmp", shared.display());
    let container = world.run_bare("bare", &[&volume]);
    let pid = container.inspect("{{.State.Pid}}");
    let inside = std::path::PathBuf::from(format!("/proc/{pid}/root/tmp"));
    if std::fs::write(inside.join("young"), "1").is_err() {
        println!(
            "SKIPPED: the container's files can't be seen from here (needs root on the engine's host)"
        );
        return;
    }
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    for path in [inside.join("old"), shared.join("old")] {
        std::fs::write(&path, "12345").unwrap();
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
    }
    let socket = std::os::unix::net::UnixListener::bind(inside.join("app.sock")).unwrap();
    let done = world
        .engine
        .apply(&permit(&clear(&container)))
        .await
        .unwrap();
    assert_eq!(
        done,
        format!(
            "removed 1 file, 5 B in /tmp of {}; /var/tmp is mounted from outside and was left alone",
            container.name
        )
    );
    assert!(!inside.join("old").exists() && inside.join("young").exists());
    assert!(inside.join("app.sock").exists());
    assert!(shared.join("old").exists(), "the host's own file");
    drop(socket);
}

#[tokio::test]
async fn a_reset_restarts_the_container_and_then_in_order_what_depends_on_it() {
    let Some(world) = World::new() else { return };
    let engine = &world.engine;
    let db = world.run("db", &["--health-cmd=test -f /tmp/ready", "--health-interval=1s"], "rm -f /tmp/ready; sleep 1; touch /tmp/ready; trap 'exit 0' TERM; while true; do sleep 0.1; done");
    let api = world.run("api", &[], HEEDS_TERM);
    let web = world.run("web", &[], HEEDS_TERM);
    let reset = Action::ResetConnections {
        container: db.reference(),
        dependents: vec![api.reference(), web.reference()],
        grace_seconds: 2,
    };
    let before = now();
    assert_eq!(
        engine.was_applied(&reset, before).await.unwrap(),
        Some(false)
    );
    let preview = engine.preview(&reset).await.unwrap();
    assert_eq!(preview.len(), 4);
    let done = engine.apply(&permit(&reset)).await.unwrap();
    assert_eq!(
        done,
        format!(
            "restarted {}, restarted {}, restarted {}",
            db.name, api.name, web.name
        )
    );
    let started = |container: &Container| {
        container
            .inspect("{{.State.StartedAt}}")
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    assert!(before < started(&db) && started(&db) < started(&api) && started(&api) < started(&web));
    assert_eq!(
        db.inspect("{{.State.Health.Status}}"),
        "healthy",
        "what depends on it waited for that"
    );
    assert_eq!(
        engine.was_applied(&reset, before).await.unwrap(),
        Some(true)
    );
    assert_eq!(
        engine.was_applied(&reset, started(&api)).await.unwrap(),
        None,
        "half of it"
    );
    assert_eq!(
        engine.verify(&healthy(&[&db, &api, &web])).await.unwrap(),
        Reading::Holds
    );
}

#[tokio::test]
async fn an_action_that_fails_says_why() {
    let Some(world) = World::new() else { return };
    let made = world
        .cli
        .run(&[
            "create",
            "--label=steward.test=docker",
            "--network=none",
            &image_of(&world),
            "/bin/nope",
        ])
        .unwrap();
    let name = world
        .cli
        .must(&["inspect", "--format", "{{.Name}}", &made])
        .trim_start_matches('/')
        .to_owned();
    let container = Container {
        cli: world.cli.clone(),
        name,
        id: made,
    };
    let start = Action::StartContainer {
        container: container.reference(),
    };
    let error = world.engine.apply(&permit(&start)).await.unwrap_err();
    assert!(
        matches!(&error, ActError::Failed(why) if why.contains("/bin/nope")),
        "{error}"
    );
    let resource = world.read(&container).await.unwrap();
    assert_eq!(resource.health, steward_api::Health::Unhealthy);
    assert!(resource.reason.contains("/bin/nope"), "{}", resource.reason);
    assert!(!world.engine.handles(steward_api::ActionName::RestartUnit));
    let foreign = Action::RestartDockerDaemon {
        engine: engine_id(),
    };
    let error = world.engine.apply(&permit(&foreign)).await.unwrap_err();
    assert!(matches!(error, ActError::Unsupported(..)));
}
