//! Conversations with specialists: reading them, saying something, stopping and having an answer once more.
//!
//! What flows through: words in, to the engine; conversations and their progress out. What it never does: ask a model itself, or let a
//! reader wait on once its token or session is over.

use std::time::Duration;

use steward_api::{
    Accepted, Conversation, ConversationDetail, ConversationId, ConversationQuery, ErrorCode,
    GetConversation, GetProgress, ListConversations, ListSpecialists, Nothing, Page, Progress,
    ProgressQuery, RetryAnswer, Said, Say, SayRequest, Specialist, StopAnswer,
};

use super::page_size;
use crate::server::{
    bind::{Answer, Call, Written, from_engine},
    error::Refusal,
    events::session_over,
};

/// How long a reader of progress waits for a change at most.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// Messages of a conversation that are shown.
const MOST_MESSAGES: u32 = 1000;

impl Answer for ListSpecialists {
    async fn answer(call: Call, _: Nothing) -> Result<Written<Vec<Specialist>>, Refusal> {
        Written::of(&call.app.handle.specialists())
    }
}

impl Answer for ListConversations {
    async fn answer(
        call: Call,
        mut query: ConversationQuery,
    ) -> Result<Written<Page<Conversation>>, Refusal> {
        query.limit = Some(page_size(query.limit)?);
        Written::of(&call.app.handle.archive().conversations(&query).await?)
    }
}

impl Answer for GetConversation {
    async fn answer(call: Call, _: Nothing) -> Result<Written<ConversationDetail>, Refusal> {
        let id = id(&call)?;
        // Before the messages: what comes in between is then in both, and not in neither.
        let progress = call.app.handle.progress(id);
        let conversation = known(&call, id).await?;
        let archive = call.app.handle.archive();
        let messages = archive.messages(id, None, MOST_MESSAGES).await?;
        Written::of(&ConversationDetail {
            progress: progress.unwrap_or_else(|| idle(&conversation)),
            conversation,
            messages,
        })
    }
}

impl Answer for Say {
    async fn answer(call: Call, input: SayRequest) -> Result<Written<Said>, Refusal> {
        let said = call.app.handle.say(input, call.caller()?);
        Written::of(&from_engine(said).await?)
    }
}

impl Answer for GetProgress {
    async fn answer(call: Call, query: ProgressQuery) -> Result<Written<Progress>, Refusal> {
        let id = id(&call)?;
        let handle = &call.app.handle;
        // Before the first look, so that no change falls in between.
        let mut changes = handle.progress_changes();
        let nothing_said = match handle.progress(id) {
            Some(_) => None,
            None => Some(idle(&known(&call, id).await?)),
        };
        let look = || handle.progress(id).or_else(|| nothing_said.clone());
        let gone = || not_found(id);
        let now = look().ok_or_else(gone)?;
        let Some(seen) = query.seen.filter(|seen| *seen == now.version) else {
            return Written::of(&now);
        };
        // Readers that wait are held open like event streams, and counted with them.
        let _room = call
            .app
            .streams
            .try_acquire()
            .map_err(|_| Refusal {
                retry_after: Some(5),
                ..Refusal::new(
                    ErrorCode::TooManyRequests,
                    "Too many readers wait for something to happen; ask without `seen`, or try again later",
                )
            })?;
        let changed = async {
            loop {
                changes.borrow_and_update();
                let progress = look();
                let is_news = progress
                    .as_ref()
                    .is_none_or(|progress| progress.version != seen);
                // Without an engine nothing changes any more.
                if is_news || changes.changed().await.is_err() {
                    return progress;
                }
            }
        };
        let over = || {
            Refusal::new(
                ErrorCode::Unauthorized,
                "Whoever waited here may not any more: the token was revoked, or the session has ended",
            )
        };
        let progress = tokio::select! {
            progress = changed => progress,
            () = tokio::time::sleep(LONGEST_WAIT) => look(),
            () = call.app.shutdown.cancelled() => look(),
            () = call.token().cancelled() => return Err(over()),
            () = session_over(call.app.clone(), call.session) => return Err(over()),
        };
        Written::of(&progress.ok_or_else(gone)?)
    }
}

impl Answer for StopAnswer {
    async fn answer(call: Call, _: Nothing) -> Result<Written<Accepted>, Refusal> {
        let id = id(&call)?;
        from_engine(call.app.handle.stop_answer(id, call.caller()?)).await?;
        Written::of(&Accepted {
            success: true,
            message: format!("The answer in conversation {id} was stopped"),
        })
    }
}

impl Answer for RetryAnswer {
    async fn answer(call: Call, _: Nothing) -> Result<Written<Said>, Refusal> {
        let id = id(&call)?;
        let said = call.app.handle.retry_answer(id, call.caller()?);
        Written::of(&from_engine(said).await?)
    }
}

fn id(call: &Call) -> Result<ConversationId, Refusal> {
    call.number("a conversation").map(ConversationId)
}

async fn known(call: &Call, id: ConversationId) -> Result<Conversation, Refusal> {
    let found = call.app.handle.archive().conversation(id).await?;
    found.ok_or_else(|| not_found(id))
}

fn not_found(id: ConversationId) -> Refusal {
    Refusal::new(
        ErrorCode::ConversationNotFound,
        format!("There is no conversation {id}; /api/conversations lists them"),
    )
}

/// The progress where nothing was said since the agent began.
fn idle(conversation: &Conversation) -> Progress {
    Progress {
        conversation: conversation.id,
        version: 0,
        busy: false,
        working: Vec::new(),
        writing: None,
        messages: conversation.messages,
    }
}
