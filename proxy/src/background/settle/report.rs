//! Settling one key on demand: after a write, while somebody is erased, or because an operator asks.

use std::collections::BTreeMap;

use relais_catalog::{Claimed, ObjectRow, Verdict};
use relais_model::{ObjectKey, ReplicaState};

use super::events;
use super::key::{Done, Try, Which};
use super::queue::LEASE;
use super::replica::{Doing, KeyDifference};
use crate::background::chain;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::placement::Bucket;

/// Times that a key which keeps changing is looked at in a row before it waits its turn again.
const ROUNDS: usize = 3;

/// Why a key could not be compared or settled at all.
#[derive(Debug, thiserror::Error)]
pub enum SettleKeyError {
    /// The catalog.
    #[error("the catalog does not work")]
    Catalog(#[from] relais_catalog::CatalogError),
    /// Somebody else is settling the key, and does not come to an end.
    #[error("the key is being settled by somebody else; try again later")]
    Busy,
}

/// What [`Gateway::settle_key`] shall do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repair {
    /// Only compare.
    DryRun,
    /// Make equal what differs.
    Apply,
}

impl Gateway {
    /// Compares every replica of a key with the primary, by state, and makes them equal if asked to. Says what differed, and what
    /// could not be compared or settled; nothing where all are equal. A key that the catalog does not know is known afterwards.
    pub async fn settle_key(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        repair: Repair,
    ) -> Result<Vec<KeyDifference>, SettleKeyError> {
        if repair == Repair::DryRun {
            let found = self.objects.find(&bucket.name, key).await?;
            let row = found.unwrap_or_else(|| unknown(bucket, key));
            let attempt = Try { gateway: self, bucket, row: &row, which: Which::All, doing: Doing::Compare };
            return Ok(attempt.run().await.differences);
        }
        for _ in 0..ROUNDS {
            let row = match self.objects.claim_key(&bucket.name, key, LEASE).await? {
                Claimed::Ours(row) => row,
                Claimed::Busy => return Err(SettleKeyError::Busy),
                Claimed::Unknown => {
                    self.objects.mark_unsettled(&bucket.name, key, &pending(bucket)).await?;
                    continue;
                }
            };
            let (done, verdict) = self.settle_row(bucket, *row, Which::All).await?;
            if verdict != Verdict::Moved {
                return Ok(done.differences);
            }
        }
        Ok(Vec::new()) // It keeps changing, and is settled when it does no longer.
    }

    /// One attempt at all replicas of a key; if it is claimed, the claim is kept until that is written down.
    async fn settle_row(
        &self,
        bucket: &Bucket,
        row: ObjectRow,
        which: Which,
    ) -> Result<(Done, Verdict), relais_catalog::CatalogError> {
        let attempt = Try { gateway: self, bucket, row: &row, which, doing: Doing::Settle };
        let mut running = std::pin::pin!(attempt.run());
        let claim: Vec<_> = row.claim.into_iter().collect();
        let done = loop {
            tokio::select! {
                done = &mut running => break done,
                () = tokio::time::sleep(LEASE / 4), if !claim.is_empty() => {
                    self.objects.renew(&claim, LEASE).await?;
                }
            }
        };
        let finished = [(row.clone(), done.outcome.clone())];
        if let Err(error) = events::announce(self, &finished).await {
            tracing::warn!(error = %chain(&error), "what became of a replica is not announced");
        }
        let verdict = self.objects.record(&finished).await?.first().copied();
        Ok((done, verdict.unwrap_or(Verdict::Moved)))
    }
}

/// Settles one key now, as far as its stores allow; if they do not, the queue comes back to it. Whoever is at it already is
/// told to look again.
pub(crate) async fn key(gateway: &Gateway, bucket: &Bucket, key: &ObjectKey) {
    if let Err(error) = try_key(gateway, bucket, key).await {
        tracing::warn!(error = %chain(&error), "a replica waits to be settled");
    }
}

async fn try_key(gateway: &Gateway, bucket: &Bucket, key: &ObjectKey) -> Result<(), GatewayError> {
    // Mostly nobody else is at it, and a claim would only cost a commit; whoever claims it meanwhile is noticed at the end.
    let Some(row) = gateway.objects.find(&bucket.name, key).await? else { return Ok(()) };
    if row.claim.is_none() && gateway.settle_row(bucket, row, Which::Fresh).await?.1 != Verdict::Moved {
        return Ok(());
    }
    for _ in 0..ROUNDS {
        match gateway.objects.claim_key(&bucket.name, key, LEASE).await? {
            Claimed::Ours(row) => {
                let (_, verdict) = gateway.settle_row(bucket, *row, Which::Fresh).await?;
                if verdict != Verdict::Moved {
                    return Ok(());
                }
            }
            Claimed::Busy => {
                gateway.objects.mark_unsettled(&bucket.name, key, &pending(bucket)).await?;
                return Ok(());
            }
            Claimed::Unknown => return Ok(()),
        }
    }
    gateway.settled_soon.notify_one();
    Ok(())
}

/// Every replica may differ.
fn pending(bucket: &Bucket) -> BTreeMap<String, ReplicaState> {
    bucket.places.iter().map(|place| (place.replica.to_string(), ReplicaState::Pending)).collect()
}

/// A key of which nothing is known.
fn unknown(bucket: &Bucket, key: &ObjectKey) -> ObjectRow {
    ObjectRow {
        bucket: bucket.name.clone(),
        key: key.clone(),
        object: None,
        public_url: None,
        acl: None,
        sequencer: relais_model::Sequencer(0),
        replicas: pending(bucket),
        behind_since: None,
        is_missed: false,
        acl_behind: false,
        progress: BTreeMap::new(),
        claim: None,
    }
}
