//! Limits changed on a real engine, up and down, whichever way they were set.

use steward_api::{Action, Limits, Precondition, Verification};

use super::support::{Container, World, eventually, now, permit};
use crate::ports::{ActError, Actuator as _, Reading};

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
async fn an_ended_container_has_its_new_limits_without_running() {
    let Some(world) = World::new() else { return };
    let container = world.run("ended", &["--memory=64m"], "exit 1");
    eventually("it ends", 30, || async {
        (container.inspect("{{.State.Running}}") == "false").then_some(())
    })
    .await;
    let memory = |mib: u64| Limits {
        memory_bytes: Some(mib * MIB),
        cpu_millicores: None,
    };
    change(&world, &container, memory(64), memory(128))
        .await
        .unwrap();
    let are = |stable_seconds| Verification::LimitsAre {
        container: container.resource(),
        limits: memory(128),
        stable_seconds,
    };
    // The plan starts it in a later step; only one that is to stay up must run.
    let verify = async |wanted| world.engine.verify(&wanted).await.unwrap();
    assert_eq!(verify(are(0)).await, Reading::Holds);
    assert!(matches!(verify(are(1)).await, Reading::Broken(_)));
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
