//! The event bus over a Redis stream.
//!
//! One stream holds all events; each group is a consumer group that begins at the first entry. A batch is published
//! in one transaction, so that a Redis that runs out of memory half-way takes all of it or nothing, and the order of
//! a key's events survives the repeat. The stream is trimmed after publishing, only by what every group has
//! acknowledged ([`trim`]). A Redis that refuses writes is an outage like any other: publishing fails, and the events
//! wait in the journal. Needs Redis 6.2; from 7.0 on it also forgets entries that somebody deleted by hand.
//!
//! A stream may be spread over partitions, each a key of its own that a Cluster puts on a node of its own; then it is the
//! events of one object that stay in order.

mod partition;
mod reader;
mod subscription;
mod trim;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use redis::Cmd;
use uuid::Uuid;

pub(crate) use self::partition::keys_of;
use self::partition::{Partition, partition_of};
use self::subscription::RedisSubscription;
use crate::bus::{Bus, GroupName, Notice, Publisher, REDELIVERED_AFTER, Subscription, TestNotice};
use crate::config::Config;
use crate::error::BusError;
use crate::link::{Keys, Link};
use crate::record::{TEST_EVENT, notice_record, test_message};

/// A bus over a Redis stream.
#[derive(Debug)]
pub struct RedisStream {
    name: String,
    partitions: Vec<Partition>,
    region: String,
    consumer: String,
    subscriptions: AtomicU64,
    pub(crate) redelivered_after: Duration,
}

/// A stream, apart from where it is.
pub(crate) struct StreamOptions<'a> {
    /// The name of the bus.
    pub(crate) name: &'a str,
    /// The key, or the beginning of those of the partitions.
    pub(crate) key: &'a str,
    pub(crate) length_max: u64,
    pub(crate) partitions: u32,
}

impl RedisStream {
    /// The bus over the default stream of this configuration, from which sidecars read. Redis need not be there yet:
    /// connections are made when needed, and anew after failures.
    ///
    /// `consumer` is the name of this instance within each group. One that stays the same across restarts finds at
    /// once what it left undone.
    pub fn connect(config: &Config, consumer: &str) -> Result<Self, BusError> {
        let url = config.redis_url.as_deref().ok_or(BusError::NoUrl)?;
        let link = Link::open(default_keys(), url, &config.redis)?;
        let options = StreamOptions {
            name: DEFAULT_BUS,
            key: &config.stream,
            length_max: config.stream_length_max,
            partitions: config.partitions,
        };
        Self::new(&link, &options, consumer)
    }

    pub(crate) fn new(link: &Link, options: &StreamOptions<'_>, consumer: &str) -> Result<Self, BusError> {
        if !(1..=PARTITIONS_MAX).contains(&options.partitions) {
            let rule = format!("partitions of bus {}: from 1 to {PARTITIONS_MAX}", options.name);
            return Err(BusError::Misconfigured(rule));
        }
        Ok(Self {
            name: options.name.to_owned(),
            partitions: Partition::all(link, options),
            region: "us-east-1".to_owned(),
            consumer: consumer.to_owned(),
            subscriptions: AtomicU64::new(0),
            redelivered_after: REDELIVERED_AFTER,
        })
    }

    /// The same with the region that records name, where it is not `us-east-1`.
    pub fn in_region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    /// The command that adds an event.
    fn entry(&self, stream: &str, notice: &Notice) -> Cmd {
        let event = &notice.event;
        let mut command = redis::cmd("XADD");
        command.arg(stream).arg("*");
        command.arg("id").arg(event.id.to_string());
        command.arg(TYPE).arg(event.kind.name());
        command.arg("bucket").arg(event.bucket.as_str());
        command.arg("key").arg(event.key.as_str());
        command.arg(RECORD).arg(notice_record(notice, &self.region).to_string());
        command.arg("traceparent").arg(event.requester.traceparent.as_deref().unwrap_or(""));
        command
    }
}

#[async_trait]
impl Publisher for RedisStream {
    fn name(&self) -> &str {
        &self.name
    }

    async fn publish(&self, notices: &[Notice]) -> Result<(), BusError> {
        let mut batches = vec![None; self.partitions.len()];
        for notice in notices {
            let number = partition_of(&notice.event, self.partitions.len());
            let entry = self.entry(&self.partitions[number].key, notice);
            let batch = batches[number].get_or_insert_with(redis::Pipeline::new);
            batch.atomic().add_command(entry).ignore();
        }
        let batches = self.partitions.iter().zip(batches);
        let deliveries = batches.filter_map(|(partition, batch)| Some(partition.deliver(batch?)));
        try_join_all(deliveries).await.map(drop)
    }

    async fn test(&self, notice: &TestNotice) -> Result<(), BusError> {
        let Some(first) = self.partitions.first() else { return Ok(()) };
        let mut command = redis::cmd("XADD");
        command.arg(&first.key).arg("*");
        command.arg("id").arg(Uuid::now_v7().to_string());
        command.arg(TYPE).arg(TEST_EVENT);
        command.arg("bucket").arg(notice.bucket.as_str());
        command.arg("key").arg("");
        command.arg(RECORD).arg(test_message(notice).to_string());
        command.arg("traceparent").arg("");
        let mut batch = redis::pipe();
        batch.atomic().add_command(command).ignore();
        first.deliver(batch).await
    }

    /// Asks the partitions for their length, which also tells that they are streams and where they are.
    async fn ping(&self) -> Result<(), BusError> {
        try_join_all(self.partitions.iter().map(Partition::ping)).await.map(drop)
    }
}

#[async_trait]
impl Bus for RedisStream {
    async fn subscribe(&self, group: &GroupName) -> Result<Box<dyn Subscription>, BusError> {
        let number = self.subscriptions.fetch_add(1, Ordering::Relaxed);
        let consumer = format!("{}/{number}", self.consumer);
        for partition in &self.partitions {
            let made = reader::make_group(&partition.link, &partition.key, group).await;
            made.map_err(|error| partition.link.failure("make a consumer group in", &error))?;
        }
        Ok(Box::new(RedisSubscription::new(&self.partitions, group, &consumer, self.redelivered_after)))
    }

    async fn ping(&self) -> Result<(), BusError> {
        Publisher::ping(self).await
    }
}

/// Where the configuration speaks of the Redis of the default stream.
pub(crate) fn default_keys() -> Keys {
    Keys { url: "events.redis_url (REDIS_URL)".to_owned(), options: "[events.redis]".to_owned() }
}

/// The name of the bus that `events.redis_url` makes.
pub const DEFAULT_BUS: &str = "redis";

/// The field of an entry that holds the S3 event record.
const RECORD: &str = "record";

/// The field of an entry that says what happened.
const TYPE: &str = "type";

/// Each partition is a connection of the publisher and one of each subscription; more than this no Cluster has nodes for.
const PARTITIONS_MAX: u32 = 64;

#[cfg(test)]
mod tests;
