//! What the catalog knows as the user's outside the prefixes: objects by their row, versions by theirs.
//!
//! A key may have versions of several owners; only the user's go. A version about which nothing is known is the user's if the
//! object is and no version of the key is known as somebody else's.

use std::collections::BTreeMap;

use futures::FutureExt;
use relais_catalog::{ObjectRow, VersionRow};
use relais_model::{BucketName, ObjectKey, ReplicaState};

use super::entries::{Entry, Keeping};
use super::key::Target;
use super::report::{Left, Place as Found};
use super::{EraseError, Erasure, Mode, ROWS, all};
use crate::background::settle;
use crate::placement::Place;

/// A key with what is known of it.
struct Owned<'a> {
    bucket: &'a BucketName,
    key: &'a ObjectKey,
    /// Whether the current object is the user's.
    is_current: bool,
    bytes: u64,
}

impl Erasure<'_> {
    pub(super) async fn erase_owned(&self) -> Result<(), EraseError> {
        let mut after: Option<(BucketName, ObjectKey)> = None;
        loop {
            let place = after.as_ref().map(|(bucket, key)| (bucket, key));
            let rows = self.gateway.objects.of_owner(&self.belongings.owner, place, ROWS).await?;
            let Some(last) = rows.last() else { break };
            after = Some((last.bucket.clone(), last.key.clone()));
            all(rows.into_iter().map(|row| self.erase_object(row).boxed()).collect()).await?;
        }
        let mut after = None;
        loop {
            let keys = self.gateway.versions.keys_of(&self.belongings.owner, after.as_ref(), ROWS).await?;
            let Some(last) = keys.last() else { return Ok(()) };
            after = Some(last.clone());
            all(keys.into_iter().map(|(bucket, key)| self.erase_versions(bucket, key).boxed()).collect())
                .await?;
        }
    }

    async fn erase_object(&self, row: ObjectRow) -> Result<(), EraseError> {
        let bytes = row.object.map_or(0, |object| object.size);
        self.erase_key(&Owned { bucket: &row.bucket, key: &row.key, is_current: true, bytes }).await
    }

    /// A key of which older versions are the user's, and the current object is not.
    async fn erase_versions(&self, bucket: BucketName, key: ObjectKey) -> Result<(), EraseError> {
        let row = self.gateway.objects.find(&bucket, &key).await?.and_then(|row| row.object);
        if row.is_some_and(|object| object.owner == self.belongings.owner) {
            return Ok(()); // It was met as an object.
        }
        self.erase_key(&Owned { bucket: &bucket, key: &key, is_current: false, bytes: 0 }).await
    }

    async fn erase_key(&self, owned: &Owned<'_>) -> Result<(), EraseError> {
        if self.belongings.covers(owned.bucket, owned.key.as_str()) {
            return Ok(()); // Done below its prefix.
        }
        let Some(target) = self.target(owned.bucket).await else { return Ok(()) };
        let (primary, Some(keeping)) = target.primary() else { return Ok(()) };
        let Some(entries) = self.all_of(&target.bucket, (primary, keeping), owned.key.as_str()).await else {
            return Ok(());
        };
        let known = self.gateway.versions.of_key(owned.bucket, owned.key).await?;
        let found = (owned.bucket.clone(), None);
        let (mine, others): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| self.is_mine(entry, owned.is_current, &known));
        self.delete(&target.bucket, mine.clone(), &found).await?;
        if self.mode == Mode::Count {
            return Ok(());
        }
        self.forget_missing(owned, &target, (&mine, &others), &known).await?;
        if target.bucket.places.len() == 1 || !self.is_settled(&target.bucket, owned.key).await? {
            return Ok(());
        }
        for (place, keeping) in target.replicas() {
            if keeping == Keeping::Versions {
                self.clear_versions(owned, &target, place, (&others, &known, &found)).await?;
            }
        }
        Ok(())
    }

    fn is_mine(&self, entry: &Entry, is_current: bool, known: &BTreeMap<String, VersionRow>) -> bool {
        let owner = &self.belongings.owner;
        let of = |row: &VersionRow| row.owner.as_ref().map(|of| of == owner);
        match entry.version.as_ref().and_then(|version| known.get(version)).and_then(of) {
            Some(is_mine) => is_mine,
            None => is_current && known.values().all(|row| of(row) != Some(false)),
        }
    }

    /// Forgets versions that the store has no more, and an object that is not there.
    async fn forget_missing(
        &self,
        owned: &Owned<'_>,
        target: &Target,
        (mine, others): (&[Entry], &[Entry]),
        known: &BTreeMap<String, VersionRow>,
    ) -> Result<(), EraseError> {
        let listed = |id: &str| mine.iter().chain(others).any(|entry| entry.version.as_deref() == Some(id));
        for (id, row) in known {
            if row.owner.as_ref() == Some(&self.belongings.owner) && !listed(id) {
                self.gateway.versions.remove(owned.bucket, owned.key, id).await?;
            }
        }
        if owned.is_current && mine.is_empty() {
            tracing::debug!(bytes = owned.bytes, "an object of the user is known and not there");
            let places = target.bucket.places.iter();
            let replicas = places.map(|place| (place.replica.to_string(), ReplicaState::Pending)).collect();
            self.gateway.objects.mark_unsettled(owned.bucket, owned.key, &replicas).await?;
            settle::key(self.gateway, &target.bucket, owned.key).await;
        }
        Ok(())
    }

    /// A replica may have versions whose ids nobody knows: those that were copied to it later.
    async fn clear_versions(
        &self,
        owned: &Owned<'_>,
        target: &Target,
        place: &Place,
        (others, known, found): (&[Entry], &BTreeMap<String, VersionRow>, &Found),
    ) -> Result<(), EraseError> {
        let there = self.all_of(&target.bucket, (place, Keeping::Versions), owned.key.as_str()).await;
        let there = there.unwrap_or_default();
        if others.is_empty() {
            return self.clear(target, place, &there, found).await;
        }
        let replica = place.replica.to_string();
        let ids = |id: &String| known.get(id)?.replicas.get(&replica).cloned();
        let kept: Vec<String> =
            others.iter().filter_map(|other| other.version.as_ref().and_then(ids)).collect();
        for entry in there.iter().filter(|entry| !entry.is_latest) {
            if entry.version.as_ref().is_some_and(|version| !kept.contains(version)) {
                let left = Left::of(&target.bucket.name, entry).on(&place.replica);
                self.tally.left(left, "the key has versions of others, and nobody knows whose this is");
            }
        }
        Ok(())
    }
}
