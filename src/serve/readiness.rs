//! What `/ready` asks: whether the catalog and the bus work.
//!
//! Stores are not asked: with one of them down there is still much that can be done.

use std::sync::Arc;

use relais_catalog::Catalog;
use relais_events::Bus;
use relais_proxy::api::Readiness;

pub(super) fn readiness(catalog: Catalog, bus: Arc<dyn Bus>) -> Readiness {
    Arc::new(move || {
        let (catalog, bus) = (catalog.clone(), Arc::clone(&bus));
        Box::pin(async move {
            let (catalog, bus) = tokio::join!(catalog.ping(), bus.ping());
            let catalog = catalog.err().map(|error| format!("database: {error}"));
            let bus = bus.err().map(|error| format!("events: {error}"));
            catalog.into_iter().chain(bus).collect()
        })
    })
}
