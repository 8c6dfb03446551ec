//! Table `objects`: one row a key, also of deleted ones, since their sequencers go on.

use sea_orm::entity::prelude::*;
use serde::Serialize;

use super::{Progresses, Replicas};

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
    /// When to settle; nothing where all replicas are current. While somebody is at it: until when the claim holds.
    pub settle_after: Option<i64>,
    pub updated_at: i64,
    /// Whose claim it is while somebody is at it, or was and died.
    pub claim: Option<Uuid>,
    /// The stores, with commas between, without which nothing can be done for the key.
    pub waits_for: Option<String>,
    /// Since when a replica is behind.
    pub behind_since: Option<i64>,
    /// When it was told that this is too long.
    pub missed_at: Option<i64>,
    /// Whether replicas may have another ACL.
    pub acl_behind: bool,
    pub settling: Option<Progresses>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
