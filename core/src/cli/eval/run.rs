//! One case on the real engine: set up, watched until Steward has said what it has to say, and looked at once more at the end.
//!
//! What flows through: a case in, what was seen of it out. Each case has a label, an agent and a journal of its own, so that none knows
//! of another. The agent's autonomy is `ask`: nothing is done without a yes, which nobody gives, and what Steward would do or propose is
//! a plan that can be judged exactly; `observe` would only tell of it in words. What this never does: answer a question, or take what
//! could not be set up for a result.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bollard::models::{ContainerStateStatusEnum, HealthStatusEnum};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use steward_api::{
    Autonomy, Envelope, Event, GetStatus, Health, Incident, IncidentId, IncidentQuery,
    IncidentState, JournalQuery, ListIncidents, ListJournal, ListResources, ListTasks, Nothing,
    Phase, Plan, ResolutionKind, ResourceId, ResourceQuery, Risk, TaskQuery, is_of_model,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::Instant,
};

use super::{
    super::{
        failure::Failure,
        stage::{Stage, agent, agent::OwnAgent},
    },
    actor::UNFIT,
    case::{Becomes, Case, CasePart, Choice, Kind},
    model::{Asked, Model},
    score::{Move, Said},
    standing::{Standing, changes},
};
use crate::{client::Client, config::Config};

/// The name of the node in every identity.
const NODE: &str = "home";
/// How long may pass until the containers are as the case needs them.
const SET_UP_LIMIT: Duration = Duration::from_secs(90);
/// How long Steward may take to find and explain what is wrong, once it is.
const FIND_LIMIT: Duration = Duration::from_secs(45);
/// What it says counts once it has stayed the same for so long.
const SETTLED: Duration = Duration::from_secs(3);
/// For how long it is watched whether Steward finds something where nothing is wrong: several readings.
const WATCH: Duration = Duration::from_secs(12);
/// How long an answer over HTTP may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// A plan that Steward proposed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Proposal {
    /// What would be done, in words.
    pub(super) words: String,
    /// Whether it is of low risk, so that Steward would do it without asking at its default level.
    pub(super) by_itself: bool,
    pub(super) moves: Vec<Move>,
}

/// What was seen of a case.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Seen {
    /// What the catalogue said, of each part.
    pub(super) said: Vec<Said>,
    /// From the finding to the catalogue's diagnosis, milliseconds.
    pub(super) diagnosed_after_ms: Option<u64>,
    /// What Steward would have done, or asked about.
    pub(super) proposed: Vec<Proposal>,
    /// What was done to the world though nobody said yes; in words. Nothing should be.
    pub(super) deeds: Vec<String>,
    /// What the model answered, each time.
    pub(super) asked: Vec<Asked>,
}

/// How a case went.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Measured(Seen),
    /// The world was not as the case needs it, or Steward could not be asked; why. Never counted as right.
    NotMeasured(String),
}

/// Runs cases.
#[derive(Clone)]
pub(super) struct Runner {
    pub(super) stage: Stage,
    /// The engine.
    pub(super) host: String,
    pub(super) model: Option<Model>,
    /// How often the model is asked about each case.
    pub(super) repeat: u32,
}

impl Runner {
    /// Runs one case and removes what it made.
    ///
    /// # Errors
    /// Where that can't be removed.
    pub(super) async fn run(&self, number: usize, case: &Case) -> Result<Outcome, Failure> {
        let scene = self.stage.scene(number);
        let outcome = Box::pin(self.play(&scene, case)).await;
        scene.strike().await?;
        agent::remove_data_dir(&scene.agent_name()).await?;
        Ok(match outcome {
            Ok(seen) => Outcome::Measured(seen),
            Err(why) => Outcome::NotMeasured(why),
        })
    }

    async fn play(&self, scene: &Stage, case: &Case) -> Result<Seen, String> {
        let agent = OwnAgent::start(&scene.agent_name(), &self.host, scene.label(), |config| {
            self.configure(case, config);
        })
        .await
        .map_err(words)?;
        let performance = Performance {
            scene,
            case,
            client: agent.client(),
        };
        let seen = tokio::select! {
            seen = Box::pin(performance.perform(self)) => seen,
            failure = agent.failure() => Err(words(failure)),
        };
        agent.stop().await;
        seen
    }

    fn configure(&self, case: &Case, config: &mut Config) {
        NODE.clone_into(&mut config.node.name);
        config.autonomy.level = Autonomy::Ask;
        config.databases.discover = case.databases;
        match &self.model {
            Some(model) => config.advisor = model.advisor(),
            None => config.advisor.enabled = false,
        }
    }
}

fn words(failure: impl ToString) -> String {
    failure.to_string()
}

struct Performance<'a> {
    scene: &'a Stage,
    case: &'a Case,
    client: &'a Client,
}

impl Performance<'_> {
    async fn perform(&self, runner: &Runner) -> Result<Seen, String> {
        self.until("the agent has read the engine", SET_UP_LIMIT, async || {
            let status = self.client.call::<GetStatus>(None, &Nothing {}).await;
            let sources = status.map_err(words)?.sources;
            let docker = sources.iter().find(|source| source.name == "docker");
            Ok(docker.is_some_and(|source| source.up == Some(true)))
        })
        .await?;
        for part in &self.case.parts {
            self.set_up(part).await?;
        }
        for part in &self.case.parts {
            let what = format!("{} is as it should be ({:?})", part.name, part.becomes);
            self.until(&what, SET_UP_LIMIT, async || self.has_become(part).await)
                .await?;
        }
        let before = self.world().await?;
        let incidents = match self.case.kind {
            Kind::Well => self.watch().await?,
            _ => self.find().await?,
        };
        let about = self.about(&incidents);
        let incident = about.filter(|incident| incident.is_active());
        let mut asked = Vec::new();
        if let Some(model) = &runner.model {
            let part = about.map_or(self.case.subject().to_owned(), |one| {
                self.part_of(&one.resource)
            });
            let resource = ResourceId::container(NODE, self.scene.name(self.case.subject()));
            let id: Option<IncidentId> = incident.map(|incident| incident.id);
            for _ in 0..runner.repeat {
                asked.push(Box::pin(model.ask(self.client, id, &resource, &part)).await);
            }
        }
        let proposed = self.proposed().await?;
        let mut deeds = self.deeds().await?;
        deeds.extend(changes(&before, &self.world().await?));
        Ok(Seen {
            said: incidents
                .iter()
                .filter_map(|incident| self.said(incident))
                .collect(),
            diagnosed_after_ms: about.and_then(time_to_diagnosis),
            proposed,
            deeds,
            asked,
        })
    }

    /// Makes and starts a part's container, and stops it where a person does so in this case.
    async fn set_up(&self, part: &CasePart) -> Result<(), String> {
        let published = match part.asked_at {
            Some(_) => Some(free_port().map_err(words)?),
            None => None,
        };
        let body = part.on_stage(&|name| self.scene.name(name), published);
        self.scene.make(&part.name, &body).await.map_err(words)?;
        let started = self.scene.begin(&part.name).await;
        if part.becomes != Becomes::NotStarted {
            started.map_err(|error| {
                format!(
                    "{} can't be started: {}",
                    part.name,
                    super::super::chain(&error)
                )
            })?;
        }
        if part.stopped {
            self.until(
                &format!("{} is known", part.name),
                SET_UP_LIMIT,
                async || {
                    self.is_known(&part.name, |health| health == Health::Healthy)
                        .await
                },
            )
            .await?;
            self.scene.stop(&part.name).await.map_err(words)?;
        }
        Ok(())
    }

    /// Whether the agent knows a part's container to be in such a state.
    async fn is_known(&self, part: &str, is_so: fn(Health) -> bool) -> Result<bool, String> {
        let name = self.scene.name(part);
        let all = self
            .client
            .call::<ListResources>(None, &ResourceQuery::default())
            .await
            .map_err(words)?;
        Ok(all
            .resources
            .iter()
            .any(|resource| resource.id.name == name && is_so(resource.health)))
    }

    /// Whether a container is as the case needs it, by the engine's own word.
    async fn has_become(&self, part: &CasePart) -> Result<bool, String> {
        let now = self.scene.inspect(&part.name).await.map_err(words)?;
        let state = now.state.unwrap_or_default();
        let status = state.status.unwrap_or(ContainerStateStatusEnum::EMPTY);
        let code = state.exit_code.unwrap_or_default();
        let is_exited = status == ContainerStateStatusEnum::EXITED;
        if is_exited && code == i64::from(UNFIT) {
            let why = self.scene.last_line(&part.name).await.map_err(words)?;
            return Err(format!("{}: {why}", part.name));
        }
        let is_running = state.running == Some(true);
        let is_oom = state.oom_killed == Some(true);
        let health = state.health.and_then(|health| health.status);
        Ok(match part.becomes {
            Becomes::Running => is_running,
            Becomes::Healthy => is_running && health == Some(HealthStatusEnum::HEALTHY),
            Becomes::Unhealthy => is_running && health == Some(HealthStatusEnum::UNHEALTHY),
            Becomes::Exited(wanted) => is_exited && !is_oom && code == wanted,
            Becomes::OutOfMemory => is_exited && is_oom,
            Becomes::NotStarted => {
                status == ContainerStateStatusEnum::CREATED
                    && state.error.is_some_and(|error| !error.is_empty())
            }
            Becomes::Restarted(times) => now.restart_count.unwrap_or_default() >= times,
            Becomes::Answers(status) => {
                let port = now
                    .host_config
                    .and_then(|config| config.port_bindings)
                    .into_iter()
                    .flatten()
                    .find_map(|(_, bound)| bound?.first()?.host_port.as_ref()?.parse().ok());
                is_running && answer_at(port.unwrap_or_default()).await == Some(status)
            }
        })
    }

    /// Waits until something holds.
    async fn until(
        &self,
        what: &str,
        limit: Duration,
        mut holds: impl AsyncFnMut() -> Result<bool, String>,
    ) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        while !holds().await? {
            if Instant::now() >= deadline {
                return Err(format!(
                    "it did not come to this within {} s: {what}",
                    limit.as_secs()
                ));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// The incidents of a fault, once Steward has found, explained and decided, and stays with it; what there is when it does not.
    async fn find(&self) -> Result<Vec<Incident>, String> {
        let deadline = Instant::now() + FIND_LIMIT;
        let mut last = (Vec::new(), Instant::now());
        loop {
            let incidents = self.incidents(Some(IncidentState::Active)).await?;
            let now = Instant::now();
            let says: Vec<_> = incidents.iter().map(fingerprint).collect();
            if says != last.0 {
                last = (says, now);
            }
            let is_complete = self.about(&incidents).is_some_and(|about| {
                let is_it = self
                    .case
                    .problem
                    .is_none_or(|problem| about.finding(problem).is_some());
                is_it && about.decision.is_some()
            });
            let is_settled = is_complete && now.duration_since(last.1) >= SETTLED;
            if is_settled || now >= deadline {
                return Ok(incidents);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Everything that Steward finds where nothing is wrong, over or not, after a while in which it has seen it.
    async fn watch(&self) -> Result<Vec<Incident>, String> {
        for part in &self.case.parts {
            self.until(
                &format!("{} is known", part.name),
                SET_UP_LIMIT,
                async || {
                    self.is_known(&part.name, |health| health != Health::Unknown)
                        .await
                },
            )
            .await?;
        }
        tokio::time::sleep(WATCH).await;
        let incidents = self.incidents(None).await?;
        if incidents.is_empty() {
            return Ok(incidents);
        }
        // Alarmed: let it come to an end.
        self.find().await?;
        self.incidents(None).await
    }

    /// The incidents of the case's containers, but those that turned out to be effects of others.
    async fn incidents(&self, state: Option<IncidentState>) -> Result<Vec<Incident>, String> {
        let query = IncidentQuery {
            state,
            ..IncidentQuery::default()
        };
        let page = self
            .client
            .call::<ListIncidents>(None, &query)
            .await
            .map_err(words)?;
        let is_effect = |incident: &Incident| {
            incident
                .resolution
                .as_ref()
                .is_some_and(|end| end.kind == ResolutionKind::Absorbed)
        };
        Ok(page
            .items
            .into_iter()
            .filter(|incident| self.part(&incident.resource).is_some() && !is_effect(incident))
            .collect())
    }

    /// The incident of the part that the case is about; of several the one with the problem that it wants.
    fn about<'i>(&self, incidents: &'i [Incident]) -> Option<&'i Incident> {
        let of_subject = || {
            incidents
                .iter()
                .filter(|incident| self.part(&incident.resource) == Some(self.case.subject()))
        };
        let wanted = of_subject().find(|incident| {
            self.case
                .problem
                .is_some_and(|problem| incident.finding(problem).is_some())
        });
        wanted
            .or_else(|| of_subject().next())
            .or_else(|| incidents.first())
    }

    /// The part that a resource stands for: its container, or what is asked or runs in it.
    fn part(&self, resource: &ResourceId) -> Option<&str> {
        self.case
            .parts
            .iter()
            .map(|part| part.name.as_str())
            .find(|part| self.scene.name(part) == resource.name)
    }

    fn part_of(&self, resource: &ResourceId) -> String {
        self.part(resource)
            .map_or_else(|| resource.to_string(), str::to_owned)
    }

    fn said(&self, incident: &Incident) -> Option<Said> {
        let diagnosis = incident
            .diagnoses
            .iter()
            .find(|diagnosis| !is_of_model(diagnosis))?;
        Some(Said {
            part: self.part_of(&incident.resource),
            problem: Some(incident.problem),
            cause: diagnosis.diagnosis.clone(),
            action: Choice(diagnosis.recommended_action),
            withheld: None,
            confidence: diagnosis.confidence,
            source: diagnosis.source.clone(),
        })
    }

    /// Every plan that a person was asked about.
    async fn proposed(&self) -> Result<Vec<Proposal>, String> {
        let query = TaskQuery {
            limit: Some(1000),
            ..TaskQuery::default()
        };
        let page = self
            .client
            .call::<ListTasks>(None, &query)
            .await
            .map_err(words)?;
        let mut seen = BTreeSet::new();
        // Oldest first, each plan once.
        Ok(page
            .items
            .iter()
            .rev()
            .filter(|task| seen.insert(task.plan_hash.to_string()))
            .map(|task| self.proposal(&task.plan))
            .collect())
    }

    fn proposal(&self, plan: &Plan) -> Proposal {
        let steps = plan.steps();
        let words: Vec<_> = steps.iter().map(|step| step.action.to_string()).collect();
        Proposal {
            words: words.join(", then "),
            by_itself: plan.risk() == Risk::Low,
            moves: steps
                .iter()
                .map(|step| Move {
                    action: step.action.name(),
                    touches: step
                        .action
                        .touches()
                        .into_iter()
                        .map(|resource| self.part_of(resource))
                        .collect(),
                })
                .collect(),
        }
    }

    /// Every deed in the journal.
    async fn deeds(&self) -> Result<Vec<String>, String> {
        let pages = stream::unfold(Some(0), |after| async move {
            let query = JournalQuery {
                after: Some(after?),
                before: None,
                limit: Some(1000),
            };
            let page = self.client.call::<ListJournal>(None, &query).await;
            let next = page
                .as_ref()
                .ok()
                .and_then(|page| page.items.last().map(|entry| entry.seq));
            Some((page.map(|page| page.items), next))
        });
        let mut pages = Box::pin(pages);
        let mut deeds = Vec::new();
        while let Some(page) = pages.next().await {
            deeds.extend(page.map_err(words)?.iter().filter_map(deed));
        }
        Ok(deeds)
    }

    /// What a deed would change, of every container of the case.
    async fn world(&self) -> Result<Vec<Standing>, String> {
        let mut world = Vec::new();
        for part in &self.case.parts {
            let now = self.scene.inspect(&part.name).await.map_err(words)?;
            world.push(Standing::of(part, now));
        }
        Ok(world)
    }
}

fn deed(entry: &Envelope) -> Option<String> {
    match &entry.event {
        Event::ActionIntended {
            action, resource, ..
        } => Some(format!(
            "{action} of {} (entry {})",
            resource.short(),
            entry.seq
        )),
        _ => None,
    }
}

/// What an incident says now.
fn fingerprint(incident: &Incident) -> String {
    let said = incident
        .diagnoses
        .iter()
        .find(|diagnosis| !is_of_model(diagnosis))
        .map(|diagnosis| (&diagnosis.source, &diagnosis.diagnosis));
    format!("{} {} {said:?}", incident.id, incident.problem)
}

/// From the finding to the first diagnosis, milliseconds.
fn time_to_diagnosis(incident: &Incident) -> Option<u64> {
    let diagnosed = incident
        .timeline
        .iter()
        .find(|entry| entry.phase == Phase::Diagnosed)?;
    let took = diagnosed.at.duration_since(incident.opened_at);
    u64::try_from(took.as_millis()).ok()
}

/// The status with which HTTP is answered at a port of this machine's loopback; absent where it is not.
async fn answer_at(port: u16) -> Option<u16> {
    let asked = async {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(ANSWER_LIMIT, asked).await.ok()?.ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// A port of this machine's loopback that was free a moment ago.
fn free_port() -> std::io::Result<u16> {
    std::net::TcpListener::bind(("127.0.0.1", 0))?
        .local_addr()
        .map(|address| address.port())
}

/// Runs cases, a few at the same time, and tells of each as it is over.
pub(super) async fn run_all(
    runner: Runner,
    cases: Vec<Arc<Case>>,
    at_once: usize,
    tell: impl Fn(&Case, &Outcome, usize),
) -> Result<Vec<(Arc<Case>, Outcome, Duration)>, Failure> {
    let (runner, tell) = (&runner, &tell);
    let mut running = stream::iter(cases.into_iter().enumerate())
        .map(|(number, case)| async move {
            let began = Instant::now();
            let outcome = runner.run(number, &case).await?;
            Ok::<_, Failure>((number, case, outcome, began.elapsed()))
        })
        .buffer_unordered(at_once);
    let mut over = Vec::new();
    while let Some(one) = running.next().await {
        let (number, case, outcome, took) = one?;
        tell(&case, &outcome, over.len() + 1);
        over.push((number, case, outcome, took));
    }
    over.sort_by_key(|(number, ..)| *number);
    Ok(over
        .into_iter()
        .map(|(_, case, outcome, took)| (case, outcome, took))
        .collect())
}
