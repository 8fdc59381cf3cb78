//! What the tray and the notifications are about: how everything is in one word, and what waits for an answer.
//!
//! What flows through: the event stream of whoever is shown, the tasks that wait and the status in; a [`Picture`] out whenever it changes.
//! What it never does: call something well that was not read. While the line is lost everything is unknown.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use steward::client::StreamEvent;
use steward_api::{
    Event, GetSecuritySummary, GetStatus, Health, ListPendingTasks, Nothing, SecurityLevel,
    SecuritySummary, Severity, StatusReply, Task, TaskId, TaskState,
};
use tokio::{sync::watch, time::Instant};

use crate::{
    carrier::{CallError, Carrier},
    desk::Current,
};

/// Events that come together are counted together.
const GATHER: Duration = Duration::from_millis(400);
/// After a failure that trying again at once does not help, it is tried again so much later.
const AGAIN: Duration = Duration::from_secs(10);
/// So often everything is read anew, whatever the events said.
const FULL: Duration = Duration::from_secs(60);

/// How everything is, by its worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Worst {
    Good,
    /// Something could not be read, or the line is lost, or nobody is shown.
    #[default]
    Unknown,
    Degraded,
    Bad,
}

/// The score of security, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Security {
    /// 0–100.
    pub(crate) score: u8,
    /// What it stands for.
    pub(crate) level: SecurityLevel,
    /// Whether every part of the scan was read.
    pub(crate) is_whole: bool,
}

impl Security {
    /// What a summary says of it; nothing where the score is not known.
    fn of(summary: &SecuritySummary) -> Option<Self> {
        Some(Self {
            score: summary.security_score?,
            level: summary.security_level?,
            is_whole: summary.read_at.is_some(),
        })
    }
}

/// What the tray and the notifications show.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Picture {
    /// To which line it belongs.
    pub(crate) turn: u64,
    /// The line, to answer through; absent where nobody is shown.
    pub(crate) carrier: Option<Line>,
    /// Whose state it is: the node.
    pub(crate) node: String,
    /// Whether the line is there now.
    pub(crate) live: bool,
    pub(crate) worst: Worst,
    /// The score of security; absent while it is not known.
    pub(crate) security: Option<Security>,
    /// Incidents that are not over.
    pub(crate) incidents: u64,
    /// Tasks that wait for a person, most urgent first. Kept while the line is lost: they are not answered by that.
    pub(crate) waiting: Vec<Arc<Task>>,
    /// What ends when the program is quit.
    pub(crate) quitting: String,
}

/// A carrier as part of a picture: two of the same turn are the same.
#[derive(Clone, Debug)]
pub(crate) struct Line(pub(crate) Carrier);

impl PartialEq for Line {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Keeps the picture current for as long as somebody looks at it.
pub(crate) async fn keep(mut current: watch::Receiver<Current>, picture: watch::Sender<Picture>) {
    loop {
        let now = current.borrow_and_update().clone();
        let blank = Picture {
            turn: now.turn,
            carrier: now.line.clone().map(Line),
            quitting: now.quitting(),
            ..Picture::default()
        };
        picture.send_replace(blank);
        let watched = async {
            match now.line {
                Some(line) => Watch::new(line, &picture).run().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = current.changed() => if changed.is_err() {
                return;
            },
            () = watched => {}
        }
    }
}

struct Watch<'a> {
    line: Carrier,
    picture: &'a watch::Sender<Picture>,
    waiting: BTreeMap<TaskId, Arc<Task>>,
    /// The last entry seen, from which a new stream goes on.
    last: Option<i64>,
    /// When everything is to be read anew.
    due: Option<Instant>,
}

impl<'a> Watch<'a> {
    fn new(line: Carrier, picture: &'a watch::Sender<Picture>) -> Self {
        Self {
            line,
            picture,
            waiting: BTreeMap::new(),
            last: None,
            due: None,
        }
    }

    async fn run(mut self) {
        loop {
            let mut events = self.line.events(self.last);
            loop {
                let due = self.due.unwrap_or_else(|| Instant::now() + FULL);
                let item = tokio::select! {
                    item = events.next() => item,
                    () = tokio::time::sleep_until(due) => {
                        self.read_all().await;
                        continue;
                    }
                };
                match item {
                    Some(Ok(event)) => self.hear(event).await,
                    Some(Err(trouble)) => {
                        tracing::debug!(%trouble, "the line is lost");
                        break;
                    }
                    None => break,
                }
            }
            self.lost();
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn hear(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Connected => self.read_all().await,
            StreamEvent::Reload { until, .. } => {
                self.last = Some(until);
                self.read_all().await;
            }
            StreamEvent::Lost { .. } => self.lost(),
            StreamEvent::Entry(envelope) => {
                self.last = Some(envelope.seq);
                match envelope.event {
                    Event::TaskChanged { task, .. } => {
                        self.take(*task);
                        self.show_waiting();
                    }
                    Event::SecurityScanned { summary, .. } => {
                        self.show_security(Security::of(&summary));
                    }
                    Event::IncidentChanged { .. }
                    | Event::ResourceChanged { .. }
                    | Event::ResourceGone { .. }
                    | Event::SourceUp { .. }
                    | Event::SourceDown { .. } => {
                        let soon = Instant::now() + GATHER;
                        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
                    }
                    _ => {}
                }
            }
        }
    }

    fn take(&mut self, task: Task) {
        if waits(&task) {
            self.waiting.insert(task.id, Arc::new(task));
        } else {
            self.waiting.remove(&task.id);
        }
    }

    async fn read_all(&mut self) {
        self.due = Some(Instant::now() + FULL);
        let read = async {
            let tasks = self
                .line
                .call::<ListPendingTasks>(None, &Nothing {})
                .await?;
            let status = self.line.call::<GetStatus>(None, &Nothing {}).await?;
            // An agent that does not tell it (an older one) is no trouble: it is not known then.
            let security = self
                .line
                .call::<GetSecuritySummary>(None, &Nothing {})
                .await
                .ok();
            Ok::<_, CallError>((tasks, status, security))
        };
        match read.await {
            Ok((tasks, status, security)) => {
                self.show_security(security.as_ref().and_then(Security::of));
                self.waiting = tasks
                    .into_iter()
                    .filter(waits)
                    .map(|task| (task.id, Arc::new(task)))
                    .collect();
                let (worst, incidents) = (worst(&status), status.active_incidents.values().sum());
                self.picture.send_modify(|picture| {
                    picture.live = true;
                    picture.node = status.node;
                    picture.worst = worst;
                    picture.incidents = incidents;
                });
                self.show_waiting();
            }
            Err(error) => {
                tracing::debug!(%error, "can't read what waits");
                self.lost();
                self.due = Some(Instant::now() + AGAIN);
            }
        }
    }

    fn show_waiting(&self) {
        let mut waiting: Vec<_> = self.waiting.values().map(Arc::clone).collect();
        waiting.sort_by_key(|task| (task.priority, task.id));
        self.picture.send_if_modified(|picture| {
            let changed = picture.waiting != waiting;
            picture.waiting = waiting;
            changed
        });
    }

    fn show_security(&self, security: Option<Security>) {
        self.picture.send_if_modified(|picture| {
            let changed = picture.security != security;
            picture.security = security;
            changed
        });
    }

    fn lost(&self) {
        self.picture.send_if_modified(|picture| {
            let changed = picture.live;
            picture.live = false;
            picture.worst = Worst::Unknown;
            picture.security = None;
            changed
        });
    }
}

/// Whether a person's answer is awaited.
fn waits(task: &Task) -> bool {
    task.status == TaskState::Pending && task.requires_approval && !task.approved
}

/// The worst of what a status says. A source that is down, and a resource that could not be read, are unknown, never good.
fn worst(status: &StatusReply) -> Worst {
    let mut worst = Worst::Good;
    for source in &status.sources {
        if source.up != Some(true) {
            worst = worst.max(Worst::Unknown);
        }
    }
    for health in [
        Health::Unknown,
        Health::Degraded,
        Health::Unhealthy,
        Health::Restarting,
    ] {
        let some = status
            .resources
            .values()
            .any(|kinds| kinds.get(health.as_str()).is_some_and(|many| *many > 0));
        if some {
            worst = worst.max(match health {
                Health::Unknown => Worst::Unknown,
                Health::Unhealthy => Worst::Bad,
                _ => Worst::Degraded,
            });
        }
    }
    for severity in Severity::ALL {
        let some = status
            .active_incidents
            .get(severity.as_str())
            .is_some_and(|many| *many > 0);
        if some {
            worst = worst.max(match severity {
                Severity::Degraded => Worst::Degraded,
                Severity::Unhealthy | Severity::Critical => Worst::Bad,
            });
        }
    }
    if !status.store.writable {
        worst = worst.max(Worst::Degraded);
    }
    if status.sources.is_empty() && status.resources.is_empty() {
        worst = worst.max(Worst::Unknown);
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(
        resources: &[(&str, u64)],
        incidents: &[(&str, u64)],
        up: Option<bool>,
    ) -> StatusReply {
        serde_json::from_value(serde_json::json!({
            "node": "atlas", "version": "0.1.0", "started_at": "2026-03-10T12:00:00Z", "uptime_seconds": 1,
            "autonomy": "assist", "autonomy_explanation": "", "schedules": [], "versions": {},
            "sources": [{"name": "docker", "up": up, "last_success": null, "error": null, "last_duration_ms": null}],
            "store": {"engine": "sqlite", "writable": true, "error": null, "backlog": 0, "journal_seq": 1},
            "resources": {"container": resources.iter().copied().collect::<BTreeMap<_, _>>()},
            "active_incidents": incidents.iter().copied().collect::<BTreeMap<_, _>>(),
            "tasks_awaiting_approval": 0
        }))
        .unwrap()
    }

    #[test]
    fn a_score_is_known_with_its_level_or_not_at_all() {
        let summary = |score: Option<u8>| SecuritySummary {
            security_score: score,
            security_level: score.map(SecurityLevel::of),
            ..SecuritySummary::default()
        };
        assert_eq!(Security::of(&summary(None)), None);
        let known = Security::of(&summary(Some(85))).unwrap();
        assert_eq!((known.score, known.level), (85, SecurityLevel::Good));
        assert!(!known.is_whole, "a part was never read");
        assert_eq!(Picture::default().security, None);
    }

    #[test]
    fn the_worst_counts_and_unknown_is_never_good() {
        let up = Some(true);
        for (resources, incidents, up, expected) in [
            (&[("healthy", 3)][..], &[][..], up, Worst::Good),
            (&[("healthy", 3), ("stopped", 1)], &[], up, Worst::Good),
            (&[("healthy", 3), ("unknown", 1)], &[], up, Worst::Unknown),
            (&[("healthy", 3)], &[], None, Worst::Unknown),
            (&[("healthy", 3)], &[], Some(false), Worst::Unknown),
            (&[("unknown", 1), ("degraded", 1)], &[], up, Worst::Degraded),
            (&[("restarting", 1)], &[], up, Worst::Degraded),
            (&[("degraded", 1), ("unhealthy", 1)], &[], up, Worst::Bad),
            (&[("healthy", 3)], &[("critical", 1)], up, Worst::Bad),
            (
                &[("healthy", 3)],
                &[("degraded", 1), ("critical", 0)],
                up,
                Worst::Degraded,
            ),
        ] {
            assert_eq!(
                worst(&status(resources, incidents, up)),
                expected,
                "{resources:?} {incidents:?}"
            );
        }
        assert_eq!(Picture::default().worst, Worst::Unknown);
    }
}
