//! The event bus over a Redis stream.
//!
//! One stream holds all events; each group is a consumer group that begins at the first entry. A batch is published
//! in one transaction, so that a Redis that runs out of memory half-way takes all of it or nothing, and the order of
//! a key's events survives the repeat. The stream is trimmed after publishing, only by what every group has
//! acknowledged ([`trim`]). A Redis that refuses writes is an outage like any other: publishing fails, and the events
//! wait in the journal. Needs Redis 6.2; from 7.0 on it also forgets entries that somebody deleted by hand.

mod link;
mod reader;
mod trim;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use redis::Cmd;
use relais_model::Event;
use tokio::sync::Mutex;

use self::link::Link;
use self::reader::Reader;
use self::trim::Trimmer;
use crate::bus::{Bus, Delivery, GroupName, Notice, Publisher, REDELIVERED_AFTER, Subscription};
use crate::config::Config;
use crate::error::BusError;
use crate::record::record;

/// A bus over a Redis stream.
#[derive(Debug)]
pub struct RedisStream {
    link: Arc<Link>,
    stream: String,
    region: String,
    consumer: String,
    subscriptions: AtomicU64,
    trimmer: Trimmer,
    redelivered_after: Duration,
}

impl RedisStream {
    /// A bus over the Redis of this configuration. Redis need not be there yet: connections are made when needed, and
    /// anew after failures.
    ///
    /// `consumer` is the name of this instance within each group. One that stays the same across restarts finds at
    /// once what it left undone.
    pub fn connect(config: &Config, consumer: &str) -> Result<Self, BusError> {
        let url = config.redis_url.as_deref().ok_or(BusError::NoUrl)?;
        Ok(Self {
            link: Arc::new(Link::open(url)?),
            stream: config.stream.clone(),
            region: "us-east-1".to_owned(),
            consumer: consumer.to_owned(),
            subscriptions: AtomicU64::new(0),
            trimmer: Trimmer::new(config.stream_length_max),
            redelivered_after: REDELIVERED_AFTER,
        })
    }

    /// The same with the region that records name, where it is not `us-east-1`.
    pub fn in_region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    /// The command that adds an event.
    fn entry(&self, event: &Event) -> Cmd {
        let mut command = redis::cmd("XADD");
        command.arg(&self.stream).arg("*");
        command.arg("id").arg(event.id.to_string());
        command.arg("type").arg(event.kind.name());
        command.arg("bucket").arg(event.bucket.as_str());
        command.arg("key").arg(event.key.as_str());
        command.arg(RECORD).arg(record(event, &self.region).to_string());
        command.arg("traceparent").arg(event.requester.traceparent.as_deref().unwrap_or(""));
        command
    }
}

#[async_trait]
impl Publisher for RedisStream {
    fn name(&self) -> &'static str {
        "redis"
    }

    async fn publish(&self, notices: &[Notice]) -> Result<(), BusError> {
        if notices.is_empty() {
            return Ok(());
        }
        let mut batch = redis::pipe();
        batch.atomic();
        for notice in notices {
            batch.add_command(self.entry(&notice.event)).ignore();
        }
        batch.cmd("XLEN").arg(&self.stream);
        let outcome = self.link.transaction(&batch).await;
        let (length,): (u64,) = outcome.map_err(|error| self.link.failure("publish events to", &error))?;
        // The events are safe; a stream that is too long for a while is no reason to publish them again.
        if let Err(error) = self.trimmer.trim(&self.link, &self.stream, length).await {
            let error = self.link.failure("trim the stream in", &error);
            tracing::warn!(stream = self.stream, %error, "cannot trim the stream of events");
        }
        Ok(())
    }

    async fn ping(&self) -> Result<(), BusError> {
        let outcome: Result<(), _> = self.link.command(&redis::cmd("PING")).await;
        outcome.map_err(|error| self.link.failure("ping", &error))
    }
}

#[async_trait]
impl Bus for RedisStream {
    async fn subscribe(&self, group: &GroupName) -> Result<Box<dyn Subscription>, BusError> {
        let made = reader::make_group(&self.link, &self.stream, group).await;
        made.map_err(|error| self.link.failure("make a consumer group in", &error))?;
        let number = self.subscriptions.fetch_add(1, Ordering::Relaxed);
        let consumer = format!("{}/{number}", self.consumer);
        let reader = Reader::new(&self.link, &self.stream, group, consumer, self.redelivered_after);
        Ok(Box::new(RedisSubscription {
            link: self.link.clone(),
            stream: self.stream.clone(),
            group: group.clone(),
            reader: Arc::new(Mutex::new(reader)),
            reading: None,
            ready: VecDeque::new(),
        }))
    }

    async fn ping(&self) -> Result<(), BusError> {
        Publisher::ping(self).await
    }
}

/// A member of a consumer group.
///
/// A read that Redis has begun cannot be taken back, so a call of `next` that is given up leaves its read here for
/// the next call to finish.
struct RedisSubscription {
    link: Arc<Link>,
    stream: String,
    group: GroupName,
    /// Never contended: the lock lends the reader to the read that is under way.
    reader: Arc<Mutex<Reader>>,
    reading: Option<BoxFuture<'static, Result<Vec<Delivery>, BusError>>>,
    /// Read for a call with a larger `max` that was given up.
    ready: VecDeque<Delivery>,
}

#[async_trait]
impl Subscription for RedisSubscription {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let max = max.max(1);
        while self.ready.is_empty() {
            let reader = &self.reader;
            let reading = self.reading.get_or_insert_with(|| {
                let reader = reader.clone();
                async move { reader.lock().await.read(max).await }.boxed()
            });
            let outcome = reading.await;
            self.reading = None;
            self.ready.extend(outcome?);
        }
        let count = max.min(self.ready.len());
        Ok(self.ready.drain(..count).collect())
    }

    async fn acknowledge(&mut self, deliveries: &[Delivery]) -> Result<(), BusError> {
        let ids: Vec<&str> = deliveries.iter().map(|delivery| delivery.token.as_str()).collect();
        let outcome = reader::acknowledge(&self.link, &self.stream, &self.group, &ids).await;
        outcome.map_err(|error| self.link.failure("acknowledge events to", &error))
    }
}

impl fmt::Debug for RedisSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSubscription")
            .field("link", &self.link)
            .field("stream", &self.stream)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// The field of an entry that holds the S3 event record.
const RECORD: &str = "record";

#[cfg(test)]
mod tests;
