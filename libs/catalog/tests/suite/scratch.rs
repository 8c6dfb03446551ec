//! A database of its own for each test, and the values that tests write into it.

use std::collections::BTreeMap;

use relais_catalog::{
    Applied, Attempt, Catalog, Config, Intent, ObjectRow, Objects, Outcome, Truth, Verdict,
};
use relais_model::{BucketName, Event, EventKind, ObjectFacts, ObjectKey, ReplicaState, Requester};
use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) struct Scratch {
    pub(crate) config: Config,
    /// SQLite's folder; removed with this value.
    _folder: Option<TempDir>,
    /// Where the PostgreSQL database was created, and its name.
    server: Option<(String, String)>,
}

impl Scratch {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("catalog.db").display());
        Self { config: Config { url, connections_max: 4 }, _folder: Some(folder), server: None }
    }

    pub(crate) async fn postgres() -> Option<Self> {
        let Ok(server) = std::env::var("RELAIS_TEST_POSTGRES_URL") else {
            eprintln!("not run: RELAIS_TEST_POSTGRES_URL is not set");
            return None;
        };
        let name = format!("relais_test_{}", Uuid::new_v4().simple());
        // Texts in the order of a language, as many servers have them: what needs the order of bytes has to ask for it.
        let order = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'";
        execute(&server, &format!("CREATE DATABASE {name} {order}")).await;
        let config = Config { url: with_database(&server, &name), connections_max: 8 };
        Some(Self { config, _folder: None, server: Some((server, name)) })
    }

    pub(crate) async fn remove(self) {
        if let Some((server, name)) = self.server {
            execute(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }

    pub(crate) async fn connect(&self) -> Catalog {
        Catalog::connect(&self.config).await.unwrap()
    }

    pub(crate) async fn migrated(&self) -> Catalog {
        let catalog = self.connect().await;
        catalog.migrate().await.unwrap();
        catalog
    }

    /// Does to the database what time or a crash would.
    pub(crate) async fn execute(&self, sql: &str) {
        execute(&self.config.url, sql).await;
    }
}

async fn execute(url: &str, sql: &str) {
    let connection = Database::connect(url).await.unwrap();
    connection.execute_unprepared(sql).await.unwrap();
    connection.close().await.unwrap();
}

pub(crate) fn with_database(url: &str, database: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, String::new()), |(a, q)| (a, format!("?{q}")));
    let (server, _) = address.rsplit_once('/').unwrap();
    format!("{server}/{database}{query}")
}

pub(crate) fn bucket() -> BucketName {
    "media".parse().unwrap()
}

pub(crate) fn key(name: &str) -> ObjectKey {
    name.parse().unwrap()
}

pub(crate) fn put(name: &str) -> Intent {
    Intent { bucket: bucket(), key: key(name), kind: EventKind::Put }
}

pub(crate) fn delete(name: &str) -> Intent {
    Intent { kind: EventKind::Delete, ..put(name) }
}

pub(crate) fn facts(etag: &str) -> ObjectFacts {
    let content_type = Some("image/jpeg".to_owned());
    ObjectFacts { size: 5_000_000_000, etag: etag.to_owned(), content_type, owner: "root".to_owned() }
}

pub(crate) fn states(all: &[(&str, ReplicaState)]) -> BTreeMap<String, ReplicaState> {
    all.iter().map(|(replica, state)| ((*replica).to_owned(), *state)).collect()
}

pub(crate) fn texts(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// Both replicas of the bucket have it.
pub(crate) fn both() -> BTreeMap<String, ReplicaState> {
    states(&[("aws", ReplicaState::Current), ("spaces:media-1", ReplicaState::Current)])
}

/// The second replica was too slow.
pub(crate) fn one_behind() -> BTreeMap<String, ReplicaState> {
    states(&[("aws", ReplicaState::Pending), ("spaces:media-1", ReplicaState::Current)])
}

pub(crate) fn stored(etag: &str) -> Applied {
    Applied {
        kind: None,
        object: Some(facts(etag)),
        version_id: None,
        public_url: Some("https://media.example/cat.jpg".to_owned()),
        acl: Some("public-read".to_owned()),
        replicas: both(),
        derived_from: None,
        requester: Requester {
            principal: "root".to_owned(),
            source_ip: Some("127.0.0.1".to_owned()),
            request_id: "3F2A".to_owned(),
            traceparent: None,
        },
    }
}

pub(crate) fn deleted() -> Applied {
    Applied { object: None, public_url: None, acl: None, ..stored("") }
}

/// One whole write.
pub(crate) async fn write(catalog: &Catalog, name: &str, applied: Applied) -> Event {
    let kind = if applied.object.is_some() { put(name) } else { delete(name) };
    let id = catalog.journal().open(kind).await.unwrap();
    catalog.journal().apply(id, applied).await.unwrap()
}

/// Everything that is in the log.
pub(crate) async fn logged(catalog: &Catalog) -> Vec<Event> {
    catalog.event_log().after(0, 1000).await.unwrap().into_iter().map(|(_, event)| event).collect()
}

/// Writes down that all replicas of a claimed key are equal to this.
pub(crate) async fn settled(objects: &Objects, row: &ObjectRow, found: Option<ObjectFacts>) -> Verdict {
    let truth = found.map_or(Truth::Absent, Truth::Present);
    let current = Attempt::Current { written: None, twin: None };
    let replicas = row.replicas.keys().map(|replica| (replica.clone(), current.clone())).collect();
    let outcome = Outcome { truth, replicas, waits_for: None };
    objects.record(&[(row.clone(), outcome)]).await.unwrap()[0]
}
