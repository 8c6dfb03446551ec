//! Why somebody cannot register, come in or be told of themselves, and what they hear.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use relais_catalog::{CatalogError, CreateUserError};

use super::attempts::TooMany;
use super::credentials::InvalidCredentials;
use super::passwords::PasswordError;
use super::preferences::InvalidPreferences;
use crate::api::caller::unauthorised;
use crate::api::{problem, problem_later};

pub(super) enum Refusal {
    Invalid(InvalidCredentials),
    Preferences(InvalidPreferences),
    Closed,
    EmailTaken,
    /// No such user, another password, or a user who may not come in: nobody is told which.
    WrongCredentials,
    /// The token is good, but its user may not come in any more.
    Gone,
    /// The token is good, but of nobody in the table.
    NoUser,
    TooMany(TooMany),
    Password(PasswordError),
    Catalog(CatalogError),
    Unsigned,
}

/// How long to wait where the line is full: about what a password takes at the highest cost.
const BUSY: Duration = Duration::from_secs(3);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Invalid(error) => problem(StatusCode::BAD_REQUEST, &error.to_string()),
            Self::Preferences(error) => problem(StatusCode::BAD_REQUEST, &error.to_string()),
            Self::Closed => problem(StatusCode::FORBIDDEN, "nobody can register here"),
            Self::EmailTaken => problem(StatusCode::CONFLICT, "this email is registered already; log in"),
            Self::WrongCredentials => unauthorised("email or password is wrong"),
            Self::Gone => unauthorised("the user of this token may not come in any more"),
            Self::NoUser => problem(StatusCode::FORBIDDEN, "the token is of no user who registered here"),
            Self::TooMany(TooMany(wait)) => {
                problem_later(StatusCode::TOO_MANY_REQUESTS, "too many attempts; wait a little", wait)
            }
            Self::Password(PasswordError::Busy) => problem_later(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many are logging in at the same time",
                BUSY,
            ),
            Self::Password(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot look at a password");
                problem(StatusCode::INTERNAL_SERVER_ERROR, "the password could not be looked at")
            }
            Self::Catalog(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot reach the users");
                problem(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
            }
            Self::Unsigned => {
                tracing::error!("cannot sign a token");
                problem(StatusCode::INTERNAL_SERVER_ERROR, "no token could be made")
            }
        }
    }
}

impl From<InvalidCredentials> for Refusal {
    fn from(error: InvalidCredentials) -> Self {
        Self::Invalid(error)
    }
}

impl From<InvalidPreferences> for Refusal {
    fn from(error: InvalidPreferences) -> Self {
        Self::Preferences(error)
    }
}

impl From<TooMany> for Refusal {
    fn from(wait: TooMany) -> Self {
        Self::TooMany(wait)
    }
}

impl From<PasswordError> for Refusal {
    fn from(error: PasswordError) -> Self {
        Self::Password(error)
    }
}

impl From<CatalogError> for Refusal {
    fn from(error: CatalogError) -> Self {
        Self::Catalog(error)
    }
}

impl From<CreateUserError> for Refusal {
    fn from(error: CreateUserError) -> Self {
        match error {
            CreateUserError::Catalog(error) => Self::Catalog(error),
            CreateUserError::Unusable("name") => Self::Invalid(InvalidCredentials::Name),
            CreateUserError::Unusable(_) => Self::Invalid(InvalidCredentials::Email),
            _ => Self::EmailTaken,
        }
    }
}
