//! Answers as an engine would.

use std::sync::{Arc, Mutex};

use steward_api::{ConversationId, ErrorCode, LogTail, ProblemDetails, Said, TaskId};
use tokio::sync::mpsc;

use super::fixture;
use crate::engine::handle::Request;

/// Answers as an engine would: task 1 can be answered; every other number stands for one refusal.
pub(in crate::server) async fn engine(
    mut requests: mpsc::Receiver<Request>,
    asked: Arc<Mutex<Vec<String>>>,
) {
    let refusal = |task: TaskId| {
        let code = match task.0 {
            1 => return None,
            2 => ErrorCode::TaskNotWaiting,
            3 => ErrorCode::PlanChanged,
            4 => ErrorCode::PlanStale,
            5 => ErrorCode::ApprovalExpired,
            6 => ErrorCode::StoreUnavailable,
            _ => ErrorCode::TaskNotFound,
        };
        Some(ProblemDetails::new(code, "as the engine says"))
    };
    let note = |words: String| asked.lock().unwrap().push(words);
    while let Some(request) = requests.recv().await {
        match request {
            Request::Approve {
                task,
                body,
                caller,
                reply,
            } => {
                note(format!("approve {task} {body:?} {caller:?}"));
                let _ = reply.send(refusal(task).map_or_else(|| Ok(fixture::task(1, 5, 30)), Err));
            }
            Request::Reject {
                task,
                body,
                caller,
                reply,
            } => {
                note(format!("reject {task} {body:?} {caller:?}"));
                let _ = reply.send(refusal(task).map_or_else(|| Ok(fixture::task(1, 5, 30)), Err));
            }
            Request::Heal {
                container,
                caller,
                reply,
            } => {
                note(format!("heal {container} {caller:?}"));
                let code = match container.as_str() {
                    "db" => None,
                    "nginx" => Some(ErrorCode::NothingToDo),
                    "app" => Some(ErrorCode::Withheld),
                    "new" => Some(ErrorCode::EngineUnavailable),
                    _ => Some(ErrorCode::ContainerNotFound),
                };
                let answer = code.map_or_else(
                    || Ok(fixture::task(7, 5, 30)),
                    |code| Err(ProblemDetails::new(code, "as the engine says")),
                );
                let _ = reply.send(answer);
            }
            Request::Offers { resource, reply } => {
                let _ = reply.send(Ok(steward_api::Offers {
                    resource,
                    actions: Vec::new(),
                }));
            }
            Request::AskFor { request, reply, .. } => {
                note(format!("ask for {} on {}", request.action, request.id));
                let _ = reply.send(Ok(fixture::task(7, 5, 30)));
            }
            Request::SetAutonomy {
                level,
                caller,
                reply,
            } => {
                note(format!("autonomy {level} {caller:?}"));
                let _ = reply.send(Ok(level));
            }
            Request::RecordToken { change, reply, .. } => {
                note(format!("token {change:?}"));
                let _ = reply.send(Ok(()));
            }
            Request::Reconfigure { config, by, reply } => {
                let disk = config.thresholds.disk_percent;
                note(format!("reconfigure by {by}, disk {disk}"));
                let _ = reply.send(());
            }
            Request::LogTail { resource, reply } => {
                let lines = vec!["ready".to_owned(), "listening".to_owned()];
                let _ = reply.send(Ok(LogTail { resource, lines }));
            }
            Request::Diagnose { model, reply, .. } => {
                note(format!("diagnose {model:?}"));
                let _ = reply.send(Ok(()));
            }
            Request::ScanSecurity {
                parts,
                caller,
                reply,
            } => {
                note(format!("scan {parts:?} for {}", caller.identity));
                let _ = reply.send(Ok(parts));
            }
            Request::AcceptPort {
                port,
                caller,
                reply,
            } => {
                note(format!("accept {port} for {}", caller.identity));
                let _ = reply.send(Ok(()));
            }
            Request::Choose { choice, reply, .. } => {
                note(format!("choose {}", choice.source));
                let _ = reply.send(Ok(fixture::incident(1)));
            }
            Request::Say {
                request,
                caller,
                reply,
            } => {
                note(format!(
                    "say {:?} to {:?} {caller:?}",
                    request.text, request.to
                ));
                let _ = reply.send(Ok(Said {
                    conversation: request.conversation.unwrap_or(ConversationId(1)),
                    number: 1,
                }));
            }
            Request::StopAnswer {
                conversation,
                reply,
                ..
            } => {
                note(format!("stop {conversation}"));
                let _ = reply.send(Ok(()));
            }
            Request::RetryAnswer {
                conversation,
                reply,
                ..
            } => {
                note(format!("retry {conversation}"));
                let answer = if conversation.0 == 1 {
                    Ok(Said {
                        conversation,
                        number: 1,
                    })
                } else {
                    Err(ProblemDetails::new(
                        ErrorCode::NothingToDo,
                        "an answer is under way; stop it first",
                    ))
                };
                let _ = reply.send(answer);
            }
            Request::RecordSession(session) => note(format!(
                "session {} {} by {:?} from {}",
                session.identity, session.role, session.by, session.from
            )),
            Request::Refresh => {}
        }
    }
}
