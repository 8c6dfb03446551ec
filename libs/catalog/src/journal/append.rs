//! Gives events their place in the log, in the order of commits.
//!
//! Places are given by one transaction at a time, and the next one may only give some when this one has ended: so a
//! reader that has seen a place has seen all before it. It is the last thing that a transaction does, since the others
//! wait meanwhile; and as it waits for nothing else afterwards, no two can wait for each other.

use std::collections::HashSet;

use relais_model::{Event, Sequencer};
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, Iterable, QueryFilter,
    QuerySelect,
};
use uuid::Uuid;

use super::Announcement;
use super::apply::{self, Key};
use crate::database::{Exclusive, date};
use crate::entities::{StoredEvent, cursor, journal};
use crate::given::Given;

/// What the key's last change was when its intent was opened: also of those that are applied by the same transaction.
const OPENED_SEQUENCER: &str = "CASE WHEN given.sequencer IS NULL THEN COALESCE((SELECT objects.sequencer FROM objects \
    WHERE objects.bucket = given.bucket AND objects.key = given.key), 0) ELSE given.opened_sequencer END";

/// PostgreSQL's next place. A place that is given is gone also where its transaction fails.
const NEXT_PLACE: &str = "CASE WHEN given.sequencer IS NULL THEN NULL ELSE nextval('journal_positions') END";

/// SQLite's: a row that is applied comes with its place among the rows, counted from 1.
const END_OF_LOG: &str = "given.position + \
    max(ifnull((SELECT max(position) FROM journal WHERE position IS NOT NULL), 0), \
        ifnull((SELECT max(position) FROM cursors), 0))";

/// Writes rows into the journal: new intents, and applied rows, with their events, to the end of the log.
pub(crate) async fn append(
    transaction: &DatabaseTransaction,
    mut rows: Vec<journal::Model>,
) -> Result<(), DbErr> {
    use journal::{Column, Entity};
    if rows.is_empty() {
        return Ok(());
    }
    let backend = transaction.get_database_backend();
    let mut applied = 0;
    for row in rows.iter_mut().filter(|row| row.sequencer.is_some()) {
        applied += 1;
        row.position = Some(applied);
    }
    let place = if backend == DbBackend::Postgres { NEXT_PLACE } else { END_OF_LOG };
    let mut rows = Given::new(backend, Column::iter(), &rows)?
        .with(Column::OpenedSequencer, OPENED_SEQUENCER)
        .with(Column::Position, place)
        // An intent that is there was written by an attempt of which nobody heard; others may have found it since.
        .replacing_if("excluded.sequencer IS NOT NULL");
    if let Some(lock) = Exclusive::Positions.lock(backend).filter(|_| applied > 0) {
        rows = rows.once(&lock);
    }
    let changed = [
        Column::State,
        Column::UpdatedAt,
        Column::Sequencer,
        Column::Event,
        Column::SettledAt,
        Column::Position,
    ];
    // Intents that are applied are there and locked, so for them this is an update of many rows with different values.
    transaction.execute_raw(rows.insert::<Entity>(&[Column::Id], &changed)).await?;
    Ok(())
}

/// The rows of announcements that are not in the log yet.
pub(super) async fn announced(
    transaction: &DatabaseTransaction,
    instance: Uuid,
    now: i64,
    wanted: Vec<&Announcement>,
) -> Result<Vec<journal::Model>, DbErr> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let known: Vec<Uuid> = journal::Entity::find()
        .select_only()
        .column(journal::Column::Id)
        .filter(journal::Column::Id.is_in(wanted.iter().map(|one| one.id)))
        .into_tuple()
        .all(transaction)
        .await?;
    let mut known: HashSet<Uuid> = known.into_iter().collect();
    let keys: Vec<Key> = wanted.iter().map(|one| Key::of(&one.bucket, &one.key)).collect();
    let sequencers = apply::sequencers(transaction, keys.iter()).await?;
    let mut rows = Vec::with_capacity(wanted.len());
    for (one, key) in wanted.into_iter().zip(keys) {
        if known.insert(one.id) {
            // That of the last mutation of the key: a later one could overtake the next mutation, of another instance.
            let sequencer = sequencers.get(&key).copied().unwrap_or(now);
            rows.push(row(one, key, instance, now, sequencer));
        }
    }
    Ok(rows)
}

fn row(one: &Announcement, key: Key, instance: Uuid, now: i64, sequencer: i64) -> journal::Model {
    let event = Event {
        id: one.id,
        kind: one.kind,
        time: date(now),
        bucket: one.bucket.clone(),
        key: one.key.clone(),
        sequencer: Sequencer(sequencer.cast_unsigned()),
        object: one.object.clone(),
        version_id: None,
        derived_from: None,
        requester: one.requester.clone(),
    };
    journal::Model {
        id: one.id,
        bucket: key.bucket,
        key: key.key,
        kind: one.kind.name().to_owned(),
        state: journal::State::Applied,
        instance,
        opened_sequencer: sequencer,
        updated_at: now,
        sequencer: Some(sequencer),
        event: Some(StoredEvent(event)),
        settled_at: Some(now),
        position: None,
    }
}

/// The last place that was ever given, as far as anybody may remember: pruned events live on in the cursors.
pub(crate) async fn last_position(connection: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let row = connection.query_one(&last_positions()).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("positions".to_owned()))?;
    let in_log: Option<i64> = row.try_get("", "in_log")?;
    let in_cursors: Option<i64> = row.try_get("", "in_cursors")?;
    Ok(in_log.max(in_cursors).unwrap_or(0))
}

fn last_positions() -> SelectStatement {
    use journal::Column;
    // The index is of the rows that have a place; without the condition SQLite reads the whole journal for each batch.
    let in_log = Query::select()
        .expr(Column::Position.max())
        .from(journal::Entity)
        .and_where(Column::Position.is_not_null())
        .to_owned();
    let in_cursors = Query::select().expr(cursor::Column::Position.max()).from(cursor::Entity).to_owned();
    Query::select()
        .expr_as(Expr::expr(in_log), "in_log")
        .expr_as(Expr::expr(in_cursors), "in_cursors")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use sea_orm::sea_query::SqliteQueryBuilder;
    use sea_orm::{DbBackend, Statement};

    use super::*;
    use crate::catalog::Catalog;
    use crate::config::Config;
    use crate::database::Database;

    #[tokio::test]
    async fn sqlite_finds_the_last_place_by_the_index() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("catalog.db").display());
        let config = Config { url, connections_max: 2 };
        Catalog::connect(&config).await.unwrap().migrate().await.unwrap();
        let database = Database::connect(&config).await.unwrap();
        let plan = format!("EXPLAIN QUERY PLAN {}", last_positions().to_string(SqliteQueryBuilder));
        let plan = Statement::from_string(DbBackend::Sqlite, plan);
        let steps = database.read().query_all_raw(plan).await.unwrap();
        let steps: Vec<String> = steps.iter().map(|step| step.try_get("", "detail").unwrap()).collect();
        assert!(steps.iter().any(|step| step.contains("INDEX journal_position")), "{steps:?}");
    }
}
