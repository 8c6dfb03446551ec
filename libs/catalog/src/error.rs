//! What can go wrong with the catalog, in words that name the fix.
//!
//! Drivers report by code; [`Fault`] is the one table from code to meaning. No message holds the password: the place is
//! described by the parsed address, never by the url.

use std::sync::Arc;

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, sqlx};

use crate::journal::IntentId;

/// Why the catalog could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// A setting that no database can have.
    #[error("{key} of the catalog {problem}")]
    InvalidConfig {
        /// The setting.
        key: &'static str,
        /// What is wrong with it and what it should be.
        problem: &'static str,
    },
    /// Nobody answers, or the connection broke.
    #[error("cannot reach {place}: start the server, or correct host and port in the database url")]
    Unreachable {
        /// Database, host and user.
        place: Arc<str>,
        /// What the driver said.
        source: DbErr,
    },
    /// The server does not let the user in.
    #[error("{place} refuses the user or the password: correct them in the database url")]
    AccessDenied {
        /// Database, host and user.
        place: Arc<str>,
        /// What the driver said.
        source: DbErr,
    },
    /// The server has no such database.
    #[error("{place} does not exist: create it with createdb, or correct its name in the database url")]
    DatabaseMissing {
        /// Database, host and user.
        place: Arc<str>,
        /// What the driver said.
        source: DbErr,
    },
    /// The file cannot be opened for reading and writing.
    #[error(
        "cannot open {place}: its folder must exist and be writable; `?mode=rwc` makes the file where there is none"
    )]
    FileUnusable {
        /// The file.
        place: Arc<str>,
        /// What the driver said.
        source: DbErr,
    },
    /// The schema is older than this program.
    #[error("{place} lacks a table or column: run `relais migrate`")]
    TableMissing {
        /// Database, host and user, or the file.
        place: Arc<str>,
        /// What the driver said.
        source: DbErr,
    },
    /// A table of this name is there, but not as relais needs it.
    #[error("{place} has a table that relais cannot use: alter it, or give relais a database of its own")]
    TableUnlike {
        /// Database, host and user, or the file.
        place: Arc<str>,
        /// What the table lacks.
        source: DbErr,
    },
    /// The schema is newer than this program.
    #[error("{place} was migrated by a newer relais: run that version, or restore a backup from before")]
    SchemaTooNew {
        /// Database, host and user, or the file.
        place: Arc<str>,
        /// What the driver said.
        source: DbErr,
    },
    /// Somebody else held a lock for too long.
    #[error("{place} is locked by another process: end it, or let several processes share PostgreSQL")]
    Locked {
        /// Database, host and user, or the file.
        place: Arc<str>,
        /// What the driver said.
        source: DbErr,
    },
    /// No connection became free in time.
    #[error(
        "no connection to {place} in time: is the server up and fast enough? otherwise raise connections_max"
    )]
    Busy {
        /// Database, host and user, or the file.
        place: Arc<str>,
        /// What the driver said.
        source: DbErr,
    },
    /// The disk is full.
    #[error("no space is left for {place}: free some")]
    DiskFull {
        /// Database, host and user, or the file.
        place: Arc<str>,
        /// What the driver said.
        source: DbErr,
    },
    /// Another instance did the same at the same time; a repetition can work.
    #[error("another instance got in the way in {place}: try again")]
    Collision {
        /// Database, host and user, or the file.
        place: Arc<str>,
        /// What the driver said.
        source: DbErr,
    },
    /// Everything else that a database can refuse.
    #[error("{place} refused a statement")]
    Refused {
        /// Database, host and user, or the file.
        place: Arc<str>,
        /// What the driver said.
        source: DbErr,
    },
    /// The journal has no such intent: it was abandoned, here or by an instance that took this one for dead.
    #[error("the journal has no intent {}: it was abandoned", .0.0)]
    UnknownIntent(IntentId),
    /// The catalog was closed while the call ran or before it.
    #[error("the catalog is closed")]
    Closed,
}

impl CatalogError {
    /// Says in words what the driver reports by code.
    pub(crate) fn new(place: Arc<str>, source: DbErr) -> Self {
        match Fault::of(&source) {
            Fault::Unreachable => Self::Unreachable { place, source },
            Fault::AccessDenied => Self::AccessDenied { place, source },
            Fault::DatabaseMissing => Self::DatabaseMissing { place, source },
            Fault::FileUnusable => Self::FileUnusable { place, source },
            Fault::TableMissing => Self::TableMissing { place, source },
            Fault::TableUnlike => Self::TableUnlike { place, source },
            Fault::SchemaTooNew => Self::SchemaTooNew { place, source },
            Fault::Locked => Self::Locked { place, source },
            Fault::Busy => Self::Busy { place, source },
            Fault::DiskFull => Self::DiskFull { place, source },
            Fault::Collision => Self::Collision { place, source },
            Fault::Statement => Self::Refused { place, source },
            Fault::Closed => Self::Closed,
        }
    }
}

/// What a driver's error means to us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    Unreachable,
    AccessDenied,
    DatabaseMissing,
    FileUnusable,
    TableMissing,
    TableUnlike,
    SchemaTooNew,
    Locked,
    Busy,
    DiskFull,
    Collision,
    Statement,
    Closed,
}

impl Fault {
    pub(crate) fn of(error: &DbErr) -> Self {
        match error {
            DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Self::Busy,
            DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => Self::Closed,
            // Ours, for a key that another instance created at the same moment.
            DbErr::RecordNotInserted => Self::Collision,
            // The migrator's, for an applied migration that this program does not have.
            DbErr::Custom(_) => Self::SchemaTooNew,
            // Our migrations', for a table of somebody else.
            DbErr::Migration(_) => Self::TableUnlike,
            DbErr::Conn(RuntimeErr::SqlxError(error))
            | DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => Self::of_driver(error),
            _ => Self::Statement,
        }
    }

    fn of_driver(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => Self::Unreachable,
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::Database(error) if error.try_downcast_ref::<SqliteError>().is_some() => {
                Self::of_sqlite(error.as_ref())
            }
            sqlx::Error::Database(error) => Self::of_postgres(&error.code().unwrap_or_default()),
            _ => Self::Statement,
        }
    }

    /// Source: "Result and Error Codes" of SQLite; the low byte is the primary code.
    fn of_sqlite(error: &dyn DatabaseError) -> Self {
        let code = error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or_default();
        let missing = ["no such table", "no such column", "has no column"];
        match code & 0xff {
            5 | 6 => Self::Locked,
            8 | 14 => Self::FileUnusable,
            13 => Self::DiskFull,
            1 if missing.iter().any(|words| error.message().contains(words)) => Self::TableMissing,
            _ => Self::Statement,
        }
    }

    /// Source: appendix A, "PostgreSQL Error Codes".
    fn of_postgres(sqlstate: &str) -> Self {
        match sqlstate {
            "28000" | "28P01" => Self::AccessDenied,
            "3D000" => Self::DatabaseMissing,
            "42P01" | "42703" => Self::TableMissing,
            "55P03" => Self::Locked,
            "53100" => Self::DiskFull,
            "53300" => Self::Busy,
            "40001" | "40P01" => Self::Collision,
            // Shut down by an operator, crashed, or starting.
            "57P01" | "57P02" | "57P03" => Self::Unreachable,
            _ if sqlstate.starts_with("08") => Self::Unreachable,
            _ => Self::Statement,
        }
    }

    /// Whether the same transaction may well succeed if it is run once more at once.
    pub(crate) fn may_pass(self) -> bool {
        matches!(self, Self::Collision | Self::Unreachable)
    }
}
