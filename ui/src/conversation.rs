//! A conversation as it is read: its messages in their order, those between specialists under the question that they belong to.
//!
//! What flows through: a reading of the agent and messages of the event stream in, in any order and more than once; entries in the order in
//! which they are shown out. What it never does: take a message twice, or pass over one that is missing without saying so.

use std::sync::Arc;

use steward_api::{
    Conversation, ConversationDetail, ConversationId, LookedAt, Message, MessageKind, Specialist,
};

use crate::{order, prose};

/// What is known of one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialogue {
    /// Which one.
    pub id: ConversationId,
    /// It, as of its last message that is known; absent before the first reading.
    pub conversation: Option<Arc<Conversation>>,
    /// Its messages, by their numbers.
    pub messages: Vec<Arc<Message>>,
    /// Whether it was read. Before that, what is missing means nothing.
    pub is_read: bool,
}

impl Dialogue {
    /// One of which nothing is known yet. What is said in it from now on is not missed.
    pub const fn new(id: ConversationId) -> Self {
        Self {
            id,
            conversation: None,
            messages: Vec::new(),
            is_read: false,
        }
    }

    /// Takes in a reading. It counts for all that had been said by then; what the stream brought since stays.
    pub fn load(&mut self, detail: ConversationDetail) {
        let read_up_to = detail.conversation.messages;
        let since = std::mem::take(&mut self.messages)
            .into_iter()
            .filter(|message| message.number > read_up_to);
        let mut messages: Vec<_> = detail.messages.into_iter().map(Arc::new).collect();
        messages.extend(since);
        order::sort_by(&mut messages, |a, b| a.number.cmp(&b.number));
        messages.dedup_by_key(|message| message.number);
        self.messages = messages;
        self.note(detail.conversation);
        self.is_read = true;
    }

    /// Takes in a message as it is sent.
    pub fn hear(&mut self, conversation: &Conversation, message: &Message) {
        let place = self
            .messages
            .partition_point(|known| known.number < message.number);
        let is_known = self
            .messages
            .get(place)
            .is_some_and(|known| known.number == message.number);
        if !is_known {
            self.messages
                .insert(place, Arc::new(Message::clone(message)));
        }
        self.note(Conversation::clone(conversation));
    }

    fn note(&mut self, conversation: Conversation) {
        if is_newer(self.conversation.as_deref(), &conversation) {
            self.conversation = Some(Arc::new(conversation));
        }
    }

    /// The number of the last message that is known; 0 where there is none.
    pub fn last(&self) -> u32 {
        self.messages.last().map_or(0, |message| message.number)
    }

    /// Whether a message is missing that was sent: the conversation must be read again.
    pub fn lacks_some(&self) -> bool {
        let Some(conversation) = self.conversation.as_ref().filter(|_| self.is_read) else {
            return false;
        };
        let first = self.messages.first().map_or(1, |message| message.number);
        let known = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
        conversation.messages >= first.saturating_add(known)
    }

    /// How many messages at its beginning are too old to be shown.
    pub fn left_out(&self) -> u32 {
        self.messages
            .first()
            .map_or(0, |message| message.number.saturating_sub(1))
    }

    /// The last thing that was said to the person or by them.
    pub fn last_of_main_line(&self) -> Option<&Arc<Message>> {
        self.messages
            .iter()
            .rev()
            .find(|message| is_main_line(message.kind))
    }

    /// The last answer, or the last word that there is none.
    pub fn last_answer(&self) -> Option<&Arc<Message>> {
        self.messages
            .iter()
            .rev()
            .find(|message| matches!(message.kind, MessageKind::Answer | MessageKind::Failure))
    }
}

/// Whether one state of a conversation is newer than another.
pub fn is_newer(known: Option<&Conversation>, other: &Conversation) -> bool {
    known.is_none_or(|known| (known.messages, known.last_at) < (other.messages, other.last_at))
}

/// Takes a conversation into a list that is ordered by number; says whether that changed something.
pub fn merge(all: &mut Vec<Arc<Conversation>>, conversation: Conversation) -> bool {
    let place = all.partition_point(|known| known.id < conversation.id);
    match all.get_mut(place) {
        Some(known) if known.id == conversation.id => {
            let newer = is_newer(Some(known), &conversation);
            if newer {
                *known = Arc::new(conversation);
            }
            newer
        }
        _ => {
            all.insert(place, Arc::new(conversation));
            true
        }
    }
}

const fn is_main_line(kind: MessageKind) -> bool {
    matches!(
        kind,
        MessageKind::Question | MessageKind::Answer | MessageKind::Failure
    )
}

/// A message between specialists, under what it was sent because of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// How far down: 0 answers the person's question itself.
    pub depth: usize,
    /// The message.
    pub message: Arc<Message>,
}

/// What stands in the conversation's main line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A question, an answer, or that there is none.
    Said {
        /// The message.
        message: Arc<Message>,
        /// What specialists said to each other for it.
        rests_on: Vec<Arc<Message>>,
    },
    /// What specialists said to each other about a question, folded into one line.
    Between {
        /// The first of it.
        first: u32,
        /// All of it, each under what it answers.
        asides: Vec<Aside>,
        /// Whether what they looked for was answered.
        is_over: bool,
    },
}

impl Entry {
    /// By which it is known again when more was said: what its look rests on.
    pub fn key(&self) -> (u32, usize) {
        match self {
            Self::Said { message, rests_on } => (message.number, rests_on.len() + 1),
            Self::Between { first, .. } => (*first, 0),
        }
    }
}

/// The messages as they are shown: each question, what specialists said to each other about it, what was answered.
pub fn entries(messages: &[Arc<Message>]) -> Vec<Entry> {
    let questions = places_of_questions(messages);
    let mut shown = Vec::new();
    for (turn, message) in messages.iter().enumerate() {
        if questions[turn] != turn {
            continue;
        }
        let of_turn = (turn..messages.len()).filter(|at| questions[*at] == turn);
        let mut between: Vec<Arc<Message>> = Vec::new();
        for at in of_turn {
            let one = &messages[at];
            if one.kind == MessageKind::Question {
                shown.push(said(one, Vec::new()));
            } else if is_main_line(one.kind) {
                let rests_on = std::mem::take(&mut between);
                shown.extend(folded(message.number, &rests_on, true));
                shown.push(said(one, rests_on));
            } else {
                between.push(Arc::clone(one));
            }
        }
        shown.extend(folded(message.number, &between, false));
    }
    shown
}

fn said(message: &Arc<Message>, rests_on: Vec<Arc<Message>>) -> Entry {
    Entry::Said {
        message: Arc::clone(message),
        rests_on,
    }
}

fn folded(question: u32, between: &[Arc<Message>], is_over: bool) -> Option<Entry> {
    let first = between.first()?.number;
    // Each with the numbers of all that it was said because of, its own last: in their order each stands under what it answers.
    let mut threads: Vec<(Vec<u32>, &Arc<Message>)> = Vec::with_capacity(between.len());
    for message in between {
        let above = message
            .reply_to
            .filter(|above| *above != question)
            .and_then(|above| threads.iter().find(|(path, _)| path.last() == Some(&above)));
        let mut path = above.map_or_else(Vec::new, |(path, _)| path.clone());
        path.push(message.number);
        threads.push((path, message));
    }
    order::sort_by(&mut threads, |(one, _), (other, _)| one.cmp(other));
    let asides = threads
        .into_iter()
        .map(|(path, message)| Aside {
            depth: path.len() - 1,
            message: Arc::clone(message),
        })
        .collect();
    Some(Entry::Between {
        first,
        asides,
        is_over,
    })
}

/// For each message the place of the question that it belongs to: by what it answers, or else the last one before it. What stands before all
/// questions belongs to its own first message.
fn places_of_questions(messages: &[Arc<Message>]) -> Vec<usize> {
    let mut places: Vec<usize> = Vec::with_capacity(messages.len());
    let mut last = 0;
    for (at, message) in messages.iter().enumerate() {
        let place = if message.kind == MessageKind::Question {
            last = at;
            at
        } else {
            // Only what was said before can be answered: nothing leads round in a circle.
            message
                .reply_to
                .and_then(|above| {
                    messages[..at]
                        .binary_search_by_key(&above, |one| one.number)
                        .ok()
                })
                .map_or(last, |above| places[above])
        };
        places.push(place);
    }
    places
}

/// What a message rests on: what was looked at for it, and what its words refer to of what other specialists looked at for it.
pub fn seen<'a>(message: &'a Message, rests_on: &'a [Arc<Message>]) -> Vec<&'a LookedAt> {
    let mut seen: Vec<&LookedAt> = message.looked_at.iter().collect();
    for reference in prose::references(&message.text) {
        if seen.iter().any(|one| one.reference == reference) {
            continue;
        }
        let elsewhere = rests_on
            .iter()
            .flat_map(|other| &other.looked_at)
            .find(|one| one.reference == reference);
        seen.extend(elsewhere);
    }
    seen
}

/// The conversations in which somebody is at work.
pub fn at_work(specialists: &[Specialist]) -> Vec<ConversationId> {
    let mut busy: Vec<ConversationId> = Vec::new();
    for work in specialists.iter().flat_map(|one| &one.at_work) {
        if !busy.contains(&work.conversation) {
            busy.push(work.conversation);
        }
    }
    busy
}

/// The longest question that the agent takes, characters.
pub const LONGEST_QUESTION: usize = 4000;

/// A question as it is sent; absent where there is none, or it is too long.
pub fn question(typed: &str) -> Option<String> {
    let text = typed.trim();
    (!text.is_empty() && text.chars().count() <= LONGEST_QUESTION).then(|| text.to_owned())
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
