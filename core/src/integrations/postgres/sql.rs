//! Asks a PostgreSQL server over one short connection with the credentials of a URL.
//!
//! What flows through: a URL in; latency, version and connections in use, or why not, out. What it never does: keep the connection, write
//! anything, or say the password.

use std::{
    io,
    str::FromStr,
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions, Connection, Row,
    postgres::{PgConnectOptions, PgConnection, PgRow},
};
use tokio::time::timeout;

use super::probe::Refusal;
use crate::redact::{MARK, redact};

/// Connections of clients other than this one, how many an ordinary user may have, and the version. Without the rights of
/// pg_read_all_stats the kind of others' backends is hidden; those that belong to a database are then counted.
const QUESTION: &str = "\
SELECT (SELECT count(*) FROM pg_stat_activity
        WHERE pid <> pg_backend_pid()
          AND (backend_type = 'client backend' OR (backend_type IS NULL AND datid IS NOT NULL)))::int8 AS used,
       (current_setting('max_connections')::int8
        - current_setting('superuser_reserved_connections')::int8
        - coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int8) AS allowed,
       current_setting('server_version') AS version";

/// A server as a URL names it.
#[derive(Clone)]
pub(super) struct Server {
    options: PgConnectOptions,
    password: Option<String>,
}

/// What a server told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    /// Time to the answer of `SELECT 1`.
    pub(super) latency: Duration,
    /// Version and connections, or why they could not be read.
    pub(super) state: Result<State, String>,
}

/// A server's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) version: String,
    pub(super) used: u64,
    pub(super) allowed: u64,
}

/// Why a server told nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody answered.
    Silent(String),
    /// The server answered with an error.
    Refused(Refusal),
    /// The URL wants TLS, and that can't be had, or not as the URL wants it.
    Tls(String),
    /// Something else went wrong on the way.
    Broken(String),
}

impl Server {
    /// Reads a URL.
    ///
    /// # Errors
    /// In words that do not hold the URL.
    pub(super) fn new(url: &SecretString) -> Result<Self, String> {
        let text = url.expose_secret();
        let wrong = "its URL can't be understood: it should read like postgres://user:password@host:5432/name";
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(wrong.to_owned());
        }
        // The parser's own error may quote the URL.
        let options = PgConnectOptions::from_str(text)
            .map_err(|_| wrong.to_owned())?
            .application_name("steward")
            .disable_statement_logging();
        let password = reqwest::Url::parse(text).ok().and_then(|url| {
            let password = url.password().filter(|password| !password.is_empty());
            password.map(str::to_owned)
        });
        Ok(Self { options, password })
    }

    /// Where it is, without credentials.
    pub(super) fn address(&self) -> String {
        let place = self.options.get_socket().map_or_else(
            || format!("{}:{}", self.options.get_host(), self.options.get_port()),
            |socket| socket.display().to_string(),
        );
        self.options
            .get_database()
            .map_or_else(|| place.clone(), |database| format!("{place}/{database}"))
    }

    /// Host and port, where it is reached by TCP.
    pub(super) fn host_and_port(&self) -> Option<(&str, u16)> {
        let tcp = self.options.get_socket().is_none() && !self.options.get_host().starts_with('/');
        tcp.then(|| (self.options.get_host(), self.options.get_port()))
    }

    /// Connects, asks and closes, for `limit` at most.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) async fn ask(&self, limit: Duration) -> Result<Told, Failure> {
        timeout(limit, self.talk()).await.unwrap_or_else(|_| {
            Err(Failure::Silent(format!(
                "no answer within {} s",
                limit.as_secs_f64()
            )))
        })
    }

    async fn talk(&self) -> Result<Told, Failure> {
        let failed = |error| self.failure(error);
        let mut connection = PgConnection::connect_with(&self.options)
            .await
            .map_err(failed)?;
        let began = Instant::now();
        // Plain queries, without a prepared statement: a pooler between may not keep one.
        sqlx::raw_sql("SELECT 1")
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        let latency = began.elapsed();
        let state = sqlx::raw_sql(QUESTION)
            .fetch_one(&mut connection)
            .await
            .and_then(|row| state(&row))
            .map_err(|error| match self.failure(error) {
                Failure::Silent(reason) | Failure::Broken(reason) | Failure::Tls(reason) => reason,
                Failure::Refused(refusal) => refusal.message,
            });
        // What was asked for is known; how the connection ends changes nothing.
        let _ = connection.close().await;
        Ok(Told { latency, state })
    }

    fn failure(&self, error: sqlx::Error) -> Failure {
        match error {
            sqlx::Error::Database(error) => Failure::Refused(Refusal {
                code: error.code().unwrap_or_default().into_owned(),
                message: self.clean(error.message()),
            }),
            // How a handshake that fails is told.
            sqlx::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                Failure::Tls(self.clean(&error.to_string()))
            }
            sqlx::Error::Io(error) => Failure::Silent(self.clean(&io_words(&error))),
            sqlx::Error::Tls(error) => Failure::Tls(self.clean(&error.to_string())),
            other => Failure::Broken(self.clean(&other.to_string())),
        }
    }

    /// A text without this server's password, in whatever form.
    fn clean(&self, text: &str) -> String {
        let text = match &self.password {
            Some(password) => text.replace(password.as_str(), MARK),
            None => text.to_owned(),
        };
        redact(&text)
    }
}

fn state(row: &PgRow) -> Result<State, sqlx::Error> {
    let count = |column| -> Result<u64, sqlx::Error> {
        let count: i64 = row.try_get(column)?;
        Ok(u64::try_from(count).unwrap_or(0))
    };
    let version: String = row.try_get("version")?;
    Ok(State {
        used: count("used")?,
        allowed: count("allowed")?,
        // "15.12 (Debian 15.12-0+deb12u2)"
        version: version
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned(),
    })
}

/// Why nobody answered, in words.
pub(super) fn io_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => "the connection was broken off".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "there is no way to it".to_owned()
        }
        io::ErrorKind::NotFound => "its socket is not there".to_owned(),
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_shown_without_credentials() {
        let server = |url: &str| Server::new(&SecretString::from(url));
        let named = server("postgres://me:hunter2@db.lan:5433/shop?sslmode=disable").unwrap();
        assert_eq!(named.address(), "db.lan:5433/shop");
        assert_eq!(named.host_and_port(), Some(("db.lan", 5433)));
        let clean = named.clean("FATAL: hunter2 is no good for postgres://me:hunter2@db");
        assert!(
            clean.contains("is no good for") && !clean.contains("hunter2"),
            "{clean}"
        );
        for wrong in [
            "",
            "db.lan",
            "mysql://me:hunter2@db/x",
            "postgres://me:hunter2@:x:/",
        ] {
            let error = server(wrong).err().unwrap();
            assert!(error.contains("can't be understood") && !error.contains("hunter2"));
        }
    }
}
