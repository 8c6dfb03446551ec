//! The JSON port: health and metrics, open to whoever reaches it, and the transcription API, which wants a token.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::BoxFuture;
use http::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;
use relais_model::{ByteSize, Secret};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(crate) mod caller;
mod credentials;
mod erase;
mod transcribe;

pub use credentials::credentials;
pub use erase::{Prefixes, erasure};
pub use transcribe::{Transcribe, transcription};

/// What can be set about the JSON port; see `config/default.toml`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of the port.
    pub listen: SocketAddr,
    /// Origins of web pages that may use the API.
    pub allowed_origins: Vec<String>,
    /// Whether the transcription API wants a token.
    pub require_auth: bool,
    /// That token.
    pub transcription_key: Option<Secret>,
    /// Largest recording.
    pub transcription_bytes_max: ByteSize,
    /// Where recordings that come this way are kept.
    pub transcription_bucket: String,
}

/// Says what is missing for this process to do its work; empty when it is ready.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Vec<String>> + Send + Sync>;

#[derive(Clone)]
struct Shared {
    metrics: PrometheusHandle,
    readiness: Readiness,
}

/// The open part of the JSON API.
pub fn router(metrics: PrometheusHandle, readiness: Readiness) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(render))
        .with_state(Shared { metrics, readiness })
}

/// A refusal in the one form that errors of this port have (RFC 9457).
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("error");
    let body =
        Json(json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail }));
    let mut response = (status, body).into_response();
    let kind = http::HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

/// Alive: answers as long as the process can answer at all.
async fn health() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

async fn ready(State(shared): State<Shared>) -> Response {
    let reasons = (shared.readiness)().await;
    if reasons.is_empty() {
        return Json(json!({ "status": "ready" })).into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "not ready", "reasons": reasons })))
        .into_response()
}

async fn render(State(shared): State<Shared>) -> String {
    shared.metrics.render()
}
