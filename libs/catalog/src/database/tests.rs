use super::*;

async fn pragma(connection: &DatabaseConnection, name: &str) -> String {
    let statement = Statement::from_string(
        DbBackend::Sqlite,
        format!("SELECT CAST({name} AS TEXT) AS value FROM pragma_{name}"),
    );
    connection.query_one_raw(statement).await.unwrap().unwrap().try_get("", "value").unwrap()
}

/// What makes "acknowledged" mean "on disk": the log is synced at each commit (2 is FULL).
#[tokio::test]
async fn sqlite_syncs_its_log_at_each_commit_and_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("catalog.db").display());
    let database = Database::connect(&Config { url, connections_max: 2 }).await.unwrap();
    assert_eq!(pragma(database.write(), "synchronous").await, "2");
    assert_eq!(pragma(database.write(), "journal_mode").await, "wal");
    assert!(database.read().execute_unprepared("CREATE TABLE t (a)").await.is_err(), "a reader cannot write");
}
