//! What belongs to one owner can be found: objects, versions, uploads. Names are spelt out, so that this stays what it was
//! when the entities change.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveMigrationName};
use sea_orm_migration::{MigrationTrait, SchemaManager};

#[derive(Debug, DeriveMigrationName)]
pub(super) struct Migration;

/// Each serves one query by owner. That of the uploads has no upload id, which may be too long for an index of two columns; an
/// owner has few uploads at once.
const INDEXES: [&str; 3] = [
    "CREATE INDEX objects_of_owner ON objects (owner, bucket, key) WHERE owner IS NOT NULL",
    "CREATE INDEX versions_of_owner ON versions (owner, bucket, key) WHERE owner IS NOT NULL",
    "CREATE INDEX uploads_of_initiator ON uploads (initiator) WHERE ended_at IS NULL",
];

#[expect(elided_lifetimes_in_paths, reason = "async_trait wants the signature spelt as in the trait")]
#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        // So far the owner of a version stood only in its ACL, which is a line of JSON.
        let owner = match manager.get_database_backend() {
            DbBackend::Postgres => "acl::json ->> 'owner'",
            _ => "json_extract(acl, '$.owner')",
        };
        connection.execute_unprepared("ALTER TABLE versions ADD COLUMN owner text").await?;
        let fill = format!("UPDATE versions SET owner = {owner} WHERE acl LIKE '{{\"owner\":%'");
        connection.execute_unprepared(&fill).await?;
        for index in INDEXES {
            connection.execute_unprepared(index).await?;
        }
        Ok(())
    }
}
