//! What relais remembers: the journal of mutations, the objects and their versions, the buckets' settings, the uploads,
//! the jobs, the log of events, the users, the access keys and what was revoked.
//!
//! One database behind it, SQLite or PostgreSQL, and the only crate that speaks SQL. What a call of [`Journal`] answers
//! is on disk: intents and results of concurrent requests share one commit, so that this costs little. Several
//! instances may work on one catalog; leases in it tell who is alive, who publishes, who runs which job and who changes which key.
//!
//! The crate writes down and hands out; it moves no bytes, talks to no store and publishes nothing.
#![warn(missing_docs)]

mod access_keys;
mod adoption;
mod buckets;
mod catalog;
mod config;
mod database;
mod entities;
mod error;
mod event_log;
mod given;
mod instance;
mod jobs;
mod journal;
mod key_locks;
mod migrations;
mod objects;
mod overview;
mod revocations;
mod settling;
mod uploads;
mod users;
mod versions;

pub use access_keys::{AccessKeyRow, AccessKeys, NewAccessKey};
pub use adoption::{Adoption, FoundObject, Intake};
pub use buckets::{BucketRow, Buckets};
pub use catalog::Catalog;
pub use config::Config;
pub use error::CatalogError;
pub use event_log::{EventLog, Owed};
pub use instance::INSTANCE_LEASE;
pub use jobs::{Job, JobState, Jobs, NewJob};
pub use journal::{Announcement, Applied, Intent, IntentId, Journal};
pub use key_locks::{KeyLock, KeyLocks};
pub use objects::{
    Attempt, Claimed, ObjectRow, Objects, Outcome, Progress, Truth, Twin, UnsettledStore, Verdict,
};
pub use overview::{KeyState, Overview, Waiting};
pub use revocations::{Mark, Revocation, RevocationKind, Revocations};
pub use settling::Settling;
pub use uploads::{Upload, UploadRow, Uploads};
pub use users::{CreateUserError, NewUser, Spent, UserRow, Users};
pub use versions::{KeyOfOwner, VersionRow, Versions};
