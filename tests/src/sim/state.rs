//! The simulated engine's containers: a few dozen bytes each, and what happened to them.
//!
//! What flows through: commands and deeds in, state and events out. It knows nothing of HTTP.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::{Counts, Deed, Look, Mood, now_ns};

/// Events that are kept for readers who ask for those since some time.
const KEEP_EVENTS: usize = 20_000;

/// The label that every simulated container carries, with this value.
pub(super) const LABEL: (&str, &str) = ("steward.test", "sim");

/// One container.
#[derive(Clone, Debug)]
pub(super) struct SimContainer {
    pub(super) running: bool,
    pub(super) healthy: bool,
    pub(super) oom_killed: bool,
    pub(super) exit_code: i32,
    pub(super) starts: u32,
    pub(super) started_ns: i64,
    /// 0 for never.
    pub(super) finished_ns: i64,
    pub(super) fails_with: Option<i32>,
    pub(super) memory_percent: u8,
    pub(super) cpu_percent: u16,
    pub(super) memory_limit: i64,
    pub(super) nano_cpus: i64,
    /// Processor time used up to `cpu_at_ns`, nanoseconds.
    pub(super) cpu_used_ns: i64,
    pub(super) cpu_at_ns: i64,
}

/// An event as it goes out, with what filters look at.
#[derive(Clone, Debug)]
pub(super) struct SimEvent {
    pub(super) at_ns: i64,
    pub(super) action: &'static str,
    pub(super) line: String,
}

/// The engine's state.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) containers: Vec<SimContainer>,
    pub(super) mood: Mood,
    pub(super) drop_events: bool,
    pub(super) restart_takes_ms: u64,
    pub(super) counts: Counts,
    pub(super) deeds: Vec<Deed>,
    history: VecDeque<SimEvent>,
    readers: Vec<mpsc::UnboundedSender<SimEvent>>,
}

pub(super) fn name(index: u32) -> String {
    format!("sim-{index:05}")
}

/// The engine's full id: 64 hexadecimal digits, the first twelve of which are the index.
pub(super) fn id(index: u32) -> String {
    format!("{index:012x}c0ffee5117e0a9d4b83f6c21d05e7a94f1b2c3d4e5f60718293a")
}

/// The index of the container that a name, an id or the beginning of an id means.
pub(super) fn index_of(text: &str) -> Option<u32> {
    match text.trim_start_matches('/').strip_prefix("sim-") {
        Some(number) => number.parse().ok(),
        None => u32::from_str_radix(text.get(..12)?, 16).ok(),
    }
}

impl Engine {
    pub(super) fn new(count: u32) -> Self {
        let now = now_ns();
        let one = SimContainer {
            running: true,
            healthy: true,
            oom_killed: false,
            exit_code: 0,
            starts: 1,
            started_ns: now - 3_600_000_000_000,
            finished_ns: 0,
            fails_with: None,
            memory_percent: 20,
            cpu_percent: 1,
            memory_limit: 268_435_456,
            nano_cpus: 0,
            cpu_used_ns: 1_000_000_000,
            cpu_at_ns: now,
        };
        Self {
            containers: vec![one; count as usize],
            mood: Mood::Well,
            drop_events: false,
            restart_takes_ms: 5,
            counts: Counts::default(),
            deeds: Vec::new(),
            history: VecDeque::new(),
            readers: Vec::new(),
        }
    }

    pub(super) fn get(&mut self, index: u32) -> Result<&mut SimContainer, String> {
        let known = self.containers.len();
        self.containers
            .get_mut(index as usize)
            .ok_or_else(|| format!("there are {known} containers, and none with number {index}"))
    }

    pub(super) fn look(&mut self, index: u32) -> Result<Look, String> {
        let one = self.get(index)?;
        Ok(Look {
            running: one.running,
            exit_code: one.exit_code,
            starts: one.starts,
        })
    }

    pub(super) fn record(&mut self, index: u32, what: &str) {
        self.counts.deeds += 1;
        self.deeds.push(Deed {
            index,
            what: what.to_owned(),
            at_ns: now_ns(),
        });
    }

    pub(super) fn die(&mut self, index: u32, code: i32, oom: bool) -> Result<i64, String> {
        let now = now_ns();
        let one = self.get(index)?;
        if !one.running {
            return Err(format!("{} does not run", name(index)));
        }
        one.running = false;
        one.exit_code = code;
        one.oom_killed = oom;
        one.finished_ns = now;
        if oom {
            self.publish(index, "oom", "", now);
        }
        self.publish(index, "die", &format!(r#""exitCode":"{code}","#), now);
        Ok(now)
    }

    pub(super) fn start(&mut self, index: u32) -> Result<(), String> {
        let now = now_ns();
        let one = self.get(index)?;
        one.running = true;
        one.healthy = true;
        one.oom_killed = false;
        one.exit_code = 0;
        one.starts += 1;
        one.started_ns = now;
        let fails = one.fails_with;
        self.publish(index, "start", "", now);
        if let Some(code) = fails {
            self.die(index, code, false)?;
        }
        Ok(())
    }

    pub(super) fn stop(&mut self, index: u32, signal: u8) -> Result<(), String> {
        let signal = format!(r#""signal":"{signal}","#);
        self.publish(index, "kill", &signal, now_ns());
        self.die(index, 137, false)?;
        self.publish(index, "stop", "", now_ns());
        Ok(())
    }

    pub(super) fn set_health(&mut self, index: u32, healthy: bool) -> Result<i64, String> {
        let now = now_ns();
        self.get(index)?.healthy = healthy;
        let action = if healthy {
            "health_status: healthy"
        } else {
            "health_status: unhealthy"
        };
        self.publish(index, action, "", now);
        Ok(now)
    }

    /// Processor time used until now, nanoseconds.
    pub(super) fn cpu_used(&mut self, index: u32) -> Result<i64, String> {
        let now = now_ns();
        let one = self.get(index)?;
        one.cpu_used_ns += (now - one.cpu_at_ns) / 100 * i64::from(one.cpu_percent);
        one.cpu_at_ns = now;
        Ok(one.cpu_used_ns)
    }

    /// Sends an event to everybody who reads and keeps it.
    pub(super) fn publish(
        &mut self,
        index: u32,
        action: &'static str,
        attributes: &str,
        at_ns: i64,
    ) {
        if self.drop_events {
            return;
        }
        let (id, name) = (id(index), name(index));
        let (label, value) = LABEL;
        let seconds = at_ns / 1_000_000_000;
        let image = super::answers::IMAGE;
        let line = format!(
            r#"{{"status":"{action}","id":"{id}","from":"{image}","Type":"container","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{{attributes}"image":"{image}","name":"{name}","{label}":"{value}"}}}},"scope":"local","time":{seconds},"timeNano":{at_ns}}}"#
        ) + "\n";
        let event = SimEvent {
            at_ns,
            action,
            line,
        };
        self.readers
            .retain(|reader| reader.send(event.clone()).is_ok());
        if self.history.len() >= KEEP_EVENTS {
            self.history.pop_front();
        }
        self.history.push_back(event);
    }

    /// A reader of events from now on, and those since some time that it asked for.
    pub(super) fn subscribe(
        &mut self,
        since_ns: Option<i64>,
    ) -> (Vec<SimEvent>, mpsc::UnboundedReceiver<SimEvent>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.readers.push(sender);
        let since = since_ns.unwrap_or(i64::MAX);
        let past = self.history.iter().filter(|event| event.at_ns >= since);
        (past.cloned().collect(), receiver)
    }

    /// Ends every event stream.
    pub(super) fn disconnect(&mut self) {
        self.readers.clear();
    }
}
