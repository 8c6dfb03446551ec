//! The embedded bus's storage: the journal's rows, numbered in the order of publication, and a cursor a group.
//!
//! Numbers are given by one transaction at a time, so a reader that has seen one number has seen all before it.

use relais_model::Event;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait, IntoCondition, OnConflict};
use sea_orm::{ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::database::{Database, Exclusive};
use crate::entities::{StoredEvent, cursor, journal};
use crate::error::CatalogError;

/// The embedded event log. Clones are cheap.
#[derive(Clone, Debug)]
pub struct EventLog {
    database: Database,
}

impl EventLog {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Appends events, in the order given. One that is in the log stays where it is.
    pub async fn append(&self, ids: &[Uuid]) -> Result<(), CatalogError> {
        self.number(ids).await.map_err(|error| self.database.explain(error))
    }

    async fn number(&self, ids: &[Uuid]) -> Result<(), DbErr> {
        use journal::{Column, Entity};
        let transaction = self.database.begin().await?;
        self.database.exclude(&transaction, Exclusive::Positions).await?;
        let missing: Vec<Uuid> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(Column::Sequencer.is_not_null())
            .filter(Column::Position.is_null())
            .into_tuple()
            .all(&transaction)
            .await?;
        if missing.is_empty() {
            return Ok(());
        }
        let next = last_position(&transaction).await? + 1;
        let in_order = ids.iter().filter(|id| missing.contains(id));
        let position = (next..).zip(in_order).fold(CaseStatement::new(), |case, (position, id)| {
            case.case(Column::Id.eq(*id), Expr::value(position))
        });
        Entity::update_many()
            .col_expr(Column::Position, position.into())
            .filter(Column::Id.is_in(missing))
            .exec(&transaction)
            .await?;
        transaction.commit().await
    }

    /// The events after a group's cursor, in order. A new group begins with the first event that is still there.
    pub async fn read(&self, group: &str, max: u64) -> Result<Vec<(i64, Event)>, CatalogError> {
        self.read_after_cursor(group, max).await.map_err(|error| self.database.explain(error))
    }

    async fn read_after_cursor(&self, group: &str, max: u64) -> Result<Vec<(i64, Event)>, DbErr> {
        let known = cursor::Entity::find_by_id(group.to_owned()).one(self.database.read()).await?;
        let after = match known {
            Some(cursor) => cursor.position,
            None => {
                // From now on the log keeps what this group has not read.
                self.move_cursor(group, 0).await?;
                0
            }
        };
        self.read_after(after, max).await
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

/// The highest number ever given that anybody may remember: pruned events live on in the cursors.
async fn last_position(transaction: &DatabaseTransaction) -> Result<i64, DbErr> {
    let in_log: Option<Option<i64>> = journal::Entity::find()
        .select_only()
        .expr(journal::Column::Position.max())
        .into_tuple()
        .one(transaction)
        .await?;
    let in_cursors: Option<Option<i64>> = cursor::Entity::find()
        .select_only()
        .expr(cursor::Column::Position.max())
        .into_tuple()
        .one(transaction)
        .await?;
    Ok(Ord::max(in_log.flatten(), in_cursors.flatten()).unwrap_or(0))
}
