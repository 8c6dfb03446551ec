//! Pauses: stores that nothing is settled to or from, by any instance, until somebody takes that back.
//!
//! What is behind there stays behind and is known; see [`Objects`](crate::Objects). Clients are served as before.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use relais_model::StoreName;
use sea_orm::sea_query::OnConflict;
use sea_orm::{DbErr, EntityTrait, IntoActiveModel};

use crate::database::{Database, date};
use crate::entities::pause::{Column, Entity, Model};
use crate::error::CatalogError;

/// The pauses. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Settling {
    database: Database,
}

impl Settling {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Pauses a store. Every instance heeds that within seconds; what is being copied is finished. Asked twice, it stays paused since
    /// the first time.
    pub async fn pause(&self, store: &StoreName) -> Result<(), CatalogError> {
        let row = Model { store: store.to_string(), paused_at: self.database.now() };
        let keep = OnConflict::column(Column::Store).do_nothing().to_owned();
        let insert = Entity::insert(row.into_active_model()).on_conflict(keep);
        let paused = insert.exec_without_returning(self.database.write()).await;
        paused.map(drop).map_err(|error| self.database.explain(error))
    }

    /// Takes a pause back. False where there was none.
    pub async fn resume(&self, store: &StoreName) -> Result<bool, CatalogError> {
        let removed = Entity::delete_by_id(store.to_string()).exec(self.database.write()).await;
        let removed = removed.map_err(|error| self.database.explain(error))?;
        Ok(removed.rows_affected > 0)
    }

    /// The paused stores, and since when they are.
    pub async fn paused(&self) -> Result<BTreeMap<StoreName, DateTime<Utc>>, CatalogError> {
        let rows = Entity::find().all(self.database.read()).await;
        let named = |row: Model| {
            let store = row.store.parse().map_err(|error| DbErr::Type(format!("row of pauses: {error}")))?;
            Ok((store, date(row.paused_at)))
        };
        let rows = rows.and_then(|rows| rows.into_iter().map(named).collect());
        rows.map_err(|error| self.database.explain(error))
    }
}
