//! Conversations with specialists: reading them, saying something, stopping and having an answer once more.
//!
//! What flows through: words in, to the engine; conversations and their progress out. What it never does: ask a model itself.

use steward_api::{
    Accepted, Conversation, ConversationDetail, ConversationQuery, ErrorCode, GetConversation,
    GetProgress, ListConversations, ListSpecialists, Nothing, Page, Progress, ProgressQuery,
    RetryAnswer, Said, Say, SayRequest, Specialist, StopAnswer,
};

use crate::server::{
    bind::{Answer, Call, Written},
    error::Refusal,
};

fn not_yet() -> Refusal {
    Refusal::new(ErrorCode::NoModel, "There are no conversations yet")
}

impl Answer for ListSpecialists {
    async fn answer(call: Call, _: Nothing) -> Result<Written<Vec<Specialist>>, Refusal> {
        Written::of(&call.app.handle.advisor().specialists())
    }
}

impl Answer for ListConversations {
    async fn answer(_: Call, _: ConversationQuery) -> Result<Written<Page<Conversation>>, Refusal> {
        Err(not_yet())
    }
}

impl Answer for GetConversation {
    async fn answer(_: Call, _: Nothing) -> Result<Written<ConversationDetail>, Refusal> {
        Err(not_yet())
    }
}

impl Answer for Say {
    async fn answer(_: Call, _: SayRequest) -> Result<Written<Said>, Refusal> {
        Err(not_yet())
    }
}

impl Answer for GetProgress {
    async fn answer(_: Call, _: ProgressQuery) -> Result<Written<Progress>, Refusal> {
        Err(not_yet())
    }
}

impl Answer for StopAnswer {
    async fn answer(_: Call, _: Nothing) -> Result<Written<Accepted>, Refusal> {
        Err(not_yet())
    }
}

impl Answer for RetryAnswer {
    async fn answer(_: Call, _: Nothing) -> Result<Written<Said>, Refusal> {
        Err(not_yet())
    }
}
