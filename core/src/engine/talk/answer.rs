//! An answer from its beginning to its end: the specialists' work beside the loop, their messages in it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use steward_api::{
    Conversation, ConversationId, Event, Incident, Message, MessageKind, Task, TaskChange, Working,
    Writing,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{Answering, MOST_MESSAGES, bounded, note, sent_event};
use crate::{
    engine::{house::EngineHouse, progress::ProgressBoard, state::State, stimulus::Stimulus},
    ports::{Archive, Draft, Scribe, Store, Talk, words},
};

/// An answer that has not come to its end by then is broken off.
const ANSWER_WITHIN: Duration = Duration::from_secs(30 * 60);
/// Messages of before that are put before the specialists.
const BEFORE: u32 = 50;

impl State {
    /// Has the specialists answer a question, beside the loop.
    pub(super) fn begin_answer(
        &mut self,
        conversation: Conversation,
        question: Message,
        model: Option<String>,
    ) {
        let id = conversation.id;
        let run = self
            .progress
            .begin(id, conversation.messages, model.clone());
        let stop = CancellationToken::new();
        tracing::info!(conversation = %id, question = question.number, to = question.to, "somebody asks");
        let gather = Gather {
            incident: conversation
                .incident
                .and_then(|id| self.incidents.by_id(id).cloned()),
            task: conversation
                .task
                .and_then(|id| self.tasks.get(&id).cloned()),
            archive: Arc::clone(&self.archive),
            store: Arc::clone(&self.store),
            at: self.clock.now(),
            conversation: conversation.clone(),
            question: question.clone(),
            model,
        };
        self.talks.insert(
            id,
            Answering {
                run,
                conversation,
                question: question.number,
                to: question.to,
                asker: question.from,
                sent: 0,
                is_answered: false,
                stop: stop.clone(),
            },
        );
        let house = EngineHouse::new(self);
        let scribe = LoopScribe {
            conversation: id,
            run,
            stimuli: self.stimuli.clone(),
            progress: Arc::clone(&self.progress),
        };
        let advisor = Arc::clone(&self.advisor);
        let stimuli = self.stimuli.clone();
        let stopping = self.stopping.clone();
        tokio::spawn(async move {
            // In a task of its own: a fault in it must not leave the person waiting for ever.
            let mut work = tokio::spawn(async move {
                let talk = gather.complete().await?;
                advisor
                    .converse(&talk, &house, &scribe)
                    .await
                    .map_err(|error| error.to_string())
            });
            let ending = tokio::select! {
                ended = timeout(ANSWER_WITHIN, &mut work) => match ended {
                    Ok(Ok(ending)) => ending,
                    Ok(Err(error)) => {
                        tracing::error!(%error, conversation = %id, "an answer ended by a fault");
                        Err("answering ended by a fault of Steward's, of which its log says more".to_owned())
                    }
                    Err(_) => {
                        work.abort();
                        Err(format!("it took longer than {} min", ANSWER_WITHIN.as_secs() / 60))
                    }
                },
                () = stop.cancelled() => return work.abort(),
                () = stopping.cancelled() => return work.abort(),
            };
            // An engine that ends says itself that there is no answer.
            let _ = stimuli
                .send(Stimulus::Answered {
                    conversation: id,
                    run,
                    ending,
                })
                .await;
        });
    }

    /// A specialist says something: it takes its place in the conversation, and what it proposes becomes tasks that wait.
    pub(in crate::engine) async fn said(
        &mut self,
        id: ConversationId,
        run: u64,
        draft: Draft,
    ) -> Result<Message, String> {
        let Some(answering) = self
            .talks
            .get(&id)
            .filter(|answering| answering.run == run && !answering.is_answered)
        else {
            return Err("the answer is over, or was stopped".to_owned());
        };
        // A specialist who could not look says so to whoever sent it, and the others go on.
        let ends = match draft.kind {
            MessageKind::Answer => true,
            MessageKind::Failure => draft.to == answering.asker,
            _ => false,
        };
        if draft.kind == MessageKind::Question {
            return Err("only people ask questions".to_owned());
        }
        if answering.sent + u32::from(!ends) >= MOST_MESSAGES {
            return Err(format!(
                "one answer consists of at most {MOST_MESSAGES} messages"
            ));
        }
        let question = answering.question;
        let asker = answering.asker.clone();
        let mut conversation = answering.conversation.clone();
        let mut draft = bounded(draft);
        let proposed = std::mem::take(&mut draft.proposals);
        let (proposals, tasks) = self.propose(id, &draft.from, &asker, proposed);
        let number = conversation.messages.saturating_add(1);
        let message = Message {
            conversation: id,
            number,
            at: self.clock.now(),
            from: draft.from,
            to: draft.to,
            kind: draft.kind,
            text: draft.text,
            reply_to: draft
                .reply_to
                .filter(|other| *other < number)
                .or(Some(question)),
            looked_at: draft.looked_at,
            proposals,
            unchecked: draft.unchecked,
            model: draft.model,
        };
        note(&mut conversation, &message);
        let mut events: Vec<_> = tasks
            .iter()
            .map(|task| Self::task_event(TaskChange::Created, task))
            .collect();
        events.push(sent_event(&conversation, &message));
        self.commit_now(events)
            .await
            .map_err(|error| format!("the journal takes no writes now: {}", words(&error)))?;
        for task in tasks {
            // Once a person has said yes to it, it is a try like any other.
            if let Some(incident) = task.incident {
                self.incidents
                    .edit(incident, |incident| incident.tasks.push(task.id));
            }
            self.tasks.insert(task.id, task);
        }
        self.progress.sent(id, run, &message.from, number);
        if let Some(answering) = self.talks.get_mut(&id) {
            answering.conversation = conversation;
            answering.sent += 1;
            answering.is_answered = ends;
        }
        Ok(message)
    }

    /// The specialists have come to their end.
    pub(in crate::engine) async fn answered(
        &mut self,
        id: ConversationId,
        run: u64,
        ending: Result<(), String>,
    ) {
        if self
            .talks
            .get(&id)
            .is_none_or(|answering| answering.run != run)
        {
            return;
        }
        let Some(answering) = self.talks.remove(&id) else {
            return;
        };
        if answering.is_answered {
            if let Err(error) = ending {
                tracing::debug!(conversation = %id, error, "what came after an answer went wrong");
            }
            let messages = answering.conversation.messages;
            self.progress.end(id, run, messages);
            return;
        }
        let why = match ending {
            Ok(()) => "the specialists ended without one".to_owned(),
            Err(error) => error,
        };
        tracing::info!(conversation = %id, why, "no answer");
        let text = format!(
            "There is no answer: {why}. Try again; `steward models` shows how the language models do."
        );
        self.break_off(answering, text).await;
    }

    /// Ends an answer that did not come to its end, and says why; what was written until then stays to be read.
    pub(super) async fn break_off(&mut self, answering: Answering, text: String) {
        answering.stop.cancel();
        let Answering {
            run,
            mut conversation,
            question,
            to,
            asker,
            is_answered,
            ..
        } = answering;
        let id = conversation.id;
        if is_answered {
            return self.progress.end(id, run, conversation.messages);
        }
        let seen = self.progress.look(id);
        let partial = seen
            .as_ref()
            .and_then(|progress| progress.writing.as_ref())
            .filter(|writing| !writing.text.trim().is_empty());
        let model = partial.and_then(|writing| {
            seen.as_ref()?
                .working
                .iter()
                .find(|working| working.specialist == writing.from)?
                .model
                .clone()
        });
        let text = match partial {
            None => text,
            Some(writing) => format!(
                "{text} What {} had written until then, not checked:\n\n{}",
                writing.from,
                writing.text.trim()
            ),
        };
        let draft = bounded(Draft {
            from: to,
            to: asker,
            kind: MessageKind::Failure,
            text,
            reply_to: None,
            looked_at: Vec::new(),
            proposals: Vec::new(),
            unchecked: Vec::new(),
            model,
        });
        let message = Message {
            conversation: id,
            number: conversation.messages.saturating_add(1),
            at: self.clock.now(),
            from: draft.from,
            to: draft.to,
            kind: draft.kind,
            text: draft.text,
            reply_to: Some(question),
            looked_at: Vec::new(),
            proposals: Vec::new(),
            unchecked: Vec::new(),
            model: draft.model,
        };
        note(&mut conversation, &message);
        let event: Event = sent_event(&conversation, &message);
        self.commit(vec![event]).await;
        self.progress.end(id, run, conversation.messages);
    }

    /// The agent ends: answers that are under way do too. Says whether there were any.
    pub(in crate::engine) async fn end_talks(&mut self) -> bool {
        let open = std::mem::take(&mut self.talks);
        let were_any = !open.is_empty();
        for answering in open.into_values() {
            self.break_off(
                answering,
                "There is no answer: the agent ended meanwhile. Try again.".to_owned(),
            )
            .await;
        }
        were_any
    }
}

/// What is put before the specialists, gathered beside the loop.
struct Gather {
    conversation: Conversation,
    question: Message,
    model: Option<String>,
    incident: Option<Arc<Incident>>,
    task: Option<Task>,
    archive: Arc<dyn Archive>,
    store: Arc<dyn Store>,
    at: Timestamp,
}

impl Gather {
    async fn complete(self) -> Result<Talk, String> {
        let unreadable = |what: &str, error: &crate::ports::StoreError| {
            format!("{what} can't be read now: {}", words(error))
        };
        let before = self
            .archive
            .messages(self.conversation.id, Some(self.question.number), BEFORE)
            .await
            .map_err(|error| unreadable("what was said before", &error))?;
        let incident = match (self.incident, self.conversation.incident) {
            (Some(known), _) => Some(Incident::clone(&known)),
            (None, Some(id)) => self
                .store
                .incident(id)
                .await
                .map_err(|error| unreadable("the incident", &error))?,
            (None, None) => None,
        };
        let task = match (self.task, self.conversation.task) {
            (Some(known), _) => Some(known),
            (None, Some(id)) => self
                .store
                .task(id)
                .await
                .map_err(|error| unreadable("the task", &error))?,
            (None, None) => None,
        };
        Ok(Talk {
            conversation: self.conversation,
            before,
            question: self.question,
            model: self.model,
            incident,
            task,
            at: self.at,
        })
    }
}

/// The specialists' way to the journal: through the loop, which alone writes.
struct LoopScribe {
    conversation: ConversationId,
    run: u64,
    stimuli: mpsc::Sender<Stimulus>,
    progress: Arc<ProgressBoard>,
}

#[async_trait]
impl Scribe for LoopScribe {
    async fn send(&self, draft: Draft) -> Result<Message, String> {
        let ended = || "the agent ends".to_owned();
        let (reply, answer) = oneshot::channel();
        self.stimuli
            .send(Stimulus::Said {
                conversation: self.conversation,
                run: self.run,
                draft: Box::new(draft),
                reply,
            })
            .await
            .map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    fn show(&self, working: Vec<Working>, writing: Option<Writing>) {
        self.progress
            .show(self.conversation, self.run, working, writing);
    }
}
