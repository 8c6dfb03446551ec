use sea_orm::{ConnectionTrait, DbBackend, QueryTrait, Statement};

use super::*;
use crate::catalog::Catalog;
use crate::config::Config;

#[test]
fn the_successor_of_a_prefix_follows_all_that_begin_with_it() {
    for (prefix, successor) in [
        ("a", Some("b")),
        ("a/", Some("a0")),
        ("100%_", Some("100%`")),
        ("\u{7f}", Some("\u{80}")),
        // What follows here would be half a pair, which is no character.
        ("x\u{d7ff}", Some("x\u{e000}")),
        ("a\u{10ffff}", Some("b")),
        ("\u{10ffff}", None),
        ("", None),
    ] {
        assert_eq!(super::successor(prefix).as_deref(), successor, "{prefix:?}");
        let longer = format!("{prefix}\u{10ffff}");
        assert!(successor.is_none_or(|successor| successor > longer.as_str() && successor > prefix));
    }
}

/// How SQLite runs a page's statement.
async fn plan(database: &Database, start: Start<'_>) -> String {
    let statement = open(&"media".parse().unwrap(), "a/", start).limit(3).build(DbBackend::Sqlite);
    let values = statement.values.unwrap().0;
    let sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
    let explain = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
    let rows = database.read().query_all_raw(explain).await.unwrap();
    let steps = rows.iter().map(|row| row.try_get::<String>("", "detail").unwrap());
    steps.collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn a_page_is_read_by_its_index_wherever_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("catalog.db").display());
    let config = Config { url, connections_max: 2 };
    let catalog = Catalog::connect(&config).await.unwrap();
    catalog.migrate().await.unwrap();
    catalog.close().await.unwrap();
    let database = Database::connect(&config).await.unwrap();
    let upload = Start::AfterUpload { key: "a/b", began_at: 7, upload_id: "u" };
    for (start, bound) in
        [(Start::AtKey("a/"), "key>?"), (Start::AfterKey("a/b"), "key>?"), (upload, "(key,began_at)>(?,?)")]
    {
        let plan = plan(&database, start).await;
        let search = format!("SEARCH uploads USING INDEX uploads_open (bucket=? AND {bound} AND key<?)");
        assert!(plan.contains(&search), "{plan}");
        // Only uploads of one microsecond are sorted.
        assert!(plan.contains("FOR LAST TERM OF ORDER BY"), "{plan}");
    }
    database.close().await.unwrap();
}
