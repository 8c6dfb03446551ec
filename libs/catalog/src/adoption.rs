//! Rows for objects that were in a bucket before relais was.
//!
//! A row that is there stays as it is, whoever wrote it: a client's mutation knows better than a listing that is old by
//! the time it is read. So this may go on while clients write, and be done twice. An event that tells of such a row goes
//! into the log with it, in one transaction: there is one for each row, whatever crashes.

use std::collections::{BTreeMap, HashSet};

use relais_model::{
    BucketName, DerivedFrom, Event, EventKind, ObjectFacts, ObjectKey, ReplicaState, Requester, Sequencer,
};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QuerySelect,
};
use uuid::Uuid;

use crate::database::{Database, can_be_stored, date};
use crate::entities::object::{Column, Entity, Model};
use crate::entities::{Replicas, StoredEvent, journal};
use crate::error::CatalogError;
use crate::journal::append_to_log;
use crate::objects;

/// Rows of one transaction, so that writers need not wait long: far below the 32,766 parameters of SQLite.
const ROWS_MAX: usize = 500;

/// How often a transaction is tried that met a client's.
const ATTEMPTS_MAX: usize = 10;

/// An object that relais has not written.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundObject {
    /// Its key.
    pub key: ObjectKey,
    /// What its store says of it.
    pub object: ObjectFacts,
    /// Where everybody can read it, if so.
    pub public_url: Option<String>,
    /// Set on what a sidecar made.
    pub derived_from: Option<DerivedFrom>,
}

/// What is done with objects that have no row.
#[derive(Clone, Debug, PartialEq)]
pub struct Intake {
    /// The states of their replicas, as text.
    pub replicas: BTreeMap<String, ReplicaState>,
    /// Whose doing it is, where subscribers shall hear of each; nothing where they shall not.
    pub announced: Option<Requester>,
}

/// The taking up of objects. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Adoption {
    database: Database,
}

impl Adoption {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Those of the keys that have a row, also as deleted.
    pub async fn known(&self, bucket: &BucketName, keys: &[&str]) -> Result<HashSet<String>, CatalogError> {
        let mut all = HashSet::new();
        for keys in keys.chunks(ROWS_MAX) {
            let known = known(self.database.read(), bucket, keys).await;
            all.extend(known.map_err(|error| self.database.explain(error))?);
        }
        Ok(all)
    }

    /// Makes rows of those objects that have none; returns how many that were.
    pub async fn add(
        &self,
        bucket: &BucketName,
        found: &[FoundObject],
        intake: &Intake,
    ) -> Result<u64, CatalogError> {
        let mut added = 0;
        for found in found.chunks(ROWS_MAX) {
            let mut attempt = 1;
            added += loop {
                match self.add_some(bucket, found, intake).await {
                    // A client made one of them known since we looked.
                    Err(DbErr::RecordNotInserted) if attempt < ATTEMPTS_MAX => attempt += 1,
                    result => break result.map_err(|error| self.database.explain(error))?,
                }
            };
        }
        Ok(added)
    }

    async fn add_some(
        &self,
        bucket: &BucketName,
        found: &[FoundObject],
        intake: &Intake,
    ) -> Result<u64, DbErr> {
        let transaction = self.database.begin().await?;
        let keys: Vec<&str> = found.iter().map(|found| found.key.as_str()).collect();
        let known = known(&transaction, bucket, &keys).await?;
        let new: Vec<_> = found.iter().filter(|found| !known.contains(found.key.as_str())).collect();
        if new.is_empty() {
            return Ok(0);
        }
        let now = self.database.now();
        insert(&transaction, new.iter().map(|found| row(bucket, found, intake, now)).collect()).await?;
        if let Some(requester) = &intake.announced {
            let told = new.iter().map(|found| entry(bucket, found, intake, requester, now));
            append_to_log(&transaction, told.collect()).await?;
        }
        transaction.commit().await?;
        Ok(new.len() as u64)
    }
}

fn row(bucket: &BucketName, found: &FoundObject, intake: &Intake, now: i64) -> Model {
    let replicas = Replicas(intake.replicas.clone());
    let since = objects::is_unsettled(&replicas).then_some(now);
    Model {
        public_url: found.public_url.clone(),
        sequencer: now,
        settle_after: since,
        behind_since: since,
        replicas,
        updated_at: now,
        ..objects::row(bucket.to_string(), found.key.to_string(), Some(found.object.clone()))
    }
}

/// The event of a row, as the log has it. It is settled with the key.
fn entry(
    bucket: &BucketName,
    found: &FoundObject,
    intake: &Intake,
    requester: &Requester,
    now: i64,
) -> journal::Model {
    let id = Uuid::now_v7();
    let event = Event {
        id,
        kind: EventKind::Put,
        time: date(now),
        bucket: bucket.clone(),
        key: found.key.clone(),
        sequencer: Sequencer(now.cast_unsigned()),
        object: Some(found.object.clone()),
        version_id: None,
        derived_from: found.derived_from.clone(),
        requester: requester.clone(),
    };
    let is_unsettled = objects::is_unsettled(&Replicas(intake.replicas.clone()));
    journal::Model {
        id,
        bucket: bucket.to_string(),
        key: found.key.to_string(),
        kind: EventKind::Put.name().to_owned(),
        state: journal::State::Applied,
        instance: Uuid::nil(), // Of no instance: nobody has to answer for what is applied.
        opened_sequencer: 0,
        updated_at: now,
        sequencer: Some(now),
        event: Some(StoredEvent(event)),
        settled_at: (!is_unsettled).then_some(now),
        position: None,
    }
}

async fn known(
    connection: &impl ConnectionTrait,
    bucket: &BucketName,
    keys: &[&str],
) -> Result<HashSet<String>, DbErr> {
    let keys = keys.iter().copied().filter(|key| can_be_stored(key));
    let rows: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Key)
        .filter(Column::Bucket.eq(bucket.as_str()))
        .filter(Column::Key.is_in(keys))
        .into_tuple()
        .all(connection)
        .await?;
    Ok(rows.into_iter().collect())
}

async fn insert(transaction: &DatabaseTransaction, rows: Vec<Model>) -> Result<(), DbErr> {
    let expected = rows.len() as u64;
    let inserted = Entity::insert_many(rows.into_iter().map(IntoActiveModel::into_active_model))
        .on_conflict(OnConflict::columns([Column::Bucket, Column::Key]).do_nothing().to_owned())
        .exec_without_returning(transaction)
        .await?;
    if inserted == expected { Ok(()) } else { Err(DbErr::RecordNotInserted) }
}
