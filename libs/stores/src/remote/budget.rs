//! What a store is asked at most: requests at once, and requests a second.
//!
//! A request that finds no room waits in line, in order of arrival, and is given up when its time in line is over. Retries
//! stand in line again.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::config::RemoteConfig;

/// The time in line is over.
#[derive(Debug)]
pub(super) struct QueueFull;

/// What one store is asked at most.
#[derive(Debug)]
pub(super) struct Budget {
    in_flight: Arc<Semaphore>,
    pace: Option<Pace>,
    queue_timeout: Duration,
}

impl Budget {
    pub(super) fn of(config: &RemoteConfig) -> Self {
        // A semaphore counts to 2^61 at most; nobody means to have that many.
        let in_flight = config.requests_in_flight_max.get().min(Semaphore::MAX_PERMITS);
        Self {
            in_flight: Arc::new(Semaphore::new(in_flight)),
            pace: config.requests_per_second_max.map(Pace::new),
            queue_timeout: Duration::from_secs(config.queue_timeout_seconds.get().into()),
        }
    }

    /// Waits for room. The request is in flight until the permit is dropped.
    pub(super) async fn enter(&self) -> Result<OwnedSemaphorePermit, QueueFull> {
        let deadline = Instant::now() + self.queue_timeout;
        let room = timeout_at(deadline, Arc::clone(&self.in_flight).acquire_owned()).await;
        let Ok(Ok(permit)) = room else { return Err(QueueFull) };
        if let Some(pace) = &self.pace {
            sleep_until(pace.turn(deadline).ok_or(QueueFull)?).await;
        }
        Ok(permit)
    }
}

/// Requests at even distances, so that no second has more than its share.
#[derive(Debug)]
struct Pace {
    distance: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    fn new(per_second: NonZeroU32) -> Self {
        Self { distance: Duration::from_secs(1) / per_second.get(), next: Mutex::new(Instant::now()) }
    }

    /// When the next request may begin; nothing, and no place is taken, where that is after the deadline.
    fn turn(&self, deadline: Instant) -> Option<Instant> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (*next).max(Instant::now());
        if at > deadline {
            return None;
        }
        *next = at + self.distance;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(config: impl FnOnce(&mut RemoteConfig)) -> Budget {
        let mut all = RemoteConfig::in_region("local".to_owned());
        config(&mut all);
        Budget::of(&all)
    }

    #[tokio::test(start_paused = true)]
    async fn request_without_room_waits_and_is_given_up() {
        let budget = budget(|config| config.requests_in_flight_max = 1.try_into().unwrap());
        let first = budget.enter().await.unwrap();
        let begun = Instant::now();
        assert!(budget.enter().await.is_err());
        assert_eq!(begun.elapsed().as_secs(), 10);
        drop(first);
        assert!(budget.enter().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_keep_their_distance() {
        let budget = budget(|config| config.requests_per_second_max = Some(5.try_into().unwrap()));
        let begun = Instant::now();
        for _ in 0..11 {
            drop(budget.enter().await.unwrap());
        }
        assert_eq!(begun.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn request_that_would_be_too_late_takes_no_place() {
        let budget = budget(|config| config.requests_per_second_max = Some(1.try_into().unwrap()));
        let enter = || async { budget.enter().await.is_ok() };
        let let_in = futures::future::join_all((0..20).map(|_| enter())).await;
        assert_eq!(let_in.into_iter().filter(|let_in| *let_in).count(), 11); // At 0, 1, … 10 seconds.
        assert!(enter().await);
    }
}
