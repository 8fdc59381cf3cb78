//! An answer while it comes to be: when the agent is asked how far it is, and what is shown of it.
//!
//! What flows through: what was said, how far the agent says it is, and failures in; when to ask next out. What it never does: ask while
//! nobody is at work, or show a text twice: once while it is written, and once more as the message that it became.

use steward_api::{ErrorCode, Progress, Writing};

use crate::{conversation::Dialogue, failure::Failure};

/// Between two questions there is this time at least, milliseconds: what is written meanwhile comes together.
const GATHER: i32 = 80;
/// Where nobody is at work yet after something was said, it is asked again after this time, milliseconds.
const A_MOMENT: i32 = 250;
/// So often it is asked again then.
const AGAIN: u8 = 2;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until something is said.
    Rest,
    /// Ask how far it is.
    Ask {
        /// In so many milliseconds.
        after: i32,
        /// The version that is known: the agent answers when there is another. Absent: it answers at once.
        seen: Option<u64>,
    },
}

/// A text that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Written {
    writing: Writing,
    /// How many messages there were then: the message that it becomes comes after them.
    after: u32,
}

/// Watches one conversation's progress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// How far it was when the agent was last asked.
    progress: Option<Progress>,
    /// Why it could not be asked, the last time.
    failure: Option<Failure>,
    written: Option<Written>,
    /// Whether a question is under way, or about to be.
    is_asking: bool,
    /// How often it is asked again though nobody is at work, since somebody is about to be.
    expecting: u8,
    failures: u32,
}

impl Watch {
    /// The conversation was read, with how far it is: begins anew from there.
    pub fn read(&mut self, progress: Progress) -> Next {
        self.expecting = 0;
        self.heard(progress)
    }

    /// Something was said: somebody is at work, or soon will be.
    pub fn said(&mut self) -> Next {
        self.expecting = AGAIN;
        if self.is_asking {
            return Next::Rest;
        }
        self.is_asking = true;
        Next::Ask {
            after: 0,
            seen: None,
        }
    }

    /// The agent says how far it is.
    pub fn heard(&mut self, progress: Progress) -> Next {
        self.failures = 0;
        self.failure = None;
        match (&progress.writing, &self.written) {
            (Some(writing), _) => {
                self.written = Some(Written {
                    writing: writing.clone(),
                    after: progress.messages,
                });
            }
            // It became a message, which is on its way here by the event stream.
            (None, Some(written)) if progress.messages > written.after => {}
            (None, _) => self.written = None,
        }
        let seen = Some(progress.version);
        let after = if progress.busy {
            self.expecting = 0;
            GATHER
        } else {
            A_MOMENT
        };
        self.is_asking = progress.busy || self.expecting > 0;
        self.expecting = self.expecting.saturating_sub(1);
        let next = if self.is_asking {
            // Where nobody is at work there may be nothing to wait for.
            let seen = seen.filter(|_| progress.busy);
            Next::Ask { after, seen }
        } else {
            Next::Rest
        };
        self.progress = Some(progress);
        next
    }

    /// The agent could not be asked, or refused.
    pub fn failed(&mut self, failure: Failure) -> Next {
        let is_over = match &failure {
            Failure::SignedOut => true,
            Failure::Refused(problem) => matches!(
                problem.code,
                ErrorCode::ConversationNotFound
                    | ErrorCode::NotFound
                    | ErrorCode::Forbidden
                    | ErrorCode::BadRequest
            ),
            _ => false,
        };
        self.failure = Some(failure);
        self.is_asking = !is_over;
        if is_over {
            return Next::Rest;
        }
        let after = match self.failures {
            0 => 500,
            1 => 1_000,
            2 => 2_000,
            3 => 4_000,
            _ => 10_000,
        };
        self.failures = self.failures.saturating_add(1);
        Next::Ask { after, seen: None }
    }

    /// Whether an answer is under way, as far as is known.
    pub fn is_busy(&self) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.busy)
    }

    /// Whether it is about to be known how far an answer is.
    pub const fn is_asking(&self) -> bool {
        self.is_asking
    }

    /// How far it is.
    pub const fn progress(&self) -> Option<&Progress> {
        self.progress.as_ref()
    }

    /// Why it is not known how far it is.
    pub const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// What is being written and is no message yet.
    pub fn writing(&self, dialogue: &Dialogue) -> Option<&Writing> {
        let written = self.written.as_ref()?;
        let became_a_message = dialogue
            .messages
            .iter()
            .rev()
            .take_while(|message| message.number > written.after)
            .any(|message| message.from == written.writing.from);
        (!became_a_message).then_some(&written.writing)
    }

    /// Whether the agent has messages of it that are not known here.
    pub fn is_ahead_of(&self, dialogue: &Dialogue) -> bool {
        self.progress
            .as_ref()
            .is_some_and(|progress| progress.messages > dialogue.last())
    }
}

#[cfg(test)]
mod tests {
    use steward_api::{ConversationId, MessageKind, ProblemDetails};

    use super::*;
    use crate::samples;

    fn writing(version: u64, messages: u32, text: &str) -> Progress {
        Progress {
            writing: Some(Writing {
                from: "Jarvis Prime".to_owned(),
                text: text.to_owned(),
            }),
            ..samples::progress(version, true, messages)
        }
    }

    const AT_ONCE: Next = Next::Ask {
        after: 0,
        seen: None,
    };

    fn refused(code: ErrorCode) -> Failure {
        Failure::Refused(ProblemDetails::new(code, "why"))
    }

    #[test]
    fn nothing_is_asked_while_nobody_is_at_work() {
        let mut watch = Watch::default();
        assert_eq!(watch.read(samples::progress(3, false, 2)), Next::Rest);
        assert!(!watch.is_busy());
        assert_eq!(watch.said(), AT_ONCE);
        assert_eq!(watch.said(), Next::Rest, "one question at a time");
        let next = watch.heard(samples::progress(4, true, 3));
        assert_eq!(
            next,
            Next::Ask {
                after: GATHER,
                seen: Some(4)
            }
        );
        assert!(watch.is_busy());
        assert_eq!(watch.heard(samples::progress(9, false, 4)), Next::Rest);
    }

    #[test]
    fn who_is_not_at_work_yet_is_given_a_moment_and_no_more() {
        let mut watch = Watch::default();
        watch.said();
        for _ in 0..AGAIN {
            assert_eq!(
                watch.heard(samples::progress(0, false, 1)),
                Next::Ask {
                    after: A_MOMENT,
                    seen: None
                }
            );
        }
        assert_eq!(watch.heard(samples::progress(0, false, 1)), Next::Rest);
        assert_eq!(watch.said(), AT_ONCE, "and it begins anew");
    }

    #[test]
    fn what_is_said_while_one_waits_for_an_answer_is_not_passed_over() {
        let mut watch = Watch::default();
        watch.read(samples::progress(5, true, 2));
        assert_eq!(watch.said(), Next::Rest);
        let next = watch.heard(samples::progress(6, false, 4));
        assert!(matches!(next, Next::Ask { .. }), "{next:?}");
    }

    #[test]
    fn a_text_is_shown_until_it_is_a_message_and_never_beside_it() {
        let mut watch = Watch::default();
        let mut dialogue = Dialogue::new(ConversationId(1));
        let conversation = samples::conversation(1, "x");
        watch.heard(writing(1, 1, "The data"));
        assert_eq!(watch.writing(&dialogue).unwrap().text, "The data");
        // The agent is done; the message has not come yet: nothing flickers.
        watch.heard(samples::progress(2, false, 2));
        assert!(watch.is_ahead_of(&dialogue));
        assert_eq!(watch.writing(&dialogue).unwrap().text, "The data");
        let answer = samples::reply(2, MessageKind::Answer, "Jarvis Prime", "admin", 1);
        dialogue.hear(&conversation, &answer);
        assert_eq!(watch.writing(&dialogue), None);
        assert!(!watch.is_ahead_of(&dialogue));
    }

    #[test]
    fn the_message_may_come_before_the_agent_says_that_it_is_done() {
        let mut watch = Watch::default();
        let mut dialogue = Dialogue::new(ConversationId(1));
        watch.heard(writing(1, 1, "The database"));
        let answer = samples::reply(2, MessageKind::Answer, "Jarvis Prime", "admin", 1);
        dialogue.hear(&samples::conversation(1, "x"), &answer);
        assert_eq!(watch.writing(&dialogue), None);
        // The next text is another one.
        watch.heard(writing(5, 3, "Now"));
        assert_eq!(watch.writing(&dialogue).unwrap().text, "Now");
    }

    #[test]
    fn a_text_that_was_dropped_is_gone() {
        let mut watch = Watch::default();
        let dialogue = Dialogue::new(ConversationId(1));
        watch.heard(writing(1, 1, "Nonsense"));
        watch.heard(samples::progress(2, true, 1));
        assert_eq!(watch.writing(&dialogue), None);
    }

    #[test]
    fn a_lost_line_is_tried_ever_slower_and_said_until_it_is_back() {
        let mut watch = Watch::default();
        watch.read(samples::progress(5, true, 2));
        let waits: Vec<i32> = (0..6)
            .map(|_| match watch.failed(Failure::Unreachable) {
                Next::Ask { after, seen: None } => after,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 10_000, 10_000]);
        assert_eq!(watch.failure(), Some(&Failure::Unreachable));
        assert!(watch.is_busy(), "as far as is known");
        watch.heard(samples::progress(1, true, 2));
        assert_eq!(watch.failure(), None);
        assert!(matches!(
            watch.failed(Failure::TooSlow),
            Next::Ask { after: 500, .. }
        ));
    }

    #[test]
    fn what_trying_again_can_not_help_is_not_tried_again() {
        for failure in [
            Failure::SignedOut,
            refused(ErrorCode::ConversationNotFound),
            refused(ErrorCode::Forbidden),
        ] {
            let mut watch = Watch::default();
            watch.said();
            assert_eq!(watch.failed(failure.clone()), Next::Rest, "{failure:?}");
            assert_eq!(watch.said(), AT_ONCE);
        }
        let mut watch = Watch::default();
        watch.said();
        assert!(matches!(
            watch.failed(refused(ErrorCode::StoreUnavailable)),
            Next::Ask { .. }
        ));
    }
}
