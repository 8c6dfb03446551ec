//! Versions: a client's version id stands for a version on each replica, each with an id of its own.
//!
//! Only what the stores cannot tell is kept: the ids on the other replicas, the ACL and whose it is. Which versions there are, and
//! which is the latest, is known to the stores.

use std::collections::BTreeMap;

use relais_model::{BucketName, ObjectKey};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    Set,
};

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
    /// Whose it is, where that is known.
    pub owner: Option<String>,
}

/// A key that has versions of somebody.
pub type KeyOfOwner = (BucketName, ObjectKey);

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
        (owner, acl): (Option<&str>, Option<&str>),
    ) -> Result<(), CatalogError> {
        let row = Model {
            bucket: bucket.to_string(),
            key: key.to_string(),
            version_id: version_id.to_owned(),
            replicas: Texts(replicas.clone()),
            acl: acl.map(str::to_owned),
            owner: owner.map(str::to_owned),
        };
        let replace = OnConflict::columns([Column::Bucket, Column::Key, Column::VersionId])
            .update_columns([Column::Replicas, Column::Acl, Column::Owner])
            .to_owned();
        let insert = Entity::insert(row.into_active_model()).on_conflict(replace);
        let written = insert.exec_without_returning(self.database.write()).await;
        written.map(drop).map_err(|error| self.database.explain(error))
    }

    /// Adds the id that a version has at one more replica. Of a version that was not known only that is known then, its owner
    /// and its ACL; of one that was, these stay.
    pub async fn link(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        version_id: &str,
        (replica, own_id): (&str, &str),
        (owner, acl): (Option<&str>, Option<&str>),
    ) -> Result<(), CatalogError> {
        let linked = async {
            let transaction = self.database.begin().await?;
            let find = || Entity::find_by_id(id(bucket, key, version_id)).lock_exclusive().one(&transaction);
            let mut found = find().await?;
            if found.is_none() {
                // Another transaction may be about to make it, and then the lock waits for what that one writes.
                let new = Model {
                    bucket: bucket.to_string(),
                    key: key.to_string(),
                    version_id: version_id.to_owned(),
                    replicas: Texts::default(),
                    acl: acl.map(str::to_owned),
                    owner: owner.map(str::to_owned),
                };
                let or_leave = OnConflict::columns([Column::Bucket, Column::Key, Column::VersionId])
                    .do_nothing()
                    .to_owned();
                let insert = Entity::insert(new.into_active_model()).on_conflict(or_leave);
                insert.exec_without_returning(&transaction).await?;
                found = find().await?;
            }
            let mut row = found.ok_or_else(|| DbErr::RecordNotFound(format!("version {version_id}")))?;
            row.replicas.0.insert(replica.to_owned(), own_id.to_owned());
            let replicas = row.replicas.clone();
            let mut linked = row.into_active_model();
            linked.replicas = Set(replicas);
            linked.update(&transaction).await?;
            transaction.commit().await
        };
        linked.await.map_err(|error| self.database.explain(error))
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
        Ok(row.map(VersionRow::from))
    }

    /// The versions of a key that are known, by their ids.
    pub async fn of_key(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<BTreeMap<String, VersionRow>, CatalogError> {
        let rows = Entity::find()
            .filter(Column::Bucket.eq(bucket.as_str()))
            .filter(Column::Key.eq(key.as_str()))
            .all(self.database.read())
            .await
            .map_err(|error| self.database.explain(error))?;
        Ok(rows.into_iter().map(|row| (row.version_id.clone(), row.into())).collect())
    }

    /// Keys of which a version belongs to an owner, each once, in an order of their own and after the one that is given.
    pub async fn keys_of(
        &self,
        owner: &str,
        after: Option<&KeyOfOwner>,
        limit: u64,
    ) -> Result<Vec<KeyOfOwner>, CatalogError> {
        self.page(owner, after, limit).await.map_err(|error| self.database.explain(error))
    }

    async fn page(
        &self,
        owner: &str,
        after: Option<&KeyOfOwner>,
        limit: u64,
    ) -> Result<Vec<KeyOfOwner>, DbErr> {
        if !can_be_stored(owner) {
            return Ok(Vec::new());
        }
        let mut keys = Entity::find()
            .select_only()
            .columns([Column::Bucket, Column::Key])
            .distinct()
            .filter(Column::Owner.eq(owner))
            .order_by_asc(Column::Bucket)
            .order_by_asc(Column::Key);
        if let Some((bucket, key)) = after {
            let columns = [Column::Bucket, Column::Key].map(|column| Expr::col((Entity, column)));
            let values = [Expr::value(bucket.as_str()), Expr::value(key.as_str())];
            keys = keys.filter(Expr::tuple(columns).gt(Expr::tuple(values)));
        }
        let rows: Vec<(String, String)> = keys.limit(limit).into_tuple().all(self.database.read()).await?;
        let wrong = |error| DbErr::Type(format!("row of versions: {error}"));
        rows.into_iter()
            .map(|(bucket, key)| Ok((bucket.parse().map_err(wrong)?, key.parse().map_err(wrong)?)))
            .collect()
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

impl From<Model> for VersionRow {
    fn from(row: Model) -> Self {
        Self { replicas: row.replicas.0, acl: row.acl, owner: row.owner }
    }
}

fn id(bucket: &BucketName, key: &ObjectKey, version_id: &str) -> (String, String, String) {
    (bucket.to_string(), key.to_string(), version_id.to_owned())
}
