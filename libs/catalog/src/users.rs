//! The accounts of an application: who they are, whether they may come in, and what they have left.
//!
//! The table `users` is shared with that application, which may have made it: its numbers may be narrower than here, its
//! times without a zone (then they are UTC), its JSON of either type, its addresses in capitals. Passwords come hashed;
//! nothing here knows how. What a credit buys, and what an inactive user may not, is decided elsewhere.

mod columns;

use chrono::{DateTime, Utc};
use relais_model::Secret;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IdenStatic, QueryFilter, QueryOrder, QuerySelect,
    Select,
};
use serde_json::Value;

use crate::database::{Database, can_be_stored};
use crate::entities::user::{Column, Entity, Model};
use crate::error::CatalogError;
use columns::Columns;

/// What the columns of texts hold.
const TEXT_CHARACTERS_MAX: usize = 255;

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The address; capitals and blanks around it do not count.
    pub email: String,
    /// The hash of the password.
    pub hashed_password: Secret,
    /// What to call them.
    pub name: Option<String>,
}

/// One user.
#[derive(Clone, Debug, PartialEq)]
pub struct UserRow {
    /// Names them.
    pub id: i64,
    /// The address; in lower case, if relais wrote it.
    pub email: String,
    /// The hash of the password.
    pub hashed_password: Secret,
    /// What to call them.
    pub name: Option<String>,
    /// Whether they may come in.
    pub is_active: bool,
    /// Whether the address is known to be theirs.
    pub is_verified: bool,
    /// When they were made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
    /// When they last came in.
    pub last_login: Option<DateTime<Utc>>,
    /// Of the application.
    pub favorite_voices: Value,
    /// Of the application.
    pub history: Value,
    /// What they have left; nothing where that is not limited.
    pub credits: Option<i64>,
    /// What they chose.
    pub preferences: Value,
}

/// Why a user was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateUserError {
    /// Another user has the address.
    #[error("another user has this email")]
    EmailTaken,
    /// A text that the table does not hold.
    #[error("{0} is empty, longer than 255 characters, or has a zero byte")]
    Unusable(&'static str),
    /// The catalog failed.
    #[error("cannot record the user in the catalog")]
    Catalog(#[from] CatalogError),
}

/// What came of spending a credit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spent {
    /// This user need not count.
    Unlimited,
    /// One was spent; this many are left.
    Left(i64),
    /// None was left to spend.
    Exhausted,
    /// There is no such user.
    NoSuchUser,
}

/// The users. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Users {
    database: Database,
}

impl Users {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes a user who is active, not verified and has no limit of credits.
    pub async fn create(&self, user: &NewUser) -> Result<UserRow, CreateUserError> {
        let email = kept_email(&user.email);
        let texts = [("email", &*email), ("hashed_password", user.hashed_password.expose())];
        let name = user.name.as_deref().map(|name| ("name", name));
        if let Some((field, _)) = texts.into_iter().chain(name).find(|(_, text)| !fits(text)) {
            return Err(CreateUserError::Unusable(field));
        }
        if email.is_empty() {
            return Err(CreateUserError::Unusable("email"));
        }
        if self.find_by_email(&email).await?.is_some() {
            return Err(CreateUserError::EmailTaken);
        }
        let inserted = self.insert(&email, user).await.map_err(|error| self.database.explain(error))?;
        let there = self.find_by_email(&email).await?;
        match there {
            Some(row) if inserted => Ok(row),
            Some(_) => Err(CreateUserError::EmailTaken), // Somebody was faster.
            None => Err(self.database.explain(DbErr::RecordNotInserted).into()),
        }
    }

    async fn insert(&self, email: &str, user: &NewUser) -> Result<bool, DbErr> {
        let now = self.columns().time(self.database.now());
        let row: [(Column, SimpleExpr); 11] = [
            (Column::Email, Expr::value(email)),
            (Column::HashedPassword, Expr::value(user.hashed_password.expose())),
            (Column::Name, Expr::value(user.name.clone())),
            (Column::IsActive, Expr::value(true)),
            (Column::IsVerified, Expr::value(false)),
            (Column::CreatedAt, now.clone()),
            (Column::UpdatedAt, now),
            (Column::FavoriteVoices, self.columns().json(&Value::Array(Vec::new()))),
            (Column::History, self.columns().json(&Value::Array(Vec::new()))),
            (Column::Credits, Expr::value(None::<i64>)),
            (Column::Preferences, self.columns().json(&Value::Object(serde_json::Map::new()))),
        ];
        let (columns, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        let insert = Query::insert()
            .into_table(Entity)
            .columns(columns)
            .values_panic(values) // As many as columns: they were pairs.
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .to_owned();
        Ok(self.database.write().execute(&insert).await?.rows_affected() == 1)
    }

    /// A user by id.
    pub async fn find(&self, id: i64) -> Result<Option<UserRow>, CatalogError> {
        self.one(self.columns().select().filter(Column::Id.eq(id))).await
    }

    /// A user by address. Capitals and blanks around it do not count.
    pub async fn find_by_email(&self, email: &str) -> Result<Option<UserRow>, CatalogError> {
        let email = kept_email(email);
        if !can_be_stored(&email) {
            return Ok(None);
        }
        let lower = Expr::cust("lower(email)").eq(email.as_str());
        // Where an application made two that differ in capitals only, relais takes the one that it would have made.
        let kept_first = Expr::col(Column::Email).ne(email);
        self.one(self.columns().select().filter(lower).order_by_asc(kept_first).order_by_asc(Column::Id))
            .await
    }

    /// Users in the order of their ids, from after an id.
    pub async fn list(&self, after: Option<i64>, limit: u64) -> Result<Vec<UserRow>, CatalogError> {
        let rows = self.columns().select().order_by_asc(Column::Id).limit(limit);
        let rows = match after {
            Some(after) => rows.filter(Column::Id.gt(after)),
            None => rows,
        };
        let rows = rows.into_model::<Model>().all(self.database.read()).await;
        rows.map(|rows| rows.into_iter().map(UserRow::from).collect())
            .map_err(|error| self.database.explain(error))
    }

    /// The ids of those who may not come in, in order.
    pub async fn inactive(&self) -> Result<Vec<i64>, CatalogError> {
        let ids = Entity::find().select_only().expr_as(self.columns().read(Column::Id), Column::Id.as_str());
        let inactive = ids.filter(Expr::cust("is_active IS NOT TRUE")).order_by_asc(Column::Id);
        let ids = inactive.into_tuple().all(self.database.read()).await;
        ids.map_err(|error| self.database.explain(error))
    }

    /// Lets a user in, or keeps them out. False where there is no such user, as with the calls below.
    pub async fn set_active(&self, id: i64, active: bool) -> Result<bool, CatalogError> {
        self.set(id, Column::IsActive, Expr::value(active)).await
    }

    /// Whether the address is known to be theirs.
    pub async fn set_verified(&self, id: i64, verified: bool) -> Result<bool, CatalogError> {
        self.set(id, Column::IsVerified, Expr::value(verified)).await
    }

    /// How many credits they have; nothing: no limit.
    pub async fn set_credits(&self, id: i64, credits: Option<i64>) -> Result<bool, CatalogError> {
        self.set(id, Column::Credits, Expr::value(credits)).await
    }

    /// What they chose.
    pub async fn set_preferences(&self, id: i64, preferences: Value) -> Result<bool, CatalogError> {
        let preferences = self.columns().json(&preferences);
        self.set(id, Column::Preferences, preferences).await
    }

    /// Another password, hashed.
    pub async fn set_password(&self, id: i64, hashed: &Secret) -> Result<bool, CatalogError> {
        self.set(id, Column::HashedPassword, Expr::value(hashed.expose())).await
    }

    /// Notes that they came in just now.
    pub async fn logged_in(&self, id: i64) -> Result<bool, CatalogError> {
        self.set(id, Column::LastLogin, self.columns().time(self.database.now())).await
    }

    /// Spends a credit, if one is left.
    pub async fn spend_credit(&self, id: i64) -> Result<Spent, CatalogError> {
        loop {
            let spent = self.spend(id).await.map_err(|error| self.database.explain(error))?;
            if let Some(left) = spent {
                return Ok(Spent::Left(left));
            }
            match self.find(id).await?.map(|user| user.credits) {
                None => return Ok(Spent::NoSuchUser),
                Some(None) => return Ok(Spent::Unlimited),
                Some(Some(credits)) if credits <= 0 => return Ok(Spent::Exhausted),
                Some(Some(_)) => {} // They came in between the two statements.
            }
        }
    }

    /// One statement, so that two at once cannot spend the same credit.
    async fn spend(&self, id: i64) -> Result<Option<i64>, DbErr> {
        let left = self.columns().read(Column::Credits);
        let update = Query::update()
            .table(Entity)
            .value(Column::Credits, Expr::col(Column::Credits).sub(1))
            .value(Column::UpdatedAt, self.columns().time(self.database.now()))
            .and_where(Column::Id.eq(id))
            .and_where(Expr::col(Column::Credits).gt(0))
            .returning(Query::returning().expr(left))
            .to_owned();
        let row = self.database.write().query_one(&update).await?;
        row.map(|row| row.try_get_by_index(0)).transpose()
    }

    /// Gives a credit back that bought nothing. Nothing changes for a user who need not count.
    pub async fn return_credit(&self, id: i64) -> Result<bool, CatalogError> {
        self.set(id, Column::Credits, Expr::col(Column::Credits).add(1)).await
    }

    async fn set(&self, id: i64, column: Column, value: SimpleExpr) -> Result<bool, CatalogError> {
        let updated = Entity::update_many()
            .col_expr(column, value)
            .col_expr(Column::UpdatedAt, self.columns().time(self.database.now()))
            .filter(Column::Id.eq(id))
            .exec(self.database.write())
            .await;
        Ok(updated.map_err(|error| self.database.explain(error))?.rows_affected == 1)
    }

    fn columns(&self) -> Columns {
        Columns(self.database.write().get_database_backend())
    }

    async fn one(&self, rows: Select<Entity>) -> Result<Option<UserRow>, CatalogError> {
        let row = rows.limit(1).into_model::<Model>().one(self.database.read()).await;
        row.map(|row| row.map(UserRow::from)).map_err(|error| self.database.explain(error))
    }
}

/// An address as it is kept and looked for.
fn kept_email(email: &str) -> String {
    email.trim().to_lowercase()
}

fn fits(text: &str) -> bool {
    text.chars().count() <= TEXT_CHARACTERS_MAX && can_be_stored(text)
}

impl From<Model> for UserRow {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            email: row.email,
            hashed_password: row.hashed_password.into(),
            name: row.name,
            is_active: row.is_active.unwrap_or_default(), // Who is not known to be let in is kept out.
            is_verified: row.is_verified.unwrap_or_default(),
            created_at: row.created_at.unwrap_or_default(),
            updated_at: row.updated_at.unwrap_or_default(),
            last_login: row.last_login,
            favorite_voices: given(row.favorite_voices).unwrap_or_else(|| Value::Array(Vec::new())),
            history: given(row.history).unwrap_or_else(|| Value::Array(Vec::new())),
            credits: row.credits,
            preferences: given(row.preferences).unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        }
    }
}

/// Nothing is written in two ways.
fn given(json: Option<Value>) -> Option<Value> {
    json.filter(|value| !value.is_null())
}
