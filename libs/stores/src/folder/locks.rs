//! Who may change what at a time, within this process.
//!
//! A fixed number of locks, each for all the keys that hash to it: unrelated keys rarely meet, and memory is bounded. A guard
//! moves into the blocking task that does the change, so a caller who goes away does not let go of a change half done.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Enough that a thousand writers rarely wait for a stranger.
const STRIPES: usize = 1024;

pub(super) struct Locks {
    random: RandomState,
    buckets: Box<[Arc<RwLock<()>>]>,
    keys: Box<[Arc<Mutex<()>>]>,
    uploads: Box<[Arc<Mutex<()>>]>,
}

/// One key may be changed by the holder, and its bucket stays as it is.
pub(super) struct KeyGuard {
    _bucket: OwnedRwLockReadGuard<()>,
    _key: OwnedMutexGuard<()>,
}

impl Locks {
    pub(super) fn new() -> Self {
        Self {
            random: RandomState::new(),
            buckets: (0..STRIPES).map(|_| Arc::default()).collect(),
            keys: (0..STRIPES).map(|_| Arc::default()).collect(),
            uploads: (0..STRIPES).map(|_| Arc::default()).collect(),
        }
    }

    /// For a change of one key. A task that holds one never asks for another.
    pub(super) async fn key(&self, bucket: &str, key: &str) -> KeyGuard {
        let bucket_lock = self.buckets[self.stripe(&bucket)].clone();
        let key_lock = self.keys[self.stripe(&(bucket, key))].clone();
        KeyGuard { _bucket: bucket_lock.read_owned().await, _key: key_lock.lock_owned().await }
    }

    /// For a change of an upload in parts. Taken before the key's lock where both are needed.
    pub(super) async fn upload(&self, id: &str) -> OwnedMutexGuard<()> {
        self.uploads[self.stripe(&id)].clone().lock_owned().await
    }

    /// For a change of the bucket itself, with no change of a key at the same time.
    pub(super) async fn bucket(&self, bucket: &str) -> OwnedRwLockWriteGuard<()> {
        self.buckets[self.stripe(&bucket)].clone().write_owned().await
    }

    fn stripe(&self, what: &impl std::hash::Hash) -> usize {
        usize::try_from(self.random.hash_one(what) % STRIPES as u64).unwrap_or(0)
    }
}
