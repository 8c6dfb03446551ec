//! What can be set about settling.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How replicas are settled. Every key is explained, with its default, in `config/default.toml`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SettleConfig {
    /// Keys that are copied at once to or from one store, by each instance.
    pub concurrency: NonZeroUsize,
    /// Requests of settling to one store in a second, by each instance; beside what clients ask.
    pub requests_per_second_max: Option<NonZeroU32>,
    /// A key is not copied to a replica again before that; a store may ask for more.
    pub rewrite_seconds: u64,
    /// For how long a key may be behind before that is announced.
    pub threshold_seconds: u64,
    /// For how long a replica is tried before it is called failed.
    pub failed_after_seconds: u64,
    /// How often a failed one is tried again.
    pub failed_retry_seconds: u64,
}

impl SettleConfig {
    pub(super) fn rewrite(&self) -> Duration {
        Duration::from_secs(self.rewrite_seconds)
    }

    pub(super) fn threshold(&self) -> Duration {
        Duration::from_secs(self.threshold_seconds)
    }

    pub(super) fn failed_after(&self) -> Duration {
        Duration::from_secs(self.failed_after_seconds)
    }

    pub(super) fn failed_retry(&self) -> Duration {
        Duration::from_secs(self.failed_retry_seconds)
    }
}
