//! Conversations: what a person says is journaled, then specialists answer beside the loop, and what they say is journaled in turn.
//!
//! What flows in: questions, stops and retries of people; drafts of specialists. What flows out: messages in the journal, tasks that wait
//! for a person, progress for whoever looks. What it never does: wait for a model in the loop, or let a specialist bring anything about:
//! what one proposes waits for a person, whatever the autonomy is.

mod answer;
mod propose;

use steward_api::{
    Conversation, ConversationId, ErrorCode, Event, JARVIS_PRIME, Message, MessageKind,
    ProblemDetails, Requester, Role, Said, SayRequest, Task,
};
use tokio_util::sync::CancellationToken;

use super::{
    handle::Caller,
    requests::{need, store_unavailable},
    state::State,
};
use crate::{
    ports::{Draft, StoreError, words},
    redact::{redact, redact_prose},
};

/// Answers that may be under way at the same time.
const MOST_ANSWERS: usize = 8;
/// Messages that one answer may consist of; the last is left for the answer itself.
const MOST_MESSAGES: u32 = 60;
/// Characters of a question.
const LONGEST_QUESTION: usize = 4_000;
/// Characters of a message.
pub(super) const LONGEST_TEXT: usize = 8_000;
/// Characters of what was seen in one look.
const LONGEST_LOOK: usize = 4_000;
/// Looks that one message may show.
const MOST_LOOKS: usize = 40;
/// Names in a message that could not be checked.
const MOST_UNCHECKED: usize = 50;
/// Characters of a name, a tool, or of what was looked at.
const LONGEST_NAME: usize = 200;
/// Characters of a title.
const LONGEST_TITLE: usize = 80;

/// An answer that is under way.
pub(super) struct Answering {
    /// The number by which its messages and its progress are known, so that late ones of an answer that was stopped are not taken.
    run: u64,
    /// The conversation as it stands.
    conversation: Conversation,
    /// The question.
    question: u32,
    /// Whom it was put to.
    to: String,
    /// Who put it.
    asker: String,
    /// How many messages have come.
    sent: u32,
    /// Whether one of them ended it.
    is_answered: bool,
    stop: CancellationToken,
}

/// Whether a task waits because a specialist proposed it.
pub(super) fn is_proposal(task: &Task) -> bool {
    matches!(task.requested_by, Requester::Specialist { .. })
}

/// A text cut to so many characters, with a sign that it was.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(most.saturating_sub(1)).collect();
            format!("{kept}…")
        }
    }
}

fn problem(code: ErrorCode, detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::new(code, detail)
}

fn unreadable(what: &str, error: &StoreError) -> ProblemDetails {
    let detail = format!("{what} can't be read now: {}", words(error));
    problem(ErrorCode::StoreUnavailable, detail)
}

impl State {
    /// A person says something.
    pub(super) async fn say(
        &mut self,
        request: SayRequest,
        caller: &Caller,
    ) -> Result<Said, ProblemDetails> {
        need(caller, Role::Operator)?;
        let text = question_text(&request.text)?;
        if let Some(error) = &self.store_error {
            return Err(store_unavailable(error));
        }
        self.can_be_asked(request.model.as_deref())?;
        let to = self.specialist(request.to.as_deref())?;
        self.has_room(request.conversation)?;
        let mut conversation = match request.conversation {
            Some(_) if request.incident.is_some() || request.task.is_some() => {
                return Err(problem(
                    ErrorCode::BadRequest,
                    "incident and task say what a new conversation is about; this one goes on",
                ));
            }
            Some(id) => self.conversation(id).await?,
            None => self.new_conversation(&request, &text, caller).await?,
        };
        let question = Message {
            conversation: conversation.id,
            number: conversation.messages.saturating_add(1),
            at: self.clock.now(),
            from: caller.identity.clone(),
            to,
            kind: MessageKind::Question,
            text,
            reply_to: None,
            looked_at: Vec::new(),
            proposals: Vec::new(),
            unchecked: Vec::new(),
            model: None,
        };
        note(&mut conversation, &question);
        // The record first: nothing is sent anywhere that was not asked by somebody.
        self.commit_now(vec![sent_event(&conversation, &question)])
            .await
            .map_err(|error| store_unavailable(&words(&error)))?;
        let said = Said {
            conversation: conversation.id,
            number: question.number,
        };
        self.begin_answer(conversation, question, request.model);
        Ok(said)
    }

    /// A person wants the last question answered once more.
    pub(super) async fn retry_answer(
        &mut self,
        id: ConversationId,
        caller: &Caller,
    ) -> Result<Said, ProblemDetails> {
        need(caller, Role::Operator)?;
        if let Some(error) = &self.store_error {
            return Err(store_unavailable(error));
        }
        let conversation = self.conversation(id).await?;
        self.has_room(Some(id))?;
        let question = self
            .archive
            .last_question(id)
            .await
            .map_err(|error| unreadable("the question", &error))?
            .ok_or_else(|| {
                problem(
                    ErrorCode::NothingToDo,
                    format!("nothing was asked in conversation {id}"),
                )
            })?;
        self.specialist(Some(&question.to))?;
        // The model that was chosen may have gone since; the one that suits best then answers.
        let model = self
            .progress
            .chosen_model(id)
            .filter(|name| self.can_be_asked(Some(name)).is_ok());
        self.can_be_asked(model.as_deref())?;
        let said = Said {
            conversation: id,
            number: question.number,
        };
        self.begin_answer(conversation, question, model);
        Ok(said)
    }

    /// A person stops the answer that is under way.
    pub(super) async fn stop_answer(
        &mut self,
        id: ConversationId,
        caller: &Caller,
    ) -> Result<(), ProblemDetails> {
        need(caller, Role::Operator)?;
        let Some(answering) = self.talks.remove(&id) else {
            self.conversation(id).await?;
            return Err(problem(
                ErrorCode::NothingToDo,
                format!("no answer is under way in conversation {id}"),
            ));
        };
        self.break_off(answering, format!("Stopped by {}.", caller.identity))
            .await;
        Ok(())
    }

    /// The conversation, where it is one of this node's.
    async fn conversation(&self, id: ConversationId) -> Result<Conversation, ProblemDetails> {
        if let Some(answering) = self.talks.get(&id) {
            return Ok(answering.conversation.clone());
        }
        let known = self
            .archive
            .conversation(id)
            .await
            .map_err(|error| unreadable("the conversation", &error))?;
        let conversation = known.ok_or_else(|| {
            problem(
                ErrorCode::ConversationNotFound,
                format!("there is no conversation {id}"),
            )
        })?;
        if conversation.node != self.node {
            let node = &conversation.node;
            return Err(problem(
                ErrorCode::NothingToDo,
                format!("conversation {id} is {node}'s; go on with it at the agent there"),
            ));
        }
        Ok(conversation)
    }

    async fn new_conversation(
        &mut self,
        request: &SayRequest,
        text: &str,
        caller: &Caller,
    ) -> Result<Conversation, ProblemDetails> {
        if let Some(id) = request.incident
            && self.incidents.by_id(id).is_none()
        {
            let known = self.store.incident(id).await;
            known
                .map_err(|error| unreadable("the incident", &error))?
                .ok_or_else(|| {
                    problem(
                        ErrorCode::IncidentNotFound,
                        format!("there is no incident {id}"),
                    )
                })?;
        }
        if let Some(id) = request.task
            && !self.tasks.contains_key(&id)
        {
            let known = self.store.task(id).await;
            known
                .map_err(|error| unreadable("the task", &error))?
                .ok_or_else(|| {
                    problem(ErrorCode::TaskNotFound, format!("there is no task {id}"))
                })?;
        }
        self.reserve_ids().await;
        let id = self
            .ids
            .pop_front()
            .ok_or_else(|| store_unavailable("no number for a new conversation could be had"))?;
        let now = self.clock.now();
        Ok(Conversation {
            id: ConversationId(id),
            node: self.node.clone(),
            title: cut(text.lines().next().unwrap_or_default(), LONGEST_TITLE),
            by: caller.identity.clone(),
            channel: caller.channel,
            incident: request.incident,
            task: request.task,
            started_at: now,
            last_at: now,
            messages: 0,
            tasks: Vec::new(),
        })
    }

    /// Whether there is a model that could answer, the named one where one is named.
    fn can_be_asked(&self, model: Option<&str>) -> Result<(), ProblemDetails> {
        let status = self.advisor.status();
        if !status.enabled || status.models.is_empty() {
            let advice = status
                .advice
                .unwrap_or_else(|| "there is no language model that could be asked".to_owned());
            return Err(problem(ErrorCode::NoModel, advice));
        }
        let Some(name) = model else { return Ok(()) };
        if status.models.iter().any(|known| known.name == name) {
            return Ok(());
        }
        let known: Vec<_> = status
            .models
            .iter()
            .map(|known| known.name.as_str())
            .collect();
        Err(problem(
            ErrorCode::NoModel,
            format!(
                "there is no model \"{name}\"; there are: {}",
                known.join(", ")
            ),
        ))
    }

    /// The specialist of that name, however it is written; Jarvis Prime where none is named.
    fn specialist(&self, name: Option<&str>) -> Result<String, ProblemDetails> {
        let wanted = name
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .unwrap_or(JARVIS_PRIME);
        let known = self.advisor.specialists();
        let found = known
            .iter()
            .find(|known| known.name.to_lowercase() == wanted.to_lowercase());
        if let Some(found) = found {
            return Ok(found.name.clone());
        }
        let names: Vec<_> = known.iter().map(|known| known.name.as_str()).collect();
        Err(problem(
            ErrorCode::BadRequest,
            format!(
                "there is no specialist \"{}\"; there are: {}",
                cut(wanted, 60),
                names.join(", ")
            ),
        ))
    }

    /// Whether one more answer can begin.
    fn has_room(&self, id: Option<ConversationId>) -> Result<(), ProblemDetails> {
        if id.is_some_and(|id| self.talks.contains_key(&id)) {
            return Err(problem(
                ErrorCode::NothingToDo,
                "an answer is under way; stop it first",
            ));
        }
        if self.talks.len() >= MOST_ANSWERS {
            return Err(problem(
                ErrorCode::TooManyRequests,
                format!("{MOST_ANSWERS} answers are under way; wait for one, or stop one"),
            ));
        }
        Ok(())
    }
}

/// The text of a question, cleared of secrets.
fn question_text(text: &str) -> Result<String, ProblemDetails> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > LONGEST_QUESTION {
        return Err(problem(
            ErrorCode::BadRequest,
            format!(
                "text: {length} characters are out of range; it should be from 1 to {LONGEST_QUESTION}"
            ),
        ));
    }
    Ok(redact_prose(text, LONGEST_TEXT))
}

/// The conversation after a message.
fn note(conversation: &mut Conversation, message: &Message) {
    conversation.messages = message.number;
    conversation.last_at = message.at;
    for task in message.tasks() {
        if !conversation.tasks.contains(&task) {
            conversation.tasks.push(task);
        }
    }
}

fn sent_event(conversation: &Conversation, message: &Message) -> Event {
    Event::MessageSent {
        conversation: Box::new(conversation.clone()),
        message: Box::new(message.clone()),
    }
}

/// What a draft may hold, cleared of secrets and cut to what a message may hold. Its proposals are for [`propose`] to judge.
fn bounded(mut draft: Draft) -> Draft {
    draft.from = cut(&draft.from, LONGEST_NAME);
    draft.to = cut(&draft.to, LONGEST_NAME);
    draft.text = redact_prose(draft.text.trim(), LONGEST_TEXT);
    draft.looked_at.truncate(MOST_LOOKS);
    for look in &mut draft.looked_at {
        look.reference = cut(&look.reference, LONGEST_NAME);
        look.tool = cut(&look.tool, LONGEST_NAME);
        look.what = cut(&redact(&look.what), LONGEST_NAME);
        look.text = redact_prose(&look.text, LONGEST_LOOK);
    }
    draft.unchecked.truncate(MOST_UNCHECKED);
    for name in &mut draft.unchecked {
        *name = cut(name, LONGEST_NAME);
    }
    draft
}
