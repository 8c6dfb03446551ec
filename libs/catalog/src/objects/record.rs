//! Writes down how attempts went, many in one transaction.
//!
//! An attempt counts for the state of the key that it looked at. If the key has changed since, or somebody else has claimed it, what
//! was just copied may have overwritten something newer: then its replicas are settled once more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use relais_model::{ReplicaState, Sequencer};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QuerySelect};

use super::progress::{Attempt, Outcome, Truth, Verdict};
use super::{ObjectRow, Objects, among, is_unsettled, lock_in_order, row, save};
use crate::database::micros;
use crate::entities::object::Model;
use crate::entities::{Replicas, journal};
use crate::error::CatalogError;

/// When a key is looked at again of which one replica waits for its store and another has failed: soon after the store is back.
const LOOK_AT_MIXED: Duration = Duration::from_secs(30);

impl Objects {
    /// Writes down how attempts went, and gives their claims back. The verdicts are in the order of the attempts; of one key there
    /// may be only one.
    pub async fn record(&self, attempts: &[(ObjectRow, Outcome)]) -> Result<Vec<Verdict>, CatalogError> {
        if attempts.is_empty() {
            return Ok(Vec::new());
        }
        self.write_down(attempts).await.map_err(|error| self.database.explain(error))
    }

    async fn write_down(&self, attempts: &[(ObjectRow, Outcome)]) -> Result<Vec<Verdict>, DbErr> {
        let now = self.database.now();
        let transaction = self.database.begin().await?;
        let mut current = lock(&transaction, attempts).await?;
        let undecided = undecided(&transaction, attempts).await?;
        let mut verdicts = Vec::with_capacity(attempts.len());
        let mut changed = Vec::with_capacity(attempts.len());
        for (looked, outcome) in attempts {
            let Some(row) = current.remove(&(looked.bucket.to_string(), looked.key.to_string())) else {
                verdicts.push(Verdict::Moved);
                continue;
            };
            let is_same = row.sequencer == looked.sequencer.0.cast_signed() && row.claim == looked.claim;
            let row = match is_same {
                true => {
                    let is_undecided = undecided.contains(&(row.bucket.clone(), row.key.clone()));
                    stay(row, outcome, is_undecided, now)
                }
                false => moved(row, looked, outcome, now),
            };
            verdicts.push(match row.settle_after {
                _ if !is_same => Verdict::Moved,
                None => Verdict::Settled,
                Some(_) => Verdict::Behind,
            });
            changed.push(row);
        }
        let settled = attempts.iter().zip(&verdicts).filter(|(_, verdict)| **verdict == Verdict::Settled);
        let settled: Vec<_> = settled.map(|((row, _), _)| (row.bucket.as_str(), row.key.as_str())).collect();
        settle_journal(&transaction, &settled, now).await?;
        if !changed.is_empty() {
            save(&transaction, changed).await?;
        }
        transaction.commit().await?;
        Ok(verdicts)
    }
}

/// The rows as they are now, locked in the order of their keys.
async fn lock(
    transaction: &DatabaseTransaction,
    attempts: &[(ObjectRow, Outcome)],
) -> Result<BTreeMap<(String, String), Model>, DbErr> {
    let keys = attempts.iter().map(|(row, _)| (row.bucket.as_str(), row.key.as_str()));
    let rows = lock_in_order(transaction, among(keys)).await?;
    Ok(rows.into_iter().map(|row| ((row.bucket.clone(), row.key.clone()), row)).collect())
}

/// The keys with an intent whose outcome is not known. What the primary has at such a key may be what that intent did; recovery
/// finds out by the difference to the row, so nobody else may take it into the row, or its event would never come. And what a
/// settler has copied may have overwritten what that intent wrote on the replica: so that replica is not known to be current.
async fn undecided(
    transaction: &DatabaseTransaction,
    attempts: &[(ObjectRow, Outcome)],
) -> Result<BTreeSet<(String, String)>, DbErr> {
    let (buckets, keys): (BTreeSet<_>, BTreeSet<_>) =
        attempts.iter().map(|(row, _)| (row.bucket.as_str(), row.key.as_str())).unzip();
    let rows: Vec<(String, String)> = journal::Entity::find()
        .select_only()
        .columns([journal::Column::Bucket, journal::Column::Key])
        .filter(journal::Column::SettledAt.is_null())
        .filter(journal::Column::Sequencer.is_null())
        .filter(journal::Column::Bucket.is_in(buckets))
        .filter(journal::Column::Key.is_in(keys))
        .into_tuple()
        .all(transaction)
        .await?;
    Ok(rows.into_iter().collect())
}

/// The key is still as it was looked at.
fn stay(current: Model, outcome: &Outcome, is_undecided: bool, now: i64) -> Model {
    let before = current.replicas.0;
    let state = |(replica, attempt): (&String, &Attempt)| {
        let before = before.get(replica).copied().unwrap_or(ReplicaState::Pending);
        let state = match attempt {
            Attempt::Current { written: Some(_), .. } if is_undecided => ReplicaState::Pending,
            Attempt::Current { .. } => ReplicaState::Current,
            Attempt::Failed { give_up: true, .. } => ReplicaState::Failed,
            Attempt::Failed { .. } if !before.is_behind() => ReplicaState::Pending,
            Attempt::Failed { .. } | Attempt::Waits | Attempt::NotYet => before,
        };
        (replica.clone(), state)
    };
    let replicas = Replicas(outcome.replicas.iter().map(state).collect());
    let facts = match &outcome.truth {
        _ if is_undecided => None,
        Truth::Unknown => None,
        Truth::Absent => Some(row(current.bucket.clone(), current.key.clone(), None)),
        Truth::Present(facts) => Some(row(current.bucket.clone(), current.key.clone(), Some(facts.clone()))),
    };
    let mut model = Model { replicas, updated_at: now, claim: None, ..current };
    if let Some(facts) = facts {
        (model.size, model.etag) = (facts.size, facts.etag);
        (model.content_type, model.owner) = (facts.content_type, facts.owner);
    }
    learn(&mut model, outcome, now);
    if is_unsettled(&model.replicas) {
        model.waits_for.clone_from(&outcome.waits_for);
        model.settle_after = Some(next(&model, outcome, now));
    } else {
        (model.settle_after, model.waits_for, model.behind_since) = (None, None, None);
        (model.missed_at, model.acl_behind) = (None, false);
    }
    model
}

/// The key has changed since it was looked at, or belongs to somebody else now.
fn moved(mut model: Model, looked: &ObjectRow, outcome: &Outcome, now: i64) -> Model {
    for (replica, state) in &mut model.replicas.0 {
        let was_behind = looked.replicas.get(replica).is_some_and(|state| state.is_behind());
        let touched = matches!(
            outcome.replicas.get(replica),
            Some(Attempt::Current { written: Some(_), .. } | Attempt::Failed { .. })
        );
        if (was_behind || touched) && !state.is_behind() {
            *state = ReplicaState::Pending;
        }
    }
    model.updated_at = now;
    learn(&mut model, outcome, now);
    let others = model.claim.is_some() && model.claim != looked.claim;
    if others && model.settle_after.is_some_and(|until| until > now) {
        model.sequencer += 1; // They have perhaps looked already, and have to look once more.
    } else {
        (model.claim, model.waits_for) = (None, None);
        model.settle_after = is_unsettled(&model.replicas).then(|| next(&model, outcome, now));
    }
    model.behind_since = model.settle_after.map(|_| model.behind_since.unwrap_or(now));
    model
}

fn learn(model: &mut Model, outcome: &Outcome, now: i64) {
    let sequencer = Sequencer(model.sequencer.cast_unsigned());
    let mut all = model.settling.take().unwrap_or_default().0;
    for (replica, attempt) in &outcome.replicas {
        all.entry(replica.clone()).or_default().learn(attempt, sequencer, now);
    }
    all.retain(|replica, progress| outcome.replicas.contains_key(replica) && !progress.is_over(now));
    model.settling = (!all.is_empty()).then_some(crate::entities::Progresses(all));
}

/// When a key is due again.
fn next(model: &Model, outcome: &Outcome, now: i64) -> i64 {
    if outcome.waits_for.is_some() {
        return now; // As soon as the stores are back.
    }
    let sequencer = Sequencer(model.sequencer.cast_unsigned());
    let progress = |replica: &String| Some(model.settling.as_ref()?.0.get(replica)?.due(sequencer));
    let due = |replica: &String| match outcome.replicas.get(replica) {
        Some(Attempt::Waits) => now + micros(LOOK_AT_MIXED),
        _ => progress(replica).unwrap_or(now),
    };
    let behind = model.replicas.0.iter().filter(|(_, state)| state.is_behind());
    Ord::max(behind.map(|(replica, _)| due(replica)).min().unwrap_or(now), now)
}

/// What is settled was settled by all mutations so far: the rows of these keys are locked and as they were looked at.
async fn settle_journal(
    transaction: &DatabaseTransaction,
    keys: &[(&str, &str)],
    now: i64,
) -> Result<(), DbErr> {
    use journal::Column;
    let mut buckets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (bucket, key) in keys {
        buckets.entry(bucket).or_default().push(key);
    }
    for (bucket, keys) in buckets {
        let of_keys = Condition::all()
            .add(Column::Bucket.eq(bucket))
            .add(Column::Key.is_in(keys))
            .add(Column::Sequencer.is_not_null())
            .add(Column::SettledAt.is_null());
        journal::Entity::update_many()
            .col_expr(Column::SettledAt, Expr::value(now))
            .filter(of_keys)
            .exec(transaction)
            .await?;
    }
    Ok(())
}
