//! What the lines of a script do to the stage, and which events of it are told.

use steward_api::{ContainerHealth, ContainerStatus, ResourceId, ResourceKind};

use super::{
    carry::Ending,
    run::{Item, Runner},
    script::duration,
};
use crate::ports::{ContainerSignal, later};

impl Runner {
    /// What a line of the script says happens.
    pub(super) fn play(&mut self, words: &[String]) {
        let (seen, words) = match words[0].as_str() {
            "unseen" => (false, &words[1..]),
            _ => (true, words),
        };
        let word = |index: usize| words.get(index).map_or("", String::as_str);
        match word(0) {
            "tasks" => return self.ending = Ending::parse(&words[1..]),
            "autonomy" => {
                self.autonomy = word(1).parse().unwrap();
                return self.reassess_all();
            }
            "journal" => {
                self.journal_works = word(1) == "works";
                if self.journal_works {
                    self.reassess_all();
                }
                return;
            }
            "engine" => {
                self.stage.engine_error =
                    (word(1) == "silent").then(|| "connection refused".to_owned());
                // The stream is lost or made anew; both have it read, and a failure once more soon after.
                self.schedule(self.now, Item::Read("docker"));
                if self.stage.engine_error.is_some() {
                    self.schedule(later(self.now, duration("1s")), Item::Read("docker"));
                }
                return;
            }
            "approve" | "reject" => return self.answer(word(0) == "approve"),
            "heal" => return self.heal(word(1)),
            "log" => {
                if let Some(id) = self.stage.id(word(1)) {
                    let line = words[2..].join(" ");
                    self.stage.logs.entry(id).or_default().push(line);
                }
                return;
            }
            _ => {}
        }
        let id = self
            .stage
            .id(word(0))
            .unwrap_or_else(|| panic!("there is no {}", word(0)));
        if id.kind == ResourceKind::Container && !word(1).contains('=') {
            self.container_line(&id, &words[1..], seen);
        } else if word(1) == "fixed" {
            self.stage.resources.remove(&id);
        } else {
            assert!(self.stage.set(&id, &words[1..]), "{words:?}");
        }
    }

    fn container_line(&mut self, id: &ResourceId, words: &[String], seen: bool) {
        let now = self.now;
        let number = words.get(1).and_then(|word| word.parse().ok());
        let mut signals = Vec::new();
        match words[0].as_str() {
            "dies" => {
                let oom = words.get(2).is_some_and(|word| word == "oom");
                let code = number.unwrap_or(1);
                self.stage.end(id, now, code, oom);
                if oom {
                    signals.push(ContainerSignal::OomKilled);
                }
                signals.push(ContainerSignal::Died { exit_code: code });
            }
            "restarting" => {
                let code = number.unwrap_or(1);
                self.stage.end(id, now, code, false);
                self.stage.edit(id, |facts| {
                    facts.status = ContainerStatus::Restarting;
                    facts.restart_count += 1;
                });
                signals.push(ContainerSignal::Died { exit_code: code });
            }
            "starts" => {
                self.stage.begin(id, now);
                signals.push(ContainerSignal::Started);
            }
            "killed" => signals.push(ContainerSignal::KillRequested {
                signal: i32::try_from(number.unwrap_or(15)).unwrap(),
            }),
            "stopped" => signals.push(ContainerSignal::Stopped),
            "oom-child" => signals.push(ContainerSignal::OomKilled),
            "paused" => {
                self.stage
                    .edit(id, |facts| facts.status = ContainerStatus::Paused);
                signals.push(ContainerSignal::Changed);
            }
            "removed" => {
                let signal = self.stage.signal(id, now, ContainerSignal::Removed);
                self.stage.resources.remove(id);
                return self.signalled(&signal);
            }
            "recreated" => {
                let gone = self.stage.signal(id, now, ContainerSignal::Removed);
                let old = self.stage.resources.remove(id).unwrap();
                self.signalled(&gone);
                self.stage.resources.insert(id.clone(), old);
                self.stage.edit(id, |facts| {
                    let (name, number) = facts.container_id.split_once('#').unwrap();
                    let number: u32 = number.parse().unwrap();
                    facts.container_id = format!("{name}#{}", number + 1);
                });
                self.stage.begin(id, now);
                signals.push(ContainerSignal::Created);
                signals.push(ContainerSignal::Started);
            }
            word @ ("unhealthy" | "healthy" | "checking") => {
                let health = match word {
                    "unhealthy" => ContainerHealth::Unhealthy,
                    "healthy" => ContainerHealth::Healthy,
                    _ => ContainerHealth::Starting,
                };
                self.stage.edit(id, |facts| {
                    facts.health = health;
                    facts.health_output = words.get(1).cloned();
                });
                signals.push(ContainerSignal::HealthChanged(health));
            }
            other => panic!("`{other}` is nothing that happens to a container"),
        }
        if seen {
            for kind in signals {
                let signal = self.stage.signal(id, now, kind);
                self.signalled(&signal);
            }
        }
    }
}
