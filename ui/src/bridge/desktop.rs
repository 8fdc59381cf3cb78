//! What the desktop's shell can be asked about itself: whom it shows, its connections, how it starts.
//!
//! What flows through: orders of the screen of connections out, how the desktop stands in. In a browser nothing of it is called.

use serde::{Serialize, de::DeserializeOwned};
use steward_api::{DesktopState, NewConnection, TestedConnection, Trouble, TroubleKind};

use super::tauri;

async fn ask<T: DeserializeOwned>(name: &str, arguments: &impl Serialize) -> Result<T, Trouble> {
    tauri::command(name, arguments)
        .await
        .map_err(|error| match error {
            Ok(trouble) => trouble,
            Err(failure) => Trouble::new(TroubleKind::Storage, failure.title(), failure.advice()),
        })
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Connection<'a> {
    connection: &'a NewConnection,
}

/// How the desktop stands.
pub(crate) async fn state() -> Result<DesktopState, Trouble> {
    ask("desktop_state", &Nothing {}).await
}

/// Has this machine looked after from here.
pub(crate) async fn use_own() -> Result<(), Trouble> {
    ask("use_own_engine", &Nothing {}).await
}

/// Shows an agent; with a token where a new one was typed, which the keyring then keeps or not.
pub(crate) async fn use_agent(
    name: &str,
    token: Option<&str>,
    keep: bool,
) -> Result<TestedConnection, Trouble> {
    #[derive(Serialize)]
    struct Use<'a> {
        name: &'a str,
        token: Option<&'a str>,
        keep: bool,
    }
    ask("use_agent", &Use { name, token, keep }).await
}

/// Tries a connection without keeping it.
pub(crate) async fn test(connection: &NewConnection) -> Result<TestedConnection, Trouble> {
    ask("test_connection", &Connection { connection }).await
}

/// Tries a connection, keeps it, and shows it.
pub(crate) async fn add(connection: &NewConnection) -> Result<TestedConnection, Trouble> {
    ask("add_connection", &Connection { connection }).await
}

/// Removes a connection and its token.
pub(crate) async fn remove(name: &str) -> Result<(), Trouble> {
    ask("remove_connection", &Named { name }).await
}

/// Whether Steward starts when the person signs in to this computer.
pub(crate) async fn start_at_login(on: bool) -> Result<(), Trouble> {
    #[derive(Serialize)]
    struct On {
        on: bool,
    }
    ask("set_start_at_login", &On { on }).await
}

/// Quits.
pub(crate) async fn quit() {
    let _ = ask::<()>("quit", &Nothing {}).await;
}
