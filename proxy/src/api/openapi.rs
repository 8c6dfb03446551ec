//! `GET /openapi.json`: what this port takes and answers, written by hand.

use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

use super::routes::Routes;

/// The document.
const DOCUMENT: &str = include_str!("openapi.json");

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Routes<S> {
    Routes::new().get("/openapi.json", document)
}

async fn document() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT)
}

#[cfg(test)]
mod tests;
