//! Tokens in the keyring of the system (the Secret Service: GNOME's keyring, KWallet, KeePassXC), and those that are for this run only.
//!
//! What flows through: a connection in, its token out. A token is kept under the connection's name *and* address, so that an address that
//! somebody changed in the file is never sent a token that was meant for another. What it never does: write a token to a file, or block
//! the program: a locked keyring waits for the person's password, so each call has a thread of its own and a limit.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use keyring_core::{Entry, Error, api::CredentialStoreApi as _};
use secrecy::{ExposeSecret as _, SecretString};
use steward_api::{SavedConnection, Trouble, TroubleKind};
use tokio::sync::Semaphore;
use zbus_secret_service_keyring_store::Store;

/// Under which name the keyring shows what is Steward's.
const SERVICE: &str = "Steward";
/// A person may have to type the keyring's password first.
const LIMIT: Duration = Duration::from_secs(60);

/// Where tokens are. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    /// For this run only.
    remembered: Arc<Mutex<HashMap<String, SecretString>>>,
    /// One call at a time: a second one would only wait for the same password.
    turn: Arc<Semaphore>,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        Self {
            remembered: Arc::default(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// The token of a connection.
    ///
    /// # Errors
    /// Where there is none, or the keyring does not give it; or not in time.
    pub(crate) async fn read(&self, connection: &SavedConnection) -> Result<SecretString, Trouble> {
        within_limit(self.read_patiently(connection)).await
    }

    /// The same for as long as the keyring waits for a person: nobody waits for it here.
    ///
    /// # Errors
    /// Where there is none, or the keyring does not give it.
    pub(crate) async fn read_patiently(
        &self,
        connection: &SavedConnection,
    ) -> Result<SecretString, Trouble> {
        let account = account(connection);
        let remembered = self.remembered(|known| known.get(&account).cloned());
        if let Some(token) = remembered {
            return Ok(token);
        }
        let found = self
            .call(account, |entry| match entry.get_password() {
                Ok(token) => Ok(Some(SecretString::from(token))),
                Err(Error::NoEntry) => Ok(None),
                Err(error) => Err(error),
            })
            .await?;
        found.ok_or_else(|| {
            Trouble::new(
                TroubleKind::TokenMissing,
                format!("There is no token for {}", connection.name),
                "The keyring holds none for this name and address. Enter it again.",
            )
        })
    }

    /// Keeps the token of a connection in the keyring.
    ///
    /// # Errors
    /// Where the keyring does not take it.
    pub(crate) async fn keep(
        &self,
        connection: &SavedConnection,
        token: SecretString,
    ) -> Result<(), Trouble> {
        let account = account(connection);
        self.remembered(|known| known.remove(&account));
        within_limit(self.call(account, move |entry| {
            entry.set_password(token.expose_secret())
        }))
        .await
    }

    /// Keeps it for this run only, in memory.
    pub(crate) fn remember(&self, connection: &SavedConnection, token: SecretString) {
        let account = account(connection);
        self.remembered(|known| known.insert(account, token));
    }

    /// Forgets it, wherever it is.
    ///
    /// # Errors
    /// Where the keyring can't be asked; it may still hold it.
    pub(crate) async fn forget(&self, connection: &SavedConnection) -> Result<(), Trouble> {
        let account = account(connection);
        self.remembered(|known| known.remove(&account));
        within_limit(self.call(account, |entry| match entry.delete_credential() {
            Err(Error::NoEntry) => Ok(()),
            result => result,
        }))
        .await
    }

    fn remembered<T>(&self, deed: impl FnOnce(&mut HashMap<String, SecretString>) -> T) -> T {
        deed(
            &mut self
                .remembered
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    async fn call<T: Send + 'static>(
        &self,
        account: String,
        deed: impl FnOnce(Entry) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Trouble> {
        let Ok(turn) = Arc::clone(&self.turn).try_acquire_owned() else {
            return Err(unusable(
                "The keyring waits to be unlocked",
                "Enter its password in the window that asks for it, then try again.",
            ));
        };
        let called = tokio::task::spawn_blocking(move || {
            // Held until the keyring has answered, even where nobody waits for it any more.
            let _turn = turn;
            // Looked up anew each time: a keyring that is started later is found then.
            let store = Store::new()?;
            deed(store.build(SERVICE, &account, None)?)
        });
        match called.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(in_words(&error)),
            Err(error) => Err(unusable(
                "The keyring could not be asked",
                &format!("The call broke off ({error})."),
            )),
        }
    }
}

/// For whoever waits for it.
async fn within_limit<T>(call: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    match tokio::time::timeout(LIMIT, call).await {
        Ok(answer) => answer,
        Err(_) => Err(unusable(
            "The keyring is locked",
            "It was not unlocked in time. Enter its password in the window that asks for it, then try again.",
        )),
    }
}

/// What there is to say while the keyring has not answered.
pub(crate) fn waits() -> Trouble {
    Trouble {
        kind: TroubleKind::KeyringWaits,
        ..unusable(
            "The keyring waits to be unlocked",
            "Enter its password in the window that asks for it; Steward goes on by itself then.",
        )
    }
}

fn account(connection: &SavedConnection) -> String {
    format!("{} at {}", connection.name, connection.url)
}

fn in_words(error: &Error) -> Trouble {
    match error {
        Error::NoStorageAccess(_) => unusable(
            "The keyring is locked",
            "It can't be unlocked without a window that asks for its password. Unlock it, then try again.",
        ),
        Error::Ambiguous(_) => unusable(
            "The keyring holds several tokens for this connection",
            "Remove them in the keyring's own program, then enter the token again.",
        ),
        // The text of an error can't hold a token: it is about the way to the keyring.
        other => unusable(
            "There is no keyring that can be used",
            &format!(
                "A Secret Service, such as GNOME's keyring or KWallet, should run in this session ({other})."
            ),
        ),
    }
}

fn unusable(title: &str, advice: &str) -> Trouble {
    Trouble::new(
        TroubleKind::Keyring,
        title,
        format!(
            "{advice} Or use the token for this run only: it is then kept in memory, and asked for again at the next start."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(url: &str) -> SavedConnection {
        SavedConnection {
            name: "atlas".to_owned(),
            url: url.to_owned(),
            ca_file: None,
        }
    }

    #[tokio::test]
    async fn a_token_for_this_run_needs_no_keyring_and_shows_nowhere() {
        let tokens = Tokens::new();
        let atlas = connection("https://atlas:9470");
        tokens.remember(&atlas, SecretString::from("stw_secret"));
        let read = tokens.read(&atlas).await.unwrap();
        assert_eq!(read.expose_secret(), "stw_secret");
        assert!(!format!("{tokens:?}").contains("stw_secret"));
    }

    #[test]
    fn a_changed_address_is_another_account() {
        assert_ne!(
            account(&connection("https://atlas:9470")),
            account(&connection("https://evil:9470"))
        );
    }

    #[test]
    fn every_failure_of_the_keyring_offers_this_run_only() {
        for error in [
            Error::NoStorageAccess("locked".into()),
            Error::PlatformFailure("no service".into()),
            Error::NoDefaultStore,
        ] {
            let trouble = in_words(&error);
            assert_eq!(trouble.kind, TroubleKind::Keyring);
            assert!(trouble.advice.contains("this run only"), "{trouble}");
        }
    }
}
