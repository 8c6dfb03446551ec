//! An event gets its place in the log when its mutation is applied, and each bus has a cursor instead of a mark on every
//! row. Names are spelt out, so that this stays what it was when the entities change.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbErr, DeriveMigrationName};
use sea_orm_migration::{MigrationTrait, SchemaManager};

#[derive(Debug, DeriveMigrationName)]
pub(super) struct Migration;

/// The end of the log so far, also where its last events were pruned.
const END: &str = "SELECT COALESCE(MAX(position), 0) AS position FROM \
    (SELECT MAX(position) AS position FROM journal UNION ALL SELECT MAX(position) FROM cursors) AS ends";

#[expect(elided_lifetimes_in_paths, reason = "async_trait wants the signature spelt as in the trait")]
#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // What no bus has yet goes to the end, and the bus that there was so far, the Redis, goes on from there.
        let register = format!(
            "INSERT INTO cursors (group_name, position, updated_at) SELECT 'bus:redis', ends.position, 0 \
             FROM ({END}) AS ends WHERE EXISTS \
             (SELECT 1 FROM journal WHERE published_at IS NULL AND sequencer IS NOT NULL)"
        );
        let number = format!(
            "WITH waiting AS (SELECT id, ROW_NUMBER() OVER (ORDER BY sequencer, id) AS place FROM journal \
             WHERE published_at IS NULL AND position IS NULL AND sequencer IS NOT NULL) \
             UPDATE journal SET position = ({END}) + waiting.place FROM waiting WHERE journal.id = waiting.id"
        );
        let connection = manager.get_connection();
        for statement in [
            register.as_str(),
            number.as_str(),
            "DROP INDEX journal_unpublished",
            "ALTER TABLE journal DROP COLUMN published_at",
        ] {
            connection.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
