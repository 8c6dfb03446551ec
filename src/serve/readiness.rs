//! What `/ready` asks: whether the catalog and the bus work, and nobody has told this process to stop.
//!
//! Stores are not asked: with one of them down there is still much that can be done. Further buses are named, and no reason
//! to turn requests away: their events wait in the journal.

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

/// A further bus that takes longer is named as away: whoever asks whether this process is ready has little patience.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn readiness(
    catalog: Catalog,
    bus: Arc<dyn Bus>,
    publishers: Vec<Arc<dyn Publisher>>,
    stopping: CancellationToken,
) -> Readiness {
    Arc::new(move || {
        let (catalog, bus, stopping) = (catalog.clone(), Arc::clone(&bus), stopping.clone());
        let publishers = publishers.clone();
        Box::pin(async move {
            if stopping.is_cancelled() {
                return Ready { missing: vec![STOPPING.to_owned()], away: Vec::new() };
            }
            let (catalog, bus, away) = tokio::join!(catalog.ping(), bus.ping(), away(publishers));
            let catalog = catalog.err().map(|error| format!("database: {error}"));
            let bus = bus.err().map(|error| format!("events: {error}"));
            Ready { missing: catalog.into_iter().chain(bus).collect(), away }
        })
    })
}

/// The buses, beside the one that sidecars read, that cannot be reached.
async fn away(publishers: Vec<Arc<dyn Publisher>>) -> Vec<String> {
    let further = publishers.into_iter().filter(|publisher| publisher.name() != DEFAULT_BUS);
    let asked: JoinSet<Option<String>> =
        further.map(|publisher| async move { asked(&*publisher).await }).collect();
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
