//! Versions: a client's version id stands for a version on each replica, each with an id of its own.
//!
//! Only what the stores cannot tell is kept: the ids on the other replicas and the ACL. Which versions there are, and
//! which is the latest, is known to the stores.

use std::collections::BTreeMap;

use relais_model::{BucketName, ObjectKey};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::database::{Database, can_be_stored};
use crate::entities::Texts;
use crate::entities::version::{Column, Entity, Model};
use crate::error::CatalogError;

/// What is known of one version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VersionRow {
    /// Replica, as text, to the version's id there.
    pub replicas: BTreeMap<String, String>,
    /// The canned ACL.
    pub acl: Option<String>,
}

/// The versions. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Versions {
    database: Database,
}

impl Versions {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Writes a version down, in the place of what was known of it before.
    pub async fn record(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        version_id: &str,
        replicas: &BTreeMap<String, String>,
        acl: Option<&str>,
    ) -> Result<(), CatalogError> {
        let row = Model {
            bucket: bucket.to_string(),
            key: key.to_string(),
            version_id: version_id.to_owned(),
            replicas: Texts(replicas.clone()),
            acl: acl.map(str::to_owned),
        };
        let replace = OnConflict::columns([Column::Bucket, Column::Key, Column::VersionId])
            .update_columns([Column::Replicas, Column::Acl])
            .to_owned();
        let insert = Entity::insert(row.into_active_model()).on_conflict(replace);
        let written = insert.exec_without_returning(self.database.write()).await;
        written.map(drop).map_err(|error| self.database.explain(error))
    }

    /// What is known of a version.
    pub async fn find(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        version_id: &str,
    ) -> Result<Option<VersionRow>, CatalogError> {
        if !can_be_stored(version_id) {
            return Ok(None);
        }
        let row = Entity::find_by_id(id(bucket, key, version_id)).one(self.database.read()).await;
        let row = row.map_err(|error| self.database.explain(error))?;
        Ok(row.map(|row| VersionRow { replicas: row.replicas.0, acl: row.acl }))
    }

    /// Changes the canned ACL. False where the version is not known.
    pub async fn set_acl(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        version_id: &str,
        acl: Option<&str>,
    ) -> Result<bool, CatalogError> {
        if !can_be_stored(version_id) {
            return Ok(false);
        }
        let updated = Entity::update_many()
            .col_expr(Column::Acl, Expr::value(acl.map(str::to_owned)))
            .filter(Column::Bucket.eq(bucket.as_str()))
            .filter(Column::Key.eq(key.as_str()))
            .filter(Column::VersionId.eq(version_id))
            .exec(self.database.write())
            .await
            .map_err(|error| self.database.explain(error))?;
        Ok(updated.rows_affected == 1)
    }

    /// Forgets a version.
    pub async fn remove(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        version_id: &str,
    ) -> Result<(), CatalogError> {
        if !can_be_stored(version_id) {
            return Ok(());
        }
        let deleted = Entity::delete_by_id(id(bucket, key, version_id)).exec(self.database.write()).await;
        deleted.map(drop).map_err(|error| self.database.explain(error))
    }
}

fn id(bucket: &BucketName, key: &ObjectKey, version_id: &str) -> (String, String, String) {
    (bucket.to_string(), key.to_string(), version_id.to_owned())
}
