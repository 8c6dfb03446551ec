//! A table `users` that an application made before relais came, and rows that it writes afterwards.

use std::error::Error;

use relais_catalog::{CatalogError, CreateUserError, Spent};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use serde_json::json;

use crate::scratch::Scratch;
use crate::users::{new, recent};

crate::on_both![
    a_table_that_is_there_keeps_its_rows_and_works,
    a_row_that_leaves_out_what_it_may_is_read,
    an_address_in_capitals_is_found_and_not_given_twice,
    a_table_that_lacks_columns_is_refused_and_named,
    a_table_with_an_email_twice_is_refused,
    other_programs_read_the_times_that_relais_writes,
];

/// As the usual mapper of Python makes it: times without a zone, no default in the database.
const SQLALCHEMY: &str = "CREATE TABLE users (
    id INTEGER NOT NULL, email VARCHAR(255) NOT NULL, hashed_password VARCHAR(255) NOT NULL, name VARCHAR(255),
    is_active BOOLEAN, is_verified BOOLEAN, created_at TIMESTAMP, updated_at TIMESTAMP, last_login TIMESTAMP,
    favorite_voices JSON, history JSON, credits INTEGER, preferences JSON, PRIMARY KEY (id))";

const ROW: &str = "INSERT INTO users (email, hashed_password, is_active, is_verified, created_at, updated_at,
    favorite_voices, history, credits, preferences)
    VALUES ('Bob@Example.com', 'hash', true, true, '2026-01-02 03:04:05.678901', '2026-01-02 03:04:05',
    '[\"alloy\"]', 'null', 3, '{\"dark\": true}')";

fn postgres(scratch: &Scratch) -> bool {
    scratch.config.url.starts_with("postgres")
}

/// The table as it is on either database.
async fn make_table(scratch: &Scratch) {
    let id = if postgres(scratch) { "id SERIAL" } else { "id INTEGER" };
    scratch.execute(&SQLALCHEMY.replace("id INTEGER", id)).await;
    scratch.execute("CREATE UNIQUE INDEX ix_users_email ON users (email)").await;
}

async fn a_table_that_is_there_keeps_its_rows_and_works(scratch: &Scratch) {
    make_table(scratch).await;
    if postgres(scratch) {
        scratch.execute("ALTER TABLE users ALTER COLUMN preferences TYPE JSONB").await;
    }
    scratch.execute(ROW).await;
    let users = scratch.migrated().await.users();
    let bob = users.find(1).await.unwrap().unwrap();
    assert_eq!((bob.email.as_str(), bob.is_active, bob.is_verified), ("Bob@Example.com", true, true));
    assert_eq!(bob.created_at.to_rfc3339(), "2026-01-02T03:04:05.678901+00:00");
    assert_eq!((bob.favorite_voices, bob.history), (json!(["alloy"]), json!([])));
    assert_eq!((bob.credits, bob.preferences), (Some(3), json!({"dark": true})));

    let ann = users.create(&new("ann@example.com")).await.unwrap();
    assert!(ann.id == 2 && recent(ann.created_at) && ann.preferences == json!({}), "{ann:?}");
    assert!(users.logged_in(1).await.unwrap() && users.set_preferences(1, json!({"a": 1})).await.unwrap());
    assert_eq!(users.spend_credit(1).await.unwrap(), Spent::Left(2));
    assert!(users.set_active(1, false).await.unwrap());
    let bob = users.find(1).await.unwrap().unwrap();
    assert!(bob.last_login.is_some_and(recent) && recent(bob.updated_at), "{bob:?}");
    assert_eq!((bob.credits, bob.preferences), (Some(2), json!({"a": 1})));
    assert_eq!(users.inactive().await.unwrap(), [1]);
    assert_eq!(users.list(None, 10).await.unwrap().len(), 2);
}

async fn a_row_that_leaves_out_what_it_may_is_read(scratch: &Scratch) {
    make_table(scratch).await;
    let users = scratch.migrated().await.users();
    scratch.execute("INSERT INTO users (email, hashed_password) VALUES ('bob@example.com', 'hash')").await;
    let bob = users.find_by_email("bob@example.com").await.unwrap().unwrap();
    assert!(!bob.is_active && !bob.is_verified, "who is not known to be let in is kept out");
    assert_eq!(users.inactive().await.unwrap(), [bob.id]);
    assert_eq!((bob.name, bob.credits, bob.last_login), (None, None, None));
    assert_eq!((bob.favorite_voices, bob.history, bob.preferences), (json!([]), json!([]), json!({})));
}

async fn an_address_in_capitals_is_found_and_not_given_twice(scratch: &Scratch) {
    make_table(scratch).await;
    scratch.execute(ROW).await;
    let users = scratch.migrated().await.users();
    assert_eq!(users.find_by_email("bob@example.com").await.unwrap().unwrap().id, 1);
    let refused = users.create(&new("bob@example.com")).await.unwrap_err();
    assert!(matches!(refused, CreateUserError::EmailTaken), "{refused:?}");
    // An application may know two that relais would not have made: then the one that it would have is taken.
    scratch.execute(&ROW.replace("Bob@Example.com", "bob@example.com")).await;
    for email in ["bob@example.com", "Bob@Example.com"] {
        assert_eq!(users.find_by_email(email).await.unwrap().unwrap().id, 2, "{email}");
    }
}

async fn a_table_that_lacks_columns_is_refused_and_named(scratch: &Scratch) {
    scratch
        .execute("CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, hashed_password TEXT, name TEXT)")
        .await;
    let catalog = scratch.connect().await;
    let refused = catalog.migrate().await.unwrap_err();
    assert!(matches!(refused, CatalogError::TableUnlike { .. }), "{refused:?}");
    let source = refused.source().unwrap().to_string();
    assert!(
        source.contains("users") && source.contains("is_active") && source.contains("credits"),
        "{source}"
    );
    assert!(!source.contains("email"), "only what is missing: {source}");
    // Nothing was done: once the table is right, all goes on.
    scratch.execute("DROP TABLE users").await;
    assert!(catalog.migrate().await.unwrap() > 0);
}

async fn a_table_with_an_email_twice_is_refused(scratch: &Scratch) {
    make_table(scratch).await;
    scratch.execute("DROP INDEX ix_users_email").await;
    scratch.execute(ROW).await;
    scratch.execute(ROW).await;
    let refused = scratch.connect().await.migrate().await.unwrap_err();
    assert!(matches!(refused, CatalogError::TableUnlike { .. }), "{refused:?}");
    assert!(refused.source().unwrap().to_string().contains("email twice"), "{refused:?}");
    scratch.execute("DELETE FROM users WHERE id = 2").await;
    let users = scratch.migrated().await.users();
    let refused = users.create(&new("BOB@example.com")).await.unwrap_err();
    assert!(matches!(refused, CreateUserError::EmailTaken), "{refused:?}");
}

/// The database's own functions stand for what other programs do.
async fn other_programs_read_the_times_that_relais_writes(scratch: &Scratch) {
    let users = scratch.migrated().await.users();
    let ann = users.create(&new("ann@example.com")).await.unwrap();
    let (backend, read, made) = if postgres(scratch) {
        let type_made = "SELECT pg_typeof(created_at)::TEXT FROM users";
        (DbBackend::Postgres, "SELECT EXTRACT(EPOCH FROM created_at)::BIGINT FROM users", type_made)
    } else {
        (
            DbBackend::Sqlite,
            "SELECT CAST(strftime('%s', created_at) AS BIGINT) FROM users",
            "SELECT typeof(created_at) FROM users",
        )
    };
    let connection = Database::connect(&scratch.config.url).await.unwrap();
    let ask = async |sql: &str| {
        connection.query_one_raw(Statement::from_string(backend, sql)).await.unwrap().unwrap()
    };
    let seconds: i64 = ask(read).await.try_get_by_index(0).unwrap();
    assert!((seconds - ann.created_at.timestamp()).abs() <= 1);
    let type_made: String = ask(made).await.try_get_by_index(0).unwrap();
    assert_eq!(type_made, if postgres(scratch) { "timestamp with time zone" } else { "text" });
    connection.close().await.unwrap();
}
