//! Takes events from the journal's log to a bus, in the order of the log: those that `notify` sends there.
//!
//! Each bus has a relay of its own and a cursor in the catalog, so none waits for another. One instance does it at a time,
//! by a lease. The cursor is written after the bus has the events, and not each time: a crash sends the last ones again,
//! with the same ids.

use std::sync::Arc;
use std::time::Duration;

use relais_catalog::EventLog;
use relais_events::Publisher;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{PAUSE_AFTER_FAILURE, chain};
use crate::gateway::Gateway;
use crate::metrics::EVENTS_PUBLISHED;

/// Events published at once: enough to amortise a round trip, few enough to stay well below a second.
const BATCH: u64 = 500;

/// How long a relay that does not come back keeps the others waiting.
const LEASE: Duration = Duration::from_secs(10);

/// How often the lease is prolonged. What is left of it then is longer than a bus is waited for.
const LEASE_KEPT_FOR: Duration = Duration::from_secs(3);

/// How often the leader looks for what other instances have appended; what this one appends it hears of. One look is one
/// question to an index.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How often those look that do not lead.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How long the cursor may lag behind what is published.
const COMMIT_EVERY: Duration = Duration::from_millis(250);

/// How often the log is told that there is still this bus.
const REGISTER_EVERY: Duration = Duration::from_secs(3600);

/// The name of a bus among the readers of the log. Groups of the embedded bus have no colon in theirs.
pub fn reader(bus: &str) -> String {
    format!("bus:{bus}")
}

/// One bus and how far it has got.
struct Relay {
    gateway: Gateway,
    log: EventLog,
    publisher: Arc<dyn Publisher>,
    reader: String,
    registered: Option<Instant>,
    /// Where it stands, while it leads.
    led: Option<Led>,
}

struct Led {
    until: Instant,
    position: i64,
    committed: i64,
    committed_at: Instant,
}

/// Takes events to one bus until told to stop.
pub(super) async fn run(gateway: Gateway, publisher: Arc<dyn Publisher>, stop: CancellationToken) {
    let log = gateway.log.clone();
    let mut news = log.news();
    let reader = reader(publisher.name());
    let mut relay = Relay { gateway, log, publisher, reader, registered: None, led: None };
    while !stop.is_cancelled() {
        news.mark_unchanged(); // Before looking, or what comes in between is heard of late.
        let pause = match relay.publish_all(&stop).await {
            Ok(()) if relay.led.is_some() => LOOK_AGAIN,
            Ok(()) => ASK_AGAIN,
            Err(error) => {
                tracing::warn!(bus = relay.publisher.name(), error = %chain(error.as_ref()), "events wait in the journal");
                relay.led = None;
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(PAUSE_AFTER_FAILURE) => continue,
                }
            }
        };
        relay.wait(&mut news, &stop, pause).await;
    }
    if let Err(error) = relay.commit().await {
        tracing::warn!(bus = relay.publisher.name(), error = %chain(&error), "the last events will be published again");
    }
}

impl Relay {
    async fn publish_all(&mut self, stop: &CancellationToken) -> Result<(), s3s::StdError> {
        self.register().await?;
        while !stop.is_cancelled() && self.lead().await? {
            let Some(led) = &mut self.led else { break };
            let entries = self.log.after(led.position, BATCH).await?;
            let Some((last, _)) = entries.last() else { break };
            let last = *last;
            let events = entries.into_iter().map(|(_, event)| event).collect();
            let notices = self.gateway.notices(self.publisher.name(), events).await?;
            if !notices.is_empty() {
                self.publisher.publish(&notices).await?;
            }
            led.position = last;
            let published = metrics::counter!(EVENTS_PUBLISHED, "bus" => self.publisher.name().to_owned());
            published.increment(notices.len() as u64);
            if self.led.as_ref().is_some_and(|led| led.committed_at.elapsed() >= COMMIT_EVERY) {
                self.commit().await?;
            }
        }
        if self.led.as_ref().is_some_and(|led| led.committed_at.elapsed() >= COMMIT_EVERY) {
            self.commit().await?;
        }
        Ok(())
    }

    /// So that a bus which is away keeps what it is owed.
    async fn register(&mut self) -> Result<(), relais_catalog::CatalogError> {
        if self.registered.is_none_or(|at| at.elapsed() >= REGISTER_EVERY) {
            self.log.register(&self.reader).await?;
            self.registered = Some(Instant::now());
        }
        Ok(())
    }

    /// Whether this instance is the one that takes events to this bus; where it has just become that, it goes on from the
    /// cursor.
    async fn lead(&mut self) -> Result<bool, relais_catalog::CatalogError> {
        if self.led.as_ref().is_some_and(|led| Instant::now() < led.until) {
            return Ok(true);
        }
        let until = Instant::now() + LEASE_KEPT_FOR;
        if !self.gateway.journal.lead(&self.reader, LEASE).await? {
            self.led = None;
            return Ok(false);
        }
        match &mut self.led {
            Some(led) => led.until = until,
            None => {
                let position = self.log.register(&self.reader).await?;
                let committed_at = Instant::now();
                self.led = Some(Led { until, position, committed: position, committed_at });
            }
        }
        Ok(true)
    }

    async fn commit(&mut self) -> Result<(), relais_catalog::CatalogError> {
        if let Some(led) = &mut self.led
            && led.position > led.committed
        {
            self.log.commit(&self.reader, led.position).await?;
            led.committed = led.position;
            led.committed_at = Instant::now();
        }
        Ok(())
    }

    /// Waits for news, for the time to look, or for the end.
    async fn wait(&self, news: &mut watch::Receiver<()>, stop: &CancellationToken, pause: Duration) {
        tokio::select! {
            () = stop.cancelled() => {}
            Ok(()) = news.changed(), if self.led.is_some() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
