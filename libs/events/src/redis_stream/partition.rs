//! One of the keys that a stream is spread over.
//!
//! The number of a partition stands in braces, so that a Cluster places each key by that number alone, and never splits
//! what is written to one of them.

use std::sync::Arc;

use redis::Pipeline;
use relais_model::Event;

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
    /// All of a stream; a single one has the stream's own name.
    pub(super) fn all(link: Link, options: &StreamOptions<'_>) -> Vec<Self> {
        let part = |key: String, link: Link, length_max: u64| Self {
            key,
            link: Arc::new(link),
            trimmer: Trimmer::new(length_max),
        };
        let count = u64::from(options.partitions);
        if count == 1 {
            return vec![part(options.key.to_owned(), link, options.length_max)];
        }
        let length_max = options.length_max.div_ceil(count);
        let numbers = 0..count;
        numbers
            .map(|number| part(format!("{}:{{{number}}}", options.key), link.for_another_key(), length_max))
            .collect()
    }

    /// Writes the batch whole and in order, then trims what is too long.
    pub(super) async fn deliver(&self, mut batch: Pipeline) -> Result<(), BusError> {
        batch.cmd("XLEN").arg(&self.key);
        let outcome = self.link.deliver(&batch).await;
        let (length,): (u64,) = outcome.map_err(|error| self.link.failure("publish events to", &error))?;
        // The events are safe; a stream that is too long for a while is no reason to publish them again.
        if let Err(error) = self.trimmer.trim(&self.link, &self.key, length).await {
            let error = self.link.failure("trim the stream in", &error);
            tracing::warn!(stream = self.key, %error, "cannot trim the stream of events");
        }
        Ok(())
    }

    pub(super) async fn ping(&self) -> Result<(), BusError> {
        let outcome: Result<u64, _> = self.link.command(redis::cmd("XLEN").arg(&self.key)).await;
        outcome.map(drop).map_err(|error| self.link.failure("ping", &error))
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

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
