//! Everything below one prefix, page by page: first on the primary, then what replicas have beyond it, then uploads.

use futures::FutureExt;
use relais_model::{BucketName, ObjectKey};

use super::entries::{Entries, Entry, by_key};
use super::key::{Target, reason};
use super::report::{Left, Place as Found};
use super::{EraseError, Erasure, Mode, all};
use crate::placement::Place;

impl Erasure<'_> {
    pub(super) async fn erase_below(&self, bucket: &BucketName, prefix: &str) -> Result<(), EraseError> {
        let Some(target) = self.target(bucket).await else { return Ok(()) };
        let found = (bucket.clone(), Some(prefix.to_owned()));
        if let (place, Some(keeping)) = target.primary() {
            let mut listing = Entries::below(place, keeping, prefix);
            while let Some(keys) = self.next_keys(&target, place, prefix, &mut listing).await {
                let delete = |entries: Vec<Entry>| self.delete(&target.bucket, entries, &found).boxed();
                all(keys.into_iter().map(delete).collect()).await?;
            }
        }
        if self.mode == Mode::Erase {
            for (place, keeping) in target.replicas() {
                let mut listing = Entries::below(place, keeping, prefix);
                while let Some(keys) = self.next_keys(&target, place, prefix, &mut listing).await {
                    let clear =
                        |entries: Vec<Entry>| self.clear_if_gone(&target, place, entries, &found).boxed();
                    all(keys.into_iter().map(clear).collect()).await?;
                }
            }
        }
        self.abort_below(&target, prefix, &found).await
    }

    /// The entries of each key of the next page; nothing at the end, or where the place does not answer.
    async fn next_keys(
        &self,
        target: &Target,
        place: &Place,
        prefix: &str,
        listing: &mut Entries<'_>,
    ) -> Option<Vec<Vec<Entry>>> {
        match listing.page().await {
            // A store that gives more than was asked for must not widen what is deleted.
            Ok(page) => {
                Some(by_key(page?.into_iter().filter(|entry| entry.key.starts_with(prefix)).collect()))
            }
            Err(error) => {
                let left = Left::at(target.bucket.name.as_str(), prefix).on(&place.replica);
                self.tally.left(left, reason(&error));
                None
            }
        }
    }

    /// A replica may have what the primary never had or has lost, and versions whose ids nobody knows.
    async fn clear_if_gone(
        &self,
        target: &Target,
        place: &Place,
        entries: Vec<Entry>,
        found: &Found,
    ) -> Result<(), EraseError> {
        let (primary, Some(keeping)) = target.primary() else { return Ok(()) };
        let key = entries[0].key.clone();
        let Ok(parsed) = key.parse::<ObjectKey>() else { return Ok(()) };
        if !self.is_settled(&target.bucket, &parsed).await? {
            return Ok(());
        }
        let bucket = &target.bucket;
        match self.all_of(bucket, (primary, keeping), &key).await {
            Some(there) if there.is_empty() => {}
            _ => return Ok(()), // It stays on the primary too, or came just now: the next round, or the report, has it.
        }
        let keeping =
            target.replicas().find(|(each, _)| each.replica == place.replica).map(|(_, keeping)| keeping);
        let Some(keeping) = keeping else { return Ok(()) };
        // Settling may have changed what was listed.
        match self.all_of(bucket, (place, keeping), &key).await {
            Some(entries) => self.clear(target, place, &entries, found).await,
            None => Ok(()),
        }
    }
}
