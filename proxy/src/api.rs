//! The JSON port: health and metrics, open to whoever reaches it, and the JSON API, which wants a token.
//!
//! Each part of the API has a file and a router of its own; [`router`] puts them together and gives all of them the same CORS
//! and the same form of errors. What the routes are is written down in `openapi.json`, which a test holds against them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use relais_model::{ByteSize, InvalidName, Secret};
use routes::Routes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_http::cors::{AllowOrigin, CorsLayer};

mod auth;
mod body;
pub(crate) mod caller;
mod credentials;
mod erase;
mod openapi;
mod routes;
mod transcribe;
pub(crate) mod uploads;

pub use auth::{AccountsConfig, Auth, accounts};
pub use credentials::credentials;
pub use erase::{Prefixes, erasure};
pub use transcribe::{Transcribe, transcription};
pub use uploads::presign::{PresignError, Presigner, Request as PresignedRequest, SigningKey};
pub use uploads::profile::{InvalidUpload, Profiles as UploadProfiles, UploadConfig};
pub use uploads::{Uploads, uploads};

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

/// A section `[api]` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidApi {
    /// Not a bucket.
    #[error("api.transcription_bucket: {0}")]
    Bucket(#[from] InvalidName),
    /// Not an origin.
    #[error("api.allowed_origins: {0:?} is not an origin")]
    Origin(String),
}

/// Says whether this process can do its work.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Ready> + Send + Sync>;

/// What keeps a process from its work, in words.
#[derive(Clone, Debug, Default)]
pub struct Ready {
    /// What it cannot work without; it is ready where this is empty.
    pub missing: Vec<String>,
    /// What it goes on without, for now.
    pub away: Vec<String>,
}

#[derive(Clone)]
struct Shared {
    metrics: PrometheusHandle,
    readiness: Readiness,
}

/// The whole port: what is open, and the parts of the API that run here.
pub fn router(
    config: &Config,
    metrics: PrometheusHandle,
    readiness: Readiness,
    parts: Router,
) -> Result<Router, InvalidApi> {
    let api = parts.merge(openapi::routes().router());
    // Before CORS, so that a page can read these answers too.
    let api = api.method_not_allowed_fallback(wrong_method).layer(cors(&config.allowed_origins)?);
    let open = open_routes().router().method_not_allowed_fallback(wrong_method);
    Ok(open.with_state(Shared { metrics, readiness }).merge(api).fallback(unknown_path))
}

fn open_routes() -> Routes<Shared> {
    Routes::new().get("/health", health).get("/ready", ready).get("/metrics", render)
}

/// Above authentication: a preflight request carries no token.
fn cors(allowed: &[String]) -> Result<CorsLayer, InvalidApi> {
    let origin = |origin: &String| origin.parse().map_err(|_| InvalidApi::Origin(origin.clone()));
    let origins = match allowed.iter().any(|origin| origin == "*") {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(allowed.iter().map(origin).collect::<Result<Vec<HeaderValue>, _>>()?),
    };
    Ok(CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([RETRY_AFTER]))
}

/// A refusal in the one form that errors of this port have (RFC 9457).
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("error");
    let body =
        Json(json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail }));
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// A refusal that is none any more after a time.
pub(crate) fn problem_later(status: StatusCode, detail: &str, wait: Duration) -> Response {
    let mut response = problem(status, detail);
    let seconds = wait.as_secs() + 1; // Whole seconds, and not too early.
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

async fn wrong_method() -> Response {
    problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path is not for this method; `Allow` names those that it is for",
    )
}

async fn unknown_path() -> Response {
    problem(StatusCode::NOT_FOUND, "there is nothing at this path; /openapi.json lists what there is")
}

/// Alive: answers as long as the process can answer at all.
async fn health() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

async fn ready(State(shared): State<Shared>) -> Response {
    let Ready { missing, away } = (shared.readiness)().await;
    if missing.is_empty() && away.is_empty() {
        return Json(json!({ "status": "ready" })).into_response();
    }
    if missing.is_empty() {
        return Json(json!({ "status": "ready", "away": away })).into_response();
    }
    let reasons: Vec<String> = missing.into_iter().chain(away).collect();
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "not ready", "reasons": reasons })))
        .into_response()
}

async fn render(State(shared): State<Shared>) -> String {
    shared.metrics.render()
}
