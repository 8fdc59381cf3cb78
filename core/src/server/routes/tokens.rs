//! Tokens made and revoked by an administrator: written to the token file, then to the journal.
//!
//! What flows through: a name and a role in, a fresh token out, this once. What it never does: leave a new token good that stands in no record
//! without saying so; one that can't be recorded is taken back.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use steward_api::{
    Accepted, ErrorCode, MakeToken, NewToken, NewTokenRequest, Nothing, ProblemDetails, RevokeToken,
};

use crate::{
    engine::{Caller, TokenChange},
    server::{
        App,
        bind::{Answer, Call, Written, from_engine},
        error::Refusal,
        tokens::TokenError,
    },
};

impl Answer for MakeToken {
    async fn answer(call: Call, input: NewTokenRequest) -> Result<Written<NewToken>, Refusal> {
        let (app, caller) = (Arc::clone(&call.app), call.caller()?);
        Written::of(&whole(make(app, input, caller)).await?)
    }
}

impl Answer for RevokeToken {
    async fn answer(call: Call, _: Nothing) -> Result<Written<Accepted>, Refusal> {
        let (app, name, caller) = (Arc::clone(&call.app), call.part.clone(), call.caller()?);
        Written::of(&whole(revoke(app, name, caller)).await?)
    }
}

/// Carries it out in a task of its own: a caller that hangs up must not leave the file changed and the record without it.
async fn whole<T: Send + 'static>(
    change: impl Future<Output = Result<T, ProblemDetails>> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::spawn(change);
    let done = async {
        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "changing a token ended by a fault");
            Err(Refusal::internal().problem)
        })
    };
    from_engine(done).await
}

async fn make(
    app: Arc<App>,
    input: NewTokenRequest,
    caller: Caller,
) -> Result<NewToken, ProblemDetails> {
    let NewTokenRequest { name, role } = input;
    let by = caller.identity.clone();
    let secret = {
        let (name, by) = (name.clone(), by.clone());
        on_disk(&app, move |app| app.tokens.make(&by, &name, role)).await?
    };
    let made = TokenChange::Made {
        name: name.clone(),
        role,
    };
    if let Err(unrecorded) = app.handle.record_token(made, caller).await {
        let taken_back = {
            let name = name.clone();
            on_disk(&app, move |app| app.tokens.take_back(&name)).await
        };
        return Err(match taken_back {
            Ok(()) => unrecorded,
            Err(still_there) => {
                tracing::error!(
                    name,
                    reason = still_there.detail,
                    "a token is good that stands in no record: revoke it"
                );
                let detail = format!(
                    "{name} was made and could not be recorded ({}), nor taken back ({}): revoke it",
                    unrecorded.detail, still_there.detail
                );
                ProblemDetails {
                    detail,
                    ..unrecorded
                }
            }
        });
    }
    tracing::info!(name, %role, by, "made a token");
    Ok(NewToken {
        name,
        role,
        secret: secret.expose_secret().to_owned(),
    })
}

async fn revoke(app: Arc<App>, name: String, caller: Caller) -> Result<Accepted, ProblemDetails> {
    let by = caller.identity.clone();
    {
        let (name, by) = (name.clone(), by.clone());
        on_disk(&app, move |app| app.tokens.revoke(&by, &name)).await?;
    }
    tracing::info!(name, by, "revoked a token");
    let message = format!("{name} is revoked");
    // What was taken away stays away, recorded or not; but whoever asked learns that the record lacks it.
    app.handle
        .record_token(TokenChange::Revoked { name }, caller)
        .await
        .map_err(|problem| ProblemDetails {
            detail: format!(
                "{message}, but that could not be recorded: {}",
                problem.detail
            ),
            ..problem
        })?;
    Ok(Accepted {
        success: true,
        message,
    })
}

async fn on_disk<T: Send + 'static>(
    app: &Arc<App>,
    change: impl FnOnce(&App) -> Result<T, TokenError> + Send + 'static,
) -> Result<T, ProblemDetails> {
    let app = Arc::clone(app);
    match tokio::task::spawn_blocking(move || change(&app)).await {
        Ok(done) => done.map_err(|error| problem(&error)),
        Err(error) => {
            tracing::error!(%error, "changing the token file ended by a fault");
            Err(Refusal::internal().problem)
        }
    }
}

fn problem(error: &TokenError) -> ProblemDetails {
    let code = match error {
        TokenError::Name => ErrorCode::BadRequest,
        TokenError::NoAdmin => ErrorCode::Forbidden,
        TokenError::Unknown { .. } => ErrorCode::TokenNotFound,
        TokenError::Taken { .. }
        | TokenError::OfTheEnvironment
        | TokenError::LastAdmin { .. }
        | TokenError::InNoFile => ErrorCode::TokenConflict,
        TokenError::File { .. }
        | TokenError::Exposed { .. }
        | TokenError::Malformed { .. }
        | TokenError::EmptyEnvironment => {
            tracing::error!(error = words(error), "tokens can't be changed");
            ErrorCode::Internal
        }
    };
    ProblemDetails::new(code, words(error))
}

/// The error with what caused it; no token is in either.
fn words(error: &TokenError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
