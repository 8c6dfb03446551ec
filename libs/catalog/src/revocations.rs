//! What is no longer valid though its signature is: access keys, tokens, and all that somebody was given.
//!
//! Every instance keeps a copy, and asks for a small [`Mark`] whether that is still right. What would have expired by
//! itself need not be remembered. That a request is refused for it is decided by whoever asks.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, DbErr, DeriveActiveEnum, EntityTrait, EnumIter, QueryFilter,
    QuerySelect,
};

use crate::database::{Database, can_be_stored, date};
use crate::entities::mark;
use crate::entities::revocation::{ActiveModel, Column, Entity, Model};
use crate::error::CatalogError;

/// The mark's row.
const MARK: &str = "revocations";

/// What a revocation is about.
#[derive(Clone, Copy, Debug, DeriveActiveEnum, EnumIter, Eq, Hash, PartialEq)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum RevocationKind {
    /// An access key, by its id.
    #[sea_orm(string_value = "credentials")]
    Credentials,
    /// A token, by its issuer, a colon and its id there.
    #[sea_orm(string_value = "token")]
    Token,
    /// An owner, by id: what was issued to them before the revocation.
    #[sea_orm(string_value = "subject")]
    Subject,
}

/// Something that is no longer valid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revocation {
    /// What it is about.
    pub kind: RevocationKind,
    /// Which one.
    pub value: String,
    /// Since when.
    pub revoked_at: DateTime<Utc>,
    /// When all that this refuses has expired by itself; nothing where that may never be.
    pub expires_at: Option<DateTime<Utc>>,
    /// Why, for operators.
    pub reason: Option<String>,
}

/// A state of the revocations. Only whether two are equal means anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark(i64);

/// The revocations. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Revocations {
    database: Database,
}

impl Revocations {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Revokes something. Of several revocations of one thing the latest counts, for as long as any of them would.
    pub async fn add(&self, revocation: &Revocation) -> Result<(), CatalogError> {
        self.merge(revocation).await.map_err(|error| self.database.explain(error))
    }

    async fn merge(&self, new: &Revocation) -> Result<(), DbErr> {
        let transaction = self.database.begin().await?;
        change_mark(&transaction).await?;
        let known = Entity::find_by_id((new.kind, new.value.clone())).one(&transaction).await?;
        let merged = known.map_or_else(|| new.clone(), |known| latest(known.into(), new));
        let row = ActiveModel {
            kind: Set(merged.kind),
            value: Set(merged.value),
            revoked_at: Set(merged.revoked_at.timestamp_micros()),
            expires_at: Set(merged.expires_at.map(|time| time.timestamp_micros())),
            reason: Set(merged.reason),
        };
        let or_change = OnConflict::columns([Column::Kind, Column::Value])
            .update_columns([Column::RevokedAt, Column::ExpiresAt, Column::Reason])
            .to_owned();
        Entity::insert(row).on_conflict(or_change).exec_without_returning(&transaction).await?;
        transaction.commit().await
    }

    /// Makes something valid again. False where it was not revoked.
    pub async fn remove(&self, kind: RevocationKind, value: &str) -> Result<bool, CatalogError> {
        if !can_be_stored(value) {
            return Ok(false);
        }
        let these = Condition::all().add(Column::Kind.eq(kind)).add(Column::Value.eq(value));
        Ok(self.delete(these).await? == 1)
    }

    /// Those that have not expired.
    pub async fn current(&self) -> Result<Vec<Revocation>, CatalogError> {
        let now = self.database.now();
        let lasting = Condition::any().add(Column::ExpiresAt.is_null()).add(Column::ExpiresAt.gt(now));
        let rows = Entity::find().filter(lasting).all(self.database.read()).await;
        rows.map(|rows| rows.into_iter().map(Revocation::from).collect())
            .map_err(|error| self.database.explain(error))
    }

    /// Another mark than before if something was revoked or made valid since. Ask for it before [`Self::current`]: then
    /// what changes between the two is seen the next time.
    pub async fn mark(&self) -> Result<Mark, CatalogError> {
        let number = mark::Entity::find_by_id(MARK)
            .select_only()
            .column(mark::Column::Number)
            .into_tuple()
            .one(self.database.read())
            .await;
        let number: Option<i64> = number.map_err(|error| self.database.explain(error))?;
        Ok(Mark(number.unwrap_or_default()))
    }

    /// Forgets those that have expired by then, and returns how many.
    pub async fn prune(&self, now: DateTime<Utc>) -> Result<u64, CatalogError> {
        let expired = Column::ExpiresAt.lte(now.timestamp_micros());
        self.delete(Condition::all().add(expired)).await
    }

    async fn delete(&self, these: Condition) -> Result<u64, CatalogError> {
        self.delete_and_mark(these).await.map_err(|error| self.database.explain(error))
    }

    async fn delete_and_mark(&self, these: Condition) -> Result<u64, DbErr> {
        let transaction = self.database.begin().await?;
        change_mark(&transaction).await?;
        let deleted = Entity::delete_many().filter(these).exec(&transaction).await?.rows_affected;
        if deleted == 0 {
            transaction.rollback().await?; // Nothing changed, the mark neither.
        } else {
            transaction.commit().await?;
        }
        Ok(deleted)
    }
}

/// Changes the mark. It is locked until the transaction ends, so that revocations are changed one after the other.
async fn change_mark(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    let next = Expr::col(mark::Column::Number).add(1);
    let ours = mark::Column::Name.eq(MARK);
    mark::Entity::update_many()
        .col_expr(mark::Column::Number, next)
        .filter(ours)
        .exec(transaction)
        .await
        .map(drop)
}

/// Both in one: from the later time, and for as long as either lasts.
fn latest(known: Revocation, new: &Revocation) -> Revocation {
    let expires_at = known.expires_at.zip(new.expires_at).map(|(one, other)| Ord::max(one, other));
    let later = if new.revoked_at > known.revoked_at { new.clone() } else { known };
    Revocation { expires_at, ..later }
}

impl From<Model> for Revocation {
    fn from(row: Model) -> Self {
        Self {
            kind: row.kind,
            value: row.value,
            revoked_at: date(row.revoked_at),
            expires_at: row.expires_at.map(date),
            reason: row.reason,
        }
    }
}
