//! What a kind of derived object has to say of itself.

use std::fmt;

use relais_model::Event;
use serde::{Deserialize, Serialize};

/// A way to make derived objects from a stored one.
///
/// # Contract
/// - The methods decide by the event alone: no I/O, no clock. Asked twice, they answer the same.
/// - The work itself is a [`Work`], which the hidden command `worker KIND` hands to [`serve_worker`](crate::serve_worker).
///   It sees the [`Source`] and nothing else: no network, no environment, a bounded memory, no file to write.
/// - Work that runs twice on the same source gives outputs with the same suffixes, so that the second run overwrites
///   what the first has written.
/// - Neither errors nor anything printed holds content of the object: both are logged.
pub trait Sidecar: fmt::Debug + Send + Sync + 'static {
    /// The name of this kind: group on the bus, kind of the jobs, argument of the hidden command `worker`.
    fn kind(&self) -> &'static str;

    /// Names what is made and how; changes when the outputs would.
    fn recipe(&self) -> String;

    /// Whether this event gives work. Removals and derived objects are not asked about.
    fn wants(&self, event: &Event) -> bool;

    /// Largest source; a larger one is refused before it is read.
    fn source_bytes_max(&self) -> u64;

    /// What the worker is told beside the bytes: content type, extension of the key, settings.
    fn task(&self, event: &Event) -> serde_json::Value;
}

/// The work of a sidecar, done in the child process.
pub type Work = fn(&Source) -> Result<Vec<Output>, WorkError>;

/// What a worker is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// What [`Sidecar::task`] said when the job was made.
    pub task: serde_json::Value,
    /// The whole object.
    pub bytes: Vec<u8>,
}

/// One derived object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Output {
    /// What takes the place of the source key's extension, such as `_thumb.jpg`.
    pub suffix: String,
    /// Media type of the derived object.
    pub content_type: String,
    /// The derived object.
    pub bytes: Vec<u8>,
}

/// Why work gave nothing. The text is logged and kept with the job: it must not hold content of the object.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
pub enum WorkError {
    /// Nothing can be made of this source, however often one tries.
    #[error("{0}")]
    Unusable(String),
    /// Another attempt may succeed.
    #[error("{0}")]
    Temporary(String),
}
