//! Deletes what one key has: on the primary by the gateway's own mutations, then what a replica has beyond that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use relais_model::{BucketName, Identity, ObjectKey, ReplicaState};
use relais_stores::request;
use s3s::dto::DeleteObjectInput;
use s3s::{S3, S3Error, S3ErrorCode, S3Result};
use tokio::time::Instant;

use super::entries::{Entries, Entry, Keeping, keeping};
use super::report::{Left, Place as Found};
use super::{EraseError, Erasure, Mode, PRINCIPAL};
use crate::background::settle;
use crate::placement::{Bucket, Place};

/// How long a replica may take to follow a deletion before it is looked at. One that is reached at all needs milliseconds.
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);

/// How often it is asked whether it has.
const SETTLE_LOOK: Duration = Duration::from_millis(50);

/// A bucket, and how each of its places keeps it.
pub(super) struct Target {
    pub(super) bucket: Arc<Bucket>,
    /// In the order of the places; nothing where the place did not say.
    pub(super) keeping: Vec<Option<Keeping>>,
}

impl Target {
    pub(super) fn primary(&self) -> (&Place, Option<Keeping>) {
        (self.bucket.primary(), self.keeping[0])
    }

    /// The replicas beside the primary that can be looked into.
    pub(super) fn replicas(&self) -> impl Iterator<Item = (&Place, Keeping)> {
        let places = self.bucket.places.iter().zip(&self.keeping).skip(1);
        places.filter_map(|(place, keeping)| Some((place, (*keeping)?)))
    }
}

impl Erasure<'_> {
    /// The bucket of that name; nothing, with a line in the report, where it is not configured any more.
    pub(super) async fn target(&self, name: &BucketName) -> Option<Arc<Target>> {
        let mut targets = self.targets.lock().await;
        if let Some(target) = targets.get(name) {
            return Some(Arc::clone(target));
        }
        let Some(bucket) = self.gateway.placement.bucket(name) else {
            self.tally.left(Left::at(name.as_str(), ""), "the bucket is not configured any more");
            return None;
        };
        let mut kept = Vec::with_capacity(bucket.places.len());
        for place in &bucket.places {
            let known = keeping(place).await;
            if let Err(error) = &known {
                self.tally.left(Left::at(name.as_str(), "").on(&place.replica), reason(error));
            }
            kept.push(known.ok());
        }
        let target = Arc::new(Target { bucket, keeping: kept });
        targets.insert(name.clone(), Arc::clone(&target));
        Some(target)
    }

    /// Deletes entries of one key on the primary, in their order; the replicas follow as after any deletion.
    pub(super) async fn delete(
        &self,
        bucket: &Bucket,
        entries: Vec<Entry>,
        found: &Found,
    ) -> Result<(), EraseError> {
        self.check_stopping()?;
        for entry in &entries {
            let deleted = match self.mode {
                Mode::Count => Ok(()),
                Mode::Erase => self.delete_entry(bucket, entry).await,
            };
            match deleted {
                Ok(()) => self.tally.entry(found, entry),
                Err(error) if is_gone(&error) => {}
                Err(error) => self.tally.left(Left::of(&bucket.name, entry), reason(&error)),
            }
        }
        Ok(())
    }

    async fn delete_entry(&self, bucket: &Bucket, entry: &Entry) -> S3Result<()> {
        let mut asked = request(DeleteObjectInput {
            bucket: bucket.name.to_string(),
            key: entry.key.clone(),
            version_id: entry.version.clone(),
            ..Default::default()
        });
        asked.extensions.insert(Identity::Service(PRINCIPAL.to_owned()));
        self.gateway.delete_object(asked).await.map(drop)
    }

    /// Deletes what a replica still has of a key of which the primary has nothing more. Whatever is written to the key at
    /// this moment is copied again: the key is marked before anything is removed.
    pub(super) async fn clear(
        &self,
        target: &Target,
        place: &Place,
        entries: &[Entry],
        found: &Found,
    ) -> Result<(), EraseError> {
        self.check_stopping()?;
        let Some(Ok(key)) = entries.first().map(|entry| entry.key.parse::<ObjectKey>()) else {
            return Ok(());
        };
        let bucket = &target.bucket;
        let replicas = bucket.places.iter().map(|each| {
            let is_it = each.replica == place.replica;
            let state = if is_it { ReplicaState::Pending } else { ReplicaState::Current };
            (each.replica.to_string(), state)
        });
        let replicas: BTreeMap<_, _> = replicas.collect();
        self.gateway.objects.mark_unsettled(&bucket.name, &key, &replicas).await?;
        for entry in entries {
            let input = DeleteObjectInput {
                bucket: place.bucket.to_string(),
                key: entry.key.clone(),
                version_id: entry.version.clone(),
                ..Default::default()
            };
            match place.store.s3.delete_object(request(input)).await {
                Ok(_) => self.tally.leftover(found),
                Err(error) if is_gone(&error) => {}
                Err(error) => {
                    self.tally.left(Left::of(&bucket.name, entry).on(&place.replica), reason(&error));
                }
            }
        }
        settle::key(self.gateway, bucket, &key).await;
        Ok(())
    }

    /// Waits until the replicas have followed what was done to a key; false, with a line in the report, if one does not.
    pub(super) async fn is_settled(&self, bucket: &Bucket, key: &ObjectKey) -> Result<bool, EraseError> {
        let begun = Instant::now();
        loop {
            let row = self.gateway.objects.find(&bucket.name, key).await?;
            let pending = row.and_then(|row| {
                let states = row.replicas.into_iter();
                states.filter(|(_, state)| state.is_behind()).map(|(replica, _)| replica).next()
            });
            let Some(replica) = pending else { return Ok(true) };
            if begun.elapsed() > SETTLE_PATIENCE {
                let left = Left::at(bucket.name.as_str(), key.as_str()).on(replica);
                self.tally.left(left, "the replica has not followed yet; it does once it can be reached");
                return Ok(false);
            }
            tokio::time::sleep(SETTLE_LOOK).await;
        }
    }

    /// Everything that a place has of one key.
    pub(super) async fn all_of(
        &self,
        bucket: &Bucket,
        (place, keeping): (&Place, Keeping),
        key: &str,
    ) -> Option<Vec<Entry>> {
        let mut all = Vec::new();
        let mut listing = Entries::below(place, keeping, key);
        loop {
            match listing.page().await {
                Ok(Some(page)) => {
                    let before = all.len();
                    let is_last = page.last().is_none_or(|last| last.key != key);
                    all.extend(page.into_iter().filter(|entry| entry.key == key));
                    // The key itself comes before all that only begin with it.
                    if is_last || all.len() == before {
                        return Some(all);
                    }
                }
                Ok(None) => return Some(all),
                Err(error) => {
                    self.tally.left(Left::at(bucket.name.as_str(), key).on(&place.replica), reason(&error));
                    return None;
                }
            }
        }
    }
}

fn is_gone(error: &S3Error) -> bool {
    matches!(error.code(), S3ErrorCode::NoSuchKey | S3ErrorCode::NoSuchVersion | S3ErrorCode::NoSuchBucket)
}

/// What a store said, for the report.
pub(crate) fn reason(error: &S3Error) -> String {
    match error.message() {
        Some(message) => format!("{}: {message}", error.code().as_str()),
        None => error.code().as_str().to_owned(),
    }
}
