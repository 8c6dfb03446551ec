//! Credentials for SDKs that take them from their container: `AWS_CONTAINER_CREDENTIALS_FULL_URI` names this address, and
//! `AWS_CONTAINER_AUTHORIZATION_TOKEN` is the token, which SDKs send without `Bearer`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use super::caller::bearer;
use super::routes::Routes;
use crate::access::issuers::TokenError;
use crate::access::temporary::Issued;
use crate::gateway::Gateway;
use crate::sts::{LIFETIME, rfc3339};

/// The route of the endpoint.
pub fn credentials(gateway: Gateway) -> Router {
    routes().router().with_state(gateway)
}

pub(super) fn routes() -> Routes<Gateway> {
    Routes::new().get("/api/credentials", issue)
}

async fn issue(State(gateway): State<Gateway>, headers: HeaderMap) -> Response {
    let authorization = headers.get(AUTHORIZATION);
    let raw = || authorization?.to_str().ok().map(str::trim).filter(|token| !token.is_empty());
    let Some(jwt) = bearer(authorization).or_else(raw) else {
        return refused(StatusCode::UNAUTHORIZED, "MissingToken", "send a token as Authorization");
    };
    let issued = match gateway.issuers.verify(jwt).await {
        Ok(token) => gateway.lend(&token, LIFETIME, None),
        Err(error) => Err(error),
    };
    let mut response = match issued {
        Ok(issued) => answer(&issued),
        Err(error) => {
            let (status, code) = match error {
                TokenError::Expired => (StatusCode::UNAUTHORIZED, "ExpiredToken"),
                TokenError::NotYet | TokenError::Invalid => (StatusCode::UNAUTHORIZED, "InvalidToken"),
                TokenError::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "IssuerUnavailable"),
            };
            refused(status, code, &error.to_string())
        }
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn answer(issued: &Issued) -> Response {
    Json(json!({
        "AccessKeyId": issued.access_key_id,
        "SecretAccessKey": issued.secret_access_key.expose(),
        "Token": issued.session_token.expose(),
        "Expiration": rfc3339(issued.expires_at),
    }))
    .into_response()
}

/// A problem as elsewhere on this port, with the two members that SDKs look for.
fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("error");
    let body = json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "detail": message,
        "Code": code, "Message": message,
    });
    let mut response = (status, Json(body)).into_response();
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}
