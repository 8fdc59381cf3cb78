//! `ask`, `conversations` and `specialists`: talking with the house.
//!
//! What flows through: a question in; the answer as it is written, what was looked at for it and what it proposes out. What it never does:
//! ask a model itself, or let anything be done: what is proposed waits for a yes like every other task.

mod ask;
mod render;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use clap::Args;
use steward_api::{
    ConversationId, ConversationQuery, GetConversation, IncidentId, ListConversations,
    ListSpecialists, Nothing, TaskId,
};

use super::{
    Context,
    failure::{Exit, Failure},
};

pub(super) use ask::ask;

#[derive(Args, Debug)]
pub(crate) struct AskArgs {
    /// What you want to know, in your own words
    #[arg(required = true, num_args = 1.., value_name = "QUESTION")]
    pub(crate) text: Vec<String>,
    /// Which specialist to ask; by default Jarvis Prime, who has the others look
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Option<String>,
    /// Which model is to answer; by default the one that suits best
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Go on with this conversation
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["about_incident", "about_task"])]
    pub(crate) conversation: Option<i64>,
    /// Begin a conversation about this incident
    #[arg(long, value_name = "NUMBER")]
    pub(crate) about_incident: Option<i64>,
    /// Begin a conversation about this task
    #[arg(long, value_name = "NUMBER")]
    pub(crate) about_task: Option<i64>,
    /// Show in full what was looked at for the answer
    #[arg(long)]
    pub(crate) sources: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ConversationsArgs {
    /// Show this conversation, with all that was said
    pub(crate) conversation: Option<i64>,
    /// Only those about this incident
    #[arg(long, value_name = "NUMBER", conflicts_with = "conversation")]
    pub(crate) incident: Option<i64>,
    /// Only those about this task, or of which it came
    #[arg(long, value_name = "NUMBER", conflicts_with = "conversation")]
    pub(crate) task: Option<i64>,
    /// Show in full what was looked at
    #[arg(long)]
    pub(crate) sources: bool,
    /// How many at most
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    pub(crate) limit: u32,
}

pub(super) async fn conversations(
    context: &Context,
    args: &ConversationsArgs,
) -> Result<Exit, Failure> {
    let client = context.connect()?;
    let screen = &context.screen;
    if let Some(number) = args.conversation {
        let id = ConversationId(number).to_string();
        let detail = client
            .call::<GetConversation>(Some(&id), &Nothing {})
            .await?;
        if screen.json {
            screen.print_json(&detail)?;
        } else {
            screen.print(&render::conversation(screen, &detail, args.sources))?;
        }
        return Ok(Exit::Done);
    }
    let query = ConversationQuery {
        incident: args.incident.map(IncidentId),
        task: args.task.map(TaskId),
        before: None,
        limit: Some(args.limit),
    };
    let page = client.call::<ListConversations>(None, &query).await?;
    if screen.json {
        screen.print_json(&page)?;
    } else {
        screen.print(&render::conversations(screen, &page))?;
    }
    Ok(Exit::Done)
}

pub(super) async fn specialists(context: &Context) -> Result<Exit, Failure> {
    let known = context
        .connect()?
        .call::<ListSpecialists>(None, &Nothing {})
        .await?;
    let screen = &context.screen;
    if screen.json {
        screen.print_json(&known)?;
    } else {
        screen.print(&render::specialists(screen, &known))?;
    }
    Ok(Exit::Done)
}
