//! Applies a batch of intents: reads all rows it needs, decides in memory, writes all rows back.
//!
//! So the number of statements does not depend on the number of intents. Rows are locked in the order of their keys;
//! two instances that meet wait for each other and do not block each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use relais_model::{BucketName, Event, EventKind, ObjectKey, ReplicaState, Sequencer};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, FromQueryResult, IdenStatic, Iterable,
    QueryResult,
};
use serde::Serialize;
use uuid::Uuid;

use super::{Applied, Intent};
use crate::database::date;
use crate::entities::{Replicas, StoredEvent, journal, object};
use crate::given::Given;
use crate::objects;

/// Bucket and key as the tables have them.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub(super) struct Key {
    pub(super) bucket: String,
    pub(super) key: String,
}

impl Key {
    pub(super) fn of(bucket: &BucketName, key: &ObjectKey) -> Self {
        Self { bucket: bucket.to_string(), key: key.to_string() }
    }
}

/// What the columns of objects begin with, beside those of intents.
const KNOWN: &str = "known_";

/// Some intents, locked in the order of their ids, whether others of the same key are open or in doubt, and the objects of
/// their keys, locked in their order. An intent that opens after this looks and before this transaction ends is not seen; it
/// will see at its own end that the key has moved. The columns of objects begin with [`KNOWN`].
fn question(backend: DbBackend) -> String {
    let (of_intents, of_objects) = match backend {
        DbBackend::Postgres => (" FOR UPDATE OF journal", " FOR UPDATE OF objects"),
        _ => ("", ""), // SQLite's transactions are alone anyway.
    };
    let known = object::Column::iter().map(|column| format!("known.{0} AS {KNOWN}{0}", column.as_str()));
    let known = known.collect::<Vec<_>>().join(", ");
    format!(
        "WITH intents AS MATERIALIZED (SELECT journal.*, EXISTS (SELECT 1 FROM journal AS other \
            WHERE other.bucket = journal.bucket AND other.key = journal.key AND other.settled_at IS NULL \
            AND other.sequencer IS NULL AND other.id <> journal.id) AS others_open \
            FROM {{given}} CROSS JOIN journal WHERE journal.id = given.id ORDER BY journal.id{of_intents}), \
        keys AS (SELECT DISTINCT bucket, key FROM intents), \
        known AS MATERIALIZED (SELECT objects.* FROM keys CROSS JOIN objects \
            WHERE objects.bucket = keys.bucket AND objects.key = keys.key \
            ORDER BY objects.bucket, objects.key{of_objects}) \
        SELECT intents.*, {known} FROM intents \
        LEFT JOIN known ON known.bucket = intents.bucket AND known.key = intents.key"
    )
}

/// The sequencers of some keys.
const SEQUENCERS: &str = "SELECT objects.bucket, objects.key, objects.sequencer FROM {given} CROSS JOIN objects \
    WHERE objects.bucket = given.bucket AND objects.key = given.key";

/// An intent that is to be applied.
#[derive(Debug)]
struct Found {
    row: journal::Model,
    others_open: bool,
    /// The object of its key, if there is a row.
    known: Option<object::Model>,
}

impl Found {
    fn of(row: &QueryResult) -> Result<Self, DbErr> {
        let known: Option<String> = row.try_get(KNOWN, object::Column::Key.as_str())?;
        Ok(Self {
            row: journal::Model::from_query_result(row, "")?,
            others_open: row.try_get("", "others_open")?,
            known: known.map(|_| object::Model::from_query_result(row, KNOWN)).transpose()?,
        })
    }

    fn key(&self) -> Key {
        Key { bucket: self.row.bucket.clone(), key: self.row.key.clone() }
    }
}

/// What the decisions need and change.
#[derive(Debug)]
struct Board {
    now: i64,
    objects: BTreeMap<Key, object::Model>,
    /// Keys that had no row before.
    new: BTreeSet<Key>,
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
    for mut found in find_intents(transaction, &wanted).await? {
        match found.row.event.take() {
            Some(StoredEvent(event)) => drop(events.insert(found.row.id, event)),
            None => drop(intents.insert(found.row.id, found)),
        }
    }
    if intents.is_empty() {
        return Ok(Outcome { events, rows });
    }
    let mut board = Board::new(now, intents.values_mut());
    for (id, applied) in wanted {
        if let Some(found) = intents.remove(&id) {
            let (row, event) = board.apply(found, applied)?;
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
    #[derive(FromQueryResult)]
    struct Known {
        bucket: String,
        key: String,
        sequencer: i64,
    }
    let keys: Vec<&Key> = keys.collect();
    let keys =
        Given::new(transaction.get_database_backend(), [object::Column::Bucket, object::Column::Key], &keys)?;
    let rows = Known::find_by_statement(keys.look(SEQUENCERS)).all(transaction).await?;
    Ok(rows.into_iter().map(|Known { bucket, key, sequencer }| (Key { bucket, key }, sequencer)).collect())
}

impl Board {
    fn new<'a>(now: i64, intents: impl Iterator<Item = &'a mut Found>) -> Self {
        let mut board = Self { now, objects: BTreeMap::new(), new: BTreeSet::new() };
        for found in intents {
            match found.known.take() {
                Some(object) => drop(board.objects.insert(found.key(), object)),
                None => drop(board.new.insert(found.key())),
            }
        }
        board
    }

    fn apply(&mut self, intent: Found, applied: &Applied) -> Result<(journal::Model, Event), DbErr> {
        let key = intent.key();
        let Found { row, others_open, .. } = intent;
        let before = self.objects.get(&key);
        let last = before.map_or(0, |object| object.sequencer);
        let sequencer = self.now.max(last + 1);

        // Somebody applied, or was found to have interfered, since this intent was opened.
        let moved = last != row.opened_sequencer;
        let replicas = replicas_after(before, applied, others_open || moved);
        let unsettled = objects::is_unsettled(&replicas);
        // A settler that is at work keeps its time: two at once would race.
        let planned = before.filter(|object| object.claim.is_some()).and_then(|object| object.settle_after);
        // What the key waited for says nothing of a replica that is behind only now.
        let was_behind = |replica| {
            before.and_then(|object| object.replicas.0.get(replica)).is_some_and(|state| state.is_behind())
        };
        let is_known = replicas.0.iter().all(|(replica, state)| !state.is_behind() || was_behind(replica));
        let waits_for = before.filter(|_| unsettled && is_known).and_then(|object| object.waits_for.clone());
        let behind_since = before.and_then(|object| object.behind_since).unwrap_or(self.now);
        let kind = applied.kind.or_else(|| EventKind::of_name(&row.kind));
        let acl_behind = others_open
            || moved
            || kind == Some(EventKind::PutAcl)
            || before.is_some_and(|object| object.acl_behind);
        let object = object::Model {
            sequencer,
            settle_after: unsettled.then(|| planned.unwrap_or(self.now)),
            claim: before.and_then(|object| object.claim), // Not written, and still to be seen by the next one of this batch.
            waits_for,
            replicas,
            public_url: applied.public_url.clone(),
            acl: applied.acl.clone(),
            updated_at: self.now,
            behind_since: unsettled.then_some(behind_since),
            acl_behind: unsettled && acl_behind,
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
        let rows = |rows: Vec<(Key, object::Model)>| {
            let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
            Given::new(transaction.get_database_backend(), Column::iter(), &rows)
        };
        let key = [Column::Bucket, Column::Key];
        if !new.is_empty() {
            let expected = new.len() as u64;
            let inserted = transaction.execute_raw(rows(new)?.insert::<Entity>(&key, &[])).await?;
            if inserted.rows_affected() != expected {
                // Another instance created one of them since we looked: look again, its sequencer counts.
                return Err(DbErr::RecordNotInserted);
            }
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
            Column::UpdatedAt,
            Column::WaitsFor,
            Column::BehindSince,
            Column::AclBehind,
        ];
        if !known.is_empty() {
            // These are there and locked, so this is an update of many rows with different values.
            transaction.execute_raw(rows(known)?.insert::<Entity>(&key, &all_but_key)).await?;
        }
        Ok(())
    }
}

async fn find_intents(
    transaction: &DatabaseTransaction,
    wanted: &[(Uuid, &Applied)],
) -> Result<Vec<Found>, DbErr> {
    #[derive(Serialize)]
    struct Wanted {
        id: Uuid,
    }
    let wanted: Vec<_> = wanted.iter().map(|(id, _)| Wanted { id: *id }).collect();
    let backend = transaction.get_database_backend();
    let wanted = Given::new(backend, [journal::Column::Id], &wanted)?;
    let rows = transaction.query_all_raw(wanted.look(&question(backend))).await?;
    rows.iter().map(Found::of).collect()
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
