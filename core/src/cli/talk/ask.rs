//! One question and its answer: streamed to a terminal as it is written, whole into a pipe.

use std::{collections::BTreeSet, io::IsTerminal as _, time::Duration};

use steward_api::{
    ConversationId, GetConversation, GetProgress, IncidentId, JARVIS_PRIME, MessageKind, Nothing,
    Progress, ProgressQuery, Said, Say, SayRequest, StopAnswer, TaskId,
};

use super::{AskArgs, render};
use crate::{
    cli::{
        Context,
        failure::{Exit, Failure},
        output::{Screen, Tone, clean},
    },
    client::{Client, ClientError},
};

/// Between two looks at an answer that has not changed: an agent that ends answers at once.
const PAUSE: Duration = Duration::from_millis(200);

pub(in crate::cli) async fn ask(context: &Context, args: &AskArgs) -> Result<Exit, Failure> {
    let client = context.connect()?;
    let screen = &context.screen;
    let request = SayRequest {
        text: args.text.join(" "),
        conversation: args.conversation.map(ConversationId),
        to: args.to.clone(),
        model: args.model.clone(),
        incident: args.about_incident.map(IncidentId),
        task: args.about_task.map(TaskId),
    };
    let said = client.call::<Say>(None, &request).await?;
    let mut typed = Typed::default();
    let waited = tokio::select! {
        waited = answered(&client, screen, said, &mut typed) => waited,
        _ = tokio::signal::ctrl_c() => return Err(stopped(&client, said).await),
    };
    waited.map_err(|error| unseen(error, said))?;
    let detail = client
        .call::<GetConversation>(Some(&said.conversation.to_string()), &Nothing {})
        .await
        .map_err(|error| unseen(error, said))?;
    let answer = detail.last_word(said.number);
    let exit = match answer.map(|message| message.kind) {
        Some(MessageKind::Answer) => Exit::Done,
        _ => Exit::Failed,
    };
    if screen.json {
        screen.print_json(&detail)?;
        return Ok(exit);
    }
    let screen = screen.later();
    match answer {
        Some(answer) => {
            screen.print(&typed.rest(&render::plain(&answer.text)))?;
            screen.print(&render::aftermath(&screen, &detail, said, args.sources))?;
        }
        None => screen.say(&format!(
            "There is no answer: the agent was started anew meanwhile. To ask once more: steward ask --conversation {} …",
            said.conversation
        )),
    }
    Ok(exit)
}

/// Waits for the end of the answer, showing meanwhile who works on what and what is written.
async fn answered(
    client: &Client,
    screen: &Screen,
    said: Said,
    typed: &mut Typed,
) -> Result<(), ClientError> {
    let is_seen = screen.width.is_some() && !screen.json;
    let is_told = std::io::stderr().is_terminal() && !screen.json;
    let mut told = BTreeSet::new();
    let mut seen = None;
    loop {
        let query = ProgressQuery { seen };
        let id = said.conversation.to_string();
        let progress = client.call::<GetProgress>(Some(&id), &query).await?;
        if is_told && typed.is_empty() {
            for line in news(&progress, &mut told) {
                screen.say(&screen.paint(Tone::Quiet, line));
            }
        }
        if is_seen && let Some(writing) = answer_so_far(&progress) {
            let more = typed.more(&render::plain(writing));
            // Nobody reading is told by the last write, which says so.
            let _ = screen.print(&more);
        }
        if !progress.busy {
            return Ok(());
        }
        if seen == Some(progress.version) {
            tokio::time::sleep(PAUSE).await;
        }
        seen = Some(progress.version);
    }
}

/// What is written to the person; what specialists write to each other is not.
fn answer_so_far(progress: &Progress) -> Option<&str> {
    let writing = progress.writing.as_ref()?;
    let speaks_alone = progress
        .working
        .iter()
        .all(|working| working.specialist == writing.from);
    (writing.from == JARVIS_PRIME || speaks_alone).then_some(writing.text.as_str())
}

/// Who has begun what since the last look.
pub(super) fn news(progress: &Progress, told: &mut BTreeSet<(String, String)>) -> Vec<String> {
    progress
        .working
        .iter()
        .filter(|working| told.insert((working.specialist.clone(), working.doing.clone())))
        .map(|working| {
            let model = working
                .model
                .as_ref()
                .map_or_else(String::new, |model| format!(" ({})", clean(model)));
            format!(
                "{} {}{model}",
                clean(&working.specialist),
                clean(&working.doing)
            )
        })
        .collect()
}

/// Has the agent stop the answer, and says so.
pub(super) async fn stopped(client: &Client, said: Said) -> Failure {
    let id = said.conversation.to_string();
    let text = match client.call::<StopAnswer>(Some(&id), &Nothing {}).await {
        Ok(_) => {
            format!("The answer was stopped. What there was of it: steward conversations {id}")
        }
        // It came to its end in the same moment.
        Err(ClientError::Problem(problem))
            if problem.code == steward_api::ErrorCode::NothingToDo =>
        {
            format!("The answer is there: steward conversations {id}")
        }
        Err(error) => format!(
            "No longer waiting. The answer could not be stopped ({error}); it goes on in conversation {id}"
        ),
    };
    Failure::new(Exit::Interrupted, "interrupted", text)
}

/// The agent can't be asked any more, but the answer may well come.
fn unseen(error: ClientError, said: Said) -> Failure {
    tracing::debug!(conversation = %said.conversation, "the answer was lost sight of");
    match error {
        ClientError::Unreachable { url, reason } => Failure::Client(ClientError::Unreachable {
            url,
            reason: format!(
                "{reason}; what becomes of the question: steward conversations {}",
                said.conversation
            ),
        }),
        other => Failure::Client(other),
    }
}

/// What is on the screen of an answer that is being written.
#[derive(Debug, Default)]
pub(super) struct Typed(String);

impl Typed {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is to be written so that the screen shows this much of it. A text that goes on otherwise than it began is written anew.
    pub(super) fn more(&mut self, text: &str) -> String {
        let out = match text.strip_prefix(self.0.as_str()) {
            Some(more) => more.to_owned(),
            None => format!("\n\n{text}"),
        };
        text.clone_into(&mut self.0);
        out
    }

    /// What is still to be written of the whole, up to the end of its last line.
    pub(super) fn rest(&mut self, whole: &str) -> String {
        // Blanks at the end are on the screen already and mean nothing.
        let typed = self.0.trim_end();
        let blanks = self.0.len() - typed.len();
        if whole.trim_end() == typed && !typed.is_empty() {
            let ended = self.0.ends_with('\n') && blanks > 0;
            return if ended {
                String::new()
            } else {
                "\n".to_owned()
            };
        }
        let mut out = self.more(whole.trim_end());
        out.push('\n');
        out
    }
}
