//! What can be set for the jobs of one sidecar.

use std::num::NonZeroUsize;
use std::time::Duration;

use relais_model::ByteSize;
use serde::{Deserialize, Serialize};

/// Limits of the jobs of one sidecar.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Jobs that run at once in this process, each in a child of its own.
    pub slots: NonZeroUsize,
    /// Attempts after which a job that fails for passing reasons is dead.
    pub attempts_max: u32,
    /// Deaths of the worker process after which a job is dead.
    pub crashes_max: u32,
    /// How long a job belongs to an instance that does not renew; key `lease_seconds`.
    #[serde(rename = "lease_seconds", with = "seconds")]
    pub lease: Duration,
    /// Longest time for one attempt, reading the source included; key `timeout_seconds`.
    #[serde(rename = "timeout_seconds", with = "seconds")]
    pub timeout: Duration,
    /// Address space of one worker process.
    pub memory_bytes_max: ByteSize,
}

/// A duration as a whole number of seconds, which the name of the key says.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(duration.as_secs())
    }
}
