//! Connections to the database, the same for SQLite and PostgreSQL, and the clock that its users share.
//!
//! SQLite allows one writer: writes go through a pool of one connection, so that writers of this process queue instead
//! of polling for the lock, and reads have their own connections. PostgreSQL has one pool for both.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::sqlx::{self, ConnectOptions, Connection, Executor};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use crate::config::Config;
use crate::error::CatalogError;

/// How long a call waits for a connection. Longer than a restart of PostgreSQL, shorter than a client's patience.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the first connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a writer waits for another process to let go of the SQLite file.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that was idle for longer is tried before it is used; one that was just used costs no round trip.
const PING_AFTER_IDLE: Duration = Duration::from_secs(1);

/// Rows that are given to a statement are looked up one by one, by an index. PostgreSQL keeps the plan of a statement, and
/// one that joined whole tables, made while they were small, would go on to do so. Compiling our statements costs more than
/// running them.
const BY_INDEX: &str =
    "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET jit = off";

/// Pages of the file, 4 KiB each, that the log of a SQLite file may hold before they are taken over: a page that is
/// written again meanwhile is taken over once. SQLite's default of 1000 is reached several times a second.
const SQLITE_CHECKPOINT_PAGES: &str = "4000";

/// What SQLite's writer may keep of the file in memory, in KiB (negative in SQLite's words). The default of 2 MiB does not
/// hold the indexes of a busy journal.
const SQLITE_WRITER_CACHE: &str = "-8192";

/// The pools, and what errors call them.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    read: DatabaseConnection,
    write: DatabaseConnection,
    place: Arc<str>,
    /// Microseconds by which the database's clock is ahead of ours.
    clock_ahead: Arc<AtomicI64>,
}

/// Things of which only one transaction at a time may do them.
#[derive(Clone, Copy, Debug)]
#[repr(i64)]
pub(crate) enum Exclusive {
    /// Changing the schema.
    Migration = 0x0072_656c_6169_7301,
    /// Numbering the event log.
    Positions = 0x0072_656c_6169_7302,
}

impl Exclusive {
    /// The SELECT that locks. SQLite needs none: its transactions are alone anyway.
    pub(crate) fn lock(self, backend: DbBackend) -> Option<String> {
        match backend {
            DbBackend::Postgres => Some(format!("SELECT pg_advisory_xact_lock({})", self as i64)),
            _ => None,
        }
    }
}

impl Database {
    pub(crate) async fn connect(config: &Config) -> Result<Self, CatalogError> {
        if config.connections_max == 0 {
            return Err(CatalogError::InvalidConfig {
                key: "connections_max",
                problem: "must be at least 1",
            });
        }
        let database = match config.url.split_once(':').map_or("", |(scheme, _)| scheme) {
            "sqlite" => Self::open_file(config).await?,
            "postgres" | "postgresql" => Self::reach_server(config).await?,
            _ => {
                let problem = "must begin with sqlite:// or postgres://";
                return Err(CatalogError::InvalidConfig { key: "url", problem });
            }
        };
        database.set_clock().await.map_err(|error| database.explain(error))?;
        Ok(database)
    }

    async fn open_file(config: &Config) -> Result<Self, CatalogError> {
        let problem = "cannot be read: write sqlite:///folder/catalog.db?mode=rwc";
        let options: SqliteConnectOptions =
            config.url.parse().map_err(|_| CatalogError::InvalidConfig { key: "url", problem })?;
        if config.url.contains(":memory:") || config.url.contains("mode=memory") {
            let problem = "must name a file: what is kept in memory is lost with the process";
            return Err(CatalogError::InvalidConfig { key: "url", problem });
        }
        let place: Arc<str> = format!("database file {}", options.get_filename().display()).into();
        let failed = |error| CatalogError::new(Arc::clone(&place), connection_error(error));
        let options = options.busy_timeout(LOCK_TIMEOUT);
        // Acknowledged means on disk: FULL syncs the log at each commit. Group commit makes up for its cost.
        let writer = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", SQLITE_CHECKPOINT_PAGES)
            .pragma("cache_size", SQLITE_WRITER_CACHE);
        let pool = SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).test_before_acquire(false);
        let write = pool.clone().max_connections(1).connect_with(writer).await.map_err(failed)?;
        let reader = options.pragma("query_only", "ON");
        let read = pool.max_connections(config.connections_max).connect_with(reader).await.map_err(failed)?;
        Ok(Self {
            read: read.into(),
            write: write.into(),
            place: Arc::clone(&place),
            clock_ahead: Arc::default(),
        })
    }

    async fn reach_server(config: &Config) -> Result<Self, CatalogError> {
        let problem = "cannot be read: write postgres://user:password@host:5432/database, \
                       with special characters of the password percent-encoded";
        let options: PgConnectOptions =
            config.url.parse().map_err(|_| CatalogError::InvalidConfig { key: "url", problem })?;
        let options = options.application_name("relais");
        let place = describe_server(&options);
        let failed = |error| CatalogError::new(Arc::clone(&place), connection_error(error));
        // The pool would wait and then only say that it waited; one plain connection says what is wrong.
        let first = tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await;
        let first =
            first.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into())).map_err(failed)?;
        first.close().await.map_err(failed)?;
        let pool = PgPoolOptions::new()
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .max_connections(config.connections_max)
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(BY_INDEX).await.map(drop) })
            })
            .before_acquire(|connection, usage| {
                Box::pin(async move {
                    if usage.idle_for >= PING_AFTER_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await
            .map_err(failed)?;
        let pool = DatabaseConnection::from(pool);
        Ok(Self { read: pool.clone(), write: pool, place: Arc::clone(&place), clock_ahead: Arc::default() })
    }

    /// For statements that change nothing.
    pub(crate) fn read(&self) -> &DatabaseConnection {
        &self.read
    }

    /// For single statements that change something.
    pub(crate) fn write(&self) -> &DatabaseConnection {
        &self.write
    }

    /// A transaction that writes. It takes SQLite's lock now, since one that reads first could not get it later.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
        self.write
            .begin_with_options(TransactionOptions { sqlite_transaction_mode, ..Default::default() })
            .await
    }

    /// Keeps other instances from doing the same until the transaction ends.
    pub(crate) async fn exclude(
        &self,
        transaction: &DatabaseTransaction,
        what: Exclusive,
    ) -> Result<(), DbErr> {
        if let Some(sql) = what.lock(self.write.get_database_backend()) {
            transaction.execute_unprepared(&sql).await?;
        }
        Ok(())
    }

    pub(crate) fn explain(&self, error: DbErr) -> CatalogError {
        CatalogError::new(Arc::clone(&self.place), error)
    }

    /// Microseconds since 1970 by the database's clock: leases of several instances must not depend on theirs.
    pub(crate) fn now(&self) -> i64 {
        Utc::now().timestamp_micros() + self.clock_ahead.load(Ordering::Relaxed)
    }

    /// Compares our clock with the server's. A SQLite file has only ours.
    pub(crate) async fn set_clock(&self) -> Result<(), DbErr> {
        if self.read.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        let asked = Utc::now().timestamp_micros();
        let sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS micros";
        let row = self.read.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
        let theirs: i64 =
            row.ok_or_else(|| DbErr::RecordNotFound("time".to_owned()))?.try_get("", "micros")?;
        let ours = i64::midpoint(asked, Utc::now().timestamp_micros());
        self.clock_ahead.store(theirs - ours, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) async fn close(&self) -> Result<(), DbErr> {
        self.read.close_by_ref().await?;
        self.write.close_by_ref().await
    }
}

/// A duration in the unit of [`Database::now`].
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 2)
}

/// A value of [`Database::now`] as a date.
pub(crate) fn date(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// Whether a text can be in a table at all: PostgreSQL has none with a zero byte, and refuses to look for one.
pub(crate) fn can_be_stored(text: &str) -> bool {
    !text.contains('\0')
}

fn connection_error(error: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error)))
}

fn describe_server(options: &PgConnectOptions) -> Arc<str> {
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    format!("database {database:?} at {host} (user {user:?})").into()
}

#[cfg(test)]
mod tests;
