//! Whose word counts: the level of autonomy, labels, maintenance windows.

use anyhow::{Context as _, Result};
use steward_api::{Health, Problem, RejectRequest, RejectTask, Severity, TaskState, Verdict};
use steward_tests::{agent::Agent, docker::PrivateDaemon, lab_or_skip, skip, wait};

use crate::common::{
    A_WHILE, SOON, agent, approve, asked, deeds, done, healed_once, journal, known, left_alone,
    wait_for_end, wait_for_incident,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_careful_agent_asks_unless_the_label_lets_it_act() -> Result<()> {
    let lab = lab_or_skip!("ask");
    let plain = lab.container("plain").start().await?;
    let refused = lab.container("refused").start().await?;
    let labelled = lab
        .container("labelled")
        .label("steward.auto_restart", "true")
        .start()
        .await?;
    let common = lab
        .container("common")
        .label("autoheal", "true")
        .start()
        .await?;
    let all = [&plain, &refused, &labelled, &common];
    let agent = agent(&lab).set("autonomy.level", "ask").start().await?;
    known(&agent, &all).await?;
    let events = lab.watch().await?;
    for one in all {
        one.wait_ready().await?;
        one.crash(1).await?;
    }
    healed_once(&agent, &events, &labelled, Problem::ContainerStopped).await?;
    healed_once(&agent, &events, &common, Problem::ContainerStopped).await?;
    let (one, task) = asked(&agent, &plain).await?;
    let decision = one.decision.as_ref().context("a decision")?;
    assert_eq!(decision.guard.as_deref(), Some("autonomy"));
    assert!(
        decision.reason.to_lowercase().contains("autonomy is ask"),
        "{decision:?}"
    );
    left_alone(&events, &plain, 0).await?;
    assert!(!plain.state().await?.running);

    approve(&agent, &task).await?;
    wait_for_end(&agent, task.id).await?;
    done(&agent, task.id).await?;
    assert!(plain.state().await?.running);
    assert_eq!(events.count(&plain.name, "restart"), 1);

    // A no settles the question.
    let (_, task) = asked(&agent, &refused).await?;
    let no = RejectRequest {
        rejected_by: "Ada".to_owned(),
        reason: "it is being moved".to_owned(),
        plan_hash: None,
    };
    agent.call_at::<RejectTask>(task.id, &no).await?;
    let task = wait_for_end(&agent, task.id).await?;
    assert_eq!(task.status, TaskState::Rejected);
    left_alone(&events, &refused, 0).await?;
    let one = wait_for_incident(&agent, &refused, "to keep the no", |one| {
        one.decision
            .as_ref()
            .is_some_and(|decision| decision.guard.as_deref() == Some("rejected"))
    })
    .await?;
    assert_eq!(one.tasks.len(), 1, "the question is not asked again");
    journal(&agent).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_say_what_matters_and_what_is_left_alone() -> Result<()> {
    // An engine of its own, for an agent that looks at all of it: where only labelled containers are looked after, that label says more
    // than `steward.ignore`.
    let daemon = match PrivateDaemon::start().await? {
        Ok(daemon) => daemon,
        Err(reason) => skip!("{reason}"),
    };
    let lab = daemon.lab("labels").await?;
    let careful = lab
        .container("careful")
        .label("steward.auto_restart", "false")
        .start()
        .await?;
    let critical = lab
        .container("critical")
        .label("steward.critical", "true")
        .start()
        .await?;
    let ignored = lab
        .container("ignored")
        .label("steward.ignore", "true")
        .start()
        .await?;
    let agent = Agent::for_host(&daemon.host()).start().await?;
    known(&agent, &[&careful, &critical]).await?;
    let events = lab.watch().await?;
    for one in [&careful, &critical, &ignored] {
        one.wait_ready().await?;
        one.crash(0).await?;
    }
    // An end with code 0 of what is critical is a fault; one of an unmarked container is a job's.
    let one = healed_once(&agent, &events, &critical, Problem::ContainerStopped).await?;
    assert_eq!(one.severity, Severity::Critical, "{one:#?}");
    agent
        .wait_for_container(&careful.name, "to have finished", SOON, |seen| {
            seen.health == Health::Stopped
        })
        .await?;
    careful.start().await?;
    careful.wait_ready().await?;
    careful.crash(1).await?;
    let (one, _) = asked(&agent, &careful).await?;
    let decision = one.decision.as_ref().context("a decision")?;
    assert!(
        decision.reason.contains("steward.auto_restart=false"),
        "{decision:?}"
    );
    assert_eq!(one.severity, Severity::Unhealthy);
    left_alone(&events, &careful, 0).await?;

    assert!(!ignored.state().await?.running);
    let list = agent
        .wait_for("the list", SOON, |list| !list.resources.is_empty())
        .await?;
    assert!(list.resources.iter().all(|one| one.id.name != ignored.name));
    let all = agent.incidents().await?;
    assert!(all.iter().all(|one| one.resource.name != ignored.name));
    let told = journal(&agent).await?;
    assert!(told.iter().all(|entry| {
        entry
            .event
            .resource()
            .is_none_or(|id| id.name != ignored.name)
    }));
    assert_eq!(events.count(&ignored.name, "restart"), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_only_says_what_it_would_do() -> Result<()> {
    let lab = lab_or_skip!("observe");
    let web = lab
        .container("web")
        // Nothing loosens the brake.
        .label("steward.auto_restart", "true")
        .start()
        .await?;
    let agent = agent(&lab).set("autonomy.level", "observe").start().await?;
    known(&agent, &[&web]).await?;
    let events = lab.watch().await?;
    web.wait_ready().await?;
    web.crash(1).await?;
    let one =
        wait_for_incident(&agent, &web, "to be decided", |one| one.decision.is_some()).await?;
    let decision = one.decision.as_ref().context("a decision")?;
    assert_eq!(decision.verdict, Verdict::Withhold);
    assert_eq!(decision.guard.as_deref(), Some("autonomy"));
    assert!(
        decision.reason.contains("would now")
            && decision.reason.to_lowercase().contains("restart")
            && decision.reason.contains(&web.name),
        "{decision:?}"
    );
    left_alone(&events, &web, 0).await?;
    assert!(!web.state().await?.running);
    assert!(agent.tasks().await?.is_empty());
    assert!(deeds(&journal(&agent).await?).is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wrong_in_a_maintenance_window_and_all_is_when_it_is_over() -> Result<()> {
    let lab = lab_or_skip!("window");
    let web = lab.container("web").start().await?;
    let window = format!(
        "[[maintenance]]\nmatches = \"{}\"\nfrom = \"00:00\"\nto = \"00:00\"",
        web.name
    );
    let mut agent = agent(&lab).toml(&window)?.start().await?;
    known(&agent, &[&web]).await?;
    let events = lab.watch().await?;
    web.wait_ready().await?;
    web.crash(1).await?;
    let seen = agent
        .wait_for_container(&web.name, "to be seen as down", SOON, |seen| {
            // A window keeps Steward's hands off; it does not make what is down look well.
            seen.health == Health::Unhealthy
        })
        .await?;
    assert!(seen.reason.contains("maintenance"), "{}", seen.reason);
    let read = || agent.incidents();
    wait::holds("no incident", A_WHILE, read, Vec::is_empty).await?;
    assert!(!web.state().await?.running);
    assert_eq!(events.count(&web.name, "restart"), 0);

    // The operator takes the window away: now it counts.
    agent.edit_config(|settings| settings.set("maintenance", toml::Value::Array(Vec::new())))?;
    healed_once(&agent, &events, &web, Problem::ContainerStopped).await?;
    Ok(())
}
