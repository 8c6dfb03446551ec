//! The circuit breaker of a store: whether it is worth asking just now.
//!
//! It learns from every call: each store's S3 is wrapped by [`guarded`], whoever makes the call. Outages in a row open it. While
//! it is open a call is refused at once, with 503 and the store's name ([`is_unsent`] tells that refusal from others), but for
//! one *trial* after each pause. The pause doubles, with jitter, up to a bound; an answer of the store closes the breaker.
//!
//! Decisions:
//! - The breaker refuses by itself, writes to a required store and single-replica buckets included. Their client would hear 503
//!   anyway, after the store's timeout and with a body read in vain; and a call that was never sent leaves no doubt about its
//!   outcome. In return the longest pause is short, so that a store that is back is noticed within seconds.
//! - What counts is silence: no connection, no answer within the store's own timeout, a broken disk, an answer that breaks off.
//!   A 5xx counts where the operation is a plain one, since a service may answer 500 to one odd request, and a client could
//!   make it do so. A store that says "slow down" or "full" works, and is neither closed nor opened for it.
//! - What a client causes says nothing: a refusal (4xx) is an answer, a body that the client breaks off is no call at all.
//! - A failure of a call that began before the last answer says nothing of now: hung calls of an outage that is over, which
//!   all end at once, must not open the breaker again.
//!
//! It is in memory: each instance learns for itself. What to do about a store that is out of order is not decided here.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use relais_model::StoreName;
use s3s::{S3Error, S3ErrorCode};
use tokio::time::Instant;

pub(crate) mod guarded;

/// Outages in a row that open a breaker. A request that can be repeated has been, so one is already more than bad luck; with
/// several calls under way, a single lost connection may end three at once.
const OUTAGES_MAX: u32 = 5;

/// The first pause: about what a service takes that is merely restarted.
const PAUSE_FIRST: Duration = Duration::from_millis(250);

/// The longest pause. A store that is back must be found soon, for meanwhile its clients hear 503.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// How long a trial keeps others from trying: a store that is back answers sooner, and one that swallows what it is sent shall
/// not hold up the next trial until its timeout.
const TRIAL_MAX: Duration = PAUSE_MAX;

/// The breaker of one store. Clones are the same breaker.
#[derive(Clone)]
pub struct Breaker(Arc<Shared>);

struct Shared {
    store: StoreName,
    began: Instant,
    /// Outages since the last answer.
    outages: AtomicU32,
    /// When the store last answered, in microseconds after `began`.
    answered: AtomicU64,
    /// Whether `open` holds something, to be read without its lock.
    is_open: AtomicBool,
    open: Mutex<Option<Open>>,
}

#[derive(Clone, Copy)]
struct Open {
    since: Instant,
    pause: Duration,
    trial_at: Instant,
}

/// The right to make one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    began: Instant,
    is_trial: bool,
}

/// What a call says of its store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lesson {
    /// It answers.
    Answered,
    /// It does not work.
    Outage,
    /// Neither is known.
    Nothing,
}

/// Why a call was not made.
#[derive(Debug, thiserror::Error)]
#[error("store {0} is out of order and is left alone for a moment; try again later")]
struct OutOfOrder(StoreName);

/// Whether a call was refused by the breaker of its store: nothing was sent, so nothing can have been done.
pub fn is_unsent(error: &S3Error) -> bool {
    error.source().is_some_and(|source| source.is::<OutOfOrder>())
}

impl Breaker {
    pub(crate) fn new(store: StoreName) -> Self {
        Self(Arc::new(Shared {
            store,
            began: Instant::now(),
            outages: AtomicU32::new(0),
            answered: AtomicU64::new(0),
            is_open: AtomicBool::new(false),
            open: Mutex::new(None),
        }))
    }

    /// Whether the store is taken to be out of order. A trial may be due nevertheless: see [`Self::allows`].
    pub fn is_open(&self) -> bool {
        self.0.is_open.load(Ordering::Acquire)
    }

    /// Whether a call that is made now would be let through: the breaker is closed, or a trial is due. This only looks; the
    /// call itself takes the trial.
    pub fn allows(&self) -> bool {
        !self.is_open() || self.open().is_none_or(|open| open.trial_at <= Instant::now())
    }

    /// Since when the store is taken to be out of order.
    pub fn open_since(&self) -> Option<Instant> {
        if self.is_open() { self.open().map(|open| open.since) } else { None }
    }

    /// Asks to make a call. When a trial is due, who asks first has it.
    pub(crate) fn enter(&self) -> Result<Pass, S3Error> {
        let now = Instant::now();
        if !self.is_open() {
            return Ok(Pass { began: now, is_trial: false });
        }
        match &mut *self.lock() {
            None => Ok(Pass { began: now, is_trial: false }),
            Some(open) if open.trial_at <= now => {
                open.trial_at = now + TRIAL_MAX;
                Ok(Pass { began: now, is_trial: true })
            }
            Some(_) => Err(self.refusal()),
        }
    }

    pub(crate) fn learn(&self, pass: Pass, lesson: Lesson) {
        match lesson {
            Lesson::Answered => self.answered(),
            Lesson::Outage => self.failed(pass),
            Lesson::Nothing => {}
        }
    }

    fn answered(&self) {
        self.0.answered.store(self.micros(Instant::now()), Ordering::Relaxed);
        if self.0.outages.load(Ordering::Relaxed) != 0 {
            self.0.outages.store(0, Ordering::Relaxed);
        }
        if self.is_open()
            && let Some(open) = self.lock().take()
        {
            self.0.is_open.store(false, Ordering::Release);
            let open_seconds = open.since.elapsed().as_secs_f64();
            tracing::info!(store = %self.0.store, open_seconds, "the store answers again");
        }
    }

    fn failed(&self, pass: Pass) {
        if self.micros(pass.began) < self.0.answered.load(Ordering::Relaxed) {
            return;
        }
        let outages = self.0.outages.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let mut open = self.lock();
        let now = Instant::now();
        match &mut *open {
            Some(open) if pass.is_trial => {
                open.pause = (open.pause * 2).min(PAUSE_MAX);
                open.trial_at = now + with_jitter(open.pause);
            }
            None if outages >= OUTAGES_MAX => {
                *open =
                    Some(Open { since: now, pause: PAUSE_FIRST, trial_at: now + with_jitter(PAUSE_FIRST) });
                self.0.is_open.store(true, Ordering::Release);
                tracing::warn!(store = %self.0.store, outages, "the store is out of order and is left alone for now");
            }
            _ => {}
        }
    }

    fn refusal(&self) -> S3Error {
        let error = OutOfOrder(self.0.store.clone());
        let mut refusal = S3Error::with_message(S3ErrorCode::ServiceUnavailable, error.to_string());
        refusal.set_source(Box::new(error));
        refusal
    }

    fn open(&self) -> Option<Open> {
        *self.lock()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.0.began).as_micros()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker").field("store", &self.0.store).field("is_open", &self.is_open()).finish()
    }
}

/// Half to all of a pause, so that several instances do not try at once.
fn with_jitter(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) >> 32;
    let share = 0.5 + random as f64 / f64::from(u32::MAX) / 2.0;
    pause.mul_f64(share)
}

#[cfg(test)]
mod tests;
