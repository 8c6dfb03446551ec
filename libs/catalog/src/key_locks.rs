//! Locks of keys: what looks at an object and then changes it, of all requests on all instances one at a time.
//!
//! A lock is a lease by the database's clock, and [`KeyLocks::renew`] prolongs those that are still held here. Who has one
//! gives it back; where that does not happen, because the request was dropped or its process died, the next one takes it
//! over once the lease has run out. So nobody may rely on a lock while its process stands still, or is without the
//! database, for longer than the lease. Nobody waits here: who gets no lock asks again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use relais_model::{BucketName, ObjectKey};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::database::{Database, micros};
use crate::entities::key_lock::{ActiveModel, Column, Entity};
use crate::error::CatalogError;

/// The right to change a key alone, until it is given to [`KeyLocks::release`] or its lease runs out.
#[derive(Debug)]
#[must_use = "a lock that is not released keeps others out until its lease runs out"]
pub struct KeyLock {
    bucket: BucketName,
    key: ObjectKey,
    /// New for each lock, so that a holder whose lease ran out cannot release the lock of the next one.
    holder: Uuid,
    held: Held,
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        self.held.list().remove(&self.holder);
    }
}

/// The holders of this instance, with the length of their leases.
#[derive(Clone, Debug, Default)]
struct Held(Arc<Mutex<BTreeMap<Uuid, Duration>>>);

impl Held {
    fn list(&self) -> MutexGuard<'_, BTreeMap<Uuid, Duration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The locks. Clones are cheap.
#[derive(Clone, Debug)]
pub struct KeyLocks {
    database: Database,
    held: Held,
}

impl KeyLocks {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, held: Held::default() }
    }

    /// Takes the lock of a key, if nobody has it or the lease of whoever had it has run out.
    pub async fn acquire(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        lease: Duration,
    ) -> Result<Option<KeyLock>, CatalogError> {
        let (now, holder) = (self.database.now(), Uuid::new_v4());
        let row = ActiveModel {
            bucket: Set(bucket.to_string()),
            key: Set(key.to_string()),
            holder: Set(holder),
            lease_until: Set(now + micros(lease)),
        };
        let over = Expr::col((Entity, Column::LeaseUntil)).lte(now);
        let or_take_over = OnConflict::columns([Column::Bucket, Column::Key])
            .update_columns([Column::Holder, Column::LeaseUntil])
            .action_cond_where(over.into_condition())
            .to_owned();
        let insert = Entity::insert(row).on_conflict(or_take_over);
        let written = insert.exec_without_returning(self.database.write()).await;
        let written = written.map_err(|error| self.database.explain(error))?;
        Ok((written == 1).then(|| {
            self.held.list().insert(holder, lease);
            KeyLock { bucket: bucket.clone(), key: key.clone(), holder, held: self.held.clone() }
        }))
    }

    /// Prolongs every lock that is held here, each by its whole lease from now on. One that was taken over stays lost.
    pub async fn renew(&self) -> Result<(), CatalogError> {
        let held = self.held.list().clone();
        let leases: BTreeSet<Duration> = held.values().copied().collect();
        for lease in leases {
            let holders = held.iter().filter(|(_, of)| **of == lease).map(|(holder, _)| *holder);
            let renewed = Entity::update_many()
                .col_expr(Column::LeaseUntil, Expr::value(self.database.now() + micros(lease)))
                .filter(Column::Holder.is_in(holders))
                .exec(self.database.write())
                .await;
            renewed.map_err(|error| self.database.explain(error))?;
        }
        Ok(())
    }

    /// Gives a lock back. Nothing happens where somebody has taken it over.
    pub async fn release(&self, lock: KeyLock) -> Result<(), CatalogError> {
        let deleted = Entity::delete_many()
            .filter(Column::Bucket.eq(lock.bucket.as_str()))
            .filter(Column::Key.eq(lock.key.as_str()))
            .filter(Column::Holder.eq(lock.holder))
            .exec(self.database.write())
            .await;
        deleted.map(drop).map_err(|error| self.database.explain(error))
    }

    /// Forgets locks that were never given back and whose lease has run out, and returns how many.
    pub async fn prune(&self) -> Result<u64, CatalogError> {
        let over = Column::LeaseUntil.lte(self.database.now());
        let deleted = Entity::delete_many().filter(over).exec(self.database.write()).await;
        Ok(deleted.map_err(|error| self.database.explain(error))?.rows_affected)
    }
}
