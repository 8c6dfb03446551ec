//! How attempts to settle a key went: what a settler says, and what the catalog keeps of it for each replica.

use std::collections::BTreeMap;
use std::time::Duration;

use relais_model::{ObjectFacts, Sequencer};
use serde::{Deserialize, Serialize};

use crate::database::micros;

/// Longest reason that is kept; it is for people, and one a key.
const REASON_CHARS_MAX: usize = 200;

/// How the attempts of one replica went. Times are microseconds since 1970 by the catalog's clock.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Progress {
    /// Attempts that failed since one last worked.
    #[serde(skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// When the first of them was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trying_since: Option<i64>,
    /// When the next one is due, as long as the key does not change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<i64>,
    /// The key's sequencer at the last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried: Option<u64>,
    /// Why the last of them failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Before that it is not written again, whatever changes: it was written a moment ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_until: Option<i64>,
    /// The multipart upload that a settler began there and did not end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// Entity tags of what is equal all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twin: Option<Twin>,
}

/// What one object is called on two stores that do not compute entity tags alike.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Twin {
    /// On the primary.
    pub primary: String,
    /// On the replica.
    pub replica: String,
}

/// What a settler found at the primary.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Truth {
    /// It did not answer, or was not asked.
    Unknown,
    /// No object.
    Absent,
    /// This one.
    Present(ObjectFacts),
}

/// How one replica came out of an attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Attempt {
    /// It equals the primary.
    Current {
        /// Where it was written just now: how long it is not to be written again.
        written: Option<Duration>,
        /// Its entity tag, where that differs.
        twin: Option<Twin>,
    },
    /// Its store, or the primary's, is out of order or paused. That is no failure of this key.
    Waits,
    /// It is not due: it was written, or has failed, a moment ago.
    NotYet,
    /// It could not be made equal.
    Failed {
        /// Why, in short, and without secrets.
        reason: String,
        /// How long to leave it alone, unless the key changes.
        pause: Duration,
        /// Whether somebody should look.
        give_up: bool,
    },
}

/// How all replicas of a key came out of an attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// What the primary has.
    pub truth: Truth,
    /// Every replica that the bucket has, as text, the primary among them.
    pub replicas: BTreeMap<String, Attempt>,
    /// The stores, with commas between, without which nothing can be done.
    pub waits_for: Option<String>,
}

/// What became of a key when its attempt was written down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Every replica equals the primary.
    Settled,
    /// Some do not yet.
    Behind,
    /// The key has changed meanwhile, or somebody else has taken it: it is looked at again.
    Moved,
}

impl Progress {
    /// Takes an attempt in.
    pub(super) fn learn(&mut self, attempt: &Attempt, sequencer: Sequencer, now: i64) {
        match attempt {
            Attempt::Current { written, twin } => {
                let held_until = written.map(|hold| now + micros(hold)).or(self.held_until);
                *self = Self { held_until, twin: twin.clone(), ..Self::default() };
            }
            Attempt::Waits => (self.attempts, self.trying_since, self.retry_at) = (0, None, None),
            Attempt::NotYet => {}
            Attempt::Failed { reason, pause, .. } => {
                self.attempts = self.attempts.saturating_add(1);
                self.trying_since.get_or_insert(now);
                self.retry_at = Some(now + micros(*pause));
                self.tried = Some(sequencer.0);
                self.reason = Some(reason.chars().take(REASON_CHARS_MAX).collect());
            }
        }
    }

    /// When the replica may be written next, if its key is at this sequencer.
    pub(super) fn due(&self, sequencer: Sequencer) -> i64 {
        let retry_at = self.retry_at.filter(|_| self.tried == Some(sequencer.0));
        retry_at.max(self.held_until).unwrap_or(i64::MIN)
    }

    /// Whether there is nothing more to remember.
    pub(super) fn is_over(&self, now: i64) -> bool {
        let rest = Self { held_until: None, ..self.clone() };
        rest == Self::default() && self.held_until.is_none_or(|until| until <= now)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
