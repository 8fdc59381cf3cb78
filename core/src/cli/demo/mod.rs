//! `demo`: Steward at work within a minute, on the real engine, on containers of its own.
//!
//! What flows through: an agent of the demo's own, in this process and in a temporary directory, looks at nothing but the demo's
//! containers; three scenes break one each, from within; the agent's event stream is told with timings. What it never does: touch
//! anything that it has not made, or leave anything behind: not when it fails, and not on Ctrl-C.

mod narrate;
pub(super) mod workload;

use std::{io::IsTerminal as _, time::Duration};

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use steward_api::{
    ApproveRequest, ApproveTask, Autonomy, RejectRequest, RejectTask, ResourceId, Task,
};

use self::narrate::{Aim, Narrator, Progress};
use super::{
    Context, answer,
    args::DemoArgs,
    failure::{Exit, Failure},
    output::{Screen, Tone, clean, units},
    stage::{Part, Restart, Show, Stage, agent, agent::OwnAgent, engine_host, image, interrupted},
    story,
};
use crate::client::{Client, EventStream, StreamEvent};

const SHOW: Show = Show {
    name: "demo",
    prefix: "demo-",
    lifetime: SignedDuration::from_mins(15),
};
/// The name of the node in every identity.
const NODE: &str = "demo";
/// A scene that takes longer shows that something is wrong. A person may think longer over the question.
const SCENE_LIMIT: Duration = Duration::from_secs(60);
/// Enough for the workload to swell in, little enough to be there on any machine. Bytes.
const SWELL_MEMORY: i64 = 64 * 1024 * 1024;

/// How a scene came out.
#[derive(Clone, Debug, Serialize)]
struct SceneReport {
    scene: &'static str,
    success: bool,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) async fn demo(context: &Context, args: &DemoArgs) -> Result<Exit, Failure> {
    let screen = context.screen.clone();
    let id = format!("{:08x}", rand::random::<u32>());
    let host = engine_host(context)?;
    let stage = Stage::open(SHOW, &host, id, screen.now).await?;
    let play = Play {
        screen: screen.clone(),
        stage: stage.clone(),
        host,
        may_ask: !args.yes
            && !screen.json
            && std::io::stdin().is_terminal()
            && std::io::stdout().is_terminal(),
    };
    // A task of its own: even a fault in the play leaves this one alive to clear up.
    let mut playing = tokio::spawn(Box::pin(play.perform()));
    let played = tokio::select! {
        ended = &mut playing => Some(ended),
        () = interrupted() => None,
    };
    if played.is_none() {
        playing.abort();
        // What it was just asking of the engine must be over before what it made is looked for.
        let _ = playing.await;
        screen.say("\nInterrupted; removing what was made …");
    }
    let cleared = stage.strike().await;
    let removed = agent::remove_data_dir(&stage.agent_name()).await;
    let reports = match played {
        None => {
            cleared?;
            removed?;
            return Err(Failure::new(
                Exit::Interrupted,
                "interrupted",
                "Everything that the demo made is removed.",
            ));
        }
        Some(Ok(ended)) => ended,
        Some(Err(fault)) => Err(Failure::failed(format!("the demo broke off: {fault}"))),
    };
    // Why the play failed says more than why clearing up did; but what stays behind must be known.
    if let Err(failure) = &cleared {
        screen.say(&format!(
            "{failure}\nRemove it by hand: docker ps -aq --filter label={} | xargs -r docker rm -f",
            stage.label()
        ));
    }
    let reports = reports?;
    cleared?;
    removed?;
    let success = reports.iter().all(|report| report.success);
    if screen.json {
        screen.print_json(&serde_json::json!({"success": success, "scenes": reports}))?;
    } else {
        screen.print(&closing(&screen, &reports))?;
    }
    Ok(if success { Exit::Done } else { Exit::Failed })
}

fn closing(screen: &Screen, reports: &[SceneReport]) -> String {
    let mut out = String::from("\n");
    for report in reports {
        let (symbol, tone) = if report.success {
            ("✔", Tone::Good)
        } else {
            ("✖", Tone::Bad)
        };
        out.push_str(&format!(
            "{} {} ({:.1} s){}\n",
            screen.paint(tone, symbol),
            report.scene,
            report.seconds,
            report
                .error
                .as_ref()
                .map_or(String::new(), |error| format!(": {}", clean(error)))
        ));
    }
    out.push_str("\nEverything that the demo made is removed.\n");
    if reports.iter().all(|report| report.success) {
        out.push_str(&format!(
            "Look after your own containers: {}\n",
            screen.paint(Tone::Strong, "steward up")
        ));
    }
    out
}

struct Play {
    screen: Screen,
    stage: Stage,
    host: String,
    /// Whether a person sits there who can be asked.
    may_ask: bool,
}

impl Play {
    async fn perform(mut self) -> Result<Vec<SceneReport>, Failure> {
        self.say("Steward demo: three things go wrong, on containers made for this.\n\n")?;
        self.stage.strike_leftovers(self.screen.now).await?;
        let size = self.stage.make_image().await?;
        self.note(&format!(
            "made an image of this executable ({}, no registry needed)",
            units::byte_count(size)
        ))?;
        let agent = OwnAgent::start(
            &self.stage.agent_name(),
            &self.host,
            self.stage.label(),
            |config| {
                NODE.clone_into(&mut config.node.name);
                config.autonomy.level = Autonomy::Assist;
            },
        )
        .await?;
        self.note(&format!(
            "started an agent of its own at {} that looks at nothing else",
            agent.client().url()
        ))?;
        let mut reports = Vec::new();
        for (scene, aim) in [
            ("A service dies and is healed", Aim::Healed),
            ("A risky fix waits for a yes, and is done", Aim::Approved),
            (
                "A crash loop is left alone, with the reason",
                Aim::LeftAlone,
            ),
        ] {
            let number = reports.len() + 1;
            self.say(&format!(
                "\n{}",
                self.screen.heading(&format!("{number}. {scene}"))
            ))?;
            let began = later();
            let ended = tokio::select! {
                ended = self.scene(&agent, aim) => ended,
                failure = agent.failure() => return Err(failure),
            };
            // Nobody reading, or an engine that is gone, ends the demo; a scene that came out otherwise does not.
            let error = match ended {
                Ok(()) => None,
                Err(SceneEnd::Otherwise(text)) => Some(text),
                Err(SceneEnd::Failure(failure)) => return Err(failure),
            };
            if let Some(text) = &error {
                self.say(&format!(
                    "  {} {}\n",
                    self.screen.paint(Tone::Bad, "✖"),
                    clean(text)
                ))?;
            }
            reports.push(SceneReport {
                scene,
                success: error.is_none(),
                seconds: later().duration_since(began).as_secs_f64(),
                error,
            });
        }
        agent.stop().await;
        Ok(reports)
    }

    async fn scene(&self, agent: &OwnAgent, aim: Aim) -> Result<(), SceneEnd> {
        let (name, part, opening) = match aim {
            Aim::Healed => (
                "web",
                role_of("serve", None, Restart::No),
                "a web service runs, and its process will now fail by itself",
            ),
            Aim::Approved => (
                "cache",
                role_of("swell", Some(SWELL_MEMORY), Restart::No),
                "a cache grows up to 94 % of its memory limit of 64 MiB",
            ),
            Aim::LeftAlone => (
                "importer",
                role_of("crash", None, Restart::Always),
                "an importer without its configuration ends again and again; the engine restarts it each time",
            ),
        };
        let client = agent.client();
        // Before anything happens, so that nothing is missed.
        let mut events = client.events(None);
        connected(&mut events).await?;
        self.stage.start(name, &part).await?;
        let resource = ResourceId::container(NODE, self.stage.name(name));
        if aim == Aim::Healed {
            // The agent must have seen it run: a container that it only ever saw dead may be old.
            self.wait_until_known(&mut events, &resource).await?;
        }
        self.note(opening)?;
        let mut narrator = Narrator::new(aim, resource, later());
        if aim == Aim::Healed {
            self.stage.touch(name, workload::TRIP_FILE).await?;
        }
        if self.tell(client, &mut events, &mut narrator, name).await? {
            self.check_world(aim, name).await?;
        }
        self.stage.remove(name).await?;
        Ok(())
    }

    async fn wait_until_known(
        &self,
        events: &mut EventStream,
        resource: &ResourceId,
    ) -> Result<(), SceneEnd> {
        let known = async {
            while let Some(item) = events.next().await {
                if let StreamEvent::Entry(entry) = item?
                    && entry.event.resource() == Some(resource)
                {
                    return Ok(());
                }
            }
            Err(SceneEnd::Otherwise("the event stream ended".to_owned()))
        };
        tokio::time::timeout(SCENE_LIMIT, known)
            .await
            .unwrap_or_else(|_| {
                Err(SceneEnd::Otherwise(
                    "the agent did not see the container".to_owned(),
                ))
            })
    }

    /// Tells what happens until the scene is over. Says whether something was meant to be changed.
    async fn tell(
        &self,
        client: &Client,
        events: &mut EventStream,
        narrator: &mut Narrator,
        name: &str,
    ) -> Result<bool, SceneEnd> {
        let mut timed = false;
        let mut deadline = tokio::time::Instant::now() + SCENE_LIMIT;
        loop {
            let item = tokio::time::timeout_at(deadline, events.next())
                .await
                .map_err(|_| {
                    SceneEnd::Otherwise(format!(
                        "nothing more came of it within {} s",
                        SCENE_LIMIT.as_secs()
                    ))
                })?
                .ok_or_else(|| SceneEnd::Otherwise("the event stream ended".to_owned()))??;
            let StreamEvent::Entry(entry) = item else {
                continue;
            };
            if !timed && narrator.is_about(&entry.event) {
                // Time counts from the death itself, by the engine's own record, not from when it was asked for.
                if let Some(died) = self.stage.ended_at(name).await
                    && died <= entry.at
                {
                    narrator.began_at(died);
                    timed = true;
                }
            }
            let (line, progress) = narrator.take(&entry);
            if let Some(line) = line {
                self.say(&format!(
                    "  {}  {}\n",
                    self.screen.paint(
                        Tone::Quiet,
                        format!("t+{:>5.2} s", line.after.as_secs_f64())
                    ),
                    self.screen.paint(line.tone, clean(&line.text))
                ))?;
            }
            match progress {
                Progress::On => {}
                Progress::Done => return Ok(true),
                Progress::Failed(text) => return Err(SceneEnd::Otherwise(text)),
                Progress::Asked(task) => {
                    if !self.approve(client, &task).await? {
                        return Ok(false);
                    }
                    deadline = tokio::time::Instant::now() + SCENE_LIMIT;
                }
            }
        }
    }

    /// Shows the plan, asks where somebody can be asked, and approves just that plan. Says whether it was a yes.
    async fn approve(&self, client: &Client, task: &Task) -> Result<bool, SceneEnd> {
        self.say(&story::plan(&self.screen, &task.plan))?;
        if self.may_ask {
            self.say("  Do it? [y/N] ")?;
            // On a thread of its own: a person who thinks must not hold Ctrl-C up.
            let line = tokio::task::spawn_blocking(|| {
                let mut line = String::new();
                std::io::stdin().read_line(&mut line).map(|_| line)
            })
            .await
            .map_err(|error| Failure::failed(format!("can't read the answer: {error}")))?
            .map_err(|error| Failure::failed(format!("can't read the answer: {error}")))?;
            if !answer::is_yes(&line) {
                let body = RejectRequest {
                    rejected_by: "demo".to_owned(),
                    reason: "said no in the demo".to_owned(),
                    plan_hash: Some(task.plan_hash.clone()),
                };
                client
                    .call::<RejectTask>(Some(&task.id.to_string()), &body)
                    .await
                    .map_err(Failure::from)?;
                self.note("you said no: the task is rejected, and nothing was done")?;
                return Ok(false);
            }
        } else {
            self.note("the demo says yes to just this plan (on a terminal you are asked)")?;
        }
        let body = ApproveRequest {
            approved_by: "demo".to_owned(),
            notes: "by the demo".to_owned(),
            plan_hash: Some(task.plan_hash.clone()),
        };
        client
            .call::<ApproveTask>(Some(&task.id.to_string()), &body)
            .await
            .map_err(Failure::from)?;
        Ok(true)
    }

    /// What the agent says is compared with the engine itself.
    async fn check_world(&self, aim: Aim, name: &str) -> Result<(), SceneEnd> {
        match aim {
            Aim::Healed if !self.stage.is_running(name).await? => Err(SceneEnd::Otherwise(
                "the engine says that it does not run".to_owned(),
            )),
            Aim::Approved => {
                let limit = self.stage.memory_limit(name).await?;
                if limit > SWELL_MEMORY && self.stage.is_running(name).await? {
                    self.note(&format!(
                        "the engine confirms: limit now {}, and it never stopped running",
                        units::byte_count(limit.unsigned_abs())
                    ))?;
                    Ok(())
                } else {
                    Err(SceneEnd::Otherwise(
                        "the engine says that the limit is as it was".to_owned(),
                    ))
                }
            }
            Aim::Healed | Aim::LeftAlone => Ok(()),
        }
    }

    fn note(&self, text: &str) -> Result<(), Failure> {
        self.say(&format!(
            "  {}\n",
            self.screen.paint(Tone::Quiet, clean(text))
        ))
    }

    /// Prints for a person; a machine gets the summary alone.
    fn say(&self, text: &str) -> Result<(), Failure> {
        if self.screen.json {
            Ok(())
        } else {
            self.screen.print(text)
        }
    }
}

/// A container in which this executable plays a role of the demo's.
fn role_of(role: &str, memory: Option<i64>, restart: Restart) -> Part {
    Part {
        command: [image::EXECUTABLE, "demo-workload", role]
            .map(str::to_owned)
            .to_vec(),
        memory,
        restart,
        ports: vec![8080],
        ..Part::default()
    }
}

/// How a scene ends when it does not end well.
enum SceneEnd {
    /// It came out otherwise than meant; the next can still be played.
    Otherwise(String),
    /// There is no going on.
    Failure(Failure),
}

impl From<Failure> for SceneEnd {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<crate::client::ClientError> for SceneEnd {
    fn from(error: crate::client::ClientError) -> Self {
        Self::Failure(error.into())
    }
}

/// Waits until the event stream is there.
async fn connected(events: &mut EventStream) -> Result<(), SceneEnd> {
    while let Some(item) = events.next().await {
        if item? == StreamEvent::Connected {
            return Ok(());
        }
    }
    Err(SceneEnd::Otherwise("the event stream ended".to_owned()))
}

/// The time now.
#[allow(
    clippy::disallowed_methods,
    reason = "the demo is at the edge: it tells a person how long things took"
)]
fn later() -> Timestamp {
    Timestamp::now()
}
