//! What was erased and what is left, counted while it happens.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use relais_model::BucketName;
use serde::Serialize;

use super::entries::{Entry, Kind};
use super::{Belongings, Mode};

/// Leftovers that a report names; of more it has the number.
const LEFT_MAX: usize = 1000;

/// How often progress is told at most.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// What was found and, unless it was only counted, is gone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// Current objects.
    pub objects: u64,
    /// Older versions.
    pub versions: u64,
    /// Delete markers.
    pub delete_markers: u64,
    /// Multipart uploads under way.
    pub uploads: u64,
    /// What a replica had and the primary did not.
    pub replica_leftovers: u64,
    /// Bytes of objects and versions, counted once whatever the replicas.
    pub bytes: u64,
}

/// What was found below one prefix.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct OfPrefix {
    /// The bucket.
    pub bucket: BucketName,
    /// The prefix; nothing for the user's objects elsewhere in the bucket.
    pub prefix: Option<String>,
    /// How much.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Something that is still there.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Left {
    /// The bucket.
    pub bucket: String,
    /// The key, or a prefix that cannot be listed.
    pub key: String,
    /// The version, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The multipart upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// The replica that has it, if not all do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<String>,
}

/// A leftover with its reason.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct LeftWhy {
    /// What it is.
    #[serde(flatten)]
    pub what: Left,
    /// Why it is still there.
    pub reason: String,
}

/// How far it is.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Progress {
    /// Which round.
    pub round: u32,
    /// What was found so far.
    #[serde(flatten)]
    pub counts: Counts,
    /// What could not be erased so far.
    pub left: u64,
}

/// What became of it all.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Report {
    /// Whose it was.
    pub user: String,
    /// Whether it was only counted.
    pub dry_run: bool,
    /// Whether nothing is left.
    pub complete: bool,
    /// All together.
    #[serde(flatten)]
    pub counts: Counts,
    /// How often everything was looked at; the last time found nothing more.
    pub rounds: u32,
    /// Where it was.
    pub by_prefix: Vec<OfPrefix>,
    /// What is still there, up to a thousand, with reasons.
    pub left: Vec<LeftWhy>,
    /// How much is still there.
    pub left_count: u64,
}

impl Report {
    /// As the JSON API answers it, on one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Where something was found: a bucket, and one of the prefixes or none.
pub(super) type Place = (BucketName, Option<String>);

/// The counters of one run.
pub(super) struct Tally<'a> {
    progress: &'a (dyn Fn(&Progress) + Send + Sync),
    state: Mutex<State>,
}

struct State {
    user: String,
    mode: Mode,
    round: u32,
    in_round: u64,
    places: BTreeMap<Place, Counts>,
    left: BTreeMap<Left, String>,
    left_beyond: u64,
    told: Option<Instant>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(
        belongings: &Belongings,
        mode: Mode,
        progress: &'a (dyn Fn(&Progress) + Send + Sync),
    ) -> Self {
        let places = belongings.prefixes.iter().cloned();
        let places = places.map(|(bucket, prefix)| ((bucket, Some(prefix)), Counts::default())).collect();
        let state = State {
            user: belongings.owner.clone(),
            mode,
            round: 0,
            in_round: 0,
            places,
            left: BTreeMap::new(),
            left_beyond: 0,
            told: None,
        };
        Self { progress, state: Mutex::new(state) }
    }

    pub(super) fn begin_round(&self, round: u32) {
        let mut state = self.state();
        (state.round, state.in_round, state.left_beyond) = (round, 0, 0);
        // Most of what is left is met again; an older version is perhaps not, once nothing says any more whose it is.
        state.left.retain(|left, _| left.version.is_some() && left.replica.is_none());
    }

    /// Whether this round erased anything.
    pub(super) fn found_anything(&self) -> bool {
        self.state().in_round > 0
    }

    pub(super) fn entry(&self, place: &Place, entry: &Entry) {
        self.state().left.remove(&Left::of(&place.0, entry));
        self.count(place, |counts| {
            match entry.kind {
                Kind::Current => counts.objects += 1,
                Kind::Older => counts.versions += 1,
                Kind::Marker => counts.delete_markers += 1,
            }
            counts.bytes += entry.bytes;
        });
    }

    pub(super) fn upload(&self, place: &Place) {
        self.count(place, |counts| counts.uploads += 1);
    }

    pub(super) fn leftover(&self, place: &Place) {
        self.count(place, |counts| counts.replica_leftovers += 1);
    }

    fn count(&self, place: &Place, add: impl FnOnce(&mut Counts)) {
        let mut state = self.state();
        state.in_round += 1;
        add(state.places.entry(place.clone()).or_default());
        self.tell(state);
    }

    pub(super) fn left(&self, left: Left, reason: impl Into<String>) {
        let mut state = self.state();
        if state.left.len() < LEFT_MAX || state.left.contains_key(&left) {
            state.left.insert(left, reason.into());
        } else {
            state.left_beyond += 1;
        }
        self.tell(state);
    }

    pub(super) fn still_written_to(&self, rounds: u32) {
        let places: Vec<_> = self.state().places.keys().cloned().collect();
        for (bucket, prefix) in places {
            let left = Left::at(bucket.as_str(), prefix.unwrap_or_default());
            self.left(
                left,
                format!("objects still come after {rounds} rounds; stop the user's writes first"),
            );
        }
    }

    /// Tells the progress, unless that was done just now. The lock is given up first: telling may take its time.
    fn tell(&self, mut state: MutexGuard<'_, State>) {
        if state.told.is_some_and(|told| told.elapsed() < PROGRESS_EVERY) {
            return;
        }
        state.told = Some(Instant::now());
        let progress = Progress { round: state.round, counts: state.total(), left: state.left_count() };
        drop(state);
        (self.progress)(&progress);
    }

    pub(super) fn into_report(self) -> Report {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        Report {
            dry_run: state.mode == Mode::Count,
            complete: state.left.is_empty(),
            counts: state.total(),
            rounds: state.round,
            left_count: state.left_count(),
            user: state.user,
            by_prefix: state
                .places
                .into_iter()
                .map(|((bucket, prefix), counts)| OfPrefix { bucket, prefix, counts })
                .collect(),
            left: state.left.into_iter().map(|(what, reason)| LeftWhy { what, reason }).collect(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn total(&self) -> Counts {
        self.places.values().fold(Counts::default(), |sum, counts| Counts {
            objects: sum.objects + counts.objects,
            versions: sum.versions + counts.versions,
            delete_markers: sum.delete_markers + counts.delete_markers,
            uploads: sum.uploads + counts.uploads,
            replica_leftovers: sum.replica_leftovers + counts.replica_leftovers,
            bytes: sum.bytes + counts.bytes,
        })
    }

    fn left_count(&self) -> u64 {
        self.left.len() as u64 + self.left_beyond
    }
}

impl Left {
    pub(super) fn at(bucket: &str, key: impl Into<String>) -> Self {
        Self { bucket: bucket.to_owned(), key: key.into(), version: None, upload: None, replica: None }
    }

    pub(super) fn of(bucket: &BucketName, entry: &Entry) -> Self {
        Self { version: entry.version.clone(), ..Self::at(bucket.as_str(), entry.key.as_str()) }
    }

    pub(super) fn on(self, replica: impl ToString) -> Self {
        Self { replica: Some(replica.to_string()), ..self }
    }
}
