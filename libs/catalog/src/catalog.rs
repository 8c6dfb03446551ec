//! The way in: connects, migrates, hands out the parts, closes.

use std::sync::Arc;

use sea_orm::DbErr;
use sea_orm_migration::{MigratorTrait, SchemaManager};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::access_keys::AccessKeys;
use crate::adoption::Adoption;
use crate::buckets::Buckets;
use crate::config::Config;
use crate::database::{Database, Exclusive};
use crate::error::CatalogError;
use crate::event_log::EventLog;
use crate::instance::Instance;
use crate::jobs::Jobs;
use crate::journal::Journal;
use crate::key_locks::KeyLocks;
use crate::migrations::{Migrations, TABLES};
use crate::objects::Objects;
use crate::overview::Overview;
use crate::revocations::Revocations;
use crate::settling::Settling;
use crate::uploads::Uploads;
use crate::users::Users;
use crate::versions::Versions;

/// One instance's connection to the catalog. Clones and the parts that it hands out share it.
#[derive(Clone, Debug)]
pub struct Catalog {
    database: Database,
    instance: Arc<Instance>,
    journal: Journal,
    /// Sent to when events were appended to the log.
    news: watch::Sender<()>,
    /// One for all clones: it knows what is held here.
    key_locks: KeyLocks,
    /// The journal's writer; gone once the catalog is closed.
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Catalog {
    /// Connects, and starts the task that commits the journal's requests in groups.
    pub async fn connect(config: &Config) -> Result<Self, CatalogError> {
        let database = Database::connect(config).await?;
        let instance = Arc::new(Instance::new());
        let (news, _) = watch::channel(());
        let (journal, writer) = Journal::new(database.clone(), Arc::clone(&instance), news.clone());
        let writer = Arc::new(Mutex::new(Some(tokio::spawn(writer.run()))));
        let key_locks = KeyLocks::new(database.clone());
        Ok(Self { database, instance, journal, news, key_locks, writer })
    }

    /// Brings the schema up to date and returns how many migrations that took. All are applied or none, and of several
    /// instances that start at once one applies them while the others wait.
    pub async fn migrate(&self) -> Result<usize, CatalogError> {
        self.apply_migrations().await.map_err(|error| self.database.explain(error))
    }

    async fn apply_migrations(&self) -> Result<usize, DbErr> {
        let transaction = self.database.begin().await?;
        self.database.exclude(&transaction, Exclusive::Migration).await?;
        let pending = Migrations::get_pending_migrations(&transaction).await?.len();
        Migrations::up(&transaction, None).await?;
        transaction.commit().await?;
        Ok(pending)
    }

    /// The names of the migrations that [`Catalog::migrate`] would apply, in their order.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, CatalogError> {
        let pending = Migrations::get_pending_migrations_read_only(self.database.read()).await;
        let pending = pending.map_err(|error| self.database.explain(error))?;
        Ok(pending.iter().map(|migration| migration.name().to_owned()).collect())
    }

    /// The tables that are not there: before a migration, or because somebody dropped them.
    pub async fn missing_tables(&self) -> Result<Vec<&'static str>, CatalogError> {
        let schema = SchemaManager::new(self.database.read());
        let mut missing = Vec::new();
        for table in TABLES {
            if !schema.has_table(table).await.map_err(|error| self.database.explain(error))? {
                missing.push(table);
            }
        }
        Ok(missing)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), CatalogError> {
        self.database.read().ping().await.map_err(|error| self.database.explain(error))
    }

    /// The record of mutations.
    pub fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// What is known of each key.
    pub fn objects(&self) -> Objects {
        Objects::new(self.database.clone())
    }

    /// The taking up of objects that were there before.
    pub fn adoption(&self) -> Adoption {
        Adoption::new(self.database.clone())
    }

    /// What operators ask.
    pub fn overview(&self) -> Overview {
        Overview::new(self.database.clone(), Arc::clone(&self.instance))
    }

    /// Which stores nothing is settled to.
    pub fn settling(&self) -> Settling {
        Settling::new(self.database.clone())
    }

    /// What clients made and set.
    pub fn buckets(&self) -> Buckets {
        Buckets::new(self.database.clone())
    }

    /// The multipart uploads.
    pub fn uploads(&self) -> Uploads {
        Uploads::new(self.database.clone())
    }

    /// Which version of each replica a version is.
    pub fn versions(&self) -> Versions {
        Versions::new(self.database.clone())
    }

    /// The right to change a key alone.
    pub fn key_locks(&self) -> KeyLocks {
        self.key_locks.clone()
    }

    /// The sidecars' work.
    pub fn jobs(&self) -> Jobs {
        Jobs::new(self.database.clone(), Arc::clone(&self.instance))
    }

    /// The accounts of the application.
    pub fn users(&self) -> Users {
        Users::new(self.database.clone())
    }

    /// The access keys that were made by command.
    pub fn access_keys(&self) -> AccessKeys {
        AccessKeys::new(self.database.clone())
    }

    /// What is no longer valid though its signature is.
    pub fn revocations(&self) -> Revocations {
        Revocations::new(self.database.clone())
    }

    /// The log of events.
    pub fn event_log(&self) -> EventLog {
        EventLog::new(self.database.clone(), self.news.clone())
    }

    /// Commits what the journal was asked before, gives back what this instance holds for others to take at once (roles,
    /// jobs and, unless a mutation was cut off, its lease), and closes the connections. Later
    /// calls of other handles fail with [`CatalogError::Closed`].
    pub async fn close(self) -> Result<(), CatalogError> {
        let Some(writer) = self.writer.lock().await.take() else { return Ok(()) };
        self.journal.stop().await;
        // A panic of the writer has answered its callers already.
        writer.await.unwrap_or_else(|error| tracing::error!(%error, "the journal's writer failed"));
        self.instance.resign(&self.database).await.map_err(|error| self.database.explain(error))?;
        self.database.close().await.map_err(|error| self.database.explain(error))
    }
}
