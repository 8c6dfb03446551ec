//! Why a token is refused, as the log says it.
//!
//! Clients learn no more than a [`TokenError`] tells, so that nobody finds out piece by piece how to make one that passes.

use super::TokenError;

/// Why a token is refused. None of these repeats any of the token.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it is longer than {} bytes", super::jwt::TOKEN_BYTES_MAX)]
    TooLong,
    #[error(
        "it is not a signed JWT: three parts in base64url, the first two JSON objects that name nothing twice"
    )]
    Form,
    #[error("its header has `crit`, and relais knows no extension that a token could demand")]
    Critical,
    #[error("no configured issuer has the `iss` that it names")]
    UnknownIssuer,
    #[error("its algorithm is not one of those of its issuer")]
    Algorithm,
    #[error("its issuer has no key for it")]
    NoKey,
    #[error("its signature is not one of its issuer's keys")]
    Signature,
    #[error("it has no `exp`, or a time in it is not a number of seconds")]
    Times,
    #[error("it has expired")]
    Expired,
    #[error("its `nbf` is yet to come")]
    NotYet,
    #[error("its `aud` does not name the audience that is configured")]
    Audience,
    #[error(
        "the claim that names its subject is missing, or is not a text or an integer that can name an account"
    )]
    Subject,
    #[error("its subject is a name that relais uses itself, or that belongs to another issuer")]
    ReservedSubject,
    #[error("the key set of its issuer was never had")]
    NoKeySet,
}

impl From<Refusal> for TokenError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Expired => Self::Expired,
            Refusal::NotYet => Self::NotYet,
            Refusal::NoKeySet => Self::Unavailable,
            _ => Self::Invalid,
        }
    }
}
