//! How `relais serve` ends: one stage after the other, each begun when the one before is over.
//!
//! 1. `/ready` says that the process is stopping; everything else goes on for `proxy.shutdown_delay_seconds`, so that load
//!    balancers can notice.
//! 2. The S3 port takes no more connections and its requests finish; running jobs finish or are put back.
//! 3. The loops behind the requests end, each after the unit it is at: the events of those requests were published meanwhile.
//! 4. The JSON port ends, so that `/health`, `/ready` and `/metrics` answer until there is nothing more to tell.
//!
//! What stages 2 to 4 take together is bounded; what is not done by then is cut off. A second signal ends all of it at once.

use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// What a stage may take at least, whatever the ones before have left of the time: writing down that something is given up
/// takes a few transactions, and jobs have five seconds before they are put back. The S3 port itself keeps to its time.
const STAGE_MIN: Duration = Duration::from_secs(8);

/// A part of the process: its name, and how it ended.
pub(super) type Part = (&'static str, anyhow::Result<()>);

/// What tells each part when its stage of the end has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Stages {
    /// `/ready` says so from now on.
    pub(super) announced: CancellationToken,
    /// The S3 port and the sidecars.
    pub(super) requests: CancellationToken,
    /// What goes on behind the requests.
    pub(super) background: CancellationToken,
    /// The JSON port.
    pub(super) api: CancellationToken,
}

/// The parts, by the stage in which they end.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) requests: JoinSet<Part>,
    pub(super) background: JoinSet<Part>,
    pub(super) api: JoinSet<Part>,
}

/// What the end may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Between the first stage and the second.
    pub(super) delay: Duration,
    /// From the second stage on.
    pub(super) drain: Duration,
}

impl Parts {
    /// Waits for a signal or for a part that ends, then ends all parts in order, and does what is to be done `last`.
    pub(super) async fn until_stopped(
        mut self,
        stages: &Stages,
        patience: Patience,
        last: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let mut signals = Signals::listen()?;
        let outcome = tokio::select! {
            () = signals.next() => Ok(()),
            ended = self.ended() => Err(ended),
        };
        stages.announced.cancel();
        let delay = match &outcome {
            Ok(()) => patience.delay,
            Err(_) => Duration::ZERO, // What is left does not work as it should.
        };
        tracing::info!(delay.seconds = delay.as_secs(), "stopping: requests in flight may finish");
        let in_order = async {
            self.end(stages, Patience { delay, ..patience }).await;
            last.await
        };
        tokio::select! {
            ended = in_order => outcome.and(ended),
            () = signals.next() => anyhow::bail!(
                "told to stop a second time: ended at once; the next start, or another instance, looks at what was in flight"
            ),
        }
    }

    /// The first part that ends by itself, as an error.
    async fn ended(&mut self) -> anyhow::Error {
        let ended = tokio::select! {
            Some(ended) = self.requests.join_next() => ended,
            Some(ended) = self.background.join_next() => ended,
            Some(ended) = self.api.join_next() => ended,
        };
        match ended.context("a part of relais panicked") {
            Ok((name, result)) => {
                tracing::error!(part = name, "a part ended; stopping the others");
                result.err().unwrap_or_else(|| anyhow::anyhow!("{name} ended by itself"))
            }
            Err(error) => error,
        }
    }

    async fn end(&mut self, stages: &Stages, patience: Patience) {
        tokio::time::sleep(patience.delay).await;
        let deadline = Instant::now() + patience.drain;
        for (parts, stage) in [
            (&mut self.requests, &stages.requests),
            (&mut self.background, &stages.background),
            (&mut self.api, &stages.api),
        ] {
            stage.cancel();
            let until = deadline.max(Instant::now() + STAGE_MIN);
            if timeout_at(until, all(parts)).await.is_err() {
                tracing::warn!("a part was cut off: it did not end within proxy.drain_timeout_seconds");
                parts.shutdown().await;
            }
        }
    }
}

async fn all(parts: &mut JoinSet<Part>) {
    while let Some(ended) = parts.join_next().await {
        match ended {
            Ok((_, Ok(()))) => {}
            Ok((part, Err(error))) => tracing::error!(part, "a part did not end well: {error:#}"),
            Err(error) => tracing::error!(%error, "a part did not end well"),
        }
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
