//! What goes on on one connection, so that one on which nothing goes on can be closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Requests under way on a connection, and how much was written to it.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    requests: watch::Sender<usize>,
    writes: Arc<AtomicU64>,
    /// Cancelled where the client takes nothing of an answer.
    cut: CancellationToken,
}

/// One request under way, until its answer was taken.
#[derive(Debug)]
pub(super) struct UnderWay {
    activity: Activity,
    stall: Option<AbortOnDropHandle<()>>,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self { requests: watch::Sender::new(0), writes: Arc::default(), cut: CancellationToken::new() }
    }

    pub(super) fn begin(&self) -> UnderWay {
        self.requests.send_modify(|requests| *requests += 1);
        UnderWay { activity: self.clone(), stall: None }
    }

    pub(super) fn wrote(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
    }

    fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Waits until there was no request for so long, nor anything written of the last answer.
    pub(super) async fn idle(&self, patience: Duration) {
        let mut requests = self.requests.subscribe();
        loop {
            // It cannot fail: this holds a sender.
            let _ = requests.wait_for(|requests| *requests == 0).await;
            let before = self.writes();
            let quiet = tokio::time::timeout(patience, requests.changed()).await.is_err();
            if quiet && before == self.writes() {
                return;
            }
        }
    }

    /// Waits until a client takes nothing of its answer.
    pub(super) async fn cut(&self) {
        self.cut.cancelled().await;
    }
}

impl UnderWay {
    /// Watches, where several answers share a connection, whether this one is taken: the others would hide it.
    pub(super) fn watch(mut self, patience: Duration) -> (Self, Progress) {
        let progress = Progress(Arc::default());
        let (seen, cut) = (progress.clone(), self.activity.cut.clone());
        let watched = async move {
            loop {
                let before = seen.0.load(Ordering::Relaxed);
                tokio::time::sleep(patience).await;
                // Odd is a frame that nobody has come back for.
                if before % 2 == 1 && seen.0.load(Ordering::Relaxed) == before {
                    return cut.cancel();
                }
            }
        };
        self.stall = Some(AbortOnDropHandle::new(tokio::spawn(watched)));
        (self, progress)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.activity.requests.send_modify(|requests| *requests -= 1);
    }
}

/// How far an answer was taken: odd after a frame was given out, even while the next is asked for.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(super) fn asked(&self) {
        if self.0.load(Ordering::Relaxed) % 2 == 1 {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn given(&self) {
        if self.0.load(Ordering::Relaxed).is_multiple_of(2) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_once_nothing_happened_for_long() {
        let activity = Activity::new();
        let begun = tokio::time::Instant::now();
        let request = activity.begin();
        let ends = async {
            tokio::time::sleep(Duration::from_secs(25)).await;
            drop(request);
            tokio::time::sleep(Duration::from_secs(5)).await;
            activity.wrote();
        };
        tokio::join!(activity.idle(PATIENCE), ends);
        assert_eq!(begun.elapsed(), Duration::from_secs(45)); // The write was seen at 35 s.
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_cuts_its_connection_and_a_slow_store_does_not() {
        let activity = Activity::new();
        let (request, progress) = activity.begin().watch(PATIENCE);
        progress.asked();
        assert!(tokio::time::timeout(10 * PATIENCE, activity.cut()).await.is_err());
        progress.given();
        tokio::time::timeout(3 * PATIENCE, activity.cut()).await.unwrap();
        drop(request);
    }
}
