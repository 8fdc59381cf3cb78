//! Connections: what the database URL means, how a connection is set up, and what its errors mean to the rest of the house.
//!
//! There is one connection that writes, held here, and a few that only read, pooled. A connection on which a transaction did not come
//! to its end is thrown away, never used again: whatever state the database left it in dies with it, and the next call makes a new one.
//! What it never does: know a table, or show a password.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use sqlx::{
    Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor,
    any::{AnyConnectOptions, AnyPoolOptions},
    pool::PoolConnection,
    postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};
use tokio::sync::{Mutex, MutexGuard};

use crate::ports::StoreError;

/// How long one transaction, and the wait for its turn, may take before the database counts as not answering.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Connections for reading, at most.
const READERS: u32 = 3;
/// How long a connection for reading may lie idle: it holds memory, and a new one is made in a millisecond.
const READER_IDLE: Duration = Duration::from_secs(60);

/// What differs between the two databases; all other SQL is the same text for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// `sqlite` or `postgres`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    /// SQLite: takes the write lock at once, so that a transaction never fails half-way for want of it. PostgreSQL: each statement
    /// must see what was committed while it waited for the journal's lock, whatever the server's default is.
    const fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        }
    }

    /// All statements see the database at one moment.
    const fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    const fn set_up(self, writes: bool) -> &'static [&'static str] {
        match (self, writes) {
            // FULL: durable at the end of a transaction. Half a mebibyte of pages is enough; the kernel keeps the rest.
            (Self::Sqlite, true) => &[
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",
                "PRAGMA cache_size = -512",
                "PRAGMA journal_size_limit = 8388608",
            ],
            (Self::Sqlite, false) => &["PRAGMA cache_size = -512", "PRAGMA query_only = ON"],
            // A server that is set not to wait for its disk would lose what was said to be journaled.
            (Self::Postgres, _) => &[
                "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
                "SELECT set_config('application_name', 'steward', false)",
            ],
        }
    }
}

/// Where the database is, as the URL says it.
pub(super) struct Place {
    pub(super) dialect: Dialect,
    options: AnyConnectOptions,
    /// The SQLite file.
    file: Option<PathBuf>,
    /// For people and for telling one database from another; without password.
    pub(super) description: String,
}

impl Place {
    /// Reads a URL.
    ///
    /// # Errors
    /// Where it is none of ours, in words that never repeat the URL: it may hold a password.
    pub(super) fn parse(url: &str, data_dir: &Path) -> Result<Self, StoreError> {
        if url.starts_with("sqlite:") {
            Self::sqlite(url, data_dir)
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Self::postgres(url)
        } else {
            Err(StoreError::Open(
                "the database URL should begin with sqlite: or postgres://, such as sqlite:///var/lib/steward/steward.db or postgres://user:password@host/database"
                    .to_owned(),
            ))
        }
    }

    fn sqlite(url: &str, data_dir: &Path) -> Result<Self, StoreError> {
        let bad = |reason: &str| {
            StoreError::Open(format!(
                "the database URL can't be used: {reason}; it should read sqlite:///path/to/steward.db"
            ))
        };
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err(bad(
                "a database in memory would lose the journal at every end",
            ));
        }
        let (location, parameters) = url.split_once('?').unwrap_or((url, ""));
        if !matches!(parameters, "" | "mode=rw" | "mode=rwc") {
            return Err(bad("SQLite takes no other parameter than mode=rwc here"));
        }
        let options =
            SqliteConnectOptions::from_str(location).map_err(|error| bad(&error.to_string()))?;
        let file = options.get_filename().to_path_buf();
        if file.as_os_str().is_empty() {
            return Err(bad("it names no file"));
        }
        // A data directory that is moved as a whole is still the same database.
        let description = file
            .strip_prefix(data_dir)
            .unwrap_or(&file)
            .display()
            .to_string();
        Ok(Self {
            dialect: Dialect::Sqlite,
            options: any_options(&options)?,
            file: Some(file),
            description: format!("sqlite:{description}"),
        })
    }

    fn postgres(url: &str) -> Result<Self, StoreError> {
        // The parser would log a parameter that it does not know with its value, which may be a misspelt password.
        const KNOWN: [&str; 19] = [
            "sslmode",
            "ssl-mode",
            "sslrootcert",
            "ssl-root-cert",
            "ssl-ca",
            "sslcert",
            "ssl-cert",
            "sslkey",
            "ssl-key",
            "statement-cache-capacity",
            "host",
            "hostaddr",
            "port",
            "dbname",
            "user",
            "password",
            "application_name",
            "options",
            "passfile",
        ];
        let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
        for parameter in parameters.split('&').filter(|text| !text.is_empty()) {
            let name = parameter.split('=').next().unwrap_or_default();
            if !KNOWN.contains(&name) {
                return Err(StoreError::Open(format!(
                    "the database URL has a parameter that PostgreSQL connections don't have: `{name}`"
                )));
            }
        }
        // Neither error repeats the URL; what the parser says of a value is left out for the same reason.
        let bad = |_| {
            StoreError::Open(
                "the database URL can't be understood: it should read postgres://user:password@host:5432/database (special characters in the password percent-encoded)"
                    .to_owned(),
            )
        };
        let options = PgConnectOptions::from_str(url).map_err(bad)?;
        let description = format!(
            "postgres://{}@{}:{}/{}",
            options.get_username(),
            options.get_socket().map_or_else(
                || options.get_host().to_owned(),
                |path| path.display().to_string()
            ),
            options.get_port(),
            options.get_database().unwrap_or(options.get_username()),
        );
        Ok(Self {
            dialect: Dialect::Postgres,
            options: AnyConnectOptions::from_str(url)
                .map_err(bad)?
                .disable_statement_logging(),
            file: None,
            description,
        })
    }

    /// Makes the SQLite file, readable by its owner alone, where there is none yet. SQLite gives its side files the same rights.
    pub(super) fn create(&self) -> Result<(), StoreError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        if let Some(folder) = file.parent().filter(|path| !path.as_os_str().is_empty()) {
            create_folder(folder)?;
        }
        match fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)
        {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(StoreError::Open(format!(
                "can't make the database file {}: {error}",
                file.display()
            ))),
        }
    }

    pub(super) async fn connect(&self, writes: bool) -> Result<AnyConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        set_up(&mut connection, self.dialect, writes).await?;
        Ok(connection)
    }

    /// The pool of connections that only read; none is made before it is needed.
    pub(super) fn readers(&self) -> AnyPool {
        let dialect = self.dialect;
        AnyPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(PATIENCE)
            .idle_timeout(READER_IDLE)
            // A file does not go away; a server does.
            .test_before_acquire(dialect == Dialect::Postgres)
            .after_connect(move |connection, _| Box::pin(set_up(connection, dialect, false)))
            .connect_lazy_with(self.options.clone())
    }
}

/// Makes a folder and those above it, for their owner alone.
pub(super) fn create_folder(folder: &Path) -> Result<(), StoreError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| {
            StoreError::Open(format!(
                "can't make the folder {}: {error}",
                folder.display()
            ))
        })
}

fn any_options(options: &SqliteConnectOptions) -> Result<AnyConnectOptions, StoreError> {
    AnyConnectOptions::from_url(&options.to_url_lossy())
        .map(ConnectOptions::disable_statement_logging)
        .map_err(|error| StoreError::Open(format!("the database URL can't be used: {error}")))
}

async fn set_up(
    connection: &mut AnyConnection,
    dialect: Dialect,
    writes: bool,
) -> Result<(), sqlx::Error> {
    for statement in dialect.set_up(writes) {
        connection.execute(*statement).await?;
    }
    Ok(())
}

/// The one connection that writes.
pub(super) struct Writer {
    place: Place,
    idle: Mutex<Option<AnyConnection>>,
}

impl Writer {
    pub(super) fn new(place: Place, connection: AnyConnection) -> Self {
        Self {
            place,
            idle: Mutex::new(Some(connection)),
        }
    }

    /// Begins a transaction that writes, when it is its turn. Dropped before [`Write::commit`], nothing of it is kept.
    pub(super) async fn begin(&self) -> Result<Write<'_>, StoreError> {
        let mut idle = self.idle.lock().await;
        let begin = self.place.dialect.begin_write();
        if let Some(mut connection) = idle.take() {
            match sqlx::query(begin).execute(&mut connection).await {
                Ok(_) => return Ok(Write { idle, connection }),
                // It broke while it lay idle: nothing was asked of it yet, so a new one may be tried at once.
                Err(error) if self.place.dialect == Dialect::Postgres => {
                    tracing::debug!(%error, "connecting to the database again");
                }
                Err(error) => return Err(failed(error)),
            }
        }
        let mut connection = self.place.connect(true).await.map_err(failed)?;
        sqlx::query(begin)
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        Ok(Write { idle, connection })
    }
}

impl Writer {
    /// Closes the connection in good order, after what is being written.
    pub(super) async fn close(&self) {
        let connection = self.idle.lock().await.take();
        if let Some(connection) = connection
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "closing the database");
        }
    }
}

/// A transaction that writes. It owns the connection: dropping it drops the connection, and the database takes everything back.
pub(super) struct Write<'w> {
    idle: MutexGuard<'w, Option<AnyConnection>>,
    pub(super) connection: AnyConnection,
}

impl Write<'_> {
    /// Makes it durable.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("COMMIT")
            .execute(&mut self.connection)
            .await
            .map_err(failed)?;
        *self.idle = Some(self.connection);
        Ok(())
    }
}

/// A transaction that only reads and sees one moment. A connection on which it was not ended is thrown away.
pub(super) struct Snapshot {
    pub(super) connection: PoolConnection<Any>,
    ended: bool,
}

impl Snapshot {
    pub(super) async fn begin(readers: &AnyPool, dialect: Dialect) -> Result<Self, StoreError> {
        let mut snapshot = Self {
            connection: readers.acquire().await.map_err(failed)?,
            ended: false,
        };
        sqlx::query(dialect.begin_snapshot())
            .execute(&mut *snapshot.connection)
            .await
            .map_err(failed)?;
        Ok(snapshot)
    }

    pub(super) async fn end(mut self) -> Result<(), StoreError> {
        sqlx::query("COMMIT")
            .execute(&mut *self.connection)
            .await
            .map_err(failed)?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}

/// Runs it, but not for longer than [`PATIENCE`].
pub(super) async fn patiently<T>(
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| {
            Err(StoreError::Unavailable(
                format!("it did not answer within {} s", PATIENCE.as_secs()).into(),
            ))
        })
}

/// What an error of the database means to the rest of the house.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    let corrupt = match &error {
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::TypeNotFound { .. } => true,
        sqlx::Error::Database(database) => {
            // SQLite: 11 SQLITE_CORRUPT, 26 SQLITE_NOTADB, in the low byte of up to four digits. PostgreSQL: class XX00x, five places.
            let code = database.code().unwrap_or_default();
            matches!(code.as_ref(), "XX001" | "XX002")
                || (code.len() < 5
                    && code
                        .parse::<i32>()
                        .is_ok_and(|code| matches!(code & 0xff, 11 | 26)))
                || database.is_unique_violation()
                || database.is_check_violation()
        }
        _ => false,
    };
    if corrupt {
        StoreError::Corrupt(error.to_string())
    } else {
        StoreError::Unavailable(Box::new(error))
    }
}
