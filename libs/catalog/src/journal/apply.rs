//! Applies a batch of intents: reads all rows it needs, decides in memory, writes all rows back.
//!
//! So the number of statements does not depend on the number of intents. Rows are locked in the order of their keys;
//! two instances that meet wait for each other and do not block each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use relais_model::{BucketName, Event, ObjectKey, ReplicaState, Sequencer};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::{Applied, Intent};
use crate::database::date;
use crate::entities::{Replicas, StoredEvent, journal, object};
use crate::objects;

/// Bucket and key as the tables have them.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Key {
    pub(super) bucket: String,
    pub(super) key: String,
}

impl Key {
    pub(super) fn of(bucket: &BucketName, key: &ObjectKey) -> Self {
        Self { bucket: bucket.to_string(), key: key.to_string() }
    }
}

/// What the decisions need and change.
#[derive(Debug)]
struct Board {
    now: i64,
    objects: BTreeMap<Key, object::Model>,
    /// Keys that had no row before.
    new: BTreeSet<Key>,
    /// Intents that are open or in doubt, those of this batch among them.
    open: HashMap<Key, Vec<Uuid>>,
}

/// What a batch has come to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The events by their intents; one that was applied before keeps its event.
    pub(super) events: HashMap<Uuid, Event>,
    /// The rows of those that were applied now, in their order, which still need a place in the log.
    pub(super) rows: Vec<journal::Model>,
}

/// Applies the intents that exist.
pub(super) async fn apply(
    transaction: &DatabaseTransaction,
    now: i64,
    wanted: Vec<(Uuid, &Applied)>,
) -> Result<Outcome, DbErr> {
    let Outcome { mut events, mut rows } = Outcome::default();
    if wanted.is_empty() {
        return Ok(Outcome { events, rows });
    }
    let mut intents = HashMap::with_capacity(wanted.len());
    for row in find_intents(transaction, &wanted).await? {
        match row.event {
            Some(StoredEvent(event)) => drop(events.insert(row.id, event)),
            None => drop(intents.insert(row.id, row)),
        }
    }
    if intents.is_empty() {
        return Ok(Outcome { events, rows });
    }
    let keys = intents.values().map(|row| Key { bucket: row.bucket.clone(), key: row.key.clone() }).collect();
    let mut board = Board::load(transaction, now, keys).await?;
    for (id, applied) in wanted {
        if let Some(row) = intents.remove(&id) {
            let (row, event) = board.apply(row, applied)?;
            rows.push(row);
            events.insert(id, event);
        }
    }
    board.save(transaction).await?;
    Ok(Outcome { events, rows })
}

/// The sequencers of the keys that have one.
pub(super) async fn sequencers<'a>(
    transaction: &DatabaseTransaction,
    keys: impl Iterator<Item = &'a Key>,
) -> Result<HashMap<Key, i64>, DbErr> {
    use object::Column;
    let keys = keys.cloned().collect();
    let rows: Vec<(String, String, i64)> = object::Entity::find()
        .select_only()
        .columns([Column::Bucket, Column::Key, Column::Sequencer])
        .filter(among(&keys, Column::Bucket, Column::Key))
        .into_tuple()
        .all(transaction)
        .await?;
    Ok(rows.into_iter().map(|(bucket, key, sequencer)| (Key { bucket, key }, sequencer)).collect())
}

impl Board {
    async fn load(transaction: &DatabaseTransaction, now: i64, keys: BTreeSet<Key>) -> Result<Self, DbErr> {
        let rows = object::Entity::find()
            .filter(among(&keys, object::Column::Bucket, object::Column::Key))
            .order_by_asc(object::Column::Bucket)
            .order_by_asc(object::Column::Key)
            .lock_exclusive()
            .all(transaction)
            .await?;
        let objects: BTreeMap<_, _> = rows
            .into_iter()
            .map(|row| (Key { bucket: row.bucket.clone(), key: row.key.clone() }, row))
            .filter(|(key, _)| keys.contains(key))
            .collect();
        let unapplied: Vec<(Uuid, String, String)> = journal::Entity::find()
            .select_only()
            .columns([journal::Column::Id, journal::Column::Bucket, journal::Column::Key])
            .filter(among(&keys, journal::Column::Bucket, journal::Column::Key))
            .filter(journal::Column::Sequencer.is_null())
            .into_tuple()
            .all(transaction)
            .await?;
        let mut open: HashMap<Key, Vec<Uuid>> = HashMap::new();
        for (id, bucket, key) in unapplied {
            open.entry(Key { bucket, key }).or_default().push(id);
        }
        let new = keys.into_iter().filter(|key| !objects.contains_key(key)).collect();
        Ok(Self { now, objects, new, open })
    }

    fn apply(&mut self, row: journal::Model, applied: &Applied) -> Result<(journal::Model, Event), DbErr> {
        let key = Key { bucket: row.bucket.clone(), key: row.key.clone() };
        let before = self.objects.get(&key);
        let last = before.map_or(0, |object| object.sequencer);
        let sequencer = self.now.max(last + 1);

        let others_open = self.open.get(&key).is_some_and(|ids| ids.iter().any(|id| *id != row.id));
        // Somebody applied, or was found to have interfered, since this intent was opened.
        let moved = last != row.opened_sequencer;
        let replicas = replicas_after(before, applied, others_open || moved);
        let unsettled = objects::is_unsettled(&replicas);
        // A settler that is at work, or waits for a store, keeps its time: two at once would race.
        let planned = before.and_then(|object| object.settle_after);
        let object = object::Model {
            sequencer,
            settle_after: unsettled.then(|| planned.unwrap_or(self.now)),
            settle_attempts: if unsettled { before.map_or(0, |object| object.settle_attempts) } else { 0 },
            replicas,
            public_url: applied.public_url.clone(),
            acl: applied.acl.clone(),
            updated_at: self.now,
            ..objects::row(key.bucket.clone(), key.key.clone(), applied.object.clone())
        };
        self.objects.insert(key, object);

        let event = event(row.clone().try_into()?, row.id, sequencer, self.now, applied);
        let row = journal::Model {
            state: journal::State::Applied,
            updated_at: self.now,
            sequencer: Some(sequencer),
            event: Some(StoredEvent(event.clone())),
            settled_at: (!unsettled).then_some(self.now),
            ..row
        };
        Ok((row, event))
    }

    async fn save(self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        use object::{Column, Entity};
        let (new, known): (Vec<_>, Vec<_>) =
            self.objects.into_iter().partition(|(key, _)| self.new.contains(key));
        let expected = new.len() as u64;
        let inserted = Entity::insert_many(new.into_iter().map(|(_, row)| row.into_active_model()))
            .on_conflict(OnConflict::columns([Column::Bucket, Column::Key]).do_nothing().to_owned())
            .exec_without_returning(transaction)
            .await?;
        if inserted != expected {
            // Another instance created one of them since we looked: look again, its sequencer counts.
            return Err(DbErr::RecordNotInserted);
        }
        let all_but_key = [
            Column::Size,
            Column::Etag,
            Column::ContentType,
            Column::Owner,
            Column::PublicUrl,
            Column::Acl,
            Column::Sequencer,
            Column::Replicas,
            Column::SettleAfter,
            Column::SettleAttempts,
            Column::UpdatedAt,
        ];
        // These are there and locked, so this is an update of many rows with different values.
        let replace =
            OnConflict::columns([Column::Bucket, Column::Key]).update_columns(all_but_key).to_owned();
        Entity::insert_many(known.into_iter().map(|(_, row)| row.into_active_model()))
            .on_conflict(replace)
            .exec_without_returning(transaction)
            .await?;
        Ok(())
    }
}

async fn find_intents(
    transaction: &DatabaseTransaction,
    wanted: &[(Uuid, &Applied)],
) -> Result<Vec<journal::Model>, DbErr> {
    journal::Entity::find()
        .filter(journal::Column::Id.is_in(wanted.iter().map(|(id, _)| *id)))
        .order_by_asc(journal::Column::Id)
        .lock_exclusive()
        .all(transaction)
        .await
}

/// The replicas' states after a mutation that left them as `applied` says.
fn replicas_after(before: Option<&object::Model>, applied: &Applied, overlapped: bool) -> Replicas {
    let mut replicas = applied.replicas.clone();
    if replicas.len() > 1 {
        if overlapped {
            replicas.values_mut().for_each(|state| *state = ReplicaState::Pending);
        } else if let Some(before) = before {
            // A settler may be writing an older state there at this moment.
            objects::carry_over(&before.replicas, &mut replicas);
        }
    }
    Replicas(replicas)
}

fn event(intent: Intent, id: Uuid, sequencer: i64, now: i64, applied: &Applied) -> Event {
    Event {
        id,
        kind: applied.kind.unwrap_or(intent.kind),
        time: date(now),
        bucket: intent.bucket,
        key: intent.key,
        sequencer: Sequencer(sequencer.cast_unsigned()),
        object: applied.object.clone(),
        version_id: applied.version_id.clone(),
        derived_from: applied.derived_from.clone(),
        requester: applied.requester.clone(),
    }
}

/// Rows whose bucket is one of the buckets and whose key is one of the keys: a few more than asked for, by an index
/// and without a term for each pair.
fn among<C: ColumnTrait>(keys: &BTreeSet<Key>, bucket: C, key: C) -> Condition {
    let buckets: BTreeSet<&str> = keys.iter().map(|key| key.bucket.as_str()).collect();
    Condition::all().add(bucket.is_in(buckets)).add(key.is_in(keys.iter().map(|key| key.key.as_str())))
}
