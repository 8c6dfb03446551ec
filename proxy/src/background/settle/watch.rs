//! Keeps an eye on what is behind: heeds pauses, counts for the metrics, and tells of keys that are behind for too long.

use std::time::Duration;

use chrono::Utc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::events;
use crate::background::chain;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::metrics::{UNSETTLED, UNSETTLED_OLDEST_SECONDS};

/// How often pauses are read: how soon one is heeded.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often what is behind is counted, which costs the more the more is behind.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// Keys that are told of at each look.
const OVERDUE_MAX: u64 = 1000;

pub(super) async fn run(gateway: Gateway, stop: CancellationToken) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut counted: Option<Instant> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let count = counted.is_none_or(|counted| counted.elapsed() >= COUNT_EVERY);
        if count {
            counted = Some(Instant::now());
        }
        if let Err(error) = look(&gateway, count).await {
            tracing::warn!(error = %chain(&error), "what is behind cannot be counted");
        }
    }
}

/// Reads which stores are paused. If that fails, those are that were before.
pub(super) async fn heed_pauses(gateway: &Gateway) {
    match gateway.settling.paused().await {
        Ok(paused) => gateway.desk.set_paused(paused.into_keys().collect()),
        Err(error) => tracing::warn!(error = %chain(&error), "it is not known which stores are paused"),
    }
}

async fn look(gateway: &Gateway, count: bool) -> Result<(), GatewayError> {
    heed_pauses(gateway).await;
    if count {
        show(gateway).await?;
    }
    tell_of_overdue(gateway).await
}

/// Every instance looks; what two of them announce is one event. What is left is told of at the next look.
async fn tell_of_overdue(gateway: &Gateway) -> Result<(), GatewayError> {
    let overdue = gateway.objects.overdue(gateway.desk.config.threshold(), OVERDUE_MAX).await?;
    events::missed(gateway, &overdue).await?;
    Ok(gateway.objects.missed(&overdue).await?)
}

async fn show(gateway: &Gateway) -> Result<(), GatewayError> {
    let unsettled = gateway.objects.unsettled_by_store().await?;
    for store in gateway.desk.stores() {
        let lacks = unsettled.get(&store.name);
        let keys = lacks.map_or(0, |lacks| lacks.keys);
        let age = lacks.and_then(|lacks| lacks.oldest).map(|oldest| (Utc::now() - oldest).as_seconds_f64());
        let name = store.name.to_string();
        metrics::gauge!(UNSETTLED, "store" => name.clone()).set(keys as f64);
        metrics::gauge!(UNSETTLED_OLDEST_SECONDS, "store" => name).set(age.unwrap_or(0.0).max(0.0));
    }
    Ok(())
}
