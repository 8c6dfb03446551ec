//! Access keys that were made by command, each with its sealed secret.
//!
//! What is sealed, and with what, is not known here; nor is what a policy means. A key that was revoked stays, so that
//! one can tell whose it was.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::database::{Database, can_be_stored, date};
use crate::entities::access_key::{ActiveModel, Column, Entity, Model};
use crate::error::CatalogError;

/// An access key to be kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewAccessKey {
    /// What clients send.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The account that it acts for.
    pub owner: String,
    /// Its secret, sealed.
    pub sealed_secret: String,
    /// What it may do, where that is less than its owner may.
    pub policy: Option<String>,
}

/// One access key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessKeyRow {
    /// What clients send.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The account that it acts for.
    pub owner: String,
    /// Its secret, sealed.
    pub sealed_secret: String,
    /// What it may do, where that is less than its owner may.
    pub policy: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Since when it is not valid any more.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The access keys. Clones are cheap.
#[derive(Clone, Debug)]
pub struct AccessKeys {
    database: Database,
}

impl AccessKeys {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Keeps a new key. False, and nothing done, where one of this id is there already.
    pub async fn create(&self, key: &NewAccessKey) -> Result<bool, CatalogError> {
        let row = ActiveModel {
            id: Set(key.id.clone()),
            name: Set(key.name.clone()),
            owner: Set(key.owner.clone()),
            sealed_secret: Set(key.sealed_secret.clone()),
            policy: Set(key.policy.clone()),
            created_at: Set(self.database.now()),
            revoked_at: Set(None),
        };
        let once = OnConflict::column(Column::Id).do_nothing().to_owned();
        let insert = Entity::insert(row).on_conflict(once);
        let made = insert.exec_without_returning(self.database.write()).await;
        Ok(made.map_err(|error| self.database.explain(error))? == 1)
    }

    /// A key, revoked or not.
    pub async fn find(&self, id: &str) -> Result<Option<AccessKeyRow>, CatalogError> {
        if !can_be_stored(id) {
            return Ok(None);
        }
        let row = Entity::find_by_id(id.to_owned()).one(self.database.read()).await;
        row.map(|row| row.map(AccessKeyRow::from)).map_err(|error| self.database.explain(error))
    }

    /// All keys, revoked ones too, the oldest first.
    pub async fn all(&self) -> Result<Vec<AccessKeyRow>, CatalogError> {
        let rows = Entity::find().order_by_asc(Column::CreatedAt).order_by_asc(Column::Id);
        let rows = rows.all(self.database.read()).await;
        rows.map(|rows| rows.into_iter().map(AccessKeyRow::from).collect())
            .map_err(|error| self.database.explain(error))
    }

    /// Makes a key invalid from now on. False where there is none that is valid.
    pub async fn revoke(&self, id: &str) -> Result<bool, CatalogError> {
        if !can_be_stored(id) {
            return Ok(false);
        }
        let revoked_at = Set(Some(self.database.now()));
        let updated = Entity::update_many()
            .set(ActiveModel { revoked_at, ..Default::default() })
            .filter(Column::Id.eq(id))
            .filter(Column::RevokedAt.is_null())
            .exec(self.database.write())
            .await;
        Ok(updated.map_err(|error| self.database.explain(error))?.rows_affected == 1)
    }

    /// Exchanges a sealed secret. False where the key has another one than was thought, or is not there.
    pub async fn reseal(&self, id: &str, old_sealed: &str, new_sealed: &str) -> Result<bool, CatalogError> {
        let sealed_secret = Set(new_sealed.to_owned());
        let updated = Entity::update_many()
            .set(ActiveModel { sealed_secret, ..Default::default() })
            .filter(Column::Id.eq(id))
            .filter(Column::SealedSecret.eq(old_sealed))
            .exec(self.database.write())
            .await;
        Ok(updated.map_err(|error| self.database.explain(error))?.rows_affected == 1)
    }
}

impl From<Model> for AccessKeyRow {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            owner: row.owner,
            sealed_secret: row.sealed_secret,
            policy: row.policy,
            created_at: date(row.created_at),
            revoked_at: row.revoked_at.map(date),
        }
    }
}
