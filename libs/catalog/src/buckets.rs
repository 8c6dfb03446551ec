//! Buckets that clients made, and what they set on them: CORS, policy, notifications and the like.
//!
//! A setting is a name and the text that a client sent; what it means is not known here. Settings of one bucket are
//! changed one by one, so that clients who change different ones at the same time do not undo each other. A bucket
//! that the configuration names has a row once something is set on it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use relais_model::BucketName;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

use crate::database::{Database, date};
use crate::entities::Texts;
use crate::entities::bucket::{ActiveModel, Column, Entity, Model};
use crate::error::CatalogError;

/// One bucket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BucketRow {
    /// Its name, as clients see it.
    pub name: BucketName,
    /// Who made it.
    pub owner: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Name of a setting to what a client sent.
    pub settings: BTreeMap<String, String>,
}

/// The buckets. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Buckets {
    database: Database,
}

impl Buckets {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes a bucket without settings. False, and nothing done, where it is there already.
    pub async fn make(&self, name: &BucketName, owner: &str) -> Result<bool, CatalogError> {
        let once = OnConflict::column(Column::Name).do_nothing().to_owned();
        let insert = Entity::insert(self.new_row(name, owner)).on_conflict(once);
        let made = insert.exec_without_returning(self.database.write()).await;
        Ok(made.map_err(|error| self.database.explain(error))? == 1)
    }

    /// What is known of a bucket.
    pub async fn find(&self, name: &BucketName) -> Result<Option<BucketRow>, CatalogError> {
        let row = Entity::find_by_id(name.to_string()).one(self.database.read()).await;
        let row = row.and_then(|row| row.map(BucketRow::try_from).transpose());
        row.map_err(|error| self.database.explain(error))
    }

    /// All buckets, in the order of their names.
    pub async fn all(&self) -> Result<Vec<BucketRow>, CatalogError> {
        let rows = Entity::find().order_by_asc(Column::Name).all(self.database.read()).await;
        let rows = rows.and_then(|rows| rows.into_iter().map(BucketRow::try_from).collect());
        rows.map_err(|error| self.database.explain(error))
    }

    /// Forgets a bucket and its settings.
    pub async fn remove(&self, name: &BucketName) -> Result<(), CatalogError> {
        let deleted = Entity::delete_by_id(name.to_string()).exec(self.database.write()).await;
        deleted.map(drop).map_err(|error| self.database.explain(error))
    }

    /// Changes one setting, or removes it where the value is nothing. A bucket that has no row gets one, with the owner
    /// that is named for this case.
    pub async fn set(
        &self,
        name: &BucketName,
        owner_if_new: &str,
        setting: &str,
        value: Option<&str>,
    ) -> Result<(), CatalogError> {
        let row = self.new_row(name, owner_if_new);
        self.change(row, setting, value).await.map_err(|error| self.database.explain(error))
    }

    async fn change(&self, new: ActiveModel, setting: &str, value: Option<&str>) -> Result<(), DbErr> {
        let transaction = self.database.begin().await?;
        // A row that is there keeps its name, but is locked by that and comes back.
        let or_lock = OnConflict::column(Column::Name).update_column(Column::Name).to_owned();
        let row = Entity::insert(new).on_conflict(or_lock).exec_with_returning(&transaction).await?;
        let mut settings = row.settings;
        match value {
            Some(value) => settings.0.insert(setting.to_owned(), value.to_owned()),
            None => settings.0.remove(setting),
        };
        Entity::update_many()
            .set(ActiveModel { settings: Set(settings), ..Default::default() })
            .filter(Column::Name.eq(row.name))
            .exec(&transaction)
            .await?;
        transaction.commit().await
    }

    fn new_row(&self, name: &BucketName, owner: &str) -> ActiveModel {
        ActiveModel {
            name: Set(name.to_string()),
            owner: Set(owner.to_owned()),
            created_at: Set(self.database.now()),
            settings: Set(Texts::default()),
        }
    }
}

impl TryFrom<Model> for BucketRow {
    type Error = DbErr;

    fn try_from(row: Model) -> Result<Self, DbErr> {
        Ok(Self {
            name: row.name.parse().map_err(|error| DbErr::Type(format!("row of buckets: {error}")))?,
            owner: row.owner,
            created_at: date(row.created_at),
            settings: row.settings.0,
        })
    }
}
