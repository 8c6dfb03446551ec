//! The reading end of a subscription: what is left over, what others left over, what is new, in this order.
//!
//! It has a connection of its own, since a blocking read holds up everything behind it. It never gives up: failures
//! are told to the caller, and the next read waits first, longer each time.

use std::time::Duration;

use redis::streams::{StreamAutoClaimReply, StreamId, StreamReadReply};
use redis::{RedisError, RedisResult};
use tokio::time::{Instant, sleep};

use super::{RECORD, TYPE};
use crate::bus::{Delivery, GroupName};
use crate::error::BusError;
use crate::link::{self, Link};
use crate::record::{TEST_EVENT, event_from_record};

#[derive(Debug)]
pub(super) struct Reader {
    link: Link,
    stream: String,
    group: GroupName,
    consumer: String,
    /// Time after which an entry that another consumer has not acknowledged is taken over.
    idle_max: Duration,
    /// Entry after which our own unacknowledged entries are still to be read; nothing when all were.
    own_after: Option<String>,
    /// Where the search for others' overdue entries goes on, and when.
    claim_from: String,
    claim_at: Instant,
    failures: u32,
}

impl Reader {
    pub(super) fn new(
        link: &Link,
        stream: &str,
        group: &GroupName,
        consumer: String,
        idle_max: Duration,
    ) -> Self {
        Self {
            link: link.for_blocking(BLOCK_MAX),
            stream: stream.to_owned(),
            group: group.clone(),
            consumer,
            idle_max,
            own_after: Some(BEGINNING.to_owned()),
            claim_from: BEGINNING.to_owned(),
            claim_at: Instant::now(),
            failures: 0,
        }
    }

    /// Waits a while for up to `max` entries; may come back with none.
    pub(super) async fn read(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        if self.failures > 0 {
            sleep(wait_after(self.failures)).await;
        }
        let outcome = match self.attempt(max).await {
            Err(error) if group_is_gone(&error) => {
                tracing::warn!(
                    stream = self.stream,
                    group = self.group.as_str(),
                    "redis was emptied, starting anew"
                );
                make_group(&self.link, &self.stream, &self.group).await.map(|()| Vec::new())
            }
            other => other,
        };
        match outcome {
            Ok(entries) => {
                self.failures = 0;
                Ok(self.deliveries(entries).await)
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                // An answer that was lost on the way is ours already, and would otherwise wait until it is overdue.
                self.own_after = Some(BEGINNING.to_owned());
                Err(self.link.failure("read events from", &error))
            }
        }
    }

    async fn attempt(&mut self, max: usize) -> RedisResult<Vec<StreamId>> {
        if let Some(after) = self.own_after.take() {
            let entries = self.read_group(max, None, &after).await?;
            if let Some(last) = entries.last() {
                self.own_after = Some(last.id.clone());
                return Ok(entries);
            }
        }
        if self.claim_at <= Instant::now() {
            let entries = self.claim(max).await?;
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
        self.read_group(max, Some(BLOCK_MAX.min(self.claim_interval())), NEW).await
    }

    async fn read_group(
        &self,
        max: usize,
        block: Option<Duration>,
        after: &str,
    ) -> RedisResult<Vec<StreamId>> {
        let mut command = redis::cmd("XREADGROUP");
        command.arg("GROUP").arg(self.group.as_str()).arg(&self.consumer).arg("COUNT").arg(max);
        if let Some(block) = block {
            command.arg("BLOCK").arg(millis(block));
        }
        command.arg("STREAMS").arg(&self.stream).arg(after);
        let reply: Option<StreamReadReply> = self.link.command(&command).await?;
        Ok(reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids).collect())
    }

    /// Takes over entries that a consumer, perhaps dead, has had for too long.
    async fn claim(&mut self, max: usize) -> RedisResult<Vec<StreamId>> {
        loop {
            let mut command = redis::cmd("XAUTOCLAIM");
            command.arg(&self.stream).arg(self.group.as_str()).arg(&self.consumer).arg(millis(self.idle_max));
            command.arg(&self.claim_from).arg("COUNT").arg(max);
            let reply: StreamAutoClaimReply = self.link.command(&command).await?;
            let finished = reply.next_stream_id == BEGINNING;
            self.claim_from = reply.next_stream_id;
            if finished {
                self.claim_at = Instant::now() + self.claim_interval();
            }
            if finished || !reply.claimed.is_empty() {
                return Ok(reply.claimed);
            }
        }
    }

    fn claim_interval(&self) -> Duration {
        self.idle_max / 2
    }

    /// Makes events of entries. What is no event of ours would come back for ever: it is logged and acknowledged. A test
    /// event is one of ours, for others.
    async fn deliveries(&self, entries: Vec<StreamId>) -> Vec<Delivery> {
        let mut deliveries = Vec::with_capacity(entries.len());
        let mut foreign = Vec::new();
        for entry in entries {
            match delivery(&entry) {
                Ok(delivery) => deliveries.push(delivery),
                Err(_) if entry.get::<String>(TYPE).is_some_and(|kind| kind == TEST_EVENT) => {
                    foreign.push(entry.id)
                }
                Err(error) => {
                    tracing::warn!(stream = self.stream, entry = entry.id, %error, "skipping what is not an event");
                    foreign.push(entry.id);
                }
            }
        }
        let ids: Vec<&str> = foreign.iter().map(String::as_str).collect();
        if let Err(error) = acknowledge(&self.link, &self.stream, &self.group, &ids).await {
            let error = self.link.failure("acknowledge entries to", &error);
            tracing::warn!(stream = self.stream, %error, "a skipped entry will come back");
        }
        deliveries
    }
}

/// Makes the consumer group, from the first entry on, and the stream, where they are not there yet.
pub(super) async fn make_group(link: &Link, stream: &str, group: &GroupName) -> RedisResult<()> {
    let mut command = redis::cmd("XGROUP");
    command.arg("CREATE").arg(stream).arg(group.as_str()).arg("0").arg("MKSTREAM");
    match link.command(&command).await {
        Err(error) if link::code(&error).is_some_and(|code| code == "BUSYGROUP") => Ok(()),
        outcome => outcome,
    }
}

pub(super) async fn acknowledge(
    link: &Link,
    stream: &str,
    group: &GroupName,
    ids: &[&str],
) -> RedisResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    link.command(redis::cmd("XACK").arg(stream).arg(group.as_str()).arg(ids)).await
}

fn delivery(entry: &StreamId) -> Result<Delivery, BusError> {
    let text: Option<String> = entry.get(RECORD);
    let record = text.and_then(|text| serde_json::from_str(&text).ok());
    let event = event_from_record(&record.ok_or(BusError::InvalidRecord { field: "JSON" })?)?;
    Ok(Delivery { event, token: entry.id.clone() })
}

/// Redis was flushed, or came back without its data: `UNBLOCKED` is what a reader hears that was waiting just then.
fn group_is_gone(error: &RedisError) -> bool {
    matches!(link::code(error).as_deref(), Some("NOGROUP" | "UNBLOCKED"))
}

fn wait_after(failures: u32) -> Duration {
    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures - 1)).min(WAIT_MAX)
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

/// Smallest id of an entry: before everything.
const BEGINNING: &str = "0-0";

/// In the place of an id: what no consumer of the group has had.
const NEW: &str = ">";

/// A read waits this long in the server. Short enough that overdue entries get their turn and that a connection that
/// died in silence is noticed; long enough that an idle subscriber costs nothing.
const BLOCK_MAX: Duration = Duration::from_secs(5);

/// Wait after a first failure: doubles with each further one, up to [`WAIT_MAX`].
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// A Redis that comes back is noticed within this time.
const WAIT_MAX: Duration = Duration::from_secs(5);
