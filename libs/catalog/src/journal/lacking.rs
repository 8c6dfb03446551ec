//! Journals that keep less than they should: to measure what keeping costs, and to prove that the tests notice.
//!
//! Never part of a release: these are features that only benchmarks and the proof of the fault runs turn on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::{Intent, IntentId};

/// Intents that are in memory alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Lacking(Arc<Mutex<HashMap<Uuid, Intent>>>);

impl Lacking {
    pub(super) fn remember(&self, intent: Intent) -> IntentId {
        let id = Uuid::now_v7();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, intent);
        IntentId(id)
    }

    fn take(&self, id: IntentId) -> Option<Intent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id.0)
    }
}

#[cfg(feature = "without-journal")]
mod without_journal {
    use relais_model::{Event, Sequencer};

    use super::{IntentId, Lacking};
    use crate::database::date;
    use crate::error::CatalogError;
    use crate::journal::Applied;

    impl Lacking {
        /// The event that nobody will hear of.
        pub(in crate::journal) fn made_up(
            &self,
            id: IntentId,
            applied: &Applied,
        ) -> Result<Event, CatalogError> {
            let intent = self.take(id).ok_or(CatalogError::UnknownIntent(id))?;
            Ok(Event {
                id: id.0,
                kind: intent.kind,
                time: date(0),
                bucket: intent.bucket,
                key: intent.key,
                sequencer: Sequencer(0),
                object: applied.object.clone(),
                version_id: None,
                derived_from: None,
                requester: applied.requester.clone(),
            })
        }
    }
}

#[cfg(all(feature = "without-intents", not(feature = "without-journal")))]
mod without_intents {
    use super::IntentId;
    use crate::error::CatalogError;
    use crate::journal::Journal;

    impl Journal {
        /// Writes the intent down when it is too late: the stores have the object already.
        pub(in crate::journal) async fn open_late(&self, id: IntentId) -> Result<IntentId, CatalogError> {
            match self.lacking.take(id) {
                Some(intent) => self.open_durably(intent).await,
                None => Ok(id),
            }
        }
    }
}
