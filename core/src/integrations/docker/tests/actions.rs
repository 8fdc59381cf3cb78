//! Actions on a real engine. Nothing here removes what other users of the engine may have; that is for `private_daemon.rs`.

use std::time::Duration;

use steward_api::{
    Action, ContainerCondition, ContainerRef, Precondition, ResourceId, Verification,
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
