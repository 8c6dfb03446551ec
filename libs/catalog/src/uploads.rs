//! Multipart uploads: those that are open, to list them, and those that were completed, to answer a client that asks
//! for the completion again because it never heard of the first.
//!
//! What an upload is on each store is written into its details by whoever began it; parts are the stores' business and
//! are not known here. An upload that was aborted is removed; one that was completed stays until it is pruned.

use std::time::Duration;

use chrono::{DateTime, Utc};
use relais_model::{BucketName, ObjectKey};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde_json::Value;

use crate::database::{Database, can_be_stored, date, micros};
use crate::entities::upload::{ActiveModel, Column, Entity, Model};
use crate::error::CatalogError;

/// An upload, as it was begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    /// The bucket, as clients see it.
    pub bucket: BucketName,
    /// The key that the object will have.
    pub key: ObjectKey,
    /// What clients call it: unique in all buckets. PostgreSQL takes up to 2,600 bytes.
    pub upload_id: String,
    /// Who began it.
    pub initiator: String,
    /// When it was begun; kept in whole microseconds.
    pub began_at: DateTime<Utc>,
    /// What its maker wants back.
    pub details: Value,
}

/// An upload and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct UploadRow {
    /// The upload, as it was begun.
    pub upload: Upload,
    /// What its completion gave; nothing while it is open.
    pub result: Option<Value>,
}

/// The uploads. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Uploads {
    database: Database,
}

impl Uploads {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Writes an upload down. The same id a second time changes nothing.
    pub async fn begin(&self, upload: &Upload) -> Result<(), CatalogError> {
        let row = ActiveModel {
            upload_id: Set(upload.upload_id.clone()),
            bucket: Set(upload.bucket.to_string()),
            key: Set(upload.key.to_string()),
            initiator: Set(upload.initiator.clone()),
            began_at: Set(upload.began_at.timestamp_micros()),
            details: Set(upload.details.clone()),
            ..Default::default()
        };
        let once = OnConflict::column(Column::UploadId).do_nothing().to_owned();
        let insert = Entity::insert(row).on_conflict(once).exec_without_returning(self.database.write());
        insert.await.map(drop).map_err(|error| self.database.explain(error))
    }

    /// An upload that is open, or was completed and not yet pruned.
    pub async fn find(&self, upload_id: &str) -> Result<Option<UploadRow>, CatalogError> {
        if !can_be_stored(upload_id) {
            return Ok(None);
        }
        let row = Entity::find_by_id(upload_id.to_owned()).one(self.database.read()).await;
        let row = row.and_then(|row| row.map(UploadRow::try_from).transpose());
        row.map_err(|error| self.database.explain(error))
    }

    /// Open uploads of the keys that begin with the prefix, in the order of key, time and id.
    ///
    /// They begin after a key or, where an upload of that key is named, after that upload. One that was removed has no
    /// place any more: then all of its key come once more, so that none is missed.
    pub async fn list(
        &self,
        bucket: &BucketName,
        prefix: &str,
        after: Option<(&str, Option<&str>)>,
        limit: u64,
    ) -> Result<Vec<Upload>, CatalogError> {
        self.page(bucket, prefix, after, limit).await.map_err(|error| self.database.explain(error))
    }

    /// Open uploads that somebody began, in the order of their ids and after the one that is given.
    pub async fn of_initiator(
        &self,
        initiator: &str,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Upload>, CatalogError> {
        if !can_be_stored(initiator) {
            return Ok(Vec::new());
        }
        let mut uploads = Entity::find()
            .filter(Column::Initiator.eq(initiator))
            .filter(Column::EndedAt.is_null())
            .order_by_asc(Column::UploadId);
        if let Some(after) = after {
            uploads = uploads.filter(Column::UploadId.gt(after));
        }
        let rows = uploads.limit(limit).all(self.database.read()).await;
        let rows = rows.and_then(|rows| rows.into_iter().map(Upload::try_from).collect());
        rows.map_err(|error| self.database.explain(error))
    }

    async fn page(
        &self,
        bucket: &BucketName,
        prefix: &str,
        after: Option<(&str, Option<&str>)>,
        limit: u64,
    ) -> Result<Vec<Upload>, DbErr> {
        if !can_be_stored(prefix) {
            return Ok(Vec::new()); // No key begins like that.
        }
        let start = match after {
            Some((key, None)) if key >= prefix => Start::AfterKey(key),
            Some((key, Some(upload_id))) if key >= prefix => self.start_after(bucket, key, upload_id).await?,
            _ => Start::AtKey(prefix),
        };
        let rows = open(bucket, prefix, start).limit(limit).all(self.database.read()).await?;
        rows.into_iter().map(Upload::try_from).collect()
    }

    async fn start_after<'a>(
        &self,
        bucket: &BucketName,
        key: &'a str,
        upload_id: &'a str,
    ) -> Result<Start<'a>, DbErr> {
        if !can_be_stored(key) {
            return Ok(Start::AfterKey(key)); // There is no such key to begin with.
        }
        if !can_be_stored(upload_id) {
            return Ok(Start::AtKey(key));
        }
        let began_at: Option<i64> = Entity::find_by_id(upload_id.to_owned())
            .select_only()
            .column(Column::BeganAt)
            .filter(Column::Bucket.eq(bucket.as_str()))
            .filter(Column::Key.eq(key))
            .into_tuple()
            .one(self.database.read())
            .await?;
        Ok(began_at.map_or(Start::AtKey(key), |began_at| Start::AfterUpload { key, began_at, upload_id }))
    }

    /// Ends an upload and keeps what its completion gave. False where it is not open: the result of whoever completed
    /// it first stays.
    pub async fn complete(&self, upload_id: &str, result: Value) -> Result<bool, CatalogError> {
        if !can_be_stored(upload_id) {
            return Ok(false);
        }
        let ended_at = Set(Some(self.database.now()));
        let updated = Entity::update_many()
            .set(ActiveModel { result: Set(Some(result)), ended_at, ..Default::default() })
            .filter(Column::UploadId.eq(upload_id))
            .filter(Column::EndedAt.is_null())
            .exec(self.database.write())
            .await
            .map_err(|error| self.database.explain(error))?;
        Ok(updated.rows_affected == 1)
    }

    /// Forgets an upload, open or not.
    pub async fn remove(&self, upload_id: &str) -> Result<(), CatalogError> {
        if !can_be_stored(upload_id) {
            return Ok(());
        }
        let deleted = Entity::delete_by_id(upload_id.to_owned()).exec(self.database.write()).await;
        deleted.map(drop).map_err(|error| self.database.explain(error))
    }

    /// Forgets uploads that were completed longer ago than this, and returns how many. Open ones stay, however old.
    pub async fn prune(&self, older_than: Duration) -> Result<u64, CatalogError> {
        let before = self.database.now() - micros(older_than);
        let ended = Column::EndedAt.lte(before);
        let deleted = Entity::delete_many().filter(ended).exec(self.database.write()).await;
        Ok(deleted.map_err(|error| self.database.explain(error))?.rows_affected)
    }
}

/// Where a page begins: never before its prefix, so that this is the only lower bound.
#[derive(Clone, Copy, Debug)]
enum Start<'a> {
    AtKey(&'a str),
    AfterKey(&'a str),
    AfterUpload { key: &'a str, began_at: i64, upload_id: &'a str },
}

/// The statement of a page. Its index gives the keys in order, so that a page reads no more rows than it has.
fn open(bucket: &BucketName, prefix: &str, start: Start<'_>) -> Select<Entity> {
    let mut uploads = Entity::find()
        .filter(Column::Bucket.eq(bucket.as_str()))
        .filter(Column::EndedAt.is_null())
        .order_by_asc(Column::Key)
        .order_by_asc(Column::BeganAt)
        .order_by_asc(Column::UploadId);
    if let Some(end) = successor(prefix) {
        uploads = uploads.filter(Column::Key.lt(end));
    }
    match start {
        Start::AtKey(key) => uploads.filter(Column::Key.gte(key)),
        Start::AfterKey(key) => uploads.filter(Column::Key.gt(before_zero(key))),
        Start::AfterUpload { key, began_at, upload_id } => {
            let columns = [Column::Key, Column::BeganAt, Column::UploadId];
            let columns = Expr::tuple(columns.map(|column| Expr::col((Entity, column))));
            let values = [Expr::value(key), Expr::value(began_at), Expr::value(upload_id)];
            uploads.filter(columns.gt(Expr::tuple(values)))
        }
    }
}

/// The least text that is greater than all texts with this prefix, by bytes; nothing where there is none.
fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // Ranges of characters know of the gap that UTF-8 has no bytes for.
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// What comes before a zero byte. As no key has one, the same keys come after either.
fn before_zero(text: &str) -> &str {
    text.split('\0').next().unwrap_or(text)
}

impl TryFrom<Model> for Upload {
    type Error = DbErr;

    fn try_from(row: Model) -> Result<Self, DbErr> {
        Ok(Self {
            bucket: row.bucket.parse().map_err(|error| DbErr::Type(format!("row of uploads: {error}")))?,
            key: row.key.parse().map_err(|error| DbErr::Type(format!("row of uploads: {error}")))?,
            upload_id: row.upload_id,
            initiator: row.initiator,
            began_at: date(row.began_at),
            details: row.details,
        })
    }
}

impl TryFrom<Model> for UploadRow {
    type Error = DbErr;

    fn try_from(mut row: Model) -> Result<Self, DbErr> {
        let result = row.result.take();
        Ok(Self { upload: row.try_into()?, result })
    }
}

#[cfg(test)]
mod tests;
