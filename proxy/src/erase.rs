//! Erases everything that belongs to one user: current objects, older versions, delete markers, what was derived, multipart
//! uploads under way, on every replica.
//!
//! What is below the user's prefixes goes whoever wrote it (`below`); what the catalog knows as the user's goes wherever it is
//! (`owned`, `uploads`). Objects are deleted as a client would, with journal, events and replicas; what a replica has beyond the
//! primary is removed there (`key`). The whole is repeated until a round finds nothing, since the user may be writing meanwhile.
//!
//! The account stays, and so do rows that tell of a deletion: tombstones of keys, and events until they are pruned.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use relais_catalog::{CatalogError, INSTANCE_LEASE};
use relais_model::BucketName;
use tokio::sync::Mutex;

use crate::gateway::Gateway;

mod belongings;
mod below;
mod entries;
mod key;
mod owned;
mod report;
mod uploads;

pub use belongings::{Belongings, InvalidUser};
pub(crate) use entries::{is_encoded, plain};
pub(crate) use key::reason;
pub use report::{Counts, Left, OfPrefix, Progress, Report};

use key::Target;
use report::Tally;

/// Rounds after which erasing ends even if something is still found: somebody is writing all the time.
const ROUNDS_MAX: u32 = 10;

/// Keys worked on at once, as in a bulk deletion.
const KEYS_AT_ONCE: usize = 16;

/// Rows read from the catalog at a time.
const ROWS: u64 = 500;

/// Who deletes, in events.
const PRINCIPAL: &str = "erase";

/// Whether anything is deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Delete it.
    Erase,
    /// Only count what there is.
    Count,
}

/// Why erasing ended early. What a store refuses is no such reason; it is in the report.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The database.
    #[error("cannot find what belongs to the user")]
    Catalog(#[from] CatalogError),
    /// This process ends.
    #[error("relais is stopping; ask again for the rest to be erased")]
    Stopping,
}

/// One run.
struct Erasure<'a> {
    gateway: &'a Gateway,
    belongings: &'a Belongings,
    mode: Mode,
    tally: Tally<'a>,
    targets: Mutex<BTreeMap<BucketName, Arc<Target>>>,
}

impl Gateway {
    /// Erases what belongs to a user, or counts it, and says what became of it.
    pub async fn erase(
        &self,
        belongings: &Belongings,
        mode: Mode,
        progress: impl Fn(&Progress) + Send + Sync,
    ) -> Result<Report, EraseError> {
        let tally = Tally::new(belongings, mode, &progress);
        let erasure = Erasure { gateway: self, belongings, mode, tally, targets: Mutex::default() };
        let alive = async {
            loop {
                // A store may keep one deletion longer than this instance's lease lasts.
                tokio::time::sleep(INSTANCE_LEASE / 3).await;
                if let Err(error) = self.journal.heartbeat().await {
                    tracing::warn!(%error, "this instance cannot renew its lease");
                }
            }
        };
        tokio::select! {
            done = erasure.rounds() => done?,
            () = alive => {}
        }
        let report = erasure.tally.into_report();
        tracing::info!(
            user = report.user,
            objects = report.counts.objects,
            versions = report.counts.versions,
            left = report.left_count,
            dry_run = report.dry_run,
            "erased"
        );
        Ok(report)
    }
}

/// Does what is to be done for several keys, some of them at once.
async fn all(keys: Vec<BoxFuture<'_, Result<(), EraseError>>>) -> Result<(), EraseError> {
    stream::iter(keys).buffer_unordered(KEYS_AT_ONCE).try_collect().await
}

impl Erasure<'_> {
    async fn rounds(&self) -> Result<(), EraseError> {
        for round in 1..=ROUNDS_MAX {
            self.tally.begin_round(round);
            self.targets.lock().await.clear(); // Versioning may have been switched on since.
            for (bucket, prefix) in &self.belongings.prefixes {
                self.erase_below(bucket, prefix).await?;
            }
            self.erase_owned().await?;
            self.abort_begun().await?;
            if self.mode == Mode::Count || !self.tally.found_anything() {
                return Ok(());
            }
        }
        self.tally.still_written_to(ROUNDS_MAX);
        Ok(())
    }

    fn check_stopping(&self) -> Result<(), EraseError> {
        if self.gateway.tasks().is_closed() { Err(EraseError::Stopping) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
