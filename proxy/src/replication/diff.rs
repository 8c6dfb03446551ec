//! Compares the replicas of a bucket with its primary, key by key, and changes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use relais_catalog::KeyState;
use relais_model::{BucketName, ObjectKey, Replica};

use super::look::What;
use super::merge::{Merge, Row};
use super::{KEYS_AT_ONCE, ReplicationError};
use crate::gateway::Gateway;
use crate::placement::Bucket;

/// A replica that is known to be behind since so lately may get what it lacks at this moment.
const ON_ITS_WAY: Duration = Duration::from_secs(10);

/// Pause before a key that is being written is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Looks at a key that is being written all the time before what was seen is told as it is.
const LOOKS_MAX: usize = 10;

/// How closely replicas are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Depth {
    /// By what listings tell: keys, sizes, entity tags. Only where these differ the objects are looked at.
    Listed,
    /// Every object: headers, metadata, tags and checksums too, and bytes where entity tags tell nothing.
    Deep,
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The bucket, as clients name it.
    pub bucket: &'a BucketName,
    /// Only keys that begin so.
    pub prefix: &'a str,
    /// How closely.
    pub depth: Depth,
    /// Ends after so many keys.
    pub keys_max: Option<usize>,
}

/// A replica that is not equal to the primary at a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// The replica.
    pub replica: Replica,
    /// How it differs.
    pub what: What,
    /// Whether relais knows, so that the settler will see to it.
    pub known: bool,
}

/// What was found on the whole.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Keys that were compared, of the primary and of replicas.
    pub keys: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Differences by kind.
    pub missing: u64,
    /// Objects that the primary has not.
    pub extra: u64,
    /// Objects that are not the same.
    pub different: u64,
    /// Objects whose entity tags tell nothing; only without a deep look.
    pub unclear: u64,
    /// Objects that could not be looked at.
    pub unread: u64,
    /// Differences of which relais knows, so that the settler will see to them.
    pub known: u64,
}

impl Summary {
    /// How many differences there are.
    pub fn differences(&self) -> u64 {
        self.missing + self.extra + self.different + self.unread
    }

    pub(super) fn add(&mut self, looked: &Looked) {
        self.keys += 1;
        self.bytes += looked.bytes;
        for difference in &looked.differences {
            self.known += u64::from(difference.known);
            *match difference.what {
                What::Missing => &mut self.missing,
                What::Extra => &mut self.extra,
                What::Different(_) => &mut self.different,
                What::Unclear => &mut self.unclear,
                What::Unread(_) => &mut self.unread,
            } += 1;
        }
    }
}

/// One key that was compared.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) key: String,
    pub(super) bytes: u64,
    pub(super) differences: Vec<Difference>,
}

impl Gateway {
    /// Compares, and tells each difference and how far it is.
    pub async fn diff(
        &self,
        asked: Asked<'_>,
        mut each: impl FnMut(&[Difference], &Summary) + Send,
    ) -> Result<Summary, ReplicationError> {
        let bucket = self.replicated(asked.bucket)?;
        let mut summary = Summary::default();
        let mut all = self.looked(&bucket, asked);
        while let Some(looked) = all.try_next().await? {
            summary.add(&looked);
            each(&looked.differences, &summary);
        }
        Ok(summary)
    }

    pub(super) fn replicated(&self, name: &BucketName) -> Result<Arc<Bucket>, ReplicationError> {
        self.placement.bucket(name).ok_or_else(|| ReplicationError::NoSuchBucket(name.clone()))
    }

    /// Every key in its order, compared.
    pub(super) fn looked<'a>(
        &'a self,
        bucket: &'a Bucket,
        asked: Asked<'a>,
    ) -> BoxStream<'a, Result<Looked, ReplicationError>> {
        let merge = Merge::new(bucket, asked.prefix);
        let rows =
            stream::try_unfold(merge, async |mut merge| Ok(merge.next().await?.map(|row| (row, merge))));
        let rows = rows.take(asked.keys_max.unwrap_or(usize::MAX));
        let looked = rows.map_ok(move |row| self.look_closer(bucket, row, asked.depth));
        looked.try_buffered(KEYS_AT_ONCE).boxed()
    }

    /// A row of listings is old by the time it is read, so nothing is told of it that the stores do not say again; and of a
    /// key that is being written only what remains.
    async fn look_closer(&self, bucket: &Bucket, row: Row, depth: Depth) -> Result<Looked, ReplicationError> {
        let mut looked = Looked { bytes: row.bytes(), key: row.key.clone(), differences: Vec::new() };
        if depth == Depth::Listed && row.is_even() {
            return Ok(looked);
        }
        let Ok(key) = row.key.parse::<ObjectKey>() else {
            return Ok(looked); // Longer than S3 has keys; nobody can ask for it.
        };
        for round in 1..=LOOKS_MAX {
            let begun = Instant::now();
            let found = self.look_at(bucket, &key, depth).await?;
            if found.is_empty() {
                break;
            }
            let state = self.overview.state(&bucket.name, &key).await?;
            if round < LOOKS_MAX && is_moving(&state, begun) {
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
            let difference = |(index, what): (usize, What)| Difference {
                key: row.key.clone(),
                replica: bucket.places[index].replica.clone(),
                what,
                known: state.behind.contains(&bucket.places[index].replica.to_string()),
            };
            looked.differences = found.into_iter().map(difference).collect();
            break;
        }
        Ok(looked)
    }
}

/// Whether a key is being changed, or has changed while it was looked at, or is on its way to a replica.
fn is_moving(state: &KeyState, begun: Instant) -> bool {
    let changed_within = |time: Duration| state.changed_ago.is_some_and(|ago| ago < time);
    state.is_open
        || changed_within(begun.elapsed() + LOOK_AGAIN)
        || (!state.behind.is_empty() && changed_within(ON_ITS_WAY))
}
