//! What settling remembers of a key: who is at it, which store it waits for, since when it is behind, how each replica fared. And
//! the stores that somebody paused. Names are spelt out, so that this stays what it was when the entities change.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbErr, DeriveMigrationName};
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, json_null, text, text_null, uuid_null,
};
use sea_orm_migration::sea_query::{ColumnDef, Table};
use sea_orm_migration::{MigrationTrait, SchemaManager};

#[derive(Debug, DeriveMigrationName)]
pub(super) struct Migration;

/// Each serves one query: claims, of what waits for nothing or for a store; what is behind for too long; renewing claims.
const STATEMENTS: [&str; 5] = [
    "UPDATE objects SET behind_since = updated_at WHERE settle_after IS NOT NULL",
    "DROP INDEX objects_unsettled",
    "CREATE INDEX objects_unsettled ON objects (waits_for, settle_after) WHERE settle_after IS NOT NULL",
    "CREATE INDEX objects_behind ON objects (behind_since) WHERE settle_after IS NOT NULL AND missed_at IS NULL",
    "CREATE INDEX objects_claimed ON objects (claim) WHERE claim IS NOT NULL",
];

#[expect(elided_lifetimes_in_paths, reason = "async_trait wants the signature spelt as in the trait")]
#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns: [ColumnDef; 6] = [
            uuid_null("claim"),
            text_null("waits_for"),
            big_integer_null("behind_since"),
            big_integer_null("missed_at"),
            boolean("acl_behind").default(false).to_owned(),
            json_null("settling"),
        ];
        for column in columns {
            manager.alter_table(Table::alter().table("objects").add_column(column).to_owned()).await?;
        }
        for statement in STATEMENTS {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        let pauses = Table::create()
            .table("pauses")
            .col(text("store").primary_key())
            .col(big_integer("paused_at"))
            .to_owned();
        manager.create_table(pauses).await
    }
}
