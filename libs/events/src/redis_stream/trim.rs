//! Keeps the stream near its length without dropping what a group still owes.
//!
//! `MAXLEN` would drop entries that a group has not read or not acknowledged. Here the limit is an entry: the first
//! one that the slowest group owes, and `LIMIT` keeps the stream from becoming shorter than it may be. What groups owe
//! only moves forward, so an answer that is a moment old is safe. A group that nobody reads any more holds the stream:
//! that is said in the log, and `XGROUP DESTROY` is the operator's to do.

use std::time::Duration;

use redis::RedisResult;
use redis::streams::{StreamInfoGroup, StreamInfoGroupsReply, StreamPendingReply};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::link::Link;

#[derive(Debug)]
pub(super) struct Trimmer {
    length_max: u64,
    last: Mutex<Option<Instant>>,
}

impl Trimmer {
    pub(super) fn new(length_max: u64) -> Self {
        Self { length_max, last: Mutex::default() }
    }

    /// Trims a stream that has this length now, unless that was tried a moment ago.
    pub(super) async fn trim(&self, link: &Link, stream: &str, length: u64) -> RedisResult<()> {
        let surplus = length.saturating_sub(self.length_max);
        if surplus == 0 || !self.is_due().await {
            return Ok(());
        }
        let owed = first_owed(link, stream).await?;
        let from = owed.as_ref().map_or(AFTER_ALL, |(_, id)| id.as_str());
        let mut command = redis::cmd("XTRIM");
        command.arg(stream).arg("MINID").arg("~").arg(from).arg("LIMIT").arg(surplus);
        let trimmed: u64 = link.command(&command).await?;
        if let Some((group, _)) = owed
            && trimmed == 0
            && surplus > self.length_max
        {
            tracing::warn!(
                stream,
                group,
                stream.length = length,
                "a group holds the stream at twice its length"
            );
        }
        Ok(())
    }

    /// As if the last attempt were long ago.
    #[cfg(test)]
    pub(super) async fn forget_last(&self) {
        *self.last.lock().await = None;
    }

    async fn is_due(&self) -> bool {
        let mut last = self.last.lock().await;
        let due = last.is_none_or(|last| last.elapsed() >= INTERVAL);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

/// The group that is furthest behind, and the first entry that must stay for it.
async fn first_owed(link: &Link, stream: &str) -> RedisResult<Option<(String, String)>> {
    let groups: StreamInfoGroupsReply = link.command(redis::cmd("XINFO").arg("GROUPS").arg(stream)).await?;
    let mut first: Option<(String, String)> = None;
    for group in groups.groups {
        let owed = owed_by(link, stream, &group).await?;
        if first.as_ref().is_none_or(|(_, id)| position(&owed) < position(id)) {
            first = Some((group.name, owed));
        }
    }
    Ok(first)
}

async fn owed_by(link: &Link, stream: &str, group: &StreamInfoGroup) -> RedisResult<String> {
    if group.pending > 0 {
        let pending: StreamPendingReply =
            link.command(redis::cmd("XPENDING").arg(stream).arg(&group.name)).await?;
        if let StreamPendingReply::Data(pending) = pending {
            return Ok(pending.start_id);
        }
    }
    Ok(group.last_delivered_id.clone())
}

/// An id as numbers, for `9-1` is before `10-0`.
fn position(id: &str) -> (u64, u64) {
    let (time, number) = id.split_once('-').unwrap_or((id, "0"));
    (time.parse().unwrap_or(0), number.parse().unwrap_or(0))
}

/// Largest id of an entry: where no group owes anything.
const AFTER_ALL: &str = "18446744073709551615-18446744073709551615";

/// Trimming asks once for each group; at this rate it costs nothing, and the stream outgrows its length by what a
/// second brings.
const INTERVAL: Duration = Duration::from_secs(1);
