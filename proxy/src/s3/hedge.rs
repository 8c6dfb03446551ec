//! When a read is worth asking twice: when its store takes longer than it mostly does.
//!
//! Of each store the times to the head of an answer are kept, of the last reads of buckets that want hedging. A read that was
//! overtaken counts with the time until then. Hedges have a budget, a share of the reads: a store that becomes slow with
//! everything would otherwise double the load of the other.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use relais_model::StoreName;

/// Reads that are remembered: the slowest twentieth of them is five reads, so one outlier does not decide.
const SAMPLES: usize = 100;

/// Before so many reads nothing is known of a store.
const SAMPLES_MIN: usize = 20;

/// Reads in a hundred that take longer than the others.
const SLOW_PERCENT: usize = 5;

/// Below this a second request costs more than it can win.
const PATIENCE_MIN: Duration = Duration::from_millis(10);

/// What each read adds to the budget, of which a hedge costs one: a tenth of the reads.
const BUDGET_SHARE: f64 = 0.1;

/// Hedges that may be saved up.
const BUDGET_MAX: f64 = 10.0;

/// The times of all stores.
#[derive(Debug, Default)]
pub(crate) struct Hedges(Mutex<HashMap<StoreName, Times>>);

#[derive(Debug, Default)]
struct Times {
    last: Vec<Duration>,
    /// Where the next one goes.
    next: usize,
    budget: f64,
}

impl Hedges {
    /// How long to wait for a store before another is asked; nothing while too little is known of it.
    pub(crate) fn patience(&self, store: &StoreName) -> Option<Duration> {
        self.with(store, |times| times.high()).map(|high| high.max(PATIENCE_MIN))
    }

    /// Remembers how long a read took.
    pub(crate) fn record(&self, store: &StoreName, time: Duration) {
        self.with(store, |times| times.record(time));
    }

    /// Takes one hedge from the budget, if there is one.
    pub(crate) fn spend(&self, store: &StoreName) -> bool {
        self.with(store, |times| {
            let enough = times.budget >= 1.0;
            if enough {
                times.budget -= 1.0;
            }
            enough
        })
    }

    fn with<T>(&self, store: &StoreName, act: impl FnOnce(&mut Times) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = all.get_mut(store) {
            return act(times);
        }
        act(all.entry(store.clone()).or_default())
    }
}

impl Times {
    /// The time that nineteen of twenty reads kept to.
    fn high(&self) -> Option<Duration> {
        if self.last.len() < SAMPLES_MIN {
            return None;
        }
        let mut sorted = self.last.clone();
        let rank = sorted.len() - 1 - sorted.len() * SLOW_PERCENT / 100;
        Some(*sorted.select_nth_unstable(rank).1)
    }

    fn record(&mut self, time: Duration) {
        self.budget = (self.budget + BUDGET_SHARE).min(BUDGET_MAX);
        match self.last.get_mut(self.next) {
            Some(oldest) => *oldest = time,
            None => self.last.push(time),
        }
        self.next = (self.next + 1) % SAMPLES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_what_nineteen_of_twenty_reads_kept_to() {
        let (hedges, store) = (Hedges::default(), "disk".parse().unwrap());
        for millis in 1..SAMPLES_MIN {
            hedges.record(&store, Duration::from_millis(millis as u64));
            assert_eq!(hedges.patience(&store), None);
        }
        for millis in 1..=SAMPLES {
            hedges.record(&store, Duration::from_millis(millis as u64));
        }
        assert_eq!(hedges.patience(&store), Some(Duration::from_millis(95)));
        assert_eq!(hedges.patience(&"other".parse().unwrap()), None);
        for _ in 0..SAMPLES {
            hedges.record(&store, Duration::from_micros(7));
        }
        assert_eq!(hedges.patience(&store), Some(PATIENCE_MIN), "older times are forgotten");
    }

    #[test]
    fn one_read_in_ten_is_asked_twice_at_most() {
        let (hedges, store) = (Hedges::default(), "disk".parse().unwrap());
        assert!(!hedges.spend(&store));
        let mut spent = 0;
        for _ in 0..1000 {
            hedges.record(&store, Duration::from_secs(1));
            spent += usize::from(hedges.spend(&store));
        }
        assert!((98..=100).contains(&spent), "{spent}");
        for _ in 0..1000 {
            hedges.record(&store, Duration::from_secs(1));
        }
        let burst = (0..1000).filter(|_| hedges.spend(&store)).count();
        assert!((9..=10).contains(&burst), "{burst}");
    }
}
