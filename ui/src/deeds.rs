//! What a person asks of the agent: answers, heals, the autonomy, signing in and out.
//!
//! What flows through: an order of a widget in, the agent's reply and a notice out. What it never does: count something as done that the
//! agent has not confirmed; the event stream tells what became of it.

use leptos::prelude::*;
use steward_api::{
    AcceptPort, AcceptPortRequest, ActionName, ApproveRequest, ApproveTask, AskForAction,
    AskRequest, Autonomy, AutonomyRequest, ChooseDiagnosis, ChooseRequest, ConversationId,
    DiagnoseIncident, DiagnoseRequest, GetTask, HealContainer, HealReply, IncidentId, Nothing,
    RejectRequest, RejectTask, ResourceId, RetryAnswer, Said, Say, SayRequest, ScanPart,
    ScanRequest, ScanSecurity, SetAutonomy, StopAnswer, Task, TaskId, TriedModel, TryModel,
    TryModelRequest,
};

use crate::{
    app::App,
    bridge,
    failure::Failure,
    marks::Tone,
    session::{Presence, SignIn},
    sync,
};

/// A person's answer to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
}

/// Answers a task: for the very plan that was shown, by its hash.
///
/// # Errors
/// Where the agent refused, or its answer did not arrive; the task is then read again.
pub(crate) async fn answer(
    app: App,
    task: &Task,
    answer: Answer,
    note: String,
) -> Result<(), Failure> {
    let id = task.id.to_string();
    let by = app
        .store
        .presence
        .with_untracked(|presence| presence.session().map(|session| session.identity.clone()))
        .unwrap_or_default();
    let plan_hash = Some(task.plan_hash.clone());
    let reply = match answer {
        Answer::Yes => {
            let body = ApproveRequest {
                approved_by: by,
                notes: note,
                plan_hash,
            };
            app.call::<ApproveTask>(Some(&id), &body).await
        }
        Answer::No => {
            let body = RejectRequest {
                rejected_by: by,
                reason: note,
                plan_hash,
            };
            app.call::<RejectTask>(Some(&id), &body).await
        }
    };
    match reply {
        Ok(_) => {
            let word = match answer {
                Answer::Yes => "Approved",
                Answer::No => "Rejected",
            };
            app.say(Tone::Good, format!("{word}: {}", task.description));
            let _ = read_task(app, task.id).await;
            Ok(())
        }
        Err(failure) => {
            // It may have been answered elsewhere, or the reply may have been lost on the way: what counts is what the agent says now.
            let _ = read_task(app, task.id).await;
            Err(failure)
        }
    }
}

/// Reads one task into the world.
///
/// # Errors
/// Why it could not be read.
pub(crate) async fn read_task(app: App, id: TaskId) -> Result<(), Failure> {
    let task = app
        .call::<GetTask>(Some(&id.to_string()), &Nothing {})
        .await?;
    app.store.change(|world| world.merge_task(task));
    Ok(())
}

/// Asks for a container to be healed now.
///
/// # Errors
/// Where the agent refused.
pub(crate) async fn heal(app: App, container: &str) -> Result<HealReply, Failure> {
    let reply = app
        .call::<HealContainer>(Some(container), &Nothing {})
        .await?;
    let _ = read_task(app, reply.task).await;
    app.say(Tone::Good, reply.message.clone());
    Ok(reply)
}

/// Asks for an action on a resource.
///
/// # Errors
/// Where the agent refused.
pub(crate) async fn ask_for(
    app: App,
    id: ResourceId,
    action: ActionName,
) -> Result<HealReply, Failure> {
    let wish = AskRequest {
        id,
        action,
        reason: String::new(),
    };
    let reply = app.call::<AskForAction>(None, &wish).await?;
    let _ = read_task(app, reply.task).await;
    app.say(Tone::Good, reply.message.clone());
    Ok(reply)
}

/// Has a model look at an incident; what it says comes through the event stream.
///
/// # Errors
/// Where there is no model, or the agent refused.
pub(crate) async fn diagnose(app: App, id: IncidentId) -> Result<(), Failure> {
    let asked = DiagnoseRequest::default();
    app.call::<DiagnoseIncident>(Some(&id.to_string()), &asked)
        .await?;
    Ok(())
}

/// Puts one of an incident's diagnoses in force.
///
/// # Errors
/// Where the agent refused.
pub(crate) async fn choose(
    app: App,
    id: IncidentId,
    choice: ChooseRequest,
    name: String,
) -> Result<(), Failure> {
    let incident = app
        .call::<ChooseDiagnosis>(Some(&id.to_string()), &choice)
        .await?;
    app.store.change(|world| world.merge_incident(incident));
    app.say(
        Tone::Good,
        format!("The diagnosis of {name} is in force now."),
    );
    Ok(())
}

/// Says something to a specialist; the answer comes through the event stream.
///
/// # Errors
/// Where there is no model, or the agent refused.
pub(crate) async fn say(app: App, words: SayRequest) -> Result<Said, Failure> {
    app.call::<Say>(None, &words).await
}

/// Stops the answer that is under way in a conversation.
///
/// # Errors
/// Where there is none, or the agent refused.
pub(crate) async fn stop_answer(app: App, id: ConversationId) -> Result<(), Failure> {
    app.call::<StopAnswer>(Some(&id.to_string()), &Nothing {})
        .await
        .map(|_| ())
}

/// Has the last question of a conversation answered once more.
///
/// # Errors
/// Where there is no model, or the agent refused.
pub(crate) async fn answer_again(app: App, id: ConversationId) -> Result<(), Failure> {
    app.call::<RetryAnswer>(Some(&id.to_string()), &Nothing {})
        .await
        .map(|_| ())
}

/// Asks a model for a word, to see whether it answers, and how.
///
/// # Errors
/// Where there is no such model, or the agent refused.
pub(crate) async fn try_model(app: App, model: String) -> Result<TriedModel, Failure> {
    app.call::<TryModel>(None, &TryModelRequest { model }).await
}

/// Has parts of the security scan read now; the event stream tells when they were.
///
/// # Errors
/// Where they are not scanned here, or the agent refused.
pub(crate) async fn scan_security(app: App, parts: Vec<ScanPart>) -> Result<(), Failure> {
    app.call::<ScanSecurity>(None, &ScanRequest { parts })
        .await
        .map(|_| ())
}

/// Says that a port is meant to be open.
///
/// # Errors
/// Where it is not open any more, or expected already, or the agent refused.
pub(crate) async fn accept_port(app: App, port: ResourceId) -> Result<(), Failure> {
    let words = format!("Port {} is expected from now on.", port.short());
    app.call::<AcceptPort>(None, &AcceptPortRequest { port })
        .await?;
    app.say(Tone::Good, words);
    Ok(())
}

/// Puts a level of autonomy in force.
///
/// # Errors
/// Where the agent refused.
pub(crate) async fn set_autonomy(app: App, autonomy: Autonomy) -> Result<(), Failure> {
    let reply = app
        .call::<SetAutonomy>(None, &AutonomyRequest { autonomy })
        .await?;
    app.store.change(|world| {
        world.set_autonomy(reply.autonomy);
        crate::world::Touched {
            status: true,
            ..crate::world::Touched::default()
        }
    });
    app.say(Tone::Good, format!("Autonomy is {} now.", reply.autonomy));
    Ok(())
}

/// Signs in; the rest follows by itself.
///
/// # Errors
/// Where the token is not known, or nobody answered.
pub(crate) async fn sign_in(app: App, token: &str) -> Result<(), Failure> {
    let session = bridge::sign_in(SignIn::Token(token)).await?;
    app.store.presence.set(Presence::In(session));
    sync::connect(app);
    Ok(())
}

/// Signs out, here in any case.
pub(crate) async fn sign_out(app: App) {
    let why = match bridge::sign_out().await {
        Ok(()) | Err(Failure::SignedOut) => "You are signed out.",
        Err(_) => {
            "The agent could not be told: the session ends there by itself. Close the browser to be sure."
        }
    };
    sync::signed_out(app, Some(why));
}
