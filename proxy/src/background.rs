//! What runs behind the requests: the relay of events, the settling of replicas, the recovery of intents, the watch over what waits, upkeep; and the
//! look at what was revoked.
//!
//! Each is a loop that is woken when there is something to do and looks by itself now and then, since another instance may
//! have left the work, or a wake-up been lost with a crash. A failure is logged and met again at the next look.

use std::panic;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;

pub(crate) mod backlog;
mod breakers;
mod recover;
pub(crate) mod relay;
pub(crate) mod settle;
mod upkeep;

pub use relay::reader as reader_of_bus;

/// How often each loop looks without being woken.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Pause after a failure of the catalog or a bus, so that an outage is not answered with a storm.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Runs all loops until told to stop.
pub(crate) async fn run(gateway: Gateway, stop: CancellationToken) {
    let mut loops = JoinSet::new();
    let buses = gateway.routes.buses.clone();
    loops.spawn(backlog::run(gateway.clone(), buses.clone(), stop.clone()));
    for bus in buses {
        loops.spawn(relay::run(gateway.clone(), bus, stop.clone()));
    }
    loops.spawn(settle::run(gateway.clone(), stop.clone()));
    loops.spawn(recover::run(gateway.clone(), stop.clone()));
    loops.spawn({
        let (gateway, stop) = (gateway.clone(), stop.clone());
        async move { gateway.watch_revocations(stop).await }
    });
    loops.spawn(breakers::run(gateway.clone(), stop.clone()));
    loops.spawn(upkeep::run(gateway, stop));
    while let Some(ended) = loops.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            // Without it writes would go on, and something that they count on would not.
            panic::resume_unwind(error.into_panic());
        }
    }
}

/// Waits for a wake-up, the time to look, or the end; says whether to go on.
async fn wait(wake: &Notify, stop: &CancellationToken, pause: Duration) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = wake.notified() => true,
        () = tokio::time::sleep(pause) => true,
    }
}

/// An error and its sources on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
