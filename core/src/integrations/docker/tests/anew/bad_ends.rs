//! What goes wrong while a container is made anew, on a real engine: an update that does not help, an agent that is killed on the way,
//! and a container that Steward did not make.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use steward_api::{
    ContainerCondition, Envelope, ExecutionEntry, Plan, Precondition, Step, StepResult, Task,
    TaskId, Undo, Verification,
};

use super::{
    super::{
        registry::Registry,
        support::{NODE, WallClock, World, engine_at, now, permit, resource_id},
    },
    Anew, SERVE, apply, check, version,
};
use crate::{
    flow::act::{Conclusion, Execution, Executor, Intent, Ledger},
    ports::{Actuator, Depth, Reading, Source as _, StoreError},
};

/// The ledger's part of the chain: what was intended and how it ended, in order.
#[derive(Default)]
struct Diary(Mutex<Vec<(bool, Option<StepResult>)>>);

#[async_trait]
impl Ledger for Diary {
    async fn intend(&self, intent: Intent) -> Result<Envelope, StoreError> {
        self.0.lock().unwrap().push((intent.undo, None));
        Ok(Envelope {
            seq: 1,
            node: NODE.to_owned(),
            at: now(),
            event: steward_api::Event::ActionIntended {
                task: intent.task,
                step: intent.step,
                undo: intent.undo,
                action: intent.action.name(),
                resource: intent.action.target().clone(),
                problem: None,
            },
            hash: "00".to_owned(),
        })
    }
    async fn conclude(&self, conclusion: Conclusion) {
        let entry = (conclusion.intent.undo, Some(conclusion.result));
        self.0.lock().unwrap().push(entry);
    }
    async fn log(&self, _: TaskId, _: ExecutionEntry) {}
}

fn executor(world: &World, ledger: &Arc<Diary>) -> Executor {
    Executor {
        actuators: Arc::new(vec![Arc::clone(&world.engine) as Arc<dyn Actuator>]),
        ledger: Arc::clone(ledger) as Arc<dyn Ledger>,
        clock: Arc::new(WallClock),
        stopping: tokio_util::sync::CancellationToken::new(),
    }
}

/// The plan that the planner makes, with times that a test can wait for.
fn task(app: &Anew) -> Task {
    let plan = Plan::new(vec![
        Step {
            action: app.update(),
            precondition: Precondition::Container {
                resource: resource_id(&app.name),
                container_id: app.id.clone(),
                condition: ContainerCondition::Running,
            },
            verification: Verification::ContainersHealthy {
                containers: vec![resource_id(&app.name)],
                stable_seconds: 2,
                within_seconds: 6,
            },
            undo: Undo::Action {
                action: Box::new(app.restore()),
            },
        },
        Step {
            action: app.remove(),
            precondition: app.kept(),
            verification: Verification::ByReport,
            undo: Undo::Impossible {
                reason: "gone".to_owned(),
            },
        },
    ])
    .unwrap();
    serde_json::from_value(json!({
        "id": 1, "node": NODE, "incident": null, "resource": resource_id(&app.name), "description": "",
        "task_type": "security", "priority": 3, "risk": "high", "plan_hash": plan.hash(), "plan": plan,
        "requires_approval": true, "approved": true, "approval": null, "status": "in_progress", "why": "",
        "record": steward_api::RemedyRecord::default(), "requested_by": { "type": "steward" },
        "created_at": now(), "execution_log": [],
    }))
    .unwrap()
}

#[tokio::test]
async fn an_update_whose_health_check_fails_is_rolled_back_by_the_chain() {
    let Some(world) = World::new() else { return };
    let registry = Registry::new();
    let app = Anew::run(
        &world,
        &registry,
        &["--network", "bridge", "--restart", "unless-stopped"],
    );
    world
        .cli
        .must(&["exec", &app.id, "/bin/sh", "-c", "echo mine > /tmp/x"]);
    let mut sick = version(2, SERVE);
    sick["Healthcheck"] = json!({ "Test": ["CMD", "/bin/test", "-e", "/nowhere"], "Interval": 500_000_000, "Retries": 1 });
    registry.publish("app", &sick);
    let ledger = Arc::new(Diary::default());
    let task = task(&app);
    let Execution::Ended(result) = executor(&world, &ledger).execute(&task).await else {
        panic!("left open")
    };
    assert!(!result.success);
    assert!(
        result.details.contains("it did not help") && result.details.contains("taken back"),
        "{}",
        result.details
    );
    assert_eq!(
        *ledger.0.lock().unwrap(),
        [
            (false, None),
            (false, Some(StepResult::NotVerified)),
            (true, None),
            (true, Some(StepResult::Undone))
        ]
    );
    app.is_as_it_was();
    assert_eq!(
        app.inspect(&app.id, "{{.HostConfig.RestartPolicy.Name}}"),
        "unless-stopped"
    );
    assert_eq!(
        world.cli.must(&["exec", &app.id, "/bin/cat", "/tmp/x"]),
        "mine"
    );

    // One that does not even start is put back at once.
    let mut broken = version(3, SERVE);
    broken["Cmd"] = json!(["/bin/no-such-program"]);
    registry.publish("app", &broken);
    let why = apply(&world, &app.update()).await.unwrap_err().to_string();
    assert!(why.contains("runs again as it was before"), "{why}");
    app.is_as_it_was();

    // And a good one goes to its end by the same chain.
    registry.publish("app", &version(4, SERVE));
    let ledger = Arc::new(Diary::default());
    let Execution::Ended(result) = executor(&world, &ledger).execute(&self::task(&app)).await
    else {
        panic!("left open")
    };
    assert!(result.success, "{}", result.details);
    assert_eq!(app.all().join(" "), app.name);
    assert!(
        app.inspect(&app.name, "{{.Config.Env}}")
            .contains("VERSION=4")
    );
}

/// Wherever the agent is killed on the way, the next one tells what was done and puts the rest back.
#[tokio::test]
async fn a_kill_in_the_middle_is_told_and_put_back() {
    let Some(world) = World::new() else { return };
    let registry = Registry::new();
    let app = Anew::run(
        &world,
        &registry,
        &["--network", "none", "--restart", "always"],
    );
    registry.publish("app", &version(2, SERVE));
    for delay in [0, 150, 400, 900, 1100, 1300, 1600, 2500] {
        let (engine, action, since) = (Arc::clone(&world.engine), app.update(), now());
        let deed = permit(&action);
        let work = tokio::spawn(async move { engine.apply(&deed).await });
        tokio::time::sleep(Duration::from_millis(delay)).await;
        work.abort();
        let _ = work.await;
        let next = engine_at(std::env::var("DOCKER_HOST").ok().as_deref());
        let became = next.was_applied(&action, since).await.unwrap();
        let by_name = world.cli.run(&[
            "inspect",
            "--format",
            "{{.Id}} {{.State.Running}}",
            &app.name,
        ]);
        match became {
            Some(true) => assert!(
                by_name.is_ok_and(|told| !told.starts_with(&app.id) && told.ends_with("true"))
            ),
            Some(false) => assert!(by_name.is_ok_and(|told| told == format!("{} true", app.id))),
            None => {}
        }
        let restore = app.restore();
        let told = next.apply(&permit(&restore)).await.unwrap();
        println!("killed after {delay} ms: {became:?}; {told}");
        app.is_as_it_was();
        assert_eq!(next.was_applied(&restore, since).await.unwrap(), Some(true));
        assert_eq!(
            app.inspect(&app.id, "{{.HostConfig.RestartPolicy.Name}}"),
            "always"
        );
    }
}

/// Between its two renames a service has no container at all.
#[tokio::test]
async fn halfway_between_two_names_the_one_before_is_put_back_with_its_policy() {
    let Some(world) = World::new() else { return };
    let registry = Registry::new();
    let app = Anew::run(
        &world,
        &registry,
        &["--network", "none", "--restart", "always"],
    );
    let since = now();
    let (kept, next) = (
        format!("{}-steward-previous", app.name),
        format!("{}-steward-next", app.name),
    );
    let label = format!("steward.made_from={}", app.id);
    let volume = format!("{}:/data", app.volumes[0]);
    let made = [
        "create",
        "--name",
        &next,
        "-v",
        &volume,
        "--network",
        "none",
        "--label",
        &label,
        "--restart",
        "always",
        &app.image,
    ];
    world.cli.must(&made);
    world.cli.must(&["stop", "-t", "0", &app.id]);
    world.cli.must(&["rename", &app.id, &kept]);
    world.cli.must(&["update", "--restart", "no", &app.id]);
    assert_eq!(
        world
            .engine
            .was_applied(&app.update(), since)
            .await
            .unwrap(),
        None,
        "halfway"
    );
    let seen = world.engine.observe(Depth::Full).await.unwrap();
    let is_seen = |name: &str| seen.resources.iter().any(|one| one.id.name == name);
    assert!(!is_seen(&kept) && !is_seen(&next));
    let told = apply(&world, &app.restore()).await.unwrap();
    assert!(told.ends_with("runs again as it was before"), "{told}");
    app.is_as_it_was();
    assert_eq!(
        app.inspect(&app.id, "{{.HostConfig.RestartPolicy.Name}}"),
        "always"
    );
}

#[tokio::test]
async fn a_container_that_steward_did_not_make_is_never_taken_for_a_successor() {
    let Some(world) = World::new() else { return };
    let registry = Registry::new();
    let app = Anew::run(&world, &registry, &["--network", "none"]);
    let kept = format!("{}-steward-previous", app.name);
    world.cli.must(&["stop", "-t", "0", &app.id]);
    world.cli.must(&["rename", &app.id, &kept]);
    let other = world.cli.must(&[
        "run",
        "-d",
        "--network",
        "none",
        "--label",
        "steward.test=docker",
        "--name",
        &app.name,
        &app.image,
    ]);
    assert!(matches!(
        check(&world, &app.kept()).await,
        Reading::Broken(_)
    ));
    let why = apply(&world, &app.restore()).await.unwrap_err().to_string();
    assert!(why.contains("not made from the one that was kept"), "{why}");
    assert_eq!(
        app.inspect(&app.name, "{{.Id}} {{.State.Running}}"),
        format!("{other} true")
    );
    assert_eq!(app.inspect(&kept, "{{.Id}}"), app.id);
}
