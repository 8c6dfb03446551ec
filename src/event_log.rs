//! The catalog's journal as the embedded bus wants it: the one place where the two meet.

use async_trait::async_trait;
use relais_catalog::{CatalogError, EventLog};
use relais_events::BusError;
use relais_model::Event;
use tokio::sync::watch;

#[derive(Debug)]
pub(crate) struct JournalLog(pub(crate) EventLog);

#[async_trait]
impl relais_events::EventLog for JournalLog {
    fn news(&self) -> watch::Receiver<()> {
        self.0.news()
    }

    async fn ping(&self) -> Result<(), BusError> {
        self.0.ping().await.map_err(|error| failed("reach", error))
    }

    async fn read(&self, group: &str, max: u64) -> Result<Vec<(i64, Event)>, BusError> {
        self.0.read(group, max).await.map_err(|error| failed("read", error))
    }

    async fn commit(&self, group: &str, position: i64) -> Result<(), BusError> {
        self.0.commit(group, position).await.map_err(|error| failed("move the cursor of", error))
    }
}

fn failed(act: &'static str, source: CatalogError) -> BusError {
    BusError::Log { act, source: Box::new(source) }
}
