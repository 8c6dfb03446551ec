//! What makes a commit of the journal shorter: PostgreSQL numbers the log by a sequence, the index of a key's rows holds only
//! those that are still to be looked up, so that it stays small, and a column that nobody read is gone. What has no place in
//! the log was published before there were places, and everything else is pruned by its place. Names are spelt out, so that this stays what it was when
//! the entities change.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveMigrationName};
use sea_orm_migration::{MigrationTrait, SchemaManager};

#[derive(Debug, DeriveMigrationName)]
pub(super) struct Migration;

const SHORTER: [&str; 4] = [
    "DELETE FROM journal WHERE position IS NULL AND sequencer IS NOT NULL",
    "ALTER TABLE objects DROP COLUMN settle_attempts",
    "DROP INDEX journal_of_key",
    "CREATE INDEX journal_of_key ON journal (bucket, key) WHERE settled_at IS NULL",
];

/// It goes on behind the end of the log, also where the last events were pruned.
const SEQUENCE: [&str; 2] = [
    "CREATE SEQUENCE journal_positions",
    "SELECT setval('journal_positions', GREATEST((SELECT MAX(position) FROM journal), (SELECT MAX(position) FROM cursors), 0) + 1, \
     false)",
];

#[expect(elided_lifetimes_in_paths, reason = "async_trait wants the signature spelt as in the trait")]
#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sequence =
            if manager.get_database_backend() == DbBackend::Postgres { &SEQUENCE[..] } else { &[] };
        for statement in SHORTER.iter().chain(sequence) {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
