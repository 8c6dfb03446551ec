//! The intents that a mutation has opened: whichever way it ends, one of them on which nobody had a last word is left to
//! recovery. A question to the catalog between the stores' answers and the record can fail, and a task can panic.

use std::sync::{Arc, Mutex, PoisonError};

use relais_catalog::{IntentId, Journal};

/// Shared by the clones of a mutation; the last one to go leaves what is undecided.
#[derive(Clone, Default)]
pub(crate) struct Opened(Arc<Intents>);

#[derive(Default)]
struct Intents(Mutex<Vec<(Journal, IntentId)>>);

impl Opened {
    pub(super) fn add(&self, journal: &Journal, id: IntentId) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push((journal.clone(), id));
    }
}

impl Drop for Intents {
    fn drop(&mut self) {
        for (journal, id) in self.0.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            journal.leave(id);
        }
    }
}
