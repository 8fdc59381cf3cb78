//! A person's yes and no, by HTTP and by command line, on a real engine: what counts, what is refused, and that a yes counts once.

mod once;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use steward_api::{
    Accepted, ApproveRequest, ApproveTask, Channel, ErrorCode, Event, GetIncident, GetTask,
    GetTaskStatus, HealContainer, Health, Nothing, PlanHash, ProblemDetails, RejectRequest,
    RejectTask, StepResult, Task, TaskState, Verdict,
};
use steward_tests::{
    agent::{Agent, Builder},
    docker::{Container, EventLog, Lab},
    lab_or_skip, wait,
};

const SOON: Duration = Duration::from_secs(90);

/// An agent that asks before everything.
fn asking(lab: &Lab) -> Builder {
    Agent::for_lab(lab).set("autonomy.level", "ask")
}

/// A container that has died, and the question about it.
struct Question {
    web: Container,
    engine: EventLog,
    agent: Agent,
    task: Task,
}

impl Question {
    async fn open(lab: &Lab, builder: Builder) -> Result<Self> {
        let web = lab.container("web").serve().start().await?;
        web.wait_ready().await?;
        let engine = lab.watch().await?;
        let agent = builder.start().await?;
        let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
        agent
            .wait_for_container(&web.name, "to be well", SOON, well)
            .await?;
        web.crash(1).await?;
        let task = question(&agent, &web).await?;
        Ok(Self {
            web,
            engine,
            agent,
            task,
        })
    }

    async fn approve(
        &self,
        body: &ApproveRequest,
    ) -> Result<std::result::Result<Accepted, ProblemDetails>> {
        self.agent
            .try_call_at::<ApproveTask>(self.task.id, body)
            .await
    }

    async fn now(&self) -> Result<Task> {
        self.agent
            .call_at::<GetTask>(self.task.id, &Nothing {})
            .await
    }

    async fn ended(&self) -> Result<Task> {
        let read = || self.now();
        self.agent
            .wait("the task to be over", SOON, read, |task| {
                task.status.is_final()
            })
            .await
    }

    /// Nothing is done for long enough that a mistake would show.
    async fn left_alone(&self) -> Result<()> {
        let before = self.engine.count(&self.web.name, "start");
        let read = || async { Ok(self.engine.count(&self.web.name, "start")) };
        let three = Duration::from_secs(3);
        wait::holds("it is left alone", three, read, |n| *n == before).await
    }
}

/// The open question about a container.
async fn question(agent: &Agent, web: &Container) -> Result<Task> {
    let is_it = |task: &Task| {
        task.requires_approval
            && task.status == TaskState::Pending
            && !task.approved
            && task.resource.name == web.name
    };
    let all = agent
        .wait_for_tasks("the question", SOON, |tasks| tasks.iter().any(is_it))
        .await?;
    let found = all.into_iter().find(is_it);
    found.context("the question is gone")
}

fn secret_of(agent: &Agent, role: &str) -> Result<String> {
    let text = std::fs::read_to_string(agent.data_dir().join("tokens.toml"))?;
    let file: toml::Table = text.parse()?;
    let tokens = file["token"].as_array().context("no tokens")?;
    let one = tokens
        .iter()
        .find(|token| token["role"].as_str() == Some(role));
    let secret = one.and_then(|token| token["secret"].as_str());
    Ok(secret.context("no such role")?.to_owned())
}

fn code(output: &std::process::Output) -> Option<i32> {
    output.status.code()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_by_http_is_recorded_with_name_and_token_and_done_once() -> Result<()> {
    let lab = lab_or_skip!("yes-http");
    let it = Question::open(&lab, asking(&lab)).await?;
    it.left_alone().await?;
    // What is asked says what exactly would be done.
    let pending = it
        .agent
        .call::<steward_api::ListPendingTasks>(&Nothing {})
        .await?;
    assert_eq!(pending.len(), 1, "{pending:#?}");
    assert!(pending[0].expires_at.is_some() && !pending[0].plan_hash.0.is_empty());

    let body = ApproveRequest {
        approved_by: "Evin".to_owned(),
        notes: "go on".to_owned(),
        plan_hash: Some(it.task.plan_hash.clone()),
    };
    let accepted = it.approve(&body).await??;
    assert!(accepted.success);
    it.web.wait("to run again", SOON, |now| now.running).await?;
    let task = it.ended().await?;
    assert_eq!(task.status, TaskState::Completed, "{:?}", task.result);
    let approval = task.approval.context("no approval")?;
    assert_eq!(
        (
            approval.by.as_str(),
            approval.identity.as_str(),
            approval.channel,
            approval.note.as_str(),
            approval.approved
        ),
        ("Evin", "environment", Channel::Http, "go on", true)
    );
    let words: Vec<_> = task
        .execution_log
        .iter()
        .map(|l| l.action.as_str())
        .collect();
    for word in [
        "approved",
        "validated_request",
        "restarted_container",
        "verified_health",
    ] {
        assert!(words.contains(&word), "{word} is not in {words:?}");
    }

    // It counts once.
    let again = it.approve(&body).await?.expect_err("it was answered");
    assert_eq!((again.status, again.code), (409, ErrorCode::TaskNotWaiting));
    let no = RejectRequest::default();
    let late = it.agent.try_call_at::<RejectTask>(it.task.id, &no).await?;
    let late = late.expect_err("it was answered");
    assert_eq!((late.status, late.code), (409, ErrorCode::TaskNotWaiting));
    it.left_alone().await?;
    assert_eq!(it.engine.count(&it.web.name, "restart"), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_approves_waits_and_tells_by_its_exit_code() -> Result<()> {
    let lab = lab_or_skip!("yes-cli");
    let it = Question::open(&lab, asking(&lab)).await?;
    let id = it.task.id.to_string();
    // Nobody is there to be asked: without --yes nothing is done.
    let asked = it.agent.cli(&["approve", &id]).await?;
    assert_eq!(code(&asked), Some(2), "{asked:?}");
    let wrong = it
        .agent
        .cli(&["approve", &id, "--plan-hash", "0123456789abcdef"])
        .await?;
    assert_eq!(code(&wrong), Some(5), "{wrong:?}");
    let unknown = it.agent.cli(&["approve", "999999", "--yes"]).await?;
    assert_eq!(code(&unknown), Some(4), "{unknown:?}");
    let viewer = secret_of(&it.agent, "viewer")?;
    let forbidden = it
        .agent
        .cli(&["approve", &id, "--yes", "--token", &viewer])
        .await?;
    assert_eq!(code(&forbidden), Some(6), "{forbidden:?}");
    assert!(!it.web.state().await?.running);

    let done = it
        .agent
        .cli(&[
            "approve", &id, "--yes", "--wait", "--by", "Evin", "--note", "by hand",
        ])
        .await?;
    assert_eq!(code(&done), Some(0), "{done:?}");
    assert!(it.web.state().await?.running);
    let approval = it.now().await?.approval.context("no approval")?;
    assert_eq!(
        (
            approval.by.as_str(),
            approval.channel,
            approval.note.as_str()
        ),
        ("Evin", Channel::Cli, "by hand")
    );
    assert!(!approval.identity.is_empty());
    let twice = it.agent.cli(&["approve", &id, "--yes"]).await?;
    assert_eq!(code(&twice), Some(5), "{twice:?}");
    let json = it.agent.cli(&["approve", &id, "--yes", "--json"]).await?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&json.stdout),
        String::from_utf8_lossy(&json.stderr)
    );
    assert!(text.contains("task_not_waiting"), "{text}");

    let mut agent = it.agent;
    agent.terminate().await?;
    let nobody = agent.cli(&["approve", &id, "--yes"]).await?;
    assert_eq!(code(&nobody), Some(3), "{nobody:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_leaves_the_world_alone_and_settles_the_question() -> Result<()> {
    let lab = lab_or_skip!("no");
    let it = Question::open(&lab, asking(&lab)).await?;
    let body = RejectRequest {
        rejected_by: "Evin".to_owned(),
        reason: "I look at it myself".to_owned(),
        plan_hash: None,
    };
    let reply = it.agent.call_at::<RejectTask>(it.task.id, &body).await?;
    assert!(reply.success);
    let task = it.now().await?;
    assert_eq!(task.status, TaskState::Rejected);
    let approval = task.approval.context("no answer")?;
    assert_eq!(
        (
            approval.approved,
            approval.by.as_str(),
            approval.note.as_str()
        ),
        (false, "Evin", "I look at it myself")
    );
    // Not asked anew by the next readings either.
    it.left_alone().await?;
    let settled = |incident: &steward_api::Incident| {
        incident
            .decision
            .as_ref()
            .is_some_and(|decision| decision.verdict == Verdict::Withhold)
    };
    let incident = it.task.incident.context("no incident")?;
    let now = it
        .agent
        .call_at::<GetIncident>(incident, &Nothing {})
        .await?;
    assert!(settled(&now) && now.is_active(), "{now:#?}");
    assert_eq!(it.agent.tasks().await?.len(), 1, "it asks once");
    let late = it.approve(&ApproveRequest::default()).await?;
    assert_eq!(
        late.expect_err("it was rejected").code,
        ErrorCode::TaskNotWaiting
    );

    // A person can still have it healed, and the command line says no as well.
    let heal = it.agent.cli(&["heal", &it.web.name]).await?;
    assert_eq!(code(&heal), Some(0), "{heal:?}");
    let second = question(&it.agent, &it.web).await?;
    let id = second.id.to_string();
    let no = it
        .agent
        .cli(&["reject", &id, "--reason", "not now", "--by", "Evin"])
        .await?;
    assert_eq!(code(&no), Some(0), "{no:?}");
    let told = it.agent.call_at::<GetTask>(second.id, &Nothing {}).await?;
    let answer = told.approval.context("no answer")?;
    assert_eq!(told.status, TaskState::Rejected);
    assert_eq!(
        (answer.channel, answer.note.as_str()),
        (Channel::Cli, "not now")
    );
    let twice = it.agent.cli(&["reject", &id]).await?;
    assert_eq!(code(&twice), Some(5), "{twice:?}");
    let unknown = it.agent.cli(&["reject", "999999"]).await?;
    assert_eq!(code(&unknown), Some(4), "{unknown:?}");
    it.left_alone().await?;
    assert!(!it.web.state().await?.running);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_nobody_answers_lapses() -> Result<()> {
    let lab = lab_or_skip!("lapse");
    let builder = asking(&lab).set("approvals.expire_after", "2s");
    let it = Question::open(&lab, builder).await?;
    let read = || it.now();
    let lapsed = it
        .agent
        .wait("the question to lapse", SOON, read, |task| {
            task.status == TaskState::Expired
        })
        .await?;
    assert!(lapsed.approval.is_none());
    let late = it.approve(&ApproveRequest::default()).await?;
    let late = late.expect_err("it lapsed");
    assert_eq!((late.status, late.code), (410, ErrorCode::ApprovalExpired));
    let no = RejectRequest::default();
    let late = it.agent.try_call_at::<RejectTask>(it.task.id, &no).await?;
    assert_eq!(late.expect_err("it lapsed").status, 410);
    let id = it.task.id.to_string();
    let cli = it.agent.cli(&["approve", &id, "--yes"]).await?;
    assert_eq!(code(&cli), Some(5), "{cli:?}");
    it.left_alone().await?;
    assert!(!it.web.state().await?.running);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_plan_that_was_seen_is_approved_and_only_by_who_may() -> Result<()> {
    let lab = lab_or_skip!("which");
    let it = Question::open(&lab, asking(&lab)).await?;
    let hash = it.task.plan_hash.0.clone();
    let flipped: String = hash
        .chars()
        .map(|c| if c == 'a' { 'b' } else { 'a' })
        .collect();
    for forged in [flipped.as_str(), "", &hash[..12], &hash.to_uppercase()] {
        if forged == hash {
            continue;
        }
        let body = ApproveRequest {
            plan_hash: Some(PlanHash(forged.to_owned())),
            ..Default::default()
        };
        let refused = it.approve(&body).await?.expect_err("another plan");
        assert!(
            matches!(
                (refused.status, refused.code),
                (409, ErrorCode::PlanChanged) | (400, ErrorCode::BadRequest)
            ),
            "{forged}: {refused:?}"
        );
    }
    let body = ApproveRequest::default();
    let unknown = it.agent.try_call_at::<ApproveTask>(999_999, &body).await?;
    let unknown = unknown.expect_err("there is none");
    assert_eq!(
        (unknown.status, unknown.code),
        (404, ErrorCode::TaskNotFound)
    );

    let viewer = secret_of(&it.agent, "viewer")?;
    let refused = it
        .agent
        .try_call_as::<ApproveTask>(&viewer, &it.task.id.to_string(), &body)
        .await?
        .expect_err("a viewer only reads");
    assert_eq!((refused.status, refused.code), (403, ErrorCode::Forbidden));
    let task = it.task.id;
    it.agent
        .wait_for_entry("the refusal in the journal", SOON, |entry| {
            matches!(&entry.event, Event::AnswerRefused { task: t, identity, code, .. }
                if *t == task && identity == "viewer" && *code == ErrorCode::Forbidden)
        })
        .await?;
    it.left_alone().await?;
    assert_eq!(it.now().await?.status, TaskState::Pending);

    // An operator may.
    let operator = secret_of(&it.agent, "operator")?;
    it.agent
        .try_call_as::<ApproveTask>(&operator, &it.task.id.to_string(), &body)
        .await??;
    let done = it.ended().await?;
    assert_eq!(done.status, TaskState::Completed, "{:?}", done.result);
    let identity = done.approval.context("no approval")?.identity;
    assert_eq!(identity, "operator");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_the_world_has_overtaken_is_refused() -> Result<()> {
    let lab = lab_or_skip!("stale");
    // So slow that the agent's own readings don't cancel the question first.
    let it = Question::open(&lab, asking(&lab)).await?;
    let body = ApproveRequest::default();
    // Another container has its name now: the plan is for the one that is gone.
    it.web.remove().await?;
    let other = lab.container("web").serve().create().await?;
    let refused = it.approve(&body).await?.expect_err("another container");
    assert!(
        matches!(
            refused.code,
            ErrorCode::PlanStale | ErrorCode::TaskNotWaiting
        ) && refused.status == 409,
        "{refused:?}"
    );
    it.left_alone().await?;
    assert!(!other.state().await?.running, "it was not the one");
    other.remove().await?;

    // A person was quicker: it runs again.
    let second = lab.container("second").serve().start().await?;
    second.wait_ready().await?;
    let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
    it.agent
        .wait_for_container(&second.name, "to be well", SOON, well)
        .await?;
    second.crash(1).await?;
    let task = question(&it.agent, &second).await?;
    second.start().await?;
    let before = second.state().await?;
    let refused = it.agent.try_call_at::<ApproveTask>(task.id, &body).await?;
    let refused = refused.expect_err("it runs already");
    assert!(
        matches!(
            refused.code,
            ErrorCode::PlanStale | ErrorCode::TaskNotWaiting
        ) && refused.status == 409,
        "{refused:?}"
    );
    it.left_alone().await?;
    assert_eq!(second.state().await?.started_at, before.started_at);
    assert_eq!(it.engine.count(&second.name, "restart"), 0);
    // And the question is withdrawn with the incident.
    let read = || it.agent.call_at::<GetTask>(task.id, &Nothing {});
    it.agent
        .wait("the question to be withdrawn", SOON, read, |task| {
            task.status == TaskState::Cancelled
        })
        .await?;
    Ok(())
}
