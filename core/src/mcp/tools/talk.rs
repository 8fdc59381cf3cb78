//! Talking with the house: a request in words, and what was said.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use steward_api::{
    Conversation, ConversationDetail, ConversationId, ConversationQuery,
    GetConversation as OneConversation, GetProgress, GetTask, IncidentId,
    ListConversations as Conversations, LookedAt, Message, MessageKind, Nothing, ProgressQuery,
    Proposal, Role, Said, Say, SayRequest, TaskId,
};
use tokio::time::{sleep, timeout};
use utoipa::ToSchema;

use super::{Effect, Tool, page_size};
use crate::mcp::{
    bounds,
    contract::{Contract, Fault},
};

/// How long an answer is waited for; programs give up on a tool after two minutes or so.
const WAITS: Duration = Duration::from_secs(100);
/// Between two looks at an answer that has not changed: an agent that ends answers at once.
const PAUSE: Duration = Duration::from_millis(200);
/// Messages of a conversation that are shown.
const MOST_MESSAGES: usize = 30;
const FOREIGN: &str =
    "answers, which a language model wrote, and names and quotations of logs in them";

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnyInput {
    /// The request in words, such as "Why is my database slow?" or "See that nginx works again"; 1 to 4,000 characters.
    request: String,
    /// The number of a conversation to go on with; absent begins a new one.
    #[serde(default)]
    conversation: Option<i64>,
    /// Which specialist to ask, by name; absent: Jarvis Prime, who has the others look.
    #[serde(default)]
    to: Option<String>,
}

/// Any request in words.
pub(super) struct ProcessAnyTask;

impl Tool for ProcessAnyTask {
    type Input = AnyInput;
    const NAME: &'static str = "process_any_task";
    const TITLE: &'static str = "Ask Steward's specialists anything about the house";
    const DESCRIPTION: &'static str = "Puts a request in words to Steward's specialists, who look at the house by themselves (resources, logs, metrics, incidents, databases, \
         names, certificates, processes, ports) and answer: for questions that no other tool answers at once, or where it isn't clear what \
         to look at. Gives the answer, in short what was looked at for it, and what is proposed: each proposal is a task with its number and \
         plan hash, which waits for a person's yes (approve_task) whatever the autonomy is. Nothing is done by asking. Takes up to two \
         minutes; where `finished` is false the answer is still under way, and get_conversation has it later. `unchecked` are names in the \
         answer of things that don't exist here. Needs a language model that is configured in Steward.";
    const ROLE: Role = Role::Operator;
    const EFFECT: Effect = Effect::Talks;
    const FOREIGN: Option<&'static str> = Some(FOREIGN);

    async fn call(contract: Contract, input: AnyInput) -> Result<Value, Fault> {
        let said = contract
            .call::<Say>(&SayRequest {
                text: input.request,
                conversation: input.conversation.map(ConversationId),
                to: input.to,
                ..SayRequest::default()
            })
            .await?;
        let finished = match timeout(WAITS, end(&contract, said.conversation)).await {
            Ok(ended) => {
                ended?;
                true
            }
            Err(_) => false,
        };
        let detail = one(&contract, said.conversation).await?;
        Ok(outcome(&contract, &detail, said, finished).await)
    }
}

/// Waits until no answer is under way.
async fn end(contract: &Contract, id: ConversationId) -> Result<(), Fault> {
    let mut seen = None;
    loop {
        let query = ProgressQuery { seen };
        let progress = contract
            .call_at::<GetProgress>(&id.to_string(), &query)
            .await?;
        if !progress.busy {
            return Ok(());
        }
        if seen == Some(progress.version) {
            sleep(PAUSE).await;
        }
        seen = Some(progress.version);
    }
}

async fn one(contract: &Contract, id: ConversationId) -> Result<ConversationDetail, Fault> {
    contract
        .call_at::<OneConversation>(&id.to_string(), &Nothing {})
        .await
}

/// What came of a question.
async fn outcome(
    contract: &Contract,
    detail: &ConversationDetail,
    said: Said,
    finished: bool,
) -> Value {
    let since: Vec<&Message> = detail
        .messages
        .iter()
        .filter(|message| message.number > said.number)
        .collect();
    let last_word = detail.last_word(said.number);
    let mut proposals = Vec::new();
    for proposal in since.iter().flat_map(|message| &message.proposals) {
        proposals.push(proposed(contract, proposal).await);
    }
    let looked_at: Vec<_> = detail
        .looked_at_since(said.number)
        .into_iter()
        .map(|look| looked(look, false))
        .collect();
    let unchecked: Vec<_> = since
        .iter()
        .flat_map(|message| &message.unchecked)
        .collect();
    let id = said.conversation;
    let go_on = match (last_word, finished) {
        (Some(word), _) if word.kind == MessageKind::Answer => {
            format!("To ask more, call this again with conversation {id}")
        }
        (Some(_), _) => {
            format!("There is no answer, and `answer` says why; ask again with conversation {id}")
        }
        (None, false) => format!(
            "The answer is still under way: call get_conversation with id {id} in half a minute. Do not ask the same again meanwhile"
        ),
        (None, true) => format!(
            "There is no answer: the agent was started anew meanwhile. Ask again with conversation {id}"
        ),
    };
    json!({
        "conversation": id,
        "finished": last_word.is_some() || finished,
        "answered": last_word.is_some_and(|word| word.kind == MessageKind::Answer),
        "answer": last_word.map(|word| &word.text),
        "from": last_word.map(|word| &word.from),
        "model": last_word.and_then(|word| word.model.as_ref()),
        "looked_at": looked_at,
        "proposals": proposals,
        "unchecked": unchecked,
        "go_on": go_on,
    })
}

/// A proposal with the hash of its plan as it stands now. An answer is not lost because one of its tasks can't be read.
async fn proposed(contract: &Contract, proposal: &Proposal) -> Value {
    let mut value = json!(proposal);
    if let Some(id) = proposal.task {
        match contract
            .call_at::<GetTask>(&id.to_string(), &Nothing {})
            .await
        {
            Ok(task) => {
                value["plan"] = json!(task.description);
                value["plan_hash"] = json!(task.plan_hash);
                value["risk"] = json!(task.risk);
                value["status"] = json!(task.status);
            }
            Err(fault) => value["unreadable"] = json!(fault.to_string()),
        }
    }
    value
}

/// What was looked at; with what was seen where that is wanted.
fn looked(look: &LookedAt, in_full: bool) -> Value {
    let mut value = json!({
        "reference": look.reference,
        "what": look.what,
        "failed": look.failed,
    });
    if in_full {
        value["tool"] = json!(look.tool);
        value["text"] = json!(look.text);
        value["at"] = json!(look.at);
    }
    value
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListInput {
    /// Only those about this incident.
    #[serde(default)]
    incident: Option<i64>,
    /// Only those about this task, or of which it came.
    #[serde(default)]
    task: Option<i64>,
    /// The `next` of the page before, for the page after it.
    #[serde(default)]
    cursor: Option<i64>,
    /// How many at most; 20 by default, 100 at most.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// The list of conversations.
pub(super) struct ListConversations;

impl Tool for ListConversations {
    type Input = ListInput;
    const NAME: &'static str = "list_conversations";
    const TITLE: &'static str = "List conversations with specialists";
    const DESCRIPTION: &'static str = "Lists conversations of people with Steward's specialists, newest first, each in short: what was asked, by whom, about which incident or \
         task, and the tasks that came of it. Where `next` is given there are more: pass it as `cursor`. get_conversation shows what was said.";
    const FOREIGN: Option<&'static str> = Some("titles");

    async fn call(contract: Contract, input: ListInput) -> Result<Value, Fault> {
        let query = ConversationQuery {
            incident: input.incident.map(IncidentId),
            task: input.task.map(TaskId),
            before: input.cursor,
            limit: Some(page_size(input.limit, 20, 100)?),
        };
        let found = contract.call::<Conversations>(&query).await?;
        let number = |one: &Conversation| one.id.0;
        let (conversations, next) = bounds::page(found.items, found.next, number);
        Ok(json!({"conversations": conversations, "next": next}))
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OneInput {
    /// The conversation's number.
    id: i64,
    /// Whether to show what was seen in each look, not only at what; false by default.
    #[serde(default)]
    sources: bool,
}

/// One conversation.
pub(super) struct GetConversation;

impl Tool for GetConversation {
    type Input = OneInput;
    const NAME: &'static str = "get_conversation";
    const TITLE: &'static str = "Show what was said in a conversation";
    const DESCRIPTION: &'static str = "One conversation with its last messages: who said what to whom (questions, delegations, consultations, reports, answers, failures), what \
         was looked at for it, and what was proposed, each with its task. `busy` says whether an answer is under way now, and `working` who \
         works on what. get_task shows a proposal's exact plan and its hash.";
    const FOREIGN: Option<&'static str> = Some(FOREIGN);

    async fn call(contract: Contract, input: OneInput) -> Result<Value, Fault> {
        let detail = one(&contract, ConversationId(input.id)).await?;
        let left_out = detail.messages.len().saturating_sub(MOST_MESSAGES);
        let messages: Vec<_> = detail
            .messages
            .iter()
            .skip(left_out)
            .map(|message| {
                let looks: Vec<_> = message
                    .looked_at
                    .iter()
                    .map(|look| looked(look, input.sources))
                    .collect();
                json!({
                    "number": message.number,
                    "at": message.at,
                    "from": message.from,
                    "to": message.to,
                    "kind": message.kind,
                    "text": message.text,
                    "reply_to": message.reply_to,
                    "looked_at": looks,
                    "proposals": message.proposals,
                    "unchecked": message.unchecked,
                    "model": message.model,
                })
            })
            .collect();
        Ok(json!({
            "conversation": detail.conversation,
            "messages": messages,
            "earlier_messages": left_out,
            "busy": detail.progress.busy,
            "working": detail.progress.working,
        }))
    }
}
