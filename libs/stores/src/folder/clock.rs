//! Moments that never repeat, and names made of them.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use s3s::dto::Timestamp;

/// Nanoseconds since 1970: when an object was written, and, as the time of its file, which file is that object's.
pub(super) type Stamp = i64;

/// Gives each stamp once.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: AtomicI64,
    /// Tells this process from others: its keys are random.
    process: RandomState,
}

impl Clock {
    /// A moment later than all before, and later than another one.
    pub(super) fn after(&self, other: Stamp) -> Stamp {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = Stamp::try_from(now.as_nanos()).unwrap_or(Stamp::MAX - 1).max(other.saturating_add(1));
        let last = self.last.fetch_max(now, Ordering::Relaxed);
        if now > last { now } else { self.last.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    /// A new name; names that are made later sort later.
    pub(super) fn name(&self) -> String {
        let stamp = self.after(0);
        format!("{stamp:016x}{:016x}", self.process.hash_one(stamp))
    }
}

/// The moment as a file's time.
pub(super) fn system_time(stamp: Stamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(stamp).unwrap_or(0))
}

/// A file's time as a moment.
pub(super) fn stamp(time: SystemTime) -> Stamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Stamp::try_from(since.as_nanos()).unwrap_or(Stamp::MAX)
}

/// The moment as S3 tells it.
pub(super) fn timestamp(stamp: Stamp) -> Timestamp {
    system_time(stamp).into()
}
