//! What `/ready` asks: whether the catalog works, and nobody has told this process to stop.
//!
//! Stores are not asked: with one of them down there is still much that can be done. Buses that are away are named, and no
//! reason to turn requests away: their events wait in the journal. Only where sidecars are all that runs there is nothing to do
//! without theirs.

use std::sync::Arc;
use std::time::Duration;

use relais_catalog::Catalog;
use relais_events::{Bus, DEFAULT_BUS, Publisher};
use relais_proxy::api::{Readiness, Ready};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// What is said from the first signal on.
const STOPPING: &str = "stopping";

/// A bus that takes longer is named as away: whoever asks whether this process is ready has little patience.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn readiness(
    catalog: Catalog,
    needed: Option<Arc<dyn Bus>>,
    publishers: Vec<Arc<dyn Publisher>>,
    stopping: CancellationToken,
) -> Readiness {
    Arc::new(move || {
        let (catalog, needed, publishers) = (catalog.clone(), needed.clone(), publishers.clone());
        let stopping = stopping.clone();
        Box::pin(async move {
            if stopping.is_cancelled() {
                return Ready { missing: vec![STOPPING.to_owned()], away: Vec::new() };
            }
            let is_needed = needed.is_some();
            let (catalog, bus, away) =
                tokio::join!(catalog.ping(), missing(needed), away(publishers, is_needed));
            let catalog = catalog.err().map(|error| format!("database: {error}"));
            Ready { missing: catalog.into_iter().chain(bus).collect(), away }
        })
    })
}

async fn missing(needed: Option<Arc<dyn Bus>>) -> Option<String> {
    let error = needed?.ping().await.err()?;
    Some(format!("events: {error}"))
}

/// The buses that cannot be reached; the one that sidecars read is not among them where it `is_needed`.
async fn away(publishers: Vec<Arc<dyn Publisher>>, is_needed: bool) -> Vec<String> {
    let others = publishers.into_iter().filter(|publisher| !is_needed || publisher.name() != DEFAULT_BUS);
    let asked: JoinSet<Option<String>> =
        others.map(|publisher| async move { asked(&*publisher).await }).collect();
    let mut away: Vec<String> = asked.join_all().await.into_iter().flatten().collect();
    away.sort();
    away
}

async fn asked(publisher: &dyn Publisher) -> Option<String> {
    let said = match timeout(PATIENCE, publisher.ping()).await {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer yet".to_owned(),
    };
    Some(format!("bus {}: {said}", publisher.name()))
}
