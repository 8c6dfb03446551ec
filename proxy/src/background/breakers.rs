//! Watches the breakers of the stores: tells their state, and makes the trials.
//!
//! While a breaker is open, reads go to other replicas and would never find out that the store is back. So it is asked
//! something small whenever a trial is due, and no request has to be the one that waits for a store that swallows it.

use std::time::Duration;

use relais_stores::{Store, request};
use s3s::dto::ListBucketsInput;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;
use crate::metrics::BREAKER_OPEN;

/// How often is looked: as often as the shortest pause of a breaker ends.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Longest that a trial is waited for; by then another one is due.
const TRIAL_MAX: Duration = Duration::from_secs(3);

pub(super) async fn run(gateway: Gateway, stop: CancellationToken) {
    let mut trials = JoinSet::new(); // Aborted with the loop.
    while !stop.is_cancelled() {
        for store in gateway.placement.stores() {
            let is_open = store.breaker.is_open();
            let gauge = metrics::gauge!(BREAKER_OPEN, "store" => store.name.to_string());
            gauge.set(if is_open { 1.0 } else { 0.0 });
            if is_open && store.breaker.allows() {
                trials.spawn(tokio::time::timeout(TRIAL_MAX, ask(store.clone())));
            }
        }
        while trials.try_join_next().is_some() {}
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Whatever the answer is, the breaker learns from it: that the key may not list buckets is an answer too.
async fn ask(store: Store) {
    let _ = store.s3.list_buckets(request(ListBucketsInput::default())).await;
}
