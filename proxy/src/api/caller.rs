//! Who calls the JSON API: the holder of a token.

use axum::extract::{FromRef, FromRequestParts};
use axum::response::Response;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::problem;
use crate::access::issuers::TokenError;
use crate::access::session::{Session, Via};
use crate::access::token::Token;
use crate::gateway::Gateway;

/// The holder of a valid token, in `Authorization: Bearer`. Without one the request is refused with 401.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) Session);

impl Caller {
    /// The token that was sent.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.0.token.as_deref()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Gateway: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let gateway = Gateway::from_ref(state);
        let Some(jwt) = bearer(parts.headers.get(AUTHORIZATION)) else {
            return Err(unauthorised("send a token as `Authorization: Bearer …`"));
        };
        holder(&gateway, jwt).await.map(Self)
    }
}

/// What the holder of a token may do, or the refusal of one that is not taken.
pub(crate) async fn holder(gateway: &Gateway, jwt: &str) -> Result<Session, Response> {
    let session = gateway.session_of(jwt, Via::Bearer).await.map_err(|error| match error {
        TokenError::Unavailable => problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        _ => unauthorised(&error.to_string()),
    })?;
    match session.token.as_ref().is_some_and(|token| gateway.revoked.has(token)) {
        true => Err(unauthorised("the token was revoked, or its holder is not active")),
        false => Ok(session),
    }
}

/// The token in a header `Authorization`. The name of the scheme has no case (RFC 9110, section 11.1).
pub(crate) fn bearer(header: Option<&HeaderValue>) -> Option<&str> {
    let (scheme, token) = header?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A refusal that asks for a token.
pub(crate) fn unauthorised(detail: &str) -> Response {
    let mut response = problem(StatusCode::UNAUTHORIZED, detail);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
