//! The audit log: who asked for what, from where, and what was decided, as JSON lines in a file.
//!
//! Entries go through a bounded queue to one writer (`writer`), so that a request never waits for a disk longer than a moment:
//! then its entry is lost, counted, and the log says so. Off unless `audit.file` is set. What happened to an object is the
//! journal's to tell; this is about decisions. An entry never holds a secret, a token, a query or a signed URL.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::metrics::AUDIT_LOST;

mod entry;
mod writer;

pub(crate) use entry::{Decision, Entry, Via};
pub use writer::{AuditError, Writer};

/// Entries that wait for the writer: some seconds of a busy server, a few MiB.
const QUEUE_MAX: usize = 4096;

/// How long a request waits for a place in the queue before its entry is given up.
const QUEUE_PATIENCE: Duration = Duration::from_millis(250);

/// Where entries go: `audit.file`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A file, relative to the data folder; `-` is standard output, nothing is off.
    #[serde(default)]
    pub file: Option<PathBuf>,
}

/// Takes entries. Cheap to clone, and to use while it is off.
#[derive(Clone, Debug, Default)]
pub struct Audit(Option<Queue>);

#[derive(Clone, Debug)]
struct Queue {
    lines: mpsc::Sender<Vec<u8>>,
    lost: Arc<AtomicU64>,
}

impl Audit {
    /// Opens the log and starts its writer, which ends with [`Writer::close`].
    pub async fn open(config: &Config, data_dir: &Path) -> Result<(Self, Writer), AuditError> {
        let Some(file) = &config.file else { return Ok((Self::default(), Writer::idle())) };
        let (lines, queue) = mpsc::channel(QUEUE_MAX);
        let file = (file.as_os_str() != "-").then(|| data_dir.join(file));
        let writer = Writer::start(file, queue).await?;
        Ok((Self(Some(Queue { lines, lost: Arc::default() })), writer))
    }

    /// Whether anybody wants entries; what is costly to find out need not be, where not.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Puts an entry in the queue.
    pub(crate) async fn record(&self, entry: Entry<'_>) {
        let Some(queue) = &self.0 else { return };
        let line = entry.to_line();
        match tokio::time::timeout(QUEUE_PATIENCE, queue.lines.send(line)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => queue.lose(),
        }
    }
}

impl Queue {
    fn lose(&self) {
        metrics::counter!(AUDIT_LOST).increment(1);
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        if lost.is_power_of_two() {
            // Not once an entry: what is lost comes in thousands.
            tracing::error!(lost, "entries of the audit log are lost: its disk is too slow, or it is closed");
        }
    }
}

#[cfg(test)]
mod tests;
