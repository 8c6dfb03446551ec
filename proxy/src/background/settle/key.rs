//! One attempt at one key: looks at the primary, then at each replica that is to be settled.
//!
//! What comes of it is only said here, as an [`Outcome`]; writing it down is the caller's affair.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use rand::Rng;
use relais_catalog::{Attempt, ObjectRow, Outcome, Truth};
use relais_model::StoreName;
use relais_stores::{Store, is_outage};
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::replica::{Doing, Equal, KeyDifference, Subject};
use super::shown::Shown;
use super::side::{Found, Side};
use crate::error::cause;
use crate::gateway::Gateway;
use crate::metrics::REPLICAS_SETTLED;
use crate::placement::{Bucket, Place};

/// Up to this size an object is opened at once, in the hope that it is to be copied: that saves a request for each.
const OPENED_BYTES_MAX: u64 = 256 * 1024;

/// For so long the queue leaves a key to the write itself, which is perhaps still on its way to the replicas, and settles them
/// when it has come there. A second copy at the same time would be one more version.
const WRITE_GRACE: Duration = Duration::from_secs(2);

/// First pause after a failed attempt; doubled each time.
const RETRY_FIRST: Duration = Duration::from_secs(2);

/// Longest pause between attempts of a replica that is not given up.
const RETRY_LONGEST: Duration = Duration::from_secs(300);

/// Which replicas are looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Which {
    /// Those that are behind, if they are due.
    Due,
    /// These, and those that are not behind: somebody has just written to them.
    Fresh,
    /// All: somebody wants to know.
    All,
}

/// One attempt.
#[derive(Clone, Copy)]
pub(super) struct Try<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) bucket: &'a Bucket,
    pub(super) row: &'a ObjectRow,
    pub(super) which: Which,
    pub(super) doing: Doing,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) differences: Vec<KeyDifference>,
}

/// What came of it at single replicas.
type Results = BTreeMap<String, (Attempt, Option<KeyDifference>)>;

impl<'a> Try<'a> {
    /// Tries to make the replicas of a key equal to its primary.
    pub(super) async fn run(self) -> Done {
        let (primary, others) = self.bucket.places.split_first().expect("a bucket has a primary");
        let mut results: Results = others.iter().filter_map(|place| self.without_looking(place)).collect();
        let to_do: Vec<_> =
            others.iter().filter(|place| !results.contains_key(&place.replica.to_string())).collect();
        let is_left = |(attempt, _): &(Attempt, _)| matches!(attempt, Attempt::Waits | Attempt::NotYet);
        if to_do.is_empty() && results.values().any(is_left) {
            return self.finish(Truth::Unknown, results);
        }
        let desk = &self.gateway.desk;
        if desk.is_out(&primary.store) {
            return self.primary_is_out(results);
        }
        let stores: BTreeSet<&StoreName> =
            to_do.iter().copied().chain([primary]).map(|place| &place.store.name).collect();
        let _slots = desk.enter(&stores).await;
        let side = |place: &'a Place| Side { place, key: &self.row.key, desk };
        let (truth, opened) = match self.look(&side(primary)).await {
            Ok(found) => found,
            Err(error) if is_outage_of(&primary.store, &error) => return self.primary_is_out(results),
            Err(error) => {
                let failed = to_do.iter().map(|place| self.failed(place, primary, &error));
                results.extend(failed.collect::<Vec<_>>());
                return self.finish(Truth::Unknown, results);
            }
        };
        let facts = match &truth {
            Ok(shown) => Truth::Present(shown.facts(&self.owner().await)),
            Err(_) => Truth::Absent,
        };
        let Self { gateway, bucket, row, doing, .. } = self;
        let subject = Subject { gateway, bucket, row, truth, opened: Mutex::new(opened), doing };
        let equalised = to_do.iter().map(|place| async {
            let equal = subject.equalise(&side(place)).await;
            self.judge(place, equal)
        });
        results.extend(futures::future::join_all(equalised).await);
        self.finish(facts, results)
    }

    /// What is to be said of a replica that is not asked now; nothing of one that is.
    fn without_looking(&self, place: &Place) -> Option<(String, (Attempt, Option<KeyDifference>))> {
        let replica = place.replica.to_string();
        let is_behind = self.row.replicas.get(&replica).is_none_or(|state| state.is_behind());
        let twin = self.row.progress.get(&replica).and_then(|progress| progress.twin.clone());
        let attempt = if self.which == Which::Due && !is_behind {
            Attempt::Current { written: None, twin }
        } else if self.gateway.desk.is_out(&place.store) {
            Attempt::Waits
        } else if !self.is_due(&replica, is_behind) {
            Attempt::NotYet
        } else {
            return None;
        };
        let unknown = (attempt == Attempt::Waits)
            .then(|| self.unknown(place, "its store is out of order or paused".to_owned()));
        Some((replica, (attempt, unknown)))
    }

    /// Whether a replica may be tried now. Somebody who wants to know does not wait.
    fn is_due(&self, replica: &str, is_behind: bool) -> bool {
        let objects = &self.gateway.objects;
        let on_its_way = self.which == Which::Due && objects.is_fresh(self.row, WRITE_GRACE);
        self.which == Which::All || !on_its_way && (!is_behind || objects.is_due(self.row, replica))
    }

    /// The primary's object, and the same once more, open, where it is small.
    async fn look(&self, primary: &Side<'_>) -> S3Result<(Result<Shown, Option<String>>, Option<Shown>)> {
        let is_small = self.row.object.as_ref().is_some_and(|object| object.size <= OPENED_BYTES_MAX);
        let open = is_small && self.which == Which::Due;
        let found = if open { primary.open().await } else { primary.look().await };
        match found {
            Ok(Found::Object(mut shown)) => {
                let body = shown.body.take();
                let opened = body.map(|body| shown.with_body(body));
                Ok((Ok(*shown), opened))
            }
            Ok(Found::Nothing { marker }) => Ok((Err(marker), None)),
            // The bucket was removed, after its objects: that these are deleted, the catalog knows.
            Err(error) if *error.code() == S3ErrorCode::NoSuchBucket && self.row.object.is_none() => {
                Ok((Err(None), None))
            }
            Err(error) => Err(error),
        }
    }

    async fn owner(&self) -> String {
        match &self.row.object {
            Some(object) => object.owner.clone(),
            None => {
                let rules = self.gateway.rules(self.bucket).await;
                rules.map_or_else(|_| "root".to_owned(), |rules| rules.owner)
            }
        }
    }

    fn judge(&self, place: &Place, equal: S3Result<Equal>) -> (String, (Attempt, Option<KeyDifference>)) {
        let replica = place.replica.to_string();
        match equal {
            Ok(Equal { cause, what, twin }) => {
                let settled = cause.filter(|_| self.doing == Doing::Settle);
                if let Some(cause) = settled {
                    metrics::counter!(REPLICAS_SETTLED, "replica" => replica.clone(), "cause" => cause.name())
                        .increment(1);
                }
                let hold = self.gateway.desk.config.rewrite().max(place.store.rewrite_interval);
                let difference = cause.map(|cause| KeyDifference {
                    replica: place.replica.clone(),
                    cause: Some(cause),
                    what,
                    error: None,
                });
                (replica, (Attempt::Current { written: settled.map(|_| hold), twin }, difference))
            }
            Err(error) if is_outage_of(&place.store, &error) => {
                (replica, (Attempt::Waits, Some(self.unknown(place, reason(&error)))))
            }
            Err(error) => self.failed(place, place, &error),
        }
    }

    /// A replica that could not be made equal, for something that is wrong at a place.
    fn failed(
        &self,
        place: &Place,
        at: &Place,
        error: &S3Error,
    ) -> (String, (Attempt, Option<KeyDifference>)) {
        let replica = place.replica.to_string();
        let row = self.row;
        tracing::warn!(bucket = %row.bucket, key = %row.key, replica, at = %at.replica, code = error.code().as_str(), source = cause(error), "cannot settle yet");
        let text = format!("{}: {}", at.replica, reason(error));
        let config = &self.gateway.desk.config;
        let give_up = self.gateway.objects.failing_for(row, &replica) >= config.failed_after();
        let attempts = row.progress.get(&replica).map_or(0, |progress| progress.attempts);
        let pause = if give_up { config.failed_retry() } else { back_off(attempts) };
        let attempt = Attempt::Failed { reason: text.clone(), pause, give_up };
        (replica, (attempt, Some(self.unknown(place, text))))
    }

    fn unknown(&self, place: &Place, error: String) -> KeyDifference {
        KeyDifference { replica: place.replica.clone(), cause: None, what: Vec::new(), error: Some(error) }
    }

    fn primary_is_out(&self, mut results: Results) -> Done {
        let places = &self.bucket.places;
        for place in &places[1..] {
            let text = "the primary is out of order or paused".to_owned();
            let waits = || (Attempt::Waits, Some(self.unknown(place, text)));
            results.entry(place.replica.to_string()).or_insert_with(waits);
        }
        let mut done = self.finish(Truth::Unknown, results);
        done.outcome.waits_for = Some(places[0].store.name.to_string());
        done
    }

    fn finish(&self, truth: Truth, mut results: Results) -> Done {
        let is_known = truth != Truth::Unknown;
        let primary = if is_known { Attempt::Current { written: None, twin: None } } else { Attempt::NotYet };
        let is_open = |(attempt, _): &&(Attempt, _)| !matches!(attempt, Attempt::Current { .. });
        let mut open = results.values().filter(is_open).peekable();
        let all_wait = open.peek().is_some() && open.all(|(attempt, _)| *attempt == Attempt::Waits);
        let waiting = self.bucket.places.iter().filter(|place| {
            results.get(&place.replica.to_string()).is_some_and(|(attempt, _)| *attempt == Attempt::Waits)
        });
        let waiting: BTreeSet<&str> = waiting.map(|place| place.store.name.as_str()).collect();
        let waits_for = all_wait.then(|| waiting.into_iter().collect::<Vec<_>>().join(","));
        results.insert(self.bucket.primary().replica.to_string(), (primary, None));
        let differences = results.values_mut().filter_map(|(_, difference)| difference.take()).collect();
        let replicas = results.into_iter().map(|(replica, (attempt, _))| (replica, attempt)).collect();
        Done { outcome: Outcome { truth, replicas, waits_for }, differences }
    }
}

/// Whether the store is out of order, and not just odd about this one key.
fn is_outage_of(store: &Store, error: &S3Error) -> bool {
    relais_stores::is_unsent(error) || is_outage(error) && store.breaker.is_open()
}

/// Why something failed, in short: codes of S3 and what the system says, neither of which holds secrets.
fn reason(error: &S3Error) -> String {
    match error.message() {
        Some(message) if *error.code() != S3ErrorCode::InternalError => {
            format!("{}: {message}", error.code().as_str())
        }
        _ => error.code().as_str().to_owned(),
    }
}

/// Half to all of a pause that doubles, so that keys which failed together do not come again together.
pub(super) fn back_off(attempts: u32) -> Duration {
    let pause = RETRY_FIRST.saturating_mul(1 << attempts.min(16)).min(RETRY_LONGEST);
    pause.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_are_never_alike() {
        for (attempts, longest) in [(0, 2), (1, 4), (5, 64), (9, 300), (u32::MAX, 300)] {
            let longest = Duration::from_secs(longest);
            let pauses: BTreeSet<_> = (0..20).map(|_| back_off(attempts)).collect();
            assert!(pauses.iter().all(|pause| *pause >= longest / 2 && *pause <= longest), "{attempts}");
            assert!(pauses.len() > 10);
        }
    }
}
