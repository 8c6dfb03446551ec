//! The rows as sea-orm sees them, one file a table, and the types that are stored as JSON.
//!
//! Times are microseconds since 1970 in integers: both databases compare them alike. Only `users`, which others read,
//! has the database's own. Turning rows into the words of
//! relais is done by the modules that hand them out.
#![expect(unreachable_pub, reason = "the entity derive wants public items; the module itself is private")]

pub(crate) mod access_key;
pub(crate) mod bucket;
pub(crate) mod cursor;
pub(crate) mod instance;
pub(crate) mod job;
pub(crate) mod journal;
pub(crate) mod key_lock;
pub(crate) mod lease;
pub(crate) mod mark;
pub(crate) mod object;
pub(crate) mod pause;
pub(crate) mod revocation;
pub(crate) mod upload;
pub(crate) mod user;
pub(crate) mod version;

use std::collections::BTreeMap;

use relais_model::{Event, ReplicaState};
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};

use crate::objects::Progress;

/// An event as the journal keeps it.
#[derive(Clone, Debug, Deserialize, FromJsonQueryResult, PartialEq, Serialize)]
#[serde(transparent)]
pub struct StoredEvent(pub Event);

/// Replica, as text, to its state.
#[derive(Clone, Debug, Deserialize, Eq, FromJsonQueryResult, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Replicas(pub BTreeMap<String, ReplicaState>);

/// Replica, as text, to how its attempts went.
#[derive(Clone, Debug, Default, Deserialize, Eq, FromJsonQueryResult, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Progresses(pub BTreeMap<String, Progress>);

/// Text to text.
#[derive(Clone, Debug, Default, Deserialize, Eq, FromJsonQueryResult, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Texts(pub BTreeMap<String, String>);
