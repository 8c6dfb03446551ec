//! The event bus of a relais that has no Redis: the journal itself.
//!
//! The log keeps the events and one cursor a group; this bus adds who has what in hand. That knowledge is in memory: after a restart a group goes on from its cursor, so what was
//! in hand comes again. All members of a group must therefore be in one process; across processes, use Redis.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use relais_model::Event;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

use crate::bus::{Bus, Delivery, GroupName, REDELIVERED_AFTER, Subscription};
use crate::error::BusError;

/// A durable sequence of events with a cursor for each group.
///
/// # Contract
/// - Once a group can read a position, no smaller one is added.
/// - What was read and what was committed is there after a crash.
/// - A group that never committed reads from the beginning.
#[async_trait]
pub trait EventLog: fmt::Debug + Send + Sync + 'static {
    /// Changes when this process has added something to the log.
    fn news(&self) -> watch::Receiver<()>;

    /// Tells whether the log can be read now.
    async fn ping(&self) -> Result<(), BusError>;

    /// Gives up to `max` events after the group's cursor, with their positions, in order.
    async fn read(&self, group: &str, max: u64) -> Result<Vec<(i64, Event)>, BusError>;

    /// Moves the group's cursor to a position.
    async fn commit(&self, group: &str, position: i64) -> Result<(), BusError>;
}

/// A bus over an [`EventLog`].
#[derive(Debug)]
pub struct EmbeddedBus {
    log: Arc<dyn EventLog>,
    groups: Mutex<HashMap<GroupName, Arc<InHand>>>,
    redelivered_after: Duration,
}

impl EmbeddedBus {
    /// A bus whose events are in this log.
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        Self { log, groups: Mutex::default(), redelivered_after: REDELIVERED_AFTER }
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn subscribe(&self, group: &GroupName) -> Result<Box<dyn Subscription>, BusError> {
        let in_hand = self.groups.lock().await.entry(group.clone()).or_default().clone();
        Ok(Box::new(EmbeddedSubscription {
            log: self.log.clone(),
            news: self.log.news(),
            group: group.clone(),
            in_hand,
            redelivered_after: self.redelivered_after,
            failures: 0,
        }))
    }

    async fn ping(&self) -> Result<(), BusError> {
        self.log.ping().await
    }
}

/// What the members of a group have been given since the group's cursor, by position.
type InHand = Mutex<BTreeMap<i64, State>>;

#[derive(Clone, Copy, Debug)]
enum State {
    HandedOut(Instant),
    Acknowledged,
}

#[derive(Debug)]
struct EmbeddedSubscription {
    log: Arc<dyn EventLog>,
    news: watch::Receiver<()>,
    group: GroupName,
    in_hand: Arc<InHand>,
    redelivered_after: Duration,
    failures: u32,
}

impl EmbeddedSubscription {
    /// Takes what is new or overdue, up to `max`.
    async fn take(&self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let mut in_hand = self.in_hand.lock().await;
        // What is in hand comes first in the log and is passed over, so ask for that much more.
        let rows = self.log.read(self.group.as_str(), (max + in_hand.len()) as u64).await?;
        let now = Instant::now();
        let free = rows.into_iter().filter(|(position, _)| match in_hand.get(position) {
            None => true,
            Some(State::HandedOut(since)) => now.duration_since(*since) >= self.redelivered_after,
            Some(State::Acknowledged) => false,
        });
        let taken: Vec<(i64, Event)> = free.take(max).collect();
        in_hand.extend(taken.iter().map(|(position, _)| (*position, State::HandedOut(now))));
        Ok(taken
            .into_iter()
            .map(|(position, event)| Delivery { event, token: position.to_string() })
            .collect())
    }
}

#[async_trait]
impl Subscription for EmbeddedSubscription {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        if self.failures > 0 {
            sleep(POLL.min(FIRST_WAIT * self.failures)).await;
        }
        loop {
            // Before looking, or what is added in between is heard of only at the next poll.
            self.news.mark_unchanged();
            let outcome = self.take(max.max(1)).await;
            self.failures = if outcome.is_ok() { 0 } else { self.failures.saturating_add(1) };
            let deliveries = outcome?;
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
            tokio::select! {
                Ok(()) = self.news.changed() => {}
                () = sleep(POLL.min(self.redelivered_after)) => {}
            }
        }
    }

    async fn acknowledge(&mut self, deliveries: &[Delivery]) -> Result<(), BusError> {
        let mut in_hand = self.in_hand.lock().await;
        for position in deliveries.iter().filter_map(|delivery| delivery.token.parse::<i64>().ok()) {
            if let Some(state) = in_hand.get_mut(&position) {
                *state = State::Acknowledged;
            }
        }
        // The cursor may pass only what is done with from the start; the rest waits here for the gap to close.
        let done = in_hand.iter().take_while(|(_, state)| matches!(state, State::Acknowledged));
        let Some(cursor) = done.map(|(position, _)| *position).last() else {
            return Ok(());
        };
        self.log.commit(self.group.as_str(), cursor).await?;
        in_hand.retain(|position, _| *position > cursor);
        Ok(())
    }
}

/// Fall-back for what another process adds to the log, and the time within which overdue events are noticed.
const POLL: Duration = Duration::from_secs(5);

/// Wait after a first failure of the log; grows with each further one up to [`POLL`].
const FIRST_WAIT: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
