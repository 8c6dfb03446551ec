//! Has replicas made equal to their primary: marks in the catalog what differs, and sees that it is settled.
//!
//! The settler does the rest as after any write, by what the primary has then; so a key that a client changes meanwhile is
//! not undone, and a crash leaves nothing that the next look would not find.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use relais_model::{ObjectKey, ReplicaState};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::adopt::to_be_settled;
use super::diff::Looked;
use super::{Asked, Difference, ReplicationError, Summary, What};
use crate::background::settle;
use crate::gateway::Gateway;
use crate::placement::Bucket;
use crate::s3::{head_bucket, make_missing};

/// How often a relais that settles is looked after.
const POLL: Duration = Duration::from_millis(500);

/// If so long nothing was settled, nor at work on, a store is out of order or paused, and the rest is left to the settler.
const STALLED: Duration = Duration::from_secs(20);

impl Gateway {
    /// Compares, and marks what differs to be settled. Returns what was found.
    pub async fn mark_differences(
        &self,
        asked: Asked<'_>,
        mut each: impl FnMut(&[Difference], &Summary) + Send,
    ) -> Result<Summary, ReplicationError> {
        let bucket = self.replicated(asked.bucket)?;
        make_missing_buckets(&bucket).await?;
        let mut summary = Summary::default();
        let mut all = self.looked(&bucket, asked);
        while let Some(looked) = all.try_next().await? {
            self.mark(&bucket, &looked).await?;
            summary.add(&looked);
            each(&looked.differences, &summary);
        }
        Ok(summary)
    }

    async fn mark(&self, bucket: &Bucket, looked: &Looked) -> Result<(), ReplicationError> {
        let can_be_settled = |what: &What| matches!(what, What::Missing | What::Extra | What::Different(_));
        let differences: Vec<_> = looked.differences.iter().filter(|one| can_be_settled(&one.what)).collect();
        let Ok(key) = looked.key.parse::<ObjectKey>() else { return Ok(()) };
        if differences.is_empty() {
            return Ok(());
        }
        if differences.iter().any(|one| one.what == What::Extra) {
            // Where the primary's bucket is gone every object seems to be extra; nothing may be removed then.
            let primary = bucket.primary();
            let here = head_bucket(primary).await;
            here.map_err(ReplicationError::of("find the bucket of", &primary.replica))?;
        } else if self.take_up_one(bucket, &key).await? {
            return Ok(()); // What relais did not know has its replicas settled anyway.
        }
        let mut replicas = to_be_settled(bucket);
        for (replica, state) in &mut replicas {
            let differs = differences.iter().any(|one| one.replica.to_string() == *replica);
            *state = if differs { ReplicaState::Pending } else { ReplicaState::Current };
        }
        Ok(self.objects.mark_unsettled(&bucket.name, &key, &replicas).await?)
    }

    /// How many keys below a prefix have a replica to be settled.
    pub async fn unsettled_below(&self, bucket: &Bucket, prefix: &str) -> Result<u64, ReplicationError> {
        Ok(self.overview.unsettled_below(&bucket.name, prefix).await?)
    }

    /// Waits until all below a prefix is settled: by a relais that runs, or where there is none by a settler of our own. Returns
    /// how many keys are left once nothing moves any more.
    pub async fn settle_below(
        &self,
        bucket: &Bucket,
        prefix: &str,
        progress: impl Fn(u64) + Send + Sync,
    ) -> Result<u64, ReplicationError> {
        let (stop, mut own) = (CancellationToken::new(), JoinSet::new());
        let left = self.until_settled((bucket, prefix), progress, (&stop, &mut own)).await;
        stop.cancel();
        while own.join_next().await.is_some() {}
        left
    }

    async fn until_settled(
        &self,
        (bucket, prefix): (&Bucket, &str),
        progress: impl Fn(u64) + Send + Sync,
        (stop, own): (&CancellationToken, &mut JoinSet<()>),
    ) -> Result<u64, ReplicationError> {
        let (mut least, mut moved) = (u64::MAX, Instant::now());
        loop {
            let left = self.overview.unsettled_below(&bucket.name, prefix).await?;
            progress(left);
            // A large object takes its time, and is claimed meanwhile.
            if left < least || self.overview.is_settling(&bucket.name).await? {
                (least, moved) = (least.min(left), Instant::now());
            }
            if left == 0 || moved.elapsed() > STALLED {
                return Ok(left);
            }
            // Two processes must not write to one folder, so whoever runs does it.
            if own.is_empty() && !self.overview.is_served().await? {
                own.spawn(settle::run(self.clone(), stop.clone()));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Makes the bucket on each replica that lacks it, as a new or lost store does: provided that the primary has it.
pub(super) async fn make_missing_buckets(bucket: &Bucket) -> Result<(), ReplicationError> {
    let primary = bucket.primary();
    let here = head_bucket(primary).await;
    here.map_err(ReplicationError::of("find the bucket of", &primary.replica))?;
    for place in &bucket.places[1..] {
        make_missing(place).await.map_err(ReplicationError::of("make the bucket of", &place.replica))?;
    }
    Ok(())
}
