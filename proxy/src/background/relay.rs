//! Takes events from the journal to the bus, in the order of their sequencers.
//!
//! One instance does it at a time, by a lease in the catalog. An event is marked published only after the bus has it, so a
//! crash between the two sends it again, with the same id.

use std::sync::Arc;
use std::time::Duration;

use relais_events::Bus;
use tokio_util::sync::CancellationToken;

use super::{LOOK_AGAIN, PAUSE_AFTER_FAILURE, chain, wait};
use crate::gateway::Gateway;
use crate::metrics::EVENTS_PUBLISHED;

/// Events published at once: enough to amortise a round trip, few enough to stay well below a second.
const BATCH: u64 = 500;

/// How long a relay that does not come back keeps the others waiting.
const LEASE: Duration = Duration::from_secs(10);

pub(super) async fn run(gateway: Gateway, bus: Arc<dyn Bus>, stop: CancellationToken) {
    let mut pause = LOOK_AGAIN;
    while wait(&gateway.published_soon, &stop, pause).await {
        pause = match publish_all(&gateway, bus.as_ref(), &stop).await {
            Ok(()) => LOOK_AGAIN,
            Err(error) => {
                tracing::warn!(error = %chain(error.as_ref()), "events wait in the journal");
                PAUSE_AFTER_FAILURE
            }
        };
    }
}

async fn publish_all(
    gateway: &Gateway,
    bus: &dyn Bus,
    stop: &CancellationToken,
) -> Result<(), s3s::StdError> {
    while !stop.is_cancelled() && gateway.journal.lead("relay", LEASE).await? {
        let events = gateway.journal.unpublished(BATCH).await?;
        if events.is_empty() {
            break;
        }
        bus.publish(&events).await?;
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        gateway.journal.published(&ids).await?;
        metrics::counter!(EVENTS_PUBLISHED).increment(events.len() as u64);
    }
    Ok(())
}
