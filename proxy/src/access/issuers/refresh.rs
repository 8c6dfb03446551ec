//! A key set that is kept, and had anew when that is due.
//!
//! At most one fetch runs at a time, in a task of its own, so that a client who leaves does not cut it short for the others that
//! wait. Between two begins lies an interval, whoever asks: a flood of tokens with made-up key ids costs the issuer one request
//! each time. A fetch that fails leaves the set as it was.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use super::fetch::Source;
use super::jwks::{Judgement, KeySet};
use super::jwt::Jwt;
use super::refusal::Refusal;

/// A key set from a file or an address.
pub(super) struct KeptKeySet {
    shared: Arc<Shared>,
    /// The fetch under way; ends with the set.
    tasks: Mutex<JoinSet<()>>,
}

struct Shared {
    issuer: String,
    source: Source,
    kept: RwLock<Option<Kept>>,
    attempt: Mutex<Attempt>,
    /// Changes whenever a fetch has ended.
    ended: watch::Sender<()>,
}

#[derive(Clone)]
struct Kept {
    set: Arc<KeySet>,
    since: Instant,
}

#[derive(Default)]
struct Attempt {
    begun: Option<Instant>,
    running: bool,
}

/// Whoever asks an address in vain, be it for a key id that nobody has, asks again after this at the earliest: short enough for a
/// rotation that was not announced, long enough to be no burden.
pub(super) const REFETCH_INTERVAL: Duration = Duration::from_secs(10);

/// From this age on a set from an address is had anew while it still serves, so that keys that were withdrawn go out of use.
pub(super) const FETCHED_AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// A file is looked at this often at most.
pub(super) const REREAD_INTERVAL: Duration = Duration::from_secs(1);

impl KeptKeySet {
    /// With the set, if it is at hand already.
    pub(super) fn new(issuer: &str, source: Source, set: Option<KeySet>) -> Self {
        let since = Instant::now();
        let kept = set.map(|set| Kept { set: Arc::new(set), since });
        let attempt = Attempt { begun: kept.is_some().then_some(since), running: false };
        let shared = Shared {
            issuer: issuer.to_owned(),
            source,
            kept: RwLock::new(kept),
            attempt: Mutex::new(attempt),
            ended: watch::Sender::new(()),
        };
        Self { shared: Arc::new(shared), tasks: Mutex::default() }
    }

    pub(super) async fn verify(&self, jwt: &Jwt<'_>) -> Result<(), Refusal> {
        let kept = self.current().await.ok_or(Refusal::NoKeySet)?;
        match kept.set.judge(jwt) {
            Judgement::Genuine => Ok(()),
            Judgement::Refused(refusal) => Err(refusal),
            Judgement::Unknown(refusal) => match self.newer_than(&kept).await.map(|kept| kept.set.judge(jwt))
            {
                Some(Judgement::Genuine) => Ok(()),
                Some(Judgement::Refused(refusal) | Judgement::Unknown(refusal)) => Err(refusal),
                None => Err(refusal),
            },
        }
    }

    /// The set that is kept; the first time, and from a file that may have changed, after it was had.
    async fn current(&self) -> Option<Kept> {
        let (age_max, waits) = match self.shared.source {
            Source::Url(_) => (FETCHED_AGE_MAX, false),
            Source::File(_) => (REREAD_INTERVAL, true),
        };
        match self.shared.kept() {
            Some(kept) if kept.since.elapsed() < age_max => return Some(kept),
            Some(kept) if !waits => {
                self.begin();
                return Some(kept);
            }
            _ => self.refresh().await,
        }
        self.shared.kept()
    }

    /// A set that came after this one; nothing if there is none, and it is too soon to ask.
    async fn newer_than(&self, known: &Kept) -> Option<Kept> {
        self.refresh().await;
        self.shared.kept().filter(|kept| !Arc::ptr_eq(&kept.set, &known.set))
    }

    /// Waits for the fetch that is begun now or is under way; not at all if the last one is too young.
    async fn refresh(&self) {
        if let Some(mut ended) = self.begin() {
            // An error would mean that the sender is gone, which is here.
            let _ = ended.changed().await;
        }
    }

    /// Begins a fetch, if none is under way and the last is not too young. What comes back tells when it has ended.
    fn begin(&self) -> Option<watch::Receiver<()>> {
        let mut attempt = self.shared.attempt();
        let ended = self.shared.ended.subscribe(); // Under the lock, which the end takes too: it cannot be missed.
        if attempt.running {
            return Some(ended);
        }
        let interval = match self.shared.source {
            Source::Url(_) => REFETCH_INTERVAL,
            Source::File(_) => REREAD_INTERVAL,
        };
        if attempt.begun.is_some_and(|begun| begun.elapsed() < interval) {
            return None;
        }
        *attempt = Attempt { begun: Some(Instant::now()), running: true };
        let running = Running(self.shared.clone());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move { running.0.load().await }.in_current_span());
        Some(ended)
    }
}

impl Shared {
    fn kept(&self) -> Option<Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn attempt(&self) -> std::sync::MutexGuard<'_, Attempt> {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn load(&self) {
        match self.source.load().await {
            Ok(set) => {
                let kept = Kept { set: Arc::new(set), since: Instant::now() };
                *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(kept);
            }
            Err(error) => tracing::warn!(
                issuer = self.issuer,
                error = crate::background::chain(&error),
                "cannot have the key set; tokens are verified with the one from before, if there is one"
            ),
        }
    }
}

/// A fetch under way. However it ends, others may begin one then.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.attempt().running = false;
        self.0.ended.send_replace(());
    }
}
