//! Users of an application: register, log in, see oneself, keep preferences.
//!
//! Rows are the catalog's; passwords are hashed in `passwords`, attempts counted in `attempts`. Whoever comes in gets a token
//! that `SECRET_KEY` signs, and which works wherever tokens do. What a user may do with S3 is the roles' affair.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use http::StatusCode;
use relais_catalog::{NewUser, UserRow, Users};
use relais_model::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::body::JsonBody;
use super::caller::Caller;
use super::routes::Routes;
use crate::access::token::{OWN_ISSUER, Token};
use crate::audit::{Decision, Entry, Via};
use crate::gateway::Gateway;
use crate::observe::Connection;
use attempts::Attempts;
use config::TokenDays;
use credentials::{Email, Name, Password};
use passwords::Passwords;
use refusal::Refusal;

mod attempts;
mod config;
mod credentials;
mod passwords;
mod preferences;
mod refusal;

pub use config::AccountsConfig;

/// What the part of the JSON API about users works with.
#[derive(Debug)]
pub struct Auth {
    gateway: Gateway,
    users: Users,
    passwords: Passwords,
    attempts: Attempts,
    registration: bool,
    token_days: TokenDays,
}

type Shared = Arc<Auth>;

/// Largest body: preferences are the largest that anybody has to send.
const BODY_BYTES_MAX: usize = 64 * 1024;

#[derive(Deserialize)]
struct Registration {
    email: String,
    password: Secret,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Login {
    email: String,
    password: Secret,
}

/// What somebody gets who came in.
#[derive(Serialize)]
struct Welcome {
    access_token: String,
    token_type: &'static str,
    user: User,
}

/// A user without the password.
#[derive(Serialize)]
struct User {
    id: i64,
    email: String,
    name: Option<String>,
    is_active: bool,
    is_verified: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    last_login: Option<DateTime<Utc>>,
    favorite_voices: Value,
    history: Value,
    credits: Option<i64>,
    preferences: Value,
}

impl Auth {
    /// Puts it together; nothing is contacted.
    pub fn new(config: &AccountsConfig, gateway: Gateway, users: Users) -> Self {
        Self {
            gateway,
            users,
            passwords: Passwords::new(config),
            attempts: Attempts::new(config),
            registration: config.registration,
            token_days: config.token_days,
        }
    }

    fn welcome(&self, user: UserRow) -> Result<Json<Welcome>, Refusal> {
        let expires_at = Utc::now() + self.token_days.get();
        let token = self.gateway.issuers.mint(claims(&user), expires_at).ok_or(Refusal::Unsigned)?;
        Ok(Json(Welcome { access_token: token, token_type: "bearer", user: user.into() }))
    }

    /// Writes down that somebody logged in, or tried to; `who` is empty where nobody has the address.
    async fn record_login(&self, who: &str, is_right: bool, connection: Connection) {
        let (decision, reason) = match is_right {
            true => (Decision::Allow, "the password is right"),
            false => (Decision::Deny, "the password is wrong, or the user is not active"),
        };
        let client = connection.client.ip().to_string();
        let entry = Entry::new((who, Via::Anonymous), "auth:Login", decision, reason);
        self.gateway.audit.record(Entry { source_ip: Some(&client), ..entry }).await;
    }

    /// The row of a token's user, as it is now.
    async fn user_of(&self, caller: &Caller) -> Result<UserRow, Refusal> {
        let id = caller.token().and_then(user_id).ok_or(Refusal::NoUser)?;
        let user = self.users.find(id).await?;
        user.filter(|user| user.is_active).ok_or(Refusal::Gone)
    }
}

impl FromRef<Shared> for Gateway {
    fn from_ref(auth: &Shared) -> Self {
        auth.gateway.clone()
    }
}

/// `POST /api/auth/register`, `POST /api/auth/login`, `GET /api/auth/me`, `PUT /api/auth/preferences`.
pub fn accounts(auth: Auth) -> Router {
    routes().router().layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(Arc::new(auth))
}

pub(super) fn routes() -> Routes<Shared> {
    Routes::new()
        .post("/api/auth/register", register)
        .post("/api/auth/login", log_in)
        .get("/api/auth/me", me)
        .put("/api/auth/preferences", keep_preferences)
}

/// Whose token it is in the table of users: those that registered here have their id as subject.
pub(super) fn user_id(token: &Token) -> Option<i64> {
    if token.issuer != OWN_ISSUER {
        return None;
    }
    // Only as it is minted: `+7` and `007` would be other owners, and so other users.
    token.subject.parse().ok().filter(|id: &i64| id.to_string() == token.subject)
}

async fn register(
    State(auth): State<Shared>,
    Extension(connection): Extension<Connection>,
    JsonBody(sent): JsonBody<Registration>,
) -> Result<(StatusCode, Json<Welcome>), Refusal> {
    if !auth.registration {
        return Err(Refusal::Closed);
    }
    let email: Email = sent.email.parse()?;
    let password = Password::chosen(sent.password)?;
    let name = Name::of(sent.name.as_deref())?.map(String::from);
    auth.attempts.count_address(connection.client.ip())?;
    let hashed_password = auth.passwords.hash(password).await?;
    let new = NewUser { email: email.as_str().to_owned(), hashed_password, name };
    let user = auth.users.create(&new).await?;
    tracing::info!(user.id, client = %connection.client.ip(), "a user registered");
    Ok((StatusCode::CREATED, auth.welcome(user)?))
}

async fn log_in(
    State(auth): State<Shared>,
    Extension(connection): Extension<Connection>,
    JsonBody(sent): JsonBody<Login>,
) -> Result<Json<Welcome>, Refusal> {
    let email: Email = sent.email.parse()?;
    let password = Password::given(sent.password)?;
    auth.attempts.count_address(connection.client.ip())?;
    auth.attempts.count_account(&email)?;
    let known = auth.users.find_by_email(email.as_str()).await?;
    let hash = known.as_ref().map(|user| user.hashed_password.clone());
    let right = auth.passwords.is_right(password, hash).await?;
    let who = known.as_ref().map(|user| user.id.to_string()).unwrap_or_default();
    let known = known.filter(|user| right && user.is_active);
    auth.record_login(&who, known.is_some(), connection).await;
    let Some(user) = known else {
        tracing::info!(client = %connection.client.ip(), "a login was refused");
        return Err(Refusal::WrongCredentials);
    };
    auth.users.logged_in(user.id).await?;
    let user = auth.users.find(user.id).await?.filter(|user| user.is_active);
    let user = user.ok_or(Refusal::WrongCredentials)?;
    tracing::info!(user.id, client = %connection.client.ip(), "a user logged in");
    auth.welcome(user)
}

async fn me(State(auth): State<Shared>, caller: Caller) -> Result<Json<User>, Refusal> {
    Ok(Json(auth.user_of(&caller).await?.into()))
}

async fn keep_preferences(
    State(auth): State<Shared>,
    caller: Caller,
    JsonBody(sent): JsonBody<Map<String, Value>>,
) -> Result<Json<User>, Refusal> {
    preferences::check(&sent)?;
    let user = auth.user_of(&caller).await?;
    auth.users.set_preferences(user.id, Value::Object(sent)).await?;
    Ok(Json(auth.user_of(&caller).await?.into()))
}

/// What the token of a user says.
fn claims(user: &UserRow) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), json!(user.id.to_string()));
    claims.insert("jti".to_owned(), json!(Uuid::new_v4()));
    claims.insert("email".to_owned(), json!(user.email));
    claims.insert("email_verified".to_owned(), json!(user.is_verified));
    claims.insert("role".to_owned(), json!("user"));
    if let Some(name) = &user.name {
        claims.insert("name".to_owned(), json!(name));
    }
    claims
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            email: row.email,
            name: row.name,
            is_active: row.is_active,
            is_verified: row.is_verified,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_login: row.last_login,
            favorite_voices: row.favorite_voices,
            history: row.history,
            credits: row.credits,
            preferences: row.preferences,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::token::Claims;

    fn token(issuer: &str, subject: &str) -> Token {
        Token {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            claims: Claims::default(),
            issued_at: None,
            expires_at: Utc::now(),
            id: None,
        }
    }

    #[test]
    fn only_tokens_of_our_own_name_a_user() {
        assert_eq!(user_id(&token(OWN_ISSUER, "42")), Some(42));
        assert_eq!(user_id(&token("idp", "42")), None);
        for other in ["", "+42", "042", " 42", "42 ", "42.0", "ci", "99999999999999999999"] {
            assert_eq!(user_id(&token(OWN_ISSUER, other)), None, "{other:?}");
        }
    }
}
