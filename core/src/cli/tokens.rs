//! `token`: who may sign in: listed, made, revoked.
//!
//! What flows through: a name and a role in, a fresh token out, this once. What it never does: show a token that was made before.

use clap::Subcommand;
use steward_api::{GetConfig, MakeToken, NewTokenRequest, Nothing, RevokeToken, Role, TokenName};

use super::{
    Context,
    failure::{Exit, Failure},
    output::{Tone, clean},
};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// List whose tokens there are; never a token itself
    List,
    /// Make a token and print it, this once
    Make {
        /// By what name the record knows whoever uses it
        name: String,
        /// What it allows: viewer, operator, admin
        #[arg(long, value_parser = parse_role)]
        role: Role,
    },
    /// Revoke a token: it is nobody's from now on
    Revoke {
        /// Its name
        name: String,
    },
}

fn parse_role(text: &str) -> Result<Role, String> {
    [Role::Viewer, Role::Operator, Role::Admin]
        .into_iter()
        .find(|role| role.as_str() == text)
        .ok_or_else(|| "it should be one of viewer, operator, admin".to_owned())
}

pub(super) async fn token(context: &Context, command: &TokenCommand) -> Result<Exit, Failure> {
    match command {
        TokenCommand::List => list(context).await,
        TokenCommand::Make { name, role } => make(context, name, *role).await,
        TokenCommand::Revoke { name } => revoke(context, name).await,
    }
}

async fn list(context: &Context) -> Result<Exit, Failure> {
    let reply = context
        .connect()?
        .call::<GetConfig>(None, &Nothing {})
        .await?;
    let screen = &context.screen;
    if screen.json {
        screen.print_json(&reply.tokens)?;
        return Ok(Exit::Done);
    }
    let row = |token: &TokenName| {
        let from = if token.environment {
            "STEWARD_ADMIN_TOKEN".to_owned()
        } else {
            clean(&reply.token_file)
        };
        vec![
            (clean(&token.name), Tone::Strong),
            (token.role.to_string(), Tone::Plain),
            (from, Tone::Quiet),
        ]
    };
    let rows = reply.tokens.iter().map(row).collect();
    screen.print(&screen.table(&["NAME", "ROLE", "FROM"], rows))?;
    Ok(Exit::Done)
}

async fn make(context: &Context, name: &str, role: Role) -> Result<Exit, Failure> {
    let asked = NewTokenRequest {
        name: name.to_owned(),
        role,
    };
    let made = context.connect()?.call::<MakeToken>(None, &asked).await?;
    let screen = &context.screen;
    if screen.json {
        screen.print_json(&made)?;
        return Ok(Exit::Done);
    }
    screen.print(&format!("{}\n", made.secret))?;
    screen.say(&screen.paint(
        Tone::Quiet,
        format!(
            "The token of {}, role {}. It is shown this once; `steward token revoke '{}'` takes it back.",
            clean(&made.name),
            made.role,
            clean(&made.name)
        ),
    ));
    Ok(Exit::Done)
}

async fn revoke(context: &Context, name: &str) -> Result<Exit, Failure> {
    let done = context
        .connect()?
        .call::<RevokeToken>(Some(name), &Nothing {})
        .await?;
    let screen = &context.screen;
    if screen.json {
        screen.print_json(&done)?;
    } else {
        screen.print(&format!("{}\n", clean(&done.message)))?;
    }
    Ok(Exit::Done)
}
