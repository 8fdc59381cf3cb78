//! The tasks that keep each source read: one that polls, one that follows its event stream. A slow or dead source delays nobody.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::stimulus::Stimulus;
use crate::{
    config::{Schedule, Schedules},
    ports::{Cadence, Clock, Depth, Source, SourceError},
};

/// The first wait after a failure; each further one is twice as long, up to [`LONGEST_BACK_OFF`], with jitter.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
/// The longest wait after failures.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);

/// How long after its beginning an agent first scans for security by itself.
const FIRST_SCAN_AFTER: Duration = Duration::from_secs(60);

/// A source with its tasks.
pub(super) struct Running {
    pub(super) source: Arc<dyn Source>,
    refresh: Arc<Notify>,
}

impl Running {
    /// Has the source read now.
    pub(super) fn refresh(&self) {
        self.refresh.notify_one();
    }
}

/// What the tasks of one source need.
#[derive(Clone)]
pub(super) struct Keeper {
    pub(super) index: usize,
    pub(super) generation: u64,
    pub(super) source: Arc<dyn Source>,
    pub(super) schedules: Schedules,
    /// How often security is scanned.
    pub(super) scan_every: SignedDuration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stimuli: mpsc::Sender<Stimulus>,
    pub(super) stopping: CancellationToken,
    /// When the last event before this agent's start was seen, to ask the stream for what was missed.
    pub(super) events_since: Option<Timestamp>,
}

impl Keeper {
    /// Begins the source's tasks.
    pub(super) fn start(self) -> Running {
        let refresh = Arc::new(Notify::new());
        let running = Running {
            source: Arc::clone(&self.source),
            refresh: Arc::clone(&refresh),
        };
        let stopping = self.stopping.clone();
        let follower = self.clone();
        let follower_refresh = Arc::clone(&refresh);
        tokio::spawn(async move {
            let stopped = follower.stopping.clone();
            tokio::select! { () = follower.follow(follower_refresh) => {}, () = stopped.cancelled() => {} }
        });
        tokio::spawn(async move {
            tokio::select! { () = self.poll(refresh) => {}, () = stopping.cancelled() => {} }
        });
        running
    }

    fn schedule(&self) -> Schedule {
        match self.source.cadence() {
            Cadence::ContainerCycle => self.schedules.container_cycle,
            Cadence::HealthCheck => self.schedules.health_check,
            Cadence::SecurityScan => Schedule {
                enabled: true,
                every: self.scan_every,
            },
        }
    }

    /// Reads the source on its schedule, when asked to, sooner after a failure, and fully on the full-monitoring schedule.
    async fn poll(self, refresh: Arc<Notify>) {
        let cycle = self.schedule();
        let mut full = self.schedules.full_monitoring;
        if self.source.cadence() == Cadence::SecurityScan {
            full.enabled = false;
            // An agent that has just begun, perhaps with the machine, has better to do; and one that is begun again and again
            // does not read everything each time.
            tokio::select! {
                () = tokio::time::sleep(FIRST_SCAN_AFTER) => {}
                () = refresh.notified() => {}
            }
        }
        let every = std_duration(cycle.every);
        let full_every = std_duration(full.every);
        let mut failures = 0u32;
        let mut depth = Depth::Full;
        let mut next_full = Instant::now() + full_every;
        loop {
            let began_at = self.clock.now();
            let began = Instant::now();
            let limit = self.source.timeout();
            let result = match timeout(limit, self.source.observe(depth)).await {
                Ok(result) => result,
                Err(_) => Err(SourceError::TimedOut {
                    what: self.source.name().to_owned(),
                    limit,
                }),
            };
            let mut next = began + every;
            match &result {
                Ok(observation) => {
                    failures = 0;
                    if let Some(recheck) = observation.recheck_in {
                        next = next.min(Instant::now() + recheck);
                    }
                }
                Err(_) => {
                    failures = failures.saturating_add(1);
                    next = Instant::now() + back_off(failures).min(every);
                }
            }
            let failed = result.is_err();
            let stimulus = Stimulus::Observed {
                source: self.index,
                generation: self.generation,
                depth,
                began_at,
                took: began.elapsed(),
                result,
            };
            if self.stimuli.send(stimulus).await.is_err() {
                return;
            }
            if depth == Depth::Full && !failed {
                next_full = began + full_every;
            }
            // What failed is tried again even where its schedule is switched off: someone asked for it.
            let cycle_is_on = cycle.enabled || failed;
            depth = tokio::select! {
                () = sleep_until(next), if cycle_is_on => Depth::Cycle,
                () = sleep_until(next_full), if full.enabled => Depth::Full,
                () = refresh.notified() => Depth::Full,
            };
            if full.enabled && Instant::now() >= next_full {
                depth = Depth::Full;
            }
            if failed {
                depth = Depth::Full;
            }
        }
    }

    /// Follows the event stream, and has the source read fully after each reconnect, because events can be missed.
    async fn follow(self, refresh: Arc<Notify>) {
        let mut since = self.events_since;
        let mut failures = 0u32;
        let mut is_first = true;
        loop {
            let error = match self.source.watch(since).await {
                Ok(None) => return,
                Ok(Some(mut stream)) => {
                    if !is_first {
                        refresh.notify_one();
                    }
                    is_first = false;
                    let mut ended = "the event stream ended".to_owned();
                    while let Some(item) = stream.next().await {
                        match item {
                            Ok(signal) => {
                                failures = 0;
                                since = Some(
                                    signal
                                        .at
                                        .checked_add(SignedDuration::from_nanos(1))
                                        .unwrap_or(signal.at),
                                );
                                let stimulus = Stimulus::Signalled {
                                    source: self.index,
                                    generation: self.generation,
                                    signal,
                                };
                                if self.stimuli.send(stimulus).await.is_err() {
                                    return;
                                }
                            }
                            Err(error) => {
                                ended = error.to_string();
                                break;
                            }
                        }
                    }
                    // What happens between here and the next connection is asked for again.
                    since = since.or_else(|| Some(self.clock.now()));
                    ended
                }
                Err(error) => error.to_string(),
            };
            let lost = Stimulus::StreamLost {
                source: self.index,
                generation: self.generation,
                error,
            };
            if self.stimuli.send(lost).await.is_err() {
                return;
            }
            // The poll tells at once whether the source is gone or only the stream.
            refresh.notify_one();
            failures = failures.saturating_add(1);
            tokio::time::sleep(back_off(failures).min(Duration::from_secs(5))).await;
        }
    }
}

/// How long to wait after so many failures: doubling, with up to a quarter of jitter so that many sources do not knock together.
fn back_off(failures: u32) -> Duration {
    let wait = FIRST_BACK_OFF
        .saturating_mul(1 << failures.saturating_sub(1).min(6))
        .min(LONGEST_BACK_OFF);
    wait + wait.mul_f64(rand::random::<f64>() / 4.0)
}

/// A configured duration for the timer; never below a tenth of a second.
pub(super) fn std_duration(duration: SignedDuration) -> Duration {
    Duration::try_from(duration)
        .unwrap_or(Duration::ZERO)
        .max(Duration::from_millis(100))
}
