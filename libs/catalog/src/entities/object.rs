//! Table `objects`: one row a key, also of deleted ones, since their sequencers go on.

use sea_orm::entity::prelude::*;
use serde::Serialize;

use super::Replicas;

/// What is known of one key.
#[derive(Clone, Debug, DeriveEntityModel, PartialEq, Serialize)]
#[sea_orm(table_name = "objects")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// Size, etag, content type and owner are nothing where there is no object.
    pub size: Option<i64>,
    pub etag: Option<String>,
    pub content_type: Option<String>,
    pub owner: Option<String>,
    pub public_url: Option<String>,
    pub acl: Option<String>,
    pub sequencer: i64,
    pub replicas: Replicas,
    /// When to settle; nothing where all replicas are current.
    pub settle_after: Option<i64>,
    pub settle_attempts: i32,
    pub updated_at: i64,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
