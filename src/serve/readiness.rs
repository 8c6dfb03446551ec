//! What `/ready` asks: whether the catalog and the bus work, and nobody has told this process to stop.
//!
//! Stores are not asked: with one of them down there is still much that can be done.

use std::sync::Arc;

use relais_catalog::Catalog;
use relais_events::Bus;
use relais_proxy::api::Readiness;
use tokio_util::sync::CancellationToken;

/// What is said from the first signal on.
const STOPPING: &str = "stopping";

pub(super) fn readiness(catalog: Catalog, bus: Arc<dyn Bus>, stopping: CancellationToken) -> Readiness {
    Arc::new(move || {
        let (catalog, bus, stopping) = (catalog.clone(), Arc::clone(&bus), stopping.clone());
        Box::pin(async move {
            if stopping.is_cancelled() {
                return vec![STOPPING.to_owned()];
            }
            let (catalog, bus) = tokio::join!(catalog.ping(), bus.ping());
            let catalog = catalog.err().map(|error| format!("database: {error}"));
            let bus = bus.err().map(|error| format!("events: {error}"));
            catalog.into_iter().chain(bus).collect()
        })
    })
}
