//! What a request may take of relais, whoever makes it: size of its head, rate, and time.
//!
//! One layer asks before anything is verified: how large the head is and how many requests the address makes. The bodies it lets
//! through at the configured pace. What limits an identity is asked by `access`, by the [`Meter`] in the request's extensions.
//! What a bucket or a session takes is not looked at here; see `s3::limits`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use relais_model::Identity;

use crate::config::Config;
use crate::observe::Connection;
use crate::stack::refusal;
use body::{Ending, Fate};
use pace::{Meter, Paced};
use rates::Rates;

pub(crate) mod body;
mod pace;
mod rates;

pub(crate) use rates::{RetryAfter, network};

/// Most headers of a request. The parser of HTTP/1.1 has room for as many; HTTP/2 would take any number.
pub(crate) const HEADERS_MAX: usize = 100;

/// Longest path with its query: a key of 1,024 bytes that are all percent-encoded, and a presigned query with a session token.
const URI_BYTES_MAX: usize = 32 * 1024;

/// After how many seconds to come back where no limit says it more exactly.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// What the layer needs.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    header_bytes_max: u64,
    rates: Arc<Rates>,
}

impl Limits {
    pub(crate) fn new(config: &Config) -> Self {
        let rates = Arc::new(Rates::new(&config.rates));
        Self { header_bytes_max: config.header_bytes_max.0, rates }
    }
}

/// Refuses what is too much at its head, and lets bodies through at their pace.
pub(crate) async fn bounded(State(limits): State<Limits>, mut request: Request, next: Next) -> Response {
    if let Some(refused) = check_head(&request, limits.header_bytes_max) {
        return refused;
    }
    let Some(connection) = request.extensions().get::<Connection>().copied() else {
        return next.run(request).await; // Within the process: nobody is counted.
    };
    let meter = match Meter::of(&limits.rates, connection.client.ip()) {
        Ok(meter) => Arc::new(meter),
        Err(retry_after) => return slow_down("this address makes too many requests", &retry_after),
    };
    request.extensions_mut().insert(Arc::clone(&meter));
    let fate = request.extensions().get::<Fate>().cloned().unwrap_or_default();
    let measured = limits.rates.measures_bytes();
    if measured {
        let (meter, fate) = (Arc::clone(&meter), fate.clone());
        request = request.map(|body| Body::new(Paced::new(body, meter, fate)));
    }
    let response = next.run(request).await;
    let mut response = told(response, &fate);
    if response.status() == StatusCode::SERVICE_UNAVAILABLE && !response.headers().contains_key(RETRY_AFTER) {
        response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    if measured { response.map(|body| Body::new(Paced::new(body, meter, Fate::default()))) } else { response }
}

/// Counts a request as one of whoever made it. Nobody is no identity: the address counts them.
pub(crate) fn admit(extensions: &http::Extensions, identity: &Identity) -> Result<(), RetryAfter> {
    match extensions.get::<Arc<Meter>>() {
        Some(meter) if *identity != Identity::Anonymous => meter.admit_identity(identity.principal()),
        _ => Ok(()),
    }
}

/// Says why a body ended early, if that was our doing: whoever read it knows only that it did.
fn told(response: Response, fate: &Fate) -> Response {
    if response.status().is_success() {
        return response;
    }
    match fate.ending() {
        None => response,
        Some(Ending::Idle) => refusal(
            StatusCode::BAD_REQUEST,
            "RequestTimeout",
            "the body of the request stood still for too long",
        ),
        Some(Ending::Slow) => slow_down("too many bytes are sent at once", &RetryAfter::default()),
    }
}

fn check_head(request: &Request, header_bytes_max: u64) -> Option<Response> {
    let uri = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    if uri > URI_BYTES_MAX {
        return Some(refusal(StatusCode::URI_TOO_LONG, "RequestUriTooLong", "the address is too long"));
    }
    let headers = request.headers();
    if headers.len() > HEADERS_MAX || header_bytes(headers) > header_bytes_max {
        return Some(refusal(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "RequestHeaderSectionTooLarge",
            "the headers of the request are too large, or too many",
        ));
    }
    None
}

/// As they are written: name, colon, space, value, end of line.
fn header_bytes(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64).sum()
}

/// The refusal of what would be taken later.
pub(crate) fn slow_down(message: &str, retry_after: &RetryAfter) -> Response {
    let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", message);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after.seconds()));
    response
}
