//! Keeps settlers at work: claims keys in batches, has as many under way as there is room for, and writes down in batches how
//! they went.
//!
//! While one batch is written the next is being copied, and a slow key holds up nobody. Claims are renewed while they are
//! worked on; if they cannot be, the work is cut off before another instance takes it up.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use relais_catalog::{Attempt, ObjectRow, Outcome, Truth};
use tokio::sync::watch;
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::desk::Trial;
use super::events;
use super::key::{Try, Which};
use super::replica::Doing;
use crate::background::{LOOK_AGAIN, PAUSE_AFTER_FAILURE, chain};
use crate::error::GatewayError;
use crate::gateway::Gateway;

/// How long a claim holds. After a crash others take its keys when it is over.
pub(super) const LEASE: Duration = Duration::from_secs(20);

/// How often claims are renewed: several times, before they are over.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// Keys of one claim at most. One statement names them all.
const CLAIM_MAX: usize = 250;

/// How long the queue waits at its end for keys that are nearly done.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// How one key went; nothing where its work was cut off.
type Finished = (ObjectRow, Option<Outcome>);

struct Queue {
    gateway: Gateway,
    /// Claimed, not begun.
    waiting: VecDeque<ObjectRow>,
    running: JoinSet<Finished>,
    /// The claim under which each of them runs.
    tasks: HashMap<task::Id, Uuid>,
    /// Done, not written down.
    finished: Vec<(ObjectRow, Outcome)>,
    /// Claims, and how many keys of each are not done.
    claims: HashMap<Uuid, usize>,
    /// Ends all that runs.
    cut: CancellationToken,
    /// When the claims were renewed; what runs ends by itself when they are over.
    renewed: watch::Sender<Instant>,
    /// Whether a claim is worth trying: something may be due.
    may_claim: bool,
}

pub(super) async fn run(gateway: Gateway, stop: CancellationToken) {
    let mut queue = Queue {
        gateway: gateway.clone(),
        waiting: VecDeque::new(),
        running: JoinSet::new(),
        tasks: HashMap::new(),
        finished: Vec::new(),
        claims: HashMap::new(),
        cut: CancellationToken::new(),
        renewed: watch::Sender::new(Instant::now()),
        may_claim: true,
    };
    let mut look_again = interval(LOOK_AGAIN);
    look_again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.is_cancelled() {
        if let Err(error) = queue.turn().await {
            tracing::warn!(error = %chain(&error), "replicas wait to be settled");
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(PAUSE_AFTER_FAILURE) => {}
            }
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = gateway.settled_soon.notified() => queue.may_claim = true,
            _ = look_again.tick() => queue.may_claim = true,
            Some(finished) = queue.running.join_next_with_id() => queue.take_in(finished),
        }
    }
    queue.end().await;
}

impl Queue {
    /// Writes down what is done, renews, claims, and begins what there is room for.
    async fn turn(&mut self) -> Result<(), GatewayError> {
        while let Some(finished) = self.running.try_join_next_with_id() {
            self.take_in(finished);
        }
        self.write_down().await?;
        self.renew().await?;
        self.claim().await?;
        while self.running.len() < self.gateway.desk.capacity()
            && let Some(row) = self.waiting.pop_front()
        {
            let (gateway, cut, renewed) = (self.gateway.clone(), self.cut.clone(), self.renewed.subscribe());
            let claim = row.claim.unwrap_or_default();
            let task = self.running.spawn(async move {
                let outcome = tokio::select! {
                    outcome = settle(&gateway, &row) => Some(outcome),
                    () = cut.cancelled() => None,
                    () = over(renewed) => None,
                };
                (row, outcome)
            });
            self.tasks.insert(task.id(), claim);
        }
        Ok(())
    }

    fn take_in(&mut self, finished: Result<(task::Id, Finished), task::JoinError>) {
        let (id, finished) = match finished {
            Ok((id, (row, outcome))) => (id, outcome.map(|outcome| (row, outcome))),
            Err(error) => {
                tracing::error!(%error, "a settler failed; its key is looked at when the claim is over");
                (error.id(), None)
            }
        };
        let claim = self.tasks.remove(&id);
        match finished {
            Some(finished) => self.finished.push(finished),
            None => self.done(claim),
        }
    }

    async fn write_down(&mut self) -> Result<(), GatewayError> {
        let finished = std::mem::take(&mut self.finished);
        if finished.is_empty() {
            return Ok(());
        }
        for (row, _) in &finished {
            self.done(row.claim);
        }
        // What cannot be written down is tried again when the claim is over, and found equal.
        events::announce(&self.gateway, &finished).await?;
        self.gateway.objects.record(&finished).await?;
        Ok(())
    }

    fn done(&mut self, claim: Option<Uuid>) {
        let Some(claim) = claim else { return };
        if let Some(left) = self.claims.get_mut(&claim) {
            *left -= 1;
            if *left == 0 {
                self.claims.remove(&claim);
            }
        }
    }

    async fn renew(&mut self) -> Result<(), GatewayError> {
        let begun = Instant::now();
        let age = self.renewed.borrow().elapsed();
        if self.claims.is_empty() {
            self.renewed.send_replace(begun);
        }
        if self.claims.is_empty() || age < RENEW_EVERY {
            return Ok(());
        }
        if age >= LEASE {
            tracing::warn!("claims were not renewed in time: what is being settled is given up");
            self.waiting.clear();
            self.claims.clear();
            self.renewed.send_replace(begun); // Of what is claimed from now on.
            return Ok(());
        }
        let claims: Vec<_> = self.claims.keys().copied().collect();
        self.gateway.objects.renew(&claims, LEASE).await?;
        self.renewed.send_replace(begun);
        Ok(())
    }

    /// Claims more before the last ones are begun, as long as there are some.
    async fn claim(&mut self) -> Result<(), GatewayError> {
        let low = self.gateway.desk.capacity().min(CLAIM_MAX / 2);
        if !self.may_claim || self.waiting.len() >= low {
            return Ok(());
        }
        let objects = self.gateway.objects.clone();
        let mut room = CLAIM_MAX - self.waiting.len();
        // Those first that have waited for a store which is back.
        for stores in objects.waited_for().await? {
            let limit = match self.gateway.desk.worth_trying(&stores) {
                None => continue,
                Some(Trial::One) => 1,
                Some(Trial::All) => room,
            };
            let rows = objects.claim_waiting(&stores, limit as u64, LEASE).await?;
            room -= rows.len();
            self.add(rows);
            if room == 0 {
                return Ok(());
            }
        }
        let rows = objects.claim_unsettled(room as u64, LEASE).await?;
        self.may_claim = rows.len() == room;
        self.add(rows);
        Ok(())
    }

    fn add(&mut self, rows: Vec<ObjectRow>) {
        for row in &rows {
            *self.claims.entry(row.claim.unwrap_or_default()).or_default() += 1;
        }
        self.waiting.extend(rows);
    }

    /// Finishes what is nearly done, cuts off the rest, and hands the claims back.
    async fn end(mut self) {
        self.waiting.clear();
        let nearly = async {
            while let Some(finished) = self.running.join_next_with_id().await {
                self.take_in(finished);
            }
        };
        if tokio::time::timeout(STOP_GRACE, nearly).await.is_err() {
            self.cut.cancel();
            while let Some(finished) = self.running.join_next_with_id().await {
                self.take_in(finished);
            }
        }
        let claims: Vec<_> = self.claims.keys().copied().collect();
        let ended = async {
            self.write_down().await?;
            Ok::<_, GatewayError>(self.gateway.objects.release(&claims).await?)
        };
        if let Err(error) = ended.await {
            tracing::warn!(error = %chain(&error), "claims of settlers end with their lease");
        }
    }
}

/// Ends when claims are over that nobody renews.
async fn over(mut renewed: watch::Receiver<Instant>) {
    loop {
        let end = *renewed.borrow_and_update() + LEASE;
        tokio::select! {
            biased;
            () = sleep_until(end) => return,
            Ok(()) = renewed.changed() => {}
        }
    }
}

async fn settle(gateway: &Gateway, row: &ObjectRow) -> Outcome {
    match gateway.placement.bucket(&row.bucket) {
        Some(bucket) => {
            let attempt = Try { gateway, bucket: &bucket, row, which: Which::Due, doing: Doing::Settle };
            attempt.run().await.outcome
        }
        None => not_configured(gateway, row),
    }
}

/// The bucket has left the configuration, and may come back.
fn not_configured(gateway: &Gateway, row: &ObjectRow) -> Outcome {
    let failed = Attempt::Failed {
        reason: "the bucket is not configured any more".to_owned(),
        pause: gateway.desk.config.failed_retry(),
        give_up: true,
    };
    let replicas = row.replicas.iter().map(|(replica, state)| {
        let attempt = if state.is_behind() { failed.clone() } else { Attempt::NotYet };
        (replica.clone(), attempt)
    });
    Outcome { truth: Truth::Unknown, replicas: replicas.collect(), waits_for: None }
}
