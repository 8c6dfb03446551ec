//! The layers that a request passes on the S3 port, first to last.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, STRICT_TRANSPORT_SECURITY};
use http::{HeaderName, HeaderValue, StatusCode};
use s3s::S3Error;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::host::MultiDomain;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::sync::Semaphore;
use tower::{ServiceBuilder, service_fn};

use crate::access::bearer::bearer;
use crate::access::form::form_token;
use crate::access::{Access, Keys, RootKey, document};
use crate::config::Config;
use crate::cors::cors;
use crate::front::{Hosts, front};
use crate::gateway::Gateway;
use crate::limits::body::Holding;
use crate::limits::{Limits, RetryAfter, bounded, slow_down};
use crate::observe::{Connection, observe};
use crate::server::ServeError;
use crate::sts::sts;
use crate::unread::read_rest;

/// Largest signed chunk of an upload, which s3s holds whole to check its signature. SDKs send 64 KiB to 1 MiB.
const SIGNED_CHUNK_BYTES_MAX: usize = 16 << 20;

/// When a request was signed.
const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// The service behind the S3 port.
pub(crate) fn stack(config: &Config, gateway: Gateway, root: Arc<RootKey>) -> Result<Router, ServeError> {
    let hosts = Hosts::of(&config.public_urls).map_err(ServeError::PublicUrl)?;
    let slots = Arc::new(Semaphore::new(config.requests_in_flight_max));
    let hsts = config.hsts_max_age_seconds;
    let s3 = s3_service(config, gateway.clone(), root)?;
    let endpoint = service_fn(move |request: Request| {
        let s3 = s3.clone();
        async move { Ok::<_, Infallible>(answer(&s3, request).await) }
    });
    let layers = ServiceBuilder::new()
        .layer(from_fn(observe)) // First: every line below can log the id.
        .layer(from_fn_with_state(hsts, strict_transport))
        .layer(from_fn(read_rest)) // Around all that may refuse a request at its head.
        .layer(from_fn_with_state(hosts, front)) // Before the signature is verified: the host that was signed,
        .layer(from_fn(dated)) // and the date.
        .layer(from_fn_with_state(gateway.clone(), cors)) // Above authentication: a preflight request carries no signature.
        .layer(from_fn_with_state(Limits::new(config), bounded))
        .layer(from_fn_with_state(slots, shed)) // Refusing is cheaper than verifying.
        .layer(from_fn_with_state(gateway.clone(), sts)) // Its requests are not signed, and none of S3's.
        .layer(from_fn_with_state(gateway, bearer)) // What s3s does not know of: tokens in place of a signature,
        .layer(from_fn(form_token)); // and in forms.
    Ok(Router::new().fallback_service(endpoint).layer(layers))
}

fn s3_service(config: &Config, gateway: Gateway, root: Arc<RootKey>) -> Result<S3Service, ServeError> {
    let mut s3_config = S3Config::default();
    s3_config.aws_chunked_stream_max_chunk_size = SIGNED_CHUNK_BYTES_MAX;
    s3_config.xml_max_body_size = document::BYTES_MAX;
    s3_config.enable_sig_v2 = config.signature_v2;
    // Set below where a client signed `Date` instead; wherever it comes from, the signature is made over its value.
    s3_config.unsigned_amz_header_allowlist.push(AMZ_DATE.to_string());
    s3_config.post_object_max_file_size = config.form_bytes_max.0;
    let mut builder = S3ServiceBuilder::new(gateway.clone());
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(s3_config))));
    builder.set_auth(Keys { root: Arc::clone(&root), gateway: gateway.clone() });
    builder.set_access(Access { root, gateway });
    if !config.domains.is_empty() {
        builder.set_host(
            MultiDomain::new(&config.domains).map_err(|error| ServeError::Domains(error.to_string()))?,
        );
    }
    Ok(builder.build())
}

/// SigV4 allows a client to sign `Date` in place of `x-amz-date`, which is the only one that s3s knows.
async fn dated(mut request: Request, next: Next) -> Response {
    let headers = request.headers_mut();
    let signed = headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS4-"));
    if signed && !headers.contains_key(AMZ_DATE) {
        let date = headers.get(DATE).and_then(|value| value.to_str().ok());
        let date = date.and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
        let date = date.map(|date| date.to_utc().format("%Y%m%dT%H%M%SZ").to_string());
        if let Some(Ok(date)) = date.map(|date| HeaderValue::from_str(&date)) {
            headers.insert(AMZ_DATE, date);
        }
    }
    next.run(request).await
}

async fn answer(s3: &S3Service, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let controls = percent_encoding::percent_decode_str(query).any(|byte| byte.is_ascii_control());
    match s3.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(Body::new),
        // The one thing that s3s cannot answer to: an error that repeats what XML cannot show.
        Err(_) if controls => refusal(
            StatusCode::BAD_REQUEST,
            "InvalidArgument",
            "the query has control characters where there is no place for them",
        ),
        Err(error) => {
            tracing::error!(%error, "the S3 service failed");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "relais failed; its log says why")
        }
    }
}

/// Refuses requests over the limit of those worked on at once.
async fn shed(State(slots): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match slots.try_acquire_owned() {
        // The slot is free again when the answer was taken, not when it begins.
        Ok(slot) => next.run(request).await.map(|body| Body::new(Holding::new(body, slot))),
        Err(_) => slow_down("too many requests at once; try again shortly", &RetryAfter::default()),
    }
}

/// Tells browsers that they shall not come without TLS again. Said over TLS only (RFC 6797, section 7.2).
async fn strict_transport(State(max_age): State<Option<u64>>, request: Request, next: Next) -> Response {
    let secure = request.extensions().get::<Connection>().is_some_and(|connection| connection.secure);
    let mut response = next.run(request).await;
    if let Some(seconds) = max_age.filter(|_| secure)
        && let Ok(value) = HeaderValue::from_str(&format!("max-age={seconds}"))
    {
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, value);
    }
    response
}

/// The answer to an error that is found above s3s. Its message must be ours, and need no escaping.
pub(crate) fn refused(error: &S3Error) -> Response {
    let status = error.status_code().or_else(|| error.code().status_code());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    refusal(status, error.code().as_str(), error.message().unwrap_or_default())
}

/// An answer in S3's form to a request that does not reach s3s. The texts are ours and need no escaping.
pub(crate) fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = Response::new(Body::from(xml));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}
