//! The log of events: the journal's rows in the order of their commits, and a cursor for each of its readers.
//!
//! Readers are the groups of the embedded bus, and the buses outside that events are taken to. The journal appends
//! (`journal/append`); nothing is appended here.

use chrono::{DateTime, Utc};
use relais_model::Event;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition, OnConflict};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::sync::watch;

use crate::database::{Database, date};
use crate::entities::{StoredEvent, cursor, journal};
use crate::error::CatalogError;
use crate::journal::last_position;

/// What a reader of the log has not read yet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Owed {
    /// How many events; a few more where some were pruned, or a commit failed.
    pub events: u64,
    /// When the first of them was applied.
    pub since: Option<DateTime<Utc>>,
}

/// The log of events. Clones are cheap.
#[derive(Clone, Debug)]
pub struct EventLog {
    database: Database,
    news: watch::Sender<()>,
}

impl EventLog {
    pub(crate) fn new(database: Database, news: watch::Sender<()>) -> Self {
        Self { database, news }
    }

    /// Changes whenever this instance has appended something. What others append has to be looked for.
    pub fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// The events after a group's cursor, in order. A new group begins with the first event that is still there.
    pub async fn read(&self, group: &str, max: u64) -> Result<Vec<(i64, Event)>, CatalogError> {
        self.read_after_cursor(group, max).await.map_err(|error| self.database.explain(error))
    }

    async fn read_after_cursor(&self, group: &str, max: u64) -> Result<Vec<(i64, Event)>, DbErr> {
        let after = match self.cursor(group).await? {
            Some(position) => position,
            None => {
                // From now on the log keeps what this group has not read.
                self.move_cursor(group, 0).await?;
                0
            }
        };
        self.read_after(after, max).await
    }

    /// The last place in the log; 0 where nothing was ever appended.
    pub async fn last(&self) -> Result<i64, CatalogError> {
        last_position(self.database.read()).await.map_err(|error| self.database.explain(error))
    }

    /// Gives a reader that is new a cursor at the end of the log, and tells the log that there is still such a reader.
    /// Returns where it stands.
    pub async fn register(&self, reader: &str) -> Result<i64, CatalogError> {
        self.keep(reader).await.map_err(|error| self.database.explain(error))
    }

    async fn keep(&self, reader: &str) -> Result<i64, DbErr> {
        use cursor::{Column, Entity};
        let row = cursor::ActiveModel {
            group_name: Set(reader.to_owned()),
            position: Set(last_position(self.database.read()).await?),
            updated_at: Set(self.database.now()),
        };
        let or_touch = OnConflict::column(Column::GroupName).update_column(Column::UpdatedAt).to_owned();
        Entity::insert(row).on_conflict(or_touch).exec_without_returning(self.database.write()).await?;
        self.cursor(reader).await.map(Option::unwrap_or_default)
    }

    async fn cursor(&self, reader: &str) -> Result<Option<i64>, DbErr> {
        let row = cursor::Entity::find_by_id(reader.to_owned()).one(self.database.read()).await?;
        Ok(row.map(|row| row.position))
    }

    /// What a reader has not committed yet; everything for one that is not known.
    pub async fn owed(&self, reader: &str) -> Result<Owed, CatalogError> {
        self.count_owed(reader).await.map_err(|error| self.database.explain(error))
    }

    async fn count_owed(&self, reader: &str) -> Result<Owed, DbErr> {
        use journal::{Column, Entity};
        let position = self.cursor(reader).await?.unwrap_or(0);
        let first: Option<(i64, i64)> = Entity::find()
            .select_only()
            .columns([Column::Position, Column::UpdatedAt])
            .filter(Column::Position.gt(position))
            .order_by_asc(Column::Position)
            .limit(1)
            .into_tuple()
            .one(self.database.read())
            .await?;
        let Some((first, since)) = first else { return Ok(Owed::default()) };
        let last = last_position(self.database.read()).await?;
        Ok(Owed { events: (last - first + 1).unsigned_abs(), since: Some(date(since)) })
    }

    /// Every reader that has a cursor, with its place.
    pub async fn readers(&self) -> Result<Vec<(String, i64)>, CatalogError> {
        let rows =
            cursor::Entity::find().order_by_asc(cursor::Column::GroupName).all(self.database.read()).await;
        let rows = rows.map_err(|error| self.database.explain(error))?;
        Ok(rows.into_iter().map(|row| (row.group_name, row.position)).collect())
    }

    /// Whether the log can be read now.
    pub async fn ping(&self) -> Result<(), CatalogError> {
        self.database.read().ping().await.map_err(|error| self.database.explain(error))
    }

    /// The events after a position, in order, for a reader that keeps its own place: the log keeps nothing for it.
    pub async fn after(&self, position: i64, max: u64) -> Result<Vec<(i64, Event)>, CatalogError> {
        self.read_after(position, max).await.map_err(|error| self.database.explain(error))
    }

    async fn read_after(&self, position: i64, max: u64) -> Result<Vec<(i64, Event)>, DbErr> {
        let rows = journal::Entity::find()
            .filter(journal::Column::Position.gt(position))
            .order_by_asc(journal::Column::Position)
            .limit(max)
            .all(self.database.read())
            .await?;
        let entry = |row: journal::Model| Some((row.position?, row.event.map(|StoredEvent(event)| event)?));
        Ok(rows.into_iter().filter_map(entry).collect())
    }

    /// Moves a group's cursor to the last event it is done with. It never moves back.
    pub async fn commit(&self, group: &str, position: i64) -> Result<(), CatalogError> {
        self.move_cursor(group, position).await.map_err(|error| self.database.explain(error))
    }

    async fn move_cursor(&self, group: &str, position: i64) -> Result<(), DbErr> {
        use cursor::{Column, Entity};
        let row = cursor::ActiveModel {
            group_name: Set(group.to_owned()),
            position: Set(position),
            updated_at: Set(self.database.now()),
        };
        let forward = Expr::col((Entity, Column::Position)).lt(position);
        let or_forward = OnConflict::column(Column::GroupName)
            .update_columns([Column::Position, Column::UpdatedAt])
            .action_cond_where(forward.into_condition())
            .to_owned();
        Entity::insert(row).on_conflict(or_forward).exec_without_returning(self.database.write()).await?;
        Ok(())
    }
}
