//! Intents whose end this instance could not write down, because the catalog did not work at that moment.
//!
//! Nobody else looks at them while this instance is alive, so they are handed to recovery once the catalog works again. They
//! are no more than were in flight when it went away: without it none is opened.

use std::sync::{Mutex, MutexGuard, PoisonError};

use relais_catalog::{CatalogError, IntentId, Journal};

/// What recovery has to be told of.
#[derive(Debug, Default)]
pub(crate) struct Undecided(Mutex<Vec<IntentId>>);

impl Undecided {
    pub(crate) fn add(&self, id: IntentId) {
        self.list().push(id);
    }

    /// Leaves all of them to recovery, or keeps those that the catalog does not take yet.
    pub(super) async fn hand_over(&self, journal: &Journal) -> Result<(), CatalogError> {
        loop {
            let Some(id) = self.list().last().copied() else { return Ok(()) };
            journal.doubt(id).await?;
            self.list().retain(|other| *other != id);
        }
    }

    fn list(&self) -> MutexGuard<'_, Vec<IntentId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
