//! The listings of all replicas in step: each key once, with what every replica lists under it.

use futures::future::try_join_all;

use super::ReplicationError;
use super::listing::{Listed, Listing};
use crate::placement::Bucket;

/// One key of the bucket, as its replicas list it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) key: String,
    /// In the order of the bucket's places.
    pub(super) listed: Vec<Option<Listed>>,
}

impl Row {
    /// Whether every replica lists the same.
    pub(super) fn is_even(&self) -> bool {
        self.listed.iter().all(|listed| *listed == self.listed[0])
    }

    /// The size of the object: on the primary, or where it is.
    pub(super) fn bytes(&self) -> u64 {
        self.listed.iter().flatten().next().map_or(0, |listed| listed.bytes)
    }
}

/// A walk through all listings.
pub(super) struct Merge<'a>(Vec<Listing<'a>>);

impl<'a> Merge<'a> {
    pub(super) fn new(bucket: &'a Bucket, prefix: &'a str) -> Self {
        Self(bucket.places.iter().map(|place| Listing::below(place, prefix)).collect())
    }

    /// The next key; nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Row>, ReplicationError> {
        try_join_all(self.0.iter_mut().map(Listing::fill)).await?;
        let first = self.0.iter().filter_map(|listing| Some(&listing.peek()?.key)).min();
        let Some(key) = first.cloned() else { return Ok(None) };
        let of_key = |listing: &mut Listing<'_>| {
            let is_it = listing.peek().is_some_and(|listed| listed.key == key);
            is_it.then(|| listing.take()).flatten()
        };
        let listed = self.0.iter_mut().map(of_key).collect();
        Ok(Some(Row { key, listed }))
    }
}
