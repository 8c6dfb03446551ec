//! Tokens in `Authorization: Bearer`, which s3s takes for an error.
//!
//! A layer takes the header off, verifies the token and leaves its session behind; what it may do is asked in `access`, as of
//! every request.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;

use super::session::Via;
use crate::api::caller::bearer as token_of;
use crate::error::token_refused;
use crate::gateway::Gateway;
use crate::stack::refused;

/// What a bearer token gave, until `access` has admitted it.
#[derive(Clone)]
pub(crate) struct Bearer(pub(crate) Arc<super::session::Session>);

pub(crate) async fn bearer(State(gateway): State<Gateway>, mut request: Request, next: Next) -> Response {
    let Some(jwt) = token_of(request.headers().get(AUTHORIZATION)).map(str::to_owned) else {
        return next.run(request).await;
    };
    match gateway.session_of(&jwt, Via::Bearer).await {
        Ok(session) => {
            request.headers_mut().remove(AUTHORIZATION);
            request.extensions_mut().insert(Bearer(Arc::new(session)));
            next.run(request).await
        }
        Err(error) => refused(&token_refused(&error)),
    }
}
