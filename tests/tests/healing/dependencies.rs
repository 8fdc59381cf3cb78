//! The cause is healed before its effects; an effect is not taken for a cause.

use anyhow::Result;
use steward_api::{Event, IncidentChange, Problem, ResolutionKind, StepResult};
use steward_tests::{
    agent::Agent,
    docker::{Container, EventLog, Lab, Workload},
    lab_or_skip, skip,
};

use crate::common::{
    SOON, agent, deeds, done, free_port, incident, journal, known, left_alone, wait_for_incident,
};

/// A database and an application that depends on it, as Compose would make them.
async fn pair(lab: &Lab) -> Result<(Container, Container)> {
    let db = lab
        .container("db")
        .compose("shop", "db", "")
        .start()
        .await?;
    let app = lab
        .container("app")
        .compose("shop", "app", "db:service_started:false")
        .start()
        .await?;
    db.wait_ready().await?;
    app.wait_ready().await?;
    Ok((db, app))
}

/// What holds in whatever order they died: between the database's failure and its verified healing nothing is done to the application,
/// both run at the end, and the database was restarted once.
async fn in_order(agent: &Agent, events: &EventLog, db: &Container, app: &Container) -> Result<()> {
    let root = wait_for_incident(agent, db, "to be healed", |one| !one.is_active()).await?;
    let resolution = root.resolution.clone();
    assert_eq!(
        resolution.map(|end| end.kind),
        Some(ResolutionKind::Healed),
        "{root:#?}"
    );
    assert!(
        root.affected.iter().any(|one| one.name == app.name),
        "{root:#?}"
    );
    app.wait("to run again", SOON, |now| now.running).await?;
    agent
        .wait_for_incidents("every incident to be over", SOON, |all| {
            all.iter().all(|one| !one.is_active())
        })
        .await?;
    assert!(db.state().await?.running && app.state().await?.running);
    assert_eq!(events.count(&db.name, "restart"), 1);

    let journal = journal(agent).await?;
    let detected = journal
        .iter()
        .find(|entry| {
            matches!(&entry.event, Event::IncidentChanged { change: IncidentChange::Detected, incident } if incident.id == root.id)
        })
        .map_or(0, |entry| entry.seq);
    let all = deeds(&journal);
    let healed = all
        .iter()
        .find(|deed| deed.container == db.name)
        .and_then(|deed| deed.concluded)
        .filter(|(_, result)| *result == StepResult::Succeeded)
        .map_or(0, |(seq, _)| seq);
    assert!(detected > 0 && healed > detected, "{all:#?}");
    for deed in all.iter().filter(|deed| deed.container == app.name) {
        assert!(
            deed.intended < detected || deed.intended > healed,
            "the application was restarted before the database was well ({detected}..{healed}): {deed:?}"
        );
    }
    done(agent, root.tasks[0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_database_is_healed_before_the_application_that_died_after_it() -> Result<()> {
    let lab = lab_or_skip!("dbfirst");
    let (db, app) = pair(&lab).await?;
    // Long enough that the application surely dies before the database counts as well.
    let agent = agent(&lab)
        .set("docker.stabilisation", "5s")
        .start()
        .await?;
    known(&agent, &[&db, &app]).await?;
    let events = lab.watch().await?;

    db.crash(1).await?;
    wait_for_incident(&agent, &db, "to be there", |_| true).await?;
    app.crash(1).await?;
    let root = wait_for_incident(&agent, &db, "to list the application", |one| {
        !one.affected.is_empty()
    })
    .await?;
    assert!(root.is_active() && root.problem == Problem::ContainerStopped);
    // One cause, one incident: the application has none of its own while the database is down.
    let others: Vec<_> = agent.incidents().await?;
    assert_eq!(others.len(), 1, "{others:#?}");

    in_order(&agent, &events, &db, &app).await?;
    assert_eq!(events.count(&app.name, "restart"), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_died_first_waits_for_its_database_too() -> Result<()> {
    let lab = lab_or_skip!("appfirst");
    if !steward_tests::process::is_root() {
        skip!("only root may kill a container's process from the host");
    }
    let (db, app) = pair(&lab).await?;
    let agent = agent(&lab)
        .set("docker.stabilisation", "3s")
        .start()
        .await?;
    known(&agent, &[&db, &app]).await?;
    let events = lab.watch().await?;

    let (db_state, app_state) = (db.state().await?, app.state().await?);
    app.kill_main_of(&app_state)?;
    db.kill_main_of(&db_state)?;

    in_order(&agent, &events, &db, &app).await?;
    // Once too early at the most, where its restart had begun before its database was known to be dead.
    let restarts = events.count(&app.name, "restart");
    assert!(
        (1..=2).contains(&restarts),
        "{:?}",
        events.actions(&app.name)
    );
    left_alone(&events, &app, restarts).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_page_is_gone_is_restarted() -> Result<()> {
    let lab = lab_or_skip!("page");
    let port = free_port()?;
    let serve = format!("echo ok > /www/index.html; exec httpd -f -p 127.0.0.1:{port} -h /www");
    let web = lab
        .container("web")
        .workload(&Workload::Command(vec![
            "/bin/sh".into(),
            "-c".into(),
            serve,
        ]))
        .network("host")
        .label("steward.health_url", format!("http://127.0.0.1:{port}/"))
        .start()
        .await?;
    let agent = agent(&lab).start().await?;
    known(&agent, &[&web]).await?;
    agent
        .wait_for("the endpoint to be well", SOON, |list| {
            list.resources.iter().any(|one| {
                one.id.kind == steward_api::ResourceKind::Service
                    && one.health == steward_api::Health::Healthy
            })
        })
        .await?;
    let events = lab.watch().await?;
    let before = web.state().await?;

    web.run("rm /www/index.html").await?;
    let all = agent
        .wait_for_incidents("the page to be healed", SOON, |all| {
            all.iter().any(|one| !one.is_active())
        })
        .await?;
    assert_eq!(all.len(), 1, "{all:#?}");
    let one = &all[0];
    assert_eq!(one.problem, Problem::EndpointFailing, "{one:#?}");
    assert_eq!(one.resource.kind, steward_api::ResourceKind::Service);
    assert!(one.title.contains("404"), "{}", one.title);
    assert_eq!(
        one.resolution.as_ref().map(|end| end.kind),
        Some(ResolutionKind::Healed),
        "{one:#?}"
    );
    let now = web.state().await?;
    assert!(now.running && now.started_at != before.started_at);
    assert_eq!(events.count(&web.name, "restart"), 1);
    assert_eq!(web.run("cat /www/index.html").await?.trim(), "ok");
    done(&agent, one.tasks[0]).await?;
    journal(&agent).await?;
    let own = incident(&agent, &web).await;
    assert!(
        own.is_err() || own?.resource.kind == steward_api::ResourceKind::Service,
        "the container itself was never at fault"
    );
    left_alone(&events, &web, 1).await
}
