//! Leases jobs and does them, each in a worker process, until told to stop.
//!
//! A job belongs to this instance as long as its lease is renewed. What an attempt came to decides what becomes of the
//! job, in one place: [`Runner::settle`]. Nothing here is exactly once: an attempt may run twice, and does no harm,
//! because outputs have keys that derive from the source and are only written while the source is the same.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use relais_catalog::{CatalogError, Job, Jobs};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::backoff;
use crate::config::Config;
use crate::failure::Failure;
use crate::gateway::Gateway;
use crate::inbox::chain;
use crate::process::Worker;
use crate::sidecar::Sidecar;

/// How often the catalog is asked for jobs that nobody here announced: of other instances, put back, or due again.
const POLL: Duration = Duration::from_secs(2);

/// How long running jobs may go on after the stop; what is not done then is put back for another instance.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Does the jobs of one sidecar.
#[derive(Clone)]
pub(crate) struct Runner {
    pub(crate) jobs: Jobs,
    pub(crate) gateway: Gateway,
    pub(crate) sidecar: Arc<dyn Sidecar>,
    pub(crate) config: Config,
    pub(crate) program: PathBuf,
    /// Wakes the runner when a job arrived.
    pub(crate) arrived: Arc<Notify>,
}

impl Runner {
    /// Does jobs until `stop` is cancelled and those that ran have ended.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        let mut running = JoinSet::new();
        let cancel = CancellationToken::new();
        while !stop.is_cancelled() {
            self.fill(&mut running, &cancel).await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.arrived.notified() => {}
                Some(_) = running.join_next() => {}
                () = time::sleep(POLL) => {}
            }
        }
        let drained = time::timeout(STOP_GRACE, async { while running.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            cancel.cancel();
            while running.join_next().await.is_some() {}
        }
    }

    /// Starts jobs as long as there are free slots and jobs that are due.
    async fn fill(&self, running: &mut JoinSet<()>, cancel: &CancellationToken) {
        while running.len() < self.config.slots.get() {
            match self.jobs.lease(self.sidecar.kind(), self.config.lease).await {
                Ok(Some(job)) => {
                    let (runner, cancel) = (self.clone(), cancel.child_token());
                    running.spawn(async move { runner.attempt(job, cancel).await });
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(kind = self.sidecar.kind(), error = chain(&error), "cannot lease a job");
                    return;
                }
            }
        }
    }

    /// One attempt at a job, and what follows from it.
    async fn attempt(&self, job: Job, cancel: CancellationToken) {
        let started = Instant::now();
        let ended = CancellationToken::new();
        let work = async {
            let outcome = self.work(&job, &cancel).await;
            ended.cancel();
            outcome
        };
        let (outcome, held) = tokio::join!(work, self.hold_lease(&job, &cancel, &ended));
        log(&job, &outcome, started.elapsed());
        if !held {
            return; // Somebody else has the job, or it was cancelled: not ours to settle.
        }
        if let Err(error) = self.settle(&job, outcome).await {
            // The lease runs out, and the job is done once more.
            tracing::warn!(kind = job.kind, error = chain(&error), "cannot settle a job");
        }
    }

    async fn work(&self, job: &Job, cancel: &CancellationToken) -> Result<Vec<String>, Failure> {
        if job.crashes >= self.crashes_max() {
            return Err(Failure::Crashed(format!("whoever worked on it died {} times", job.crashes)));
        }
        let worker = Worker { program: &self.program, kind: self.sidecar.kind(), config: &self.config };
        let source = self.gateway.open(job, self.sidecar.source_bytes_max()).await?;
        let mut written = Vec::new();
        for output in worker.work(job.task.clone(), source, cancel).await? {
            let key = self.gateway.write(job, &self.sidecar.recipe(), output).await?;
            written.push(key.to_string());
        }
        Ok(written)
    }

    /// Renews the lease until the attempt has ended. False where the job was lost meanwhile; then it is cancelled too.
    async fn hold_lease(&self, job: &Job, cancel: &CancellationToken, ended: &CancellationToken) -> bool {
        let interval = self.config.lease / 3;
        while ended.run_until_cancelled(time::sleep(interval)).await.is_some() {
            match self.jobs.renew(job.id, self.config.lease).await {
                Ok(true) => {}
                Ok(false) => {
                    cancel.cancel();
                    ended.cancelled().await;
                    return false;
                }
                Err(error) => {
                    tracing::warn!(kind = job.kind, error = chain(&error), "cannot renew a lease");
                }
            }
        }
        true
    }

    /// What becomes of a job after an attempt.
    async fn settle(&self, job: &Job, outcome: Result<Vec<String>, Failure>) -> Result<(), CatalogError> {
        let wait = || backoff::delay(u32::try_from(job.attempts).unwrap_or(0));
        let failure = match outcome {
            Ok(keys) => return self.jobs.finish(job.id, json!({ "outputs": keys })).await,
            Err(failure) => failure,
        };
        let why = failure.to_string();
        match failure {
            Failure::Superseded => {
                self.jobs.finish(job.id, json!({ "outputs": [], "superseded": true })).await
            }
            Failure::Stopped => self.jobs.retry(job.id, &why, Duration::ZERO).await,
            Failure::Unusable(_) => self.jobs.bury(job.id, &why).await,
            Failure::Temporary(_) if job.attempts >= self.attempts_max() => {
                self.jobs.bury(job.id, &why).await
            }
            Failure::Temporary(_) => self.jobs.retry(job.id, &why, wait()).await,
            Failure::Crashed(_) if job.crashes + 1 >= self.crashes_max() => {
                self.jobs.bury(job.id, &why).await
            }
            // A lease that runs out is how the catalog counts a crash, also one of this whole process.
            Failure::Crashed(_) => self.jobs.renew(job.id, wait()).await.map(drop),
        }
    }

    fn attempts_max(&self) -> i32 {
        i32::try_from(self.config.attempts_max).unwrap_or(i32::MAX)
    }

    fn crashes_max(&self) -> i32 {
        i32::try_from(self.config.crashes_max).unwrap_or(i32::MAX)
    }
}

fn log(job: &Job, outcome: &Result<Vec<String>, Failure>, took: Duration) {
    let Job { kind, bucket, key, attempts, .. } = job;
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match outcome {
        Ok(keys) => {
            tracing::info!(kind, %bucket, %key, took_ms, outputs = keys.len(), "derived objects written")
        }
        Err(failure @ (Failure::Superseded | Failure::Stopped)) => {
            tracing::info!(kind, %bucket, %key, took_ms, reason = %failure, "no derived objects")
        }
        Err(failure) => {
            tracing::warn!(kind, %bucket, %key, took_ms, attempts, error = %failure, "no derived objects")
        }
    }
}
