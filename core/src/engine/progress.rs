//! What is being worked on in conversations, for whoever looks: in memory only, always the newest state.
//!
//! What flows in: who is at work, what is being written, that a message was sent. What flows out: one [`Progress`] for each conversation,
//! and a counter that changes with it. What it never does: keep what a reader missed, or outlive the agent.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use steward_api::{AtWork, ConversationId, Progress, Working, Writing};
use tokio::sync::watch;

use super::talk::{LONGEST_TEXT, cut};
use crate::redact::{redact, redact_prose};

/// Conversations that are remembered.
const MOST: usize = 200;
/// Specialists who are shown at work in one conversation.
const MOST_AT_WORK: usize = 16;
/// Characters of what a specialist does.
const LONGEST_DOING: usize = 200;

/// Where progress is put up.
pub(crate) struct ProgressBoard {
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    entries: BTreeMap<ConversationId, Entry>,
    /// Rises with each change of any of them.
    turn: u64,
}

struct Entry {
    progress: Progress,
    /// The turn at which the answer under way began; what shows it must name it.
    run: u64,
    /// The model that the person chose for the last answer.
    model: Option<String>,
    /// When it last changed.
    turn: u64,
}

impl Default for ProgressBoard {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl ProgressBoard {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change is whole or not begun, so one that panicked has left nothing half.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer begins. Gives the number by which its progress is shown.
    pub(crate) fn begin(&self, id: ConversationId, messages: u32, model: Option<String>) -> u64 {
        let mut inner = self.lock();
        inner.turn += 1;
        let turn = inner.turn;
        let entry = inner.entries.entry(id).or_insert_with(|| Entry {
            progress: Progress {
                conversation: id,
                version: 0,
                busy: false,
                working: Vec::new(),
                writing: None,
                messages: 0,
            },
            run: 0,
            model: None,
            turn,
        });
        entry.run = turn;
        entry.turn = turn;
        entry.model = model;
        entry.progress.version += 1;
        entry.progress.busy = true;
        entry.progress.working.clear();
        entry.progress.writing = None;
        entry.progress.messages = messages;
        inner.forget_old();
        drop(inner);
        self.changes.send_replace(turn);
        turn
    }

    /// Shows who is at work and what is being written. An answer that is over shows nothing any more.
    pub(crate) fn show(
        &self,
        id: ConversationId,
        run: u64,
        mut working: Vec<Working>,
        writing: Option<Writing>,
    ) {
        working.truncate(MOST_AT_WORK);
        for one in &mut working {
            one.doing = cut(&one.doing, LONGEST_DOING);
        }
        let writing = writing.map(|writing| Writing {
            text: cut(&writing.text, LONGEST_TEXT),
            ..writing
        });
        self.change(id, run, |progress| {
            progress.working = working;
            progress.writing = writing;
        });
    }

    /// A message was sent: what its sender was writing is in it.
    pub(crate) fn sent(&self, id: ConversationId, run: u64, from: &str, messages: u32) {
        self.change(id, run, |progress| {
            progress.messages = messages;
            if progress
                .writing
                .as_ref()
                .is_some_and(|writing| writing.from == from)
            {
                progress.writing = None;
            }
        });
    }

    /// The answer is over.
    pub(crate) fn end(&self, id: ConversationId, run: u64, messages: u32) {
        self.change(id, run, |progress| {
            progress.busy = false;
            progress.working.clear();
            progress.writing = None;
            progress.messages = messages;
        });
    }

    fn change(&self, id: ConversationId, run: u64, change: impl FnOnce(&mut Progress)) {
        let mut inner = self.lock();
        let turn = inner.turn + 1;
        let Some(entry) = inner
            .entries
            .get_mut(&id)
            .filter(|entry| entry.run == run && entry.progress.busy)
        else {
            return;
        };
        let mut after = entry.progress.clone();
        change(&mut after);
        if after == entry.progress {
            return;
        }
        after.version += 1;
        entry.progress = after;
        entry.turn = turn;
        inner.turn = turn;
        drop(inner);
        self.changes.send_replace(turn);
    }

    /// What is being worked on in a conversation, cleared of secrets; absent where nothing is known of it.
    pub(super) fn look(&self, id: ConversationId) -> Option<Progress> {
        let mut progress = self.lock().entries.get(&id)?.progress.clone();
        // Here and not where it is put up: a text grows word by word, and is read much less often.
        if let Some(writing) = &mut progress.writing {
            writing.text = redact_prose(&writing.text, LONGEST_TEXT);
        }
        for working in &mut progress.working {
            working.doing = redact(&working.doing);
        }
        Some(progress)
    }

    /// The model that a person chose for the last answer of a conversation.
    pub(super) fn chosen_model(&self, id: ConversationId) -> Option<String> {
        self.lock().entries.get(&id)?.model.clone()
    }

    /// Who is at work on what, by name.
    pub(super) fn at_work(&self) -> Vec<(String, AtWork)> {
        self.lock()
            .entries
            .iter()
            .flat_map(|(id, entry)| {
                entry.progress.working.iter().map(|working| {
                    let at_work = AtWork {
                        conversation: *id,
                        working: Working {
                            doing: redact(&working.doing),
                            ..working.clone()
                        },
                    };
                    (working.specialist.clone(), at_work)
                })
            })
            .collect()
    }

    /// Changes with every change of any conversation's progress.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Inner {
    /// Keeps the last ones; one in which an answer is under way is never forgotten.
    fn forget_old(&mut self) {
        while self.entries.len() > MOST {
            let oldest = self
                .entries
                .iter()
                .filter(|(_, entry)| !entry.progress.busy)
                .min_by_key(|(_, entry)| entry.turn)
                .map(|(id, _)| *id);
            match oldest {
                Some(id) => self.entries.remove(&id),
                None => return,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use steward_api::JARVIS_PRIME;

    const ID: ConversationId = ConversationId(7);

    fn writing(text: &str) -> Option<Writing> {
        Some(Writing {
            from: JARVIS_PRIME.to_owned(),
            text: text.to_owned(),
        })
    }

    #[test]
    fn the_version_rises_with_each_change_and_only_then() {
        let board = ProgressBoard::default();
        assert_eq!(board.look(ID), None);
        let changes = board.changes();
        let run = board.begin(ID, 1, None);
        assert!(changes.has_changed().unwrap());
        let version = |board: &ProgressBoard| board.look(ID).unwrap().version;
        assert_eq!(version(&board), 1);
        board.show(ID, run, Vec::new(), writing("I"));
        board.show(ID, run, Vec::new(), writing("I"));
        assert_eq!(version(&board), 2);
        board.sent(ID, run, "Athena", 2);
        assert!(board.look(ID).unwrap().writing.is_some());
        board.sent(ID, run, JARVIS_PRIME, 3);
        let progress = board.look(ID).unwrap();
        assert_eq!((progress.writing, progress.messages), (None, 3));
        board.end(ID, run, 3);
        assert!(!board.look(ID).unwrap().busy);
        // What comes late from an answer that is over is not shown.
        let before = version(&board);
        board.show(ID, run, Vec::new(), writing("late"));
        assert_eq!(version(&board), before);
        let next = board.begin(ID, 4, None);
        board.show(ID, run, Vec::new(), writing("later"));
        board.show(
            ID,
            next,
            Vec::new(),
            writing("token=abcdef0123456789abcdef0123456789"),
        );
        let shown = board.look(ID).unwrap().writing.unwrap().text;
        assert!(!shown.contains("abcdef0123456789"), "{shown}");
    }

    #[test]
    fn old_conversations_are_forgotten_and_busy_ones_are_not() {
        let board = ProgressBoard::default();
        let busy = board.begin(ConversationId(0), 1, None);
        for number in 1..=300 {
            let id = ConversationId(number);
            let run = board.begin(id, 1, None);
            board.end(id, run, 2);
        }
        assert!(board.look(ConversationId(0)).unwrap().busy);
        assert_eq!(board.look(ConversationId(50)), None);
        assert!(board.look(ConversationId(300)).is_some());
        board.end(ConversationId(0), busy, 2);
    }
}
