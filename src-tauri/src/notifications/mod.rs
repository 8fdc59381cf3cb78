//! Questions on the person's screen: a notification with Approve and Reject for each task that waits.
//!
//! What flows through: the [`Picture`] in, notifications out; a click becomes a request through the same carrier that the window uses, with
//! the hash of the plan that was shown, so that it passes the same authorisation and stands in the same journal. What it never does: answer
//! by itself, or take silence, a closed notification or a stranger's signal for an answer.

mod board;
mod server;
mod text;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use steward_api::{ApproveRequest, ApproveTask, RejectRequest, RejectTask, Task};
use tokio::sync::{mpsc, watch};

use self::{
    board::{APPROVE, Board, Deed, OPEN, Order, REJECT},
    server::{Notice, Server, Signal},
    text::Urgency,
};
use crate::{
    attention::Picture,
    carrier::{CallError, Carrier},
    link::Link,
};

pub(crate) use self::text::Words;

/// Where there is no bus or no server, it is tried again so much later.
const AGAIN: Duration = Duration::from_secs(30);
/// The body is a button too where the server knows it; its label is then not shown.
const BUTTONS: [(&str, &str); 3] = [(OPEN, "Open"), (APPROVE, "Approve"), (REJECT, "Reject")];

/// An answer that came back.
struct Answered {
    task: Arc<Task>,
    yes: bool,
    result: Result<(), CallError>,
}

/// Shows questions and takes answers, for as long as the program runs.
pub(crate) struct Notifications {
    pub(crate) picture: watch::Receiver<Picture>,
    /// Places that the person wants to see.
    pub(crate) open: mpsc::UnboundedSender<Option<Link>>,
    /// What else is to be told.
    pub(crate) told: mpsc::UnboundedReceiver<Words>,
}

impl Notifications {
    pub(crate) async fn run(mut self) {
        let mut board = Board::default();
        let mut said = false;
        loop {
            match Server::connect().await {
                Ok(server) => {
                    said = false;
                    self.serve(server, &mut board).await;
                    board.hear(&Signal::ServerGone);
                }
                Err(error) => {
                    if !said {
                        tracing::warn!(%error, "there is no session bus, so no notifications");
                    }
                    said = true;
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Until the bus is gone.
    async fn serve(&mut self, mut server: Server, board: &mut Board) {
        let (tell, mut answers) = mpsc::unbounded_channel();
        let mut refused = false;
        loop {
            let picture = self.picture.borrow_and_update().clone();
            if !carry_out(&mut server, board, &picture, &mut refused).await {
                tracing::debug!("some questions could not be shown");
            }
            tokio::select! {
                changed = self.picture.changed() => if changed.is_err() {
                    return;
                },
                signal = server.next() => match signal {
                    None => return,
                    Some(signal) => self.heard(&server, board, &signal, &tell).await,
                },
                Some(answered) = answers.recv() => settle(&mut server, board, answered).await,
                Some(words) = self.told.recv() => {
                    let notice = Notice { words: &words, urgency: Urgency::Normal, buttons: &[] };
                    if let Err(error) = server.show(&notice).await {
                        tracing::info!(%error, "{}: {}", words.summary, words.body);
                    }
                }
                () = tokio::time::sleep(AGAIN), if refused => {}
            }
        }
    }

    async fn heard(
        &self,
        server: &Server,
        board: &mut Board,
        signal: &Signal,
        tell: &mpsc::UnboundedSender<Answered>,
    ) {
        let deed = board.hear(signal);
        if let (Some(_), Signal::Invoked { id, .. }) = (&deed, signal) {
            // Most servers take it away after a click; some leave it.
            server.withdraw(*id).await;
        }
        match deed {
            None => {}
            Some(Deed::Open(task)) => {
                let _ = self.open.send(Some(Link::Task(task.0)));
            }
            Some(Deed::Answer { task, yes }) => {
                let line = self.picture.borrow().carrier.clone();
                let Some(line) = line else { return };
                let tell = tell.clone();
                tokio::spawn(async move {
                    let result = answer(&line.0, &task, yes).await;
                    let _ = tell.send(Answered { task, yes, result });
                });
            }
        }
    }
}

/// Shows and withdraws until what is shown is what waits. False where the server did not take something.
async fn carry_out(
    server: &mut Server,
    board: &mut Board,
    picture: &Picture,
    refused: &mut bool,
) -> bool {
    for order in board.orders(picture) {
        match order {
            Order::Withdraw(id) => server.withdraw(id).await,
            Order::Show(task) => {
                let mut words = text::question(&task, now());
                let shown = async {
                    if !server.abilities().await?.buttons {
                        words.body.push_str("\nOpen Steward to answer.");
                    }
                    let notice = Notice {
                        words: &words,
                        urgency: text::urgency(&task),
                        buttons: &BUTTONS,
                    };
                    server.show(&notice).await
                };
                match shown.await {
                    Ok(id) => {
                        *refused = false;
                        board.is_shown(id, task);
                    }
                    Err(error) => {
                        if !*refused {
                            tracing::warn!(%error, "no notification server takes questions; they stand in the window");
                        }
                        *refused = true;
                        return false;
                    }
                }
            }
        }
    }
    *refused = false;
    true
}

/// The same request that the window makes: for the very plan that was shown.
async fn answer(line: &Carrier, task: &Task, yes: bool) -> Result<(), CallError> {
    let by = std::env::var("USER").unwrap_or_default();
    let note = "answered in a notification".to_owned();
    let plan_hash = Some(task.plan_hash.clone());
    let number = Some(task.id.0);
    if yes {
        let body = ApproveRequest {
            approved_by: by,
            notes: note,
            plan_hash,
        };
        line.call::<ApproveTask>(number, &body).await.map(|_| ())
    } else {
        let body = RejectRequest {
            rejected_by: by,
            reason: note,
            plan_hash,
        };
        line.call::<RejectTask>(number, &body).await.map(|_| ())
    }
}

/// Says where an answer did not count, and why.
async fn settle(server: &mut Server, board: &mut Board, answered: Answered) {
    let Answered { task, yes, result } = answered;
    let Err(error) = result else {
        tracing::info!(task = task.id.0, yes, "answered in a notification");
        return;
    };
    tracing::warn!(task = task.id.0, yes, %error, "an answer did not count");
    if matches!(error, CallError::Trouble(_)) {
        board.ask_again(&task);
    }
    let words = text::not_taken(&task, yes, &error.to_string());
    let notice = Notice {
        words: &words,
        urgency: Urgency::Normal,
        buttons: &[(OPEN, "Open")],
    };
    match server.show(&notice).await {
        Ok(id) => board.is_told(id, task.id),
        Err(error) => tracing::warn!(%error, "that could not be told"),
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the shell stands at the edge, and a notification says until when"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
pub(crate) mod tests {
    use steward_api::{
        Action, ContainerCondition, ContainerRef, Plan, Precondition, RemedyRecord, Requester,
        ResourceId, Risk, Step, Task, TaskId, TaskState, TaskType, Undo, Verification,
    };

    /// A task that waits, about a container named `nginx`.
    pub(crate) fn task(id: i64) -> Task {
        let resource: ResourceId = "atlas/container/nginx".parse().unwrap();
        let container = ContainerRef {
            resource: resource.clone(),
            container_id: "a".repeat(64),
        };
        let plan = Plan::new(vec![Step {
            action: Action::RestartContainer {
                container,
                grace_seconds: 10,
            },
            precondition: Precondition::Container {
                resource: resource.clone(),
                container_id: "a".repeat(64),
                condition: ContainerCondition::Failing,
            },
            verification: Verification::ByReport,
            undo: Undo::Impossible {
                reason: "there is no need".to_owned(),
            },
        }])
        .unwrap();
        Task {
            id: TaskId(id),
            node: "atlas".to_owned(),
            incident: None,
            resource,
            description: "Restart nginx".to_owned(),
            task_type: TaskType::Healing,
            priority: 5,
            risk: Risk::Medium,
            plan_hash: plan.hash().clone(),
            plan,
            requires_approval: true,
            approved: false,
            approval: None,
            status: TaskState::Pending,
            why: "It fails its health check since 12:00".to_owned(),
            record: RemedyRecord::default(),
            requested_by: Requester::Steward,
            created_at: "2026-03-10T12:00:00Z".parse().unwrap(),
            expires_at: Some("2026-03-10T12:30:00Z".parse().unwrap()),
            not_before: None,
            started_at: None,
            finished_at: None,
            result: None,
            execution_log: Vec::new(),
        }
    }
}
