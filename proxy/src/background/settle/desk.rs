//! What all settling of an instance shares: its bounds for each store, and which stores are not to be used now.
//!
//! The bounds are settling's own, so that a backlog does not starve clients; what a store takes altogether is bounded in the
//! store itself.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use relais_model::StoreName;
use relais_stores::{Store, Stores};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use super::SettleConfig;

/// Writes that see to their own replicas at once; what more there are is left to the queue, which does many in one go.
const FOLLOW_UPS_MAX: usize = 64;

/// The desk at which keys are settled.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(super) config: SettleConfig,
    bounds: BTreeMap<StoreName, Bound>,
    paused: RwLock<BTreeSet<StoreName>>,
    follow_ups: Semaphore,
}

#[derive(Debug)]
struct Bound {
    store: Store,
    slots: Arc<Semaphore>,
    pace: Option<Pace>,
}

/// Requests at even distances.
#[derive(Debug)]
struct Pace {
    distance: Duration,
    next: Mutex<Instant>,
}

impl Desk {
    pub(crate) fn new(config: &SettleConfig, stores: &Stores) -> Self {
        let bound = |store: &Store| Bound {
            store: store.clone(),
            slots: Arc::new(Semaphore::new(config.concurrency.get().min(Semaphore::MAX_PERMITS))),
            pace: config.requests_per_second_max.map(Pace::new),
        };
        let bounds = stores.iter().map(|store| (store.name.clone(), bound(store))).collect();
        let follow_ups = Semaphore::new(FOLLOW_UPS_MAX);
        Self { config: config.clone(), bounds, paused: RwLock::default(), follow_ups }
    }

    /// Leave for a write to see to its replicas by itself; nothing while enough of them do.
    pub(crate) fn follow_up(&self) -> Option<SemaphorePermit<'_>> {
        self.follow_ups.try_acquire().ok()
    }

    /// How many keys are worth being at work on at once.
    pub(super) fn capacity(&self) -> usize {
        self.config.concurrency.get().saturating_mul(self.bounds.len().max(1))
    }

    /// Every store, by name.
    pub(crate) fn stores(&self) -> impl Iterator<Item = &Store> {
        self.bounds.values().map(|bound| &bound.store)
    }

    /// Waits for room at these stores, one key's worth of each.
    pub(super) async fn enter(&self, stores: &BTreeSet<&StoreName>) -> Vec<OwnedSemaphorePermit> {
        let mut slots = Vec::with_capacity(stores.len());
        // In the order of names, so that two never wait for each other.
        for bound in stores.iter().filter_map(|store| self.bounds.get(*store)) {
            slots.extend(Arc::clone(&bound.slots).acquire_owned().await.ok());
        }
        slots
    }

    /// Waits until one more request may go to the store.
    pub(super) async fn turn(&self, store: &StoreName) {
        if let Some(pace) = self.bounds.get(store).and_then(|bound| bound.pace.as_ref()) {
            sleep_until(pace.turn()).await;
        }
    }

    /// Whether nothing is to be asked of a store now: somebody paused it, or it is out of order and no trial is due.
    pub(super) fn is_out(&self, store: &Store) -> bool {
        self.is_paused(&store.name) || !store.breaker.allows()
    }

    fn is_paused(&self, store: &StoreName) -> bool {
        self.paused.read().unwrap_or_else(PoisonError::into_inner).contains(store)
    }

    /// Takes note of the stores that are paused.
    pub(super) fn set_paused(&self, paused: BTreeSet<StoreName>) {
        *self.paused.write().unwrap_or_else(PoisonError::into_inner) = paused;
    }

    /// How many keys that wait for these stores (names with commas between) may be tried now: none while all of them are out of
    /// order, one as a trial, or any number. A store that is not configured any more is waited for in vain.
    pub(super) fn worth_trying(&self, waits_for: &str) -> Option<Trial> {
        let mut best = None;
        for name in waits_for.split(',') {
            let store = self.bounds.iter().find(|(known, _)| known.as_str() == name);
            let Some((_, Bound { store, .. })) = store else { return Some(Trial::All) };
            if !self.is_out(store) {
                let trial = if store.breaker.is_open() { Trial::One } else { Trial::All };
                best = best.max(Some(trial));
            }
        }
        best
    }
}

/// How much to try of what waits for a store.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Trial {
    One,
    All,
}

impl Pace {
    fn new(per_second: NonZeroU32) -> Self {
        Self { distance: Duration::from_secs(1) / per_second.get(), next: Mutex::new(Instant::now()) }
    }

    fn turn(&self) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (*next).max(Instant::now());
        *next = at + self.distance;
        at
    }
}
