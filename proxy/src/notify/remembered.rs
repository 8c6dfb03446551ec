//! What the catalog said of buckets' notifications a moment ago, so that a relay does not ask for each event.
//!
//! A setting counts on every instance within [`REMEMBERED`]; at once on the one that took it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use relais_model::BucketName;

use super::Notifications;

/// How long the catalog is not asked again after a bucket.
const REMEMBERED: Duration = Duration::from_secs(2);

/// Buckets that are remembered at once: an answer is small, and more buckets than these do not change within
/// [`REMEMBERED`].
const REMEMBERED_MAX: usize = 10_000;

/// Buckets to what was read of them.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    buckets: HashMap<BucketName, (Instant, Arc<Notifications>)>,
    /// How often something was forgotten: an answer that was asked for before is not remembered after.
    forgotten: u64,
}

/// When the catalog was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked(u64);

impl Remembered {
    pub(super) fn find(&self, bucket: &BucketName) -> Option<Arc<Notifications>> {
        let known = self.known();
        let (at, notifications) = known.buckets.get(bucket)?;
        (at.elapsed() < REMEMBERED).then(|| Arc::clone(notifications))
    }

    /// To be called before the catalog is asked.
    pub(super) fn asked(&self) -> Asked {
        Asked(self.known().forgotten)
    }

    pub(super) fn remember(&self, asked: Asked, bucket: &BucketName, answer: &Arc<Notifications>) {
        let mut known = self.known();
        if known.buckets.len() >= REMEMBERED_MAX {
            known.buckets.retain(|_, (at, _)| at.elapsed() < REMEMBERED);
        }
        if known.forgotten == asked.0 && known.buckets.len() < REMEMBERED_MAX {
            known.buckets.insert(bucket.clone(), (Instant::now(), Arc::clone(answer)));
        }
    }

    pub(crate) fn forget(&self, bucket: &BucketName) {
        let mut known = self.known();
        known.buckets.remove(bucket);
        known.forgotten += 1;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_from_before_a_change_is_not_remembered() {
        let (remembered, bucket) = (Remembered::default(), "media".parse().unwrap());
        let before = remembered.asked();
        remembered.forget(&bucket);
        remembered.remember(before, &bucket, &Arc::default());
        assert!(remembered.find(&bucket).is_none());

        remembered.remember(remembered.asked(), &bucket, &Arc::default());
        assert!(remembered.find(&bucket).is_some());
        remembered.forget(&bucket);
        assert!(remembered.find(&bucket).is_none());
    }
}
