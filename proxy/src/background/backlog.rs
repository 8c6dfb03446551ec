//! Watches how far behind the buses and the replicas are, and says so in the metrics; where the configuration wants it, writes
//! are refused while that is too much.
//!
//! A bus or a store that stays away makes the journal grow with each write. Nothing is lost by that, but for the room on the
//! database's disk; whether clients shall feel it sooner is `journal.when_full`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::Utc;
use relais_catalog::CatalogError;
use relais_events::Publisher;
use tokio_util::sync::CancellationToken;

use super::{chain, relay};
use crate::config::{JournalConfig, WhenFull};
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::metrics::{JOURNAL_BATCHES, JOURNAL_EVENTS, JOURNAL_OLDEST, JOURNAL_REQUESTS};

/// How often it is looked. Each look asks an index for each bus; where writes may be refused, it counts the keys that are to be
/// settled.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Writes are taken again when as much less waits as this part of the bound: so that they do not stutter at the bound.
const RESUME_BELOW: u64 = 10;

/// Whether writes are taken.
#[derive(Debug)]
pub(crate) struct Backlog {
    config: JournalConfig,
    full: AtomicBool,
}

impl Backlog {
    pub(crate) fn new(config: JournalConfig) -> Self {
        Self { config, full: AtomicBool::new(false) }
    }

    /// Refuses a mutation while the journal is full and that is what it shall do then.
    pub(crate) fn admit(&self) -> Result<(), GatewayError> {
        if self.full.load(Ordering::Relaxed) { Err(GatewayError::JournalFull) } else { Ok(()) }
    }

    /// Takes note of how much waits. The log hears of it when that changes something.
    fn note(&self, waiting: u64) {
        let JournalConfig { entries_max, when_full } = self.config;
        let was_full = self.full.load(Ordering::Relaxed);
        let bound = if was_full { entries_max - entries_max / RESUME_BELOW } else { entries_max };
        let is_full = when_full == WhenFull::Shed && waiting > bound;
        self.full.store(is_full, Ordering::Relaxed);
        match (was_full, is_full) {
            (false, true) => tracing::error!(
                waiting,
                "writes are refused: more waits in the journal than journal.entries_max; see which bus or store is away"
            ),
            (true, false) => tracing::info!(waiting, "writes are taken again"),
            _ => {}
        }
    }
}

pub(super) async fn run(gateway: Gateway, buses: Vec<Arc<dyn Publisher>>, stop: CancellationToken) {
    loop {
        match look(&gateway, &buses).await {
            Ok(waiting) => gateway.backlog.note(waiting),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "nobody knows how much waits in the journal")
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// What waits for the bus, or for the replicas, that is furthest behind.
async fn look(gateway: &Gateway, buses: &[Arc<dyn Publisher>]) -> Result<u64, CatalogError> {
    let (requests, batches) = gateway.journal.batches();
    metrics::counter!(JOURNAL_REQUESTS).absolute(requests);
    metrics::counter!(JOURNAL_BATCHES).absolute(batches);
    let mut waiting = 0;
    if gateway.backlog.config.when_full == WhenFull::Shed {
        waiting = gateway.objects.unsettled_count().await?; // It costs the more the more is behind.
    }
    for bus in buses {
        let owed = gateway.log.owed(&relay::reader(bus.name())).await?;
        let age = owed.since.map_or(0, |since| (Utc::now() - since).num_milliseconds().max(0));
        let label = || bus.name().to_owned();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float; counts this large are not told apart"
        )]
        metrics::gauge!(JOURNAL_EVENTS, "bus" => label()).set(owed.events as f64);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of centuries still fit")]
        metrics::gauge!(JOURNAL_OLDEST, "bus" => label()).set(age as f64 / 1000.0);
        waiting = waiting.max(owed.events);
    }
    Ok(waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog(entries_max: u64, when_full: WhenFull) -> Backlog {
        Backlog::new(JournalConfig { entries_max, when_full })
    }

    #[test]
    fn writes_are_refused_above_the_bound_until_it_is_well_below() {
        let large = backlog(1000, WhenFull::Shed);
        for (waiting, is_taken) in [(1000, true), (1001, false), (950, false), (900, true), (1000, true)] {
            large.note(waiting);
            assert_eq!(large.admit().is_ok(), is_taken, "{waiting}");
        }
        let small = backlog(5, WhenFull::Shed);
        for (waiting, is_taken) in [(5, true), (6, false), (5, true)] {
            small.note(waiting);
            assert_eq!(small.admit().is_ok(), is_taken, "{waiting} of 5");
        }
    }

    #[test]
    fn a_journal_that_keeps_takes_everything() {
        let backlog = backlog(1000, WhenFull::Keep);
        backlog.note(u64::MAX);
        assert!(backlog.admit().is_ok());
    }
}
