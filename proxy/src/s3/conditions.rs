//! Conditions of writes: decided by the primary where it can, by relais where it cannot.
//!
//! For a store that does not honour `If-Match` and `If-None-Match` of writes, relais looks and then writes. Between the two
//! nobody else may write the key, on any instance: so on such a store every write of a key takes its turn, by a lock in the
//! catalog, held from the look until the store has answered; also where the store knows some conditions and not others. Writers that reach the store past relais are not kept out.

use std::time::Duration;

use rand::Rng;
use relais_catalog::KeyLock;
use relais_model::ObjectKey;
use s3s::dto::{ETagCondition, HeadObjectOutput, Timestamp};
use s3s::{S3Result, s3_error};

use crate::background::settle;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::placement::Bucket;

/// How long a turn belongs to an instance that has died, stands still or cannot reach the database. It is renewed in the
/// background for as long as a write takes; this long, because two writers at once are worse than a key that has to wait.
const LEASE: Duration = Duration::from_secs(60);

/// How long a writer waits for its turn before the client is told to slow down.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pauses between looks whether it is our turn; the second is the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));

/// What a client wants to be true of the key that it writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_match_size: Option<i64>,
    pub(super) if_match_last_modified: Option<Timestamp>,
}

impl Conditions {
    pub(super) fn is_empty(&self) -> bool {
        self.if_match.is_none()
            && self.if_none_match.is_none()
            && self.if_match_size.is_none()
            && self.if_match_last_modified.is_none()
    }

    fn check(&self, found: Option<&HeadObjectOutput>) -> S3Result<()> {
        let wants_object =
            self.if_match.is_some() || self.if_match_size.is_some() || self.if_match_last_modified.is_some();
        let Some(found) = found else {
            return if wants_object {
                Err(s3_error!(NoSuchKey, "there is no object to match"))
            } else {
                Ok(())
            };
        };
        let names = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(wanted) => found.e_tag.as_ref().is_some_and(|etag| etag.strong_cmp(wanted)),
        };
        let holds = self.if_match.as_ref().is_none_or(names)
            && !self.if_none_match.as_ref().is_some_and(names)
            && self.if_match_size.is_none_or(|size| found.content_length == Some(size))
            && self.if_match_last_modified.as_ref().is_none_or(|wanted| {
                found.last_modified.as_ref().is_some_and(|found| seconds(found) == seconds(wanted))
            });
        if holds {
            Ok(())
        } else {
            Err(s3_error!(PreconditionFailed, "at least one of the conditions of the request does not hold"))
        }
    }
}

/// Headers and bodies name whole seconds.
fn seconds(time: &Timestamp) -> i64 {
    time::OffsetDateTime::from(time.clone()).unix_timestamp()
}

/// Who holds it is the only writer of the key.
pub(super) struct Turn {
    gateway: Gateway,
    lock: Option<KeyLock>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (gateway, Some(lock)) = (self.gateway.clone(), self.lock.take()) else { return };
        self.gateway.afterwards(async move {
            if let Err(error) = gateway.key_locks.release(lock).await {
                tracing::warn!(%error, "a lock of a key stays until its lease ends");
            }
        });
    }
}

impl Gateway {
    /// Waits for the turn to write a key, and checks the conditions, if the primary does not do it itself. The turn ends when
    /// what is given back is dropped.
    pub(super) async fn turn(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        store_decides: bool,
        conditions: &Conditions,
    ) -> S3Result<Option<Turn>> {
        self.turn_for_version(bucket, key, store_decides, conditions, None).await
    }

    /// The same where the conditions speak of a version of the object.
    pub(super) async fn turn_for_version(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        store_decides: bool,
        conditions: &Conditions,
        version: Option<&str>,
    ) -> S3Result<Option<Turn>> {
        let features = &bucket.primary().store.features;
        let all = features.conditional_writes && features.conditional_copies && features.conditional_deletes;
        if all && store_decides {
            return Ok(None); // Nobody ever needs a turn here.
        }
        let lock = self.lock(bucket, key).await?;
        let turn = Turn { gateway: self.clone(), lock: Some(lock) };
        if !store_decides && !conditions.is_empty() {
            let found = settle::head_version(bucket.primary(), key, version).await?;
            conditions.check(found.as_ref())?;
        }
        Ok(Some(turn))
    }

    async fn lock(&self, bucket: &Bucket, key: &ObjectKey) -> S3Result<KeyLock> {
        let begun = tokio::time::Instant::now();
        let mut pause = PAUSES.0;
        loop {
            let lock = self.key_locks.acquire(&bucket.name, key, LEASE).await.map_err(GatewayError::from)?;
            if let Some(lock) = lock {
                return Ok(lock);
            }
            if begun.elapsed() > PATIENCE {
                return Err(s3_error!(SlowDown, "too many others are writing this key; try again later"));
            }
            let pause_now = pause.mul_f64(rand::rng().random_range(0.5..1.0));
            tokio::time::sleep(pause_now).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}
