//! One of the keys that a stream is spread over.
//!
//! The number of a partition stands in braces, so that a Cluster places each key by that number alone, and never splits
//! what is written to one of them.

use std::sync::Arc;
use std::time::Duration;

use redis::Pipeline;
use relais_model::Event;
use tokio::time::timeout;

use super::StreamOptions;
use super::trim::Trimmer;
use crate::error::BusError;
use crate::link::Link;

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) key: String,
    pub(super) link: Arc<Link>,
    pub(super) trimmer: Trimmer,
}

impl Partition {
    /// All of a stream.
    pub(super) fn all(link: &Link, options: &StreamOptions<'_>) -> Vec<Self> {
        let keys = keys_of(options.key, options.partitions);
        let length_max = options.length_max.div_ceil(keys.len() as u64);
        let part =
            |key| Self { key, link: Arc::new(link.for_another_key()), trimmer: Trimmer::new(length_max) };
        keys.into_iter().map(part).collect()
    }

    /// Writes the batch whole and in order, then trims what is too long.
    pub(super) async fn deliver(&self, mut batch: Pipeline) -> Result<(), BusError> {
        batch.cmd("XLEN").arg(&self.key);
        let outcome = self.link.deliver(&batch).await;
        let (length,): (u64,) = outcome.map_err(|error| self.link.failure("publish events to", &error))?;
        self.trim(length).await;
        Ok(())
    }

    /// The events are safe: a stream that is too long for a while is no reason to publish them again, nor to wait for long.
    async fn trim(&self, length: u64) {
        let error = match timeout(TRIMMING_TIMEOUT, self.trimmer.trim(&self.link, &self.key, length)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => self.link.failure("trim the stream in", &error).to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(stream = self.key, error, "cannot trim the stream of events");
    }

    pub(super) async fn ping(&self) -> Result<(), BusError> {
        let outcome: Result<u64, _> = self.link.command(redis::cmd("XLEN").arg(&self.key)).await;
        outcome.map(drop).map_err(|error| self.link.failure("ping", &error))
    }
}

/// The keys of a stream; a single one has the stream's own name.
pub(crate) fn keys_of(stream: &str, partitions: u32) -> Vec<String> {
    match partitions {
        1 => vec![stream.to_owned()],
        count => (0..count).map(|number| format!("{stream}:{{{number}}}")).collect(),
    }
}

/// The partition of an event: always the same for one object, or its events would lose their order. FNV-1a over
/// `bucket/key`, so that a publisher in any language can agree.
pub(super) fn partition_of(event: &Event, partitions: usize) -> usize {
    let (bucket, key) = (event.bucket.as_str().bytes(), event.key.as_str().bytes());
    let hash = bucket
        .chain(*b"/")
        .chain(key)
        .fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
    (hash % partitions as u64) as usize
}

/// With the delivery before it, it must end before the lease of the relay does; there is another attempt soon.
const TRIMMING_TIMEOUT: Duration = Duration::from_secs(1);

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
