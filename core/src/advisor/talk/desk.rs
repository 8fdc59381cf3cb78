//! The desk of a talk: who works on what, what is being written, and the numbers of what was looked at.
//!
//! What flows through: changes in; after each one the whole picture out to the scribe, for whoever watches. What it never does: keep a
//! message; those are sent.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use steward_api::{Working, Writing};

use crate::ports::{Clock, Scribe};

/// The desk of one answer.
pub(super) struct Desk<'a> {
    scribe: &'a dyn Scribe,
    clock: &'a dyn Clock,
    picture: Mutex<(Vec<Working>, Option<Writing>)>,
    references: AtomicU32,
}

impl<'a> Desk<'a> {
    pub(super) fn new(scribe: &'a dyn Scribe, clock: &'a dyn Clock) -> Self {
        Self {
            scribe,
            clock,
            picture: Mutex::default(),
            references: AtomicU32::new(0),
        }
    }

    pub(super) const fn scribe(&self) -> &'a dyn Scribe {
        self.scribe
    }

    pub(super) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// A reference that nothing else in this answer has.
    pub(super) fn reference(&self) -> String {
        format!("A{}", self.references.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Somebody works on something.
    pub(super) fn works(&self, specialist: &str, doing: impl Into<String>) {
        let working = Working {
            specialist: specialist.to_owned(),
            doing: doing.into(),
            model: None,
            since: self.clock.now(),
        };
        self.change(
            |(all, _)| match all.iter_mut().find(|one| one.specialist == specialist) {
                Some(one) => *one = working,
                None => all.push(working),
            },
        );
    }

    /// Somebody is done.
    pub(super) fn done(&self, specialist: &str) {
        self.change(|(all, _)| all.retain(|one| one.specialist != specialist));
    }

    /// Somebody has written so much of an answer.
    pub(super) fn writes(&self, specialist: &str, text: &str) {
        // What some models think aloud is not for the person.
        let said = match text.rsplit_once("</think>") {
            Some((_, said)) => said,
            None if text.trim_start().starts_with("<think>") => return,
            None => text,
        };
        let writing = Writing {
            from: specialist.to_owned(),
            text: crate::redact::redact(said.trim_start()),
        };
        self.change(|(_, being_written)| *being_written = Some(writing));
    }

    /// Nothing is written any more.
    pub(super) fn wrote(&self) {
        self.change(|(_, being_written)| *being_written = None);
    }

    fn change(&self, change: impl FnOnce(&mut (Vec<Working>, Option<Writing>))) {
        let mut picture = self.picture.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut picture);
        // Under the lock: an older picture must not come after a newer one.
        self.scribe.show(picture.0.clone(), picture.1.clone());
    }
}
