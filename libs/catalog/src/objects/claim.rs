//! Claims: who settles a key has it alone, until it is written down how that went or the lease runs out.
//!
//! A key that waits for stores (`waits_for`) is not among the others: it is claimed by naming them, once they are back.

use std::time::Duration;

use relais_model::{BucketName, ObjectKey};
use sea_orm::sea_query::{Expr, LockBehavior, LockType};
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::{ObjectRow, Objects, id};
use crate::database::micros;
use crate::entities::object::{Column, Entity, Model};
use crate::error::CatalogError;

/// What a claim of one key gave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Claimed {
    /// It is ours now.
    Ours(Box<ObjectRow>),
    /// Somebody else is at it.
    Busy,
    /// The key is not known.
    Unknown,
}

impl Objects {
    /// Keys with a replica to be settled that wait for no store, longest overdue first. For the length of the lease nobody else
    /// gets them. All have one claim.
    pub async fn claim_unsettled(&self, limit: u64, lease: Duration) -> Result<Vec<ObjectRow>, CatalogError> {
        let free = Column::WaitsFor.is_null();
        self.claim(free.into(), limit, lease).await.map_err(|error| self.database.explain(error))
    }

    /// The same of those that wait for these stores; see [`Objects::waited_for`].
    pub async fn claim_waiting(
        &self,
        waits_for: &str,
        limit: u64,
        lease: Duration,
    ) -> Result<Vec<ObjectRow>, CatalogError> {
        let waiting = Column::WaitsFor.eq(waits_for);
        self.claim(waiting.into(), limit, lease).await.map_err(|error| self.database.explain(error))
    }

    async fn claim(&self, which: Condition, limit: u64, lease: Duration) -> Result<Vec<ObjectRow>, DbErr> {
        let now = self.database.now();
        let transaction = self.database.begin().await?;
        let mut rows = Entity::find()
            .filter(which)
            .filter(Column::SettleAfter.lte(now))
            .order_by_asc(Column::SettleAfter)
            .limit(limit)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(&transaction)
            .await?;
        let claim = Uuid::now_v7();
        take(&transaction, &mut rows, claim, now + micros(lease)).await?;
        transaction.commit().await?;
        rows.into_iter().map(ObjectRow::try_from).collect()
    }

    /// Claims one key, whether it has to be settled or not: it has to be, from now until it is written down that it is.
    pub async fn claim_key(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        lease: Duration,
    ) -> Result<Claimed, CatalogError> {
        self.claim_one(bucket, key, lease).await.map_err(|error| self.database.explain(error))
    }

    async fn claim_one(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        lease: Duration,
    ) -> Result<Claimed, DbErr> {
        let now = self.database.now();
        let transaction = self.database.begin().await?;
        let locked = Entity::find_by_id(id(bucket, key)).lock_exclusive().one(&transaction).await?;
        let Some(row) = locked else { return Ok(Claimed::Unknown) };
        if row.claim.is_some() && row.settle_after.is_some_and(|until| until > now) {
            return Ok(Claimed::Busy);
        }
        let mut rows = vec![row];
        take(&transaction, &mut rows, Uuid::now_v7(), now + micros(lease)).await?;
        transaction.commit().await?;
        let row = rows.remove(0);
        Ok(Claimed::Ours(Box::new(row.try_into()?)))
    }

    /// Makes claims last for another lease from now on. One that was lost stays lost.
    pub async fn renew(&self, claims: &[Uuid], lease: Duration) -> Result<(), CatalogError> {
        let until = self.database.now() + micros(lease);
        self.move_claims(claims, until, false).await.map_err(|error| self.database.explain(error))
    }

    /// Gives claims back: others may have the keys at once.
    pub async fn release(&self, claims: &[Uuid]) -> Result<(), CatalogError> {
        let now = self.database.now();
        self.move_claims(claims, now, true).await.map_err(|error| self.database.explain(error))
    }

    async fn move_claims(&self, claims: &[Uuid], until: i64, release: bool) -> Result<(), DbErr> {
        if claims.is_empty() {
            return Ok(());
        }
        let ours = || Condition::all().add(Column::Claim.is_in(claims.iter().copied()));
        let transaction = self.database.begin().await?;
        super::lock_in_order(&transaction, ours()).await?;
        let mut moved =
            Entity::update_many().col_expr(Column::SettleAfter, Expr::value(until)).filter(ours());
        if release {
            moved = moved.col_expr(Column::Claim, Expr::value(None::<Uuid>));
        }
        moved.exec(&transaction).await?;
        transaction.commit().await
    }

    /// Each set of stores that some key waits for, as names with commas between.
    pub async fn waited_for(&self) -> Result<Vec<String>, CatalogError> {
        let mut found = Vec::new();
        loop {
            // From one to the next by the index, however many keys wait.
            let mut next = Entity::find()
                .select_only()
                .expr(Column::WaitsFor.min())
                .filter(Column::SettleAfter.is_not_null())
                .filter(Column::WaitsFor.is_not_null());
            if let Some(last) = found.last() {
                next = next.filter(Column::WaitsFor.gt(last));
            }
            let next: Result<Option<Option<String>>, DbErr> =
                next.into_tuple().one(self.database.read()).await;
            match next.map_err(|error| self.database.explain(error))?.flatten() {
                Some(next) => found.push(next),
                None => return Ok(found),
            }
        }
    }

    /// Writes down that a settler has begun a multipart upload at a replica, or that it has ended. False where the claim is lost.
    pub async fn note_upload(
        &self,
        row: &ObjectRow,
        replica: &str,
        upload: Option<&str>,
    ) -> Result<bool, CatalogError> {
        self.note(row, replica, upload).await.map_err(|error| self.database.explain(error))
    }

    async fn note(&self, row: &ObjectRow, replica: &str, upload: Option<&str>) -> Result<bool, DbErr> {
        let transaction = self.database.begin().await?;
        let locked = Entity::find_by_id(id(&row.bucket, &row.key)).lock_exclusive().one(&transaction).await?;
        let Some(mut current) = locked.filter(|current| current.claim == row.claim) else { return Ok(false) };
        let progress = current.settling.get_or_insert_default().0.entry(replica.to_owned()).or_default();
        progress.upload = upload.map(str::to_owned);
        super::save(&transaction, vec![current]).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Whether a replica may be written now: it was not a moment ago, nor has it failed.
    pub fn is_due(&self, row: &ObjectRow, replica: &str) -> bool {
        let due = row.progress.get(replica).map(|progress| progress.due(row.sequencer));
        due.is_none_or(|due| due <= self.database.now())
    }

    /// Whether the key was changed so lately that the write may still be on its way to replicas.
    pub fn is_fresh(&self, row: &ObjectRow, lately: Duration) -> bool {
        // Sequencers follow the clock, unless it stood still.
        self.database.now() - row.sequencer.0.cast_signed() < micros(lately)
    }

    /// For how long a replica has failed, without a success or an outage in between.
    pub fn failing_for(&self, row: &ObjectRow, replica: &str) -> Duration {
        let since = row.progress.get(replica).and_then(|progress| progress.trying_since);
        let micros = since.map_or(0, |since| self.database.now() - since);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

/// Sets the claim of rows that are locked, by one statement.
async fn take(
    transaction: &DatabaseTransaction,
    rows: &mut [Model],
    claim: Uuid,
    until: i64,
) -> Result<(), DbErr> {
    for row in &mut *rows {
        row.claim = Some(claim);
        row.settle_after = Some(until);
    }
    if rows.is_empty() {
        return Ok(());
    }
    Entity::update_many()
        .col_expr(Column::SettleAfter, Expr::value(until))
        .col_expr(Column::Claim, Expr::value(claim))
        .filter(super::among(rows.iter().map(|row| (row.bucket.as_str(), row.key.as_str()))))
        .exec(transaction)
        .await?;
    Ok(())
}
