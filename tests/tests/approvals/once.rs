//! That a yes counts once, survives the agent that took it, and that a person's heal goes the same way.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_are_one_yes() -> Result<()> {
    let lab = lab_or_skip!("fifty");
    let it = Question::open(&lab, asking(&lab)).await?;
    let answers = futures_util::future::join_all((0..50).map(|n| {
        let it = &it;
        async move {
            let body = ApproveRequest {
                approved_by: format!("person {n}"),
                ..Default::default()
            };
            it.approve(&body).await
        }
    }))
    .await;
    let mut yes = 0;
    for answer in answers {
        match answer? {
            Ok(_) => yes += 1,
            Err(refused) => assert_eq!(
                (refused.status, refused.code),
                (409, ErrorCode::TaskNotWaiting),
                "{refused:?}"
            ),
        }
    }
    assert_eq!(yes, 1, "exactly one counts");
    let done = it.ended().await?;
    assert_eq!(done.status, TaskState::Completed, "{:?}", done.result);
    it.left_alone().await?;
    assert_eq!(it.engine.count(&it.web.name, "restart"), 1);
    let entries = it.agent.journal(0).await?;
    let intents = entries
        .iter()
        .filter(|entry| matches!(entry.event, Event::ActionIntended { .. }));
    assert_eq!(intents.count(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_survives_the_agent_that_took_it() -> Result<()> {
    let lab = lab_or_skip!("yes-kill");
    // More tries than rounds, and hardly a pause between them.
    let builder = asking(&lab)
        .set("guards.max_restarts_per_hour", 60)
        .toml("[strategies]\ncontainer_stopped = [{ action = \"restart_container\", attempts = 20, back_off = \"100ms\" }]")?;
    let mut it = Question::open(&lab, builder).await?;
    for round in 0..4 {
        let seen = it.agent.journal(0).await?.last().map_or(0, |last| last.seq);
        let stream = it.agent.events(Some(seen)).await?;
        let task = it.task.id;
        let yes = ApproveRequest::default();
        // Killed as soon as the yes is in the journal: before the task began, or right after.
        let (answer, approved) = tokio::join!(
            it.agent.try_call_at::<ApproveTask>(task, &yes),
            stream.wait("the yes", SOON, |entry| matches!(
                &entry.event,
                Event::TaskChanged { change: steward_api::TaskChange::Approved, task: t } if t.id == task
            ))
        );
        it.agent.kill_9().await?;
        drop(answer);
        let approved = approved?;
        it.agent.start_again().await?;
        let ended = it.ended().await?;
        ensure!(
            it.agent.journal(0).await?.contains(&approved.envelope),
            "round {round}: the yes was lost"
        );
        ensure!(ended.approved, "{ended:#?}");
        let entries = it.agent.journal(0).await?;
        let done = entries
            .iter()
            .filter(|entry| {
                matches!(&entry.event, Event::ActionConcluded { task: t, result, .. }
                    if *t == task && matches!(result, StepResult::Succeeded | StepResult::NotVerified))
            })
            .count();
        let restarts = it.engine.count(&it.web.name, "restart");
        // Either it was done, once and verified, or it is said that it was not, and asked anew.
        if ended.status == TaskState::Completed {
            assert_eq!(done, 1, "{ended:#?}");
            it.web.wait("to run", SOON, |now| now.running).await?;
            if round < 3 {
                it.web.wait_ready().await?;
                it.web.crash(1).await?;
            }
        } else {
            assert_eq!((ended.status, done), (TaskState::Failed, 0), "{ended:#?}");
        }
        let told = entries
            .iter()
            .filter(|entry| {
                matches!(&entry.event, Event::ActionConcluded { result, .. }
                    if matches!(result, StepResult::Succeeded | StepResult::NotVerified))
            })
            .count();
        assert_eq!(told, restarts, "the record and Docker agree");
        if round < 3 {
            it.task = question(&it.agent, &it.web).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heal_that_a_person_asks_for() -> Result<()> {
    let lab = lab_or_skip!("heal");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let engine = lab.watch().await?;
    let agent = Agent::for_lab(&lab).start().await?;
    let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
    agent
        .wait_for_container(&web.name, "to be well", SOON, well)
        .await?;
    let nothing = Nothing {};
    let unknown = agent
        .try_call_at::<HealContainer>("no-such-container", &nothing)
        .await?
        .expect_err("there is none");
    assert_eq!(
        (unknown.status, unknown.code),
        (404, ErrorCode::ContainerNotFound)
    );
    let healthy = agent
        .try_call_at::<HealContainer>(&web.name, &nothing)
        .await?
        .expect_err("it is healthy");
    assert_eq!(
        (healthy.status, healthy.code),
        (409, ErrorCode::NothingToDo)
    );
    let viewer = secret_of(&agent, "viewer")?;
    let refused = agent
        .try_call_as::<HealContainer>(&viewer, &web.name, &nothing)
        .await?
        .expect_err("a viewer only reads");
    assert_eq!(refused.status, 403);
    for (arguments, expected) in [
        (vec!["heal", "no-such-container"], 4),
        (vec!["heal", web.name.as_str()], 5),
        (vec!["heal", web.name.as_str(), "--token", &viewer], 6),
    ] {
        let output = agent.cli(&arguments).await?;
        assert_eq!(code(&output), Some(expected), "{arguments:?}: {output:?}");
    }

    // Stopped by a person on purpose, so Steward leaves it; asked for, it starts it.
    web.stop().await?;
    let stopped = |resource: &steward_api::Resource| resource.health == Health::Stopped;
    agent
        .wait_for_container(&web.name, "to be stopped", SOON, stopped)
        .await?;
    let healed = agent.cli(&["heal", &web.name, "--wait"]).await?;
    assert_eq!(code(&healed), Some(0), "{healed:?}");
    assert!(web.state().await?.running);
    let tasks = agent.tasks().await?;
    assert_eq!(tasks.len(), 1, "{tasks:#?}");
    assert!(matches!(
        tasks[0].requested_by,
        steward_api::Requester::Person { .. }
    ));
    let status = agent
        .call_at::<GetTaskStatus>(tasks[0].id, &nothing)
        .await?;
    assert_eq!(status.status, TaskState::Completed);
    assert!(status.result.is_some_and(|result| result.success));
    assert_eq!(engine.count(&web.name, "restart"), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_a_person_asks_for_on_what_works() -> Result<()> {
    let lab = lab_or_skip!("do");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let engine = lab.watch().await?;
    let agent = Agent::for_lab(&lab).start().await?;
    let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
    agent
        .wait_for_container(&web.name, "to be well", SOON, well)
        .await?;
    let offers: steward_api::Offers = agent.cli_json(&["do", &web.name]).await?;
    let offered = |action| offers.actions.iter().any(|offer| offer.action == action);
    ensure!(
        offered(steward_api::ActionName::StopContainer),
        "{offers:?}"
    );
    ensure!(
        !offered(steward_api::ActionName::StartContainer),
        "{offers:?}"
    );
    let viewer = secret_of(&agent, "viewer")?;
    for (arguments, expected) in [
        (vec!["do", web.name.as_str(), "start_container"], 5),
        (vec!["do", web.name.as_str(), "explode"], 2),
        (vec!["do", "no-such-thing"], 4),
        (
            vec![
                "do",
                web.name.as_str(),
                "stop_container",
                "--token",
                &viewer,
            ],
            6,
        ),
    ] {
        let output = agent.cli(&arguments).await?;
        assert_eq!(code(&output), Some(expected), "{arguments:?}: {output:?}");
    }

    // Medium risk waits for a yes, though a person asked for it.
    let asked = agent
        .cli(&["do", &web.name, "stop_container", "--reason", "moving it"])
        .await?;
    assert_eq!(code(&asked), Some(0), "{asked:?}");
    let task = question(&agent, &web).await?;
    ensure!(task.why.contains("moving it"), "{}", task.why);
    ensure!(web.state().await?.running, "nothing before the yes");
    let yes = agent
        .cli(&["approve", &task.id.to_string(), "--yes", "--wait"])
        .await?;
    assert_eq!(code(&yes), Some(0), "{yes:?}");
    ensure!(!web.state().await?.running);
    ensure!(engine.count(&web.name, "restart") == 0);
    // It was Steward's own doing at a person's wish, so it is left as it is.
    let stopped = |resource: &steward_api::Resource| resource.health == Health::Stopped;
    agent
        .wait_for_container(&web.name, "to be stopped", SOON, stopped)
        .await?;
    Ok(())
}
