//! Table `versions`: which version of each replica a version is.

use sea_orm::entity::prelude::*;

use super::Texts;

/// One version of one key.
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq)]
#[sea_orm(table_name = "versions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub version_id: String,
    /// Replica, as text, to the version's id there.
    pub replicas: Texts,
    pub acl: Option<String>,
    /// Nothing where it is not known whose it is.
    pub owner: Option<String>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
