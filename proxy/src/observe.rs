//! Gives each request an id, a span, its metrics and one line in the log.
//!
//! Logged are method, path, status and time; never a query (it may hold a signature), a header or a body.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method};
use tracing::Instrument;
use uuid::Uuid;

use crate::metrics::{REQUEST_SECONDS, REQUESTS, REQUESTS_IN_FLIGHT};

/// The id that an answer carries and the log repeats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId(Uuid);

/// The client's end of the connection, and whether it is encrypted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) client: SocketAddr,
    pub(crate) secure: bool,
}

/// The header that S3 clients show with an error.
const HEADER: HeaderName = HeaderName::from_static("x-amz-request-id");

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As AWS's look: upper-case hexadecimal digits.
        write!(f, "{:X}", self.0.simple())
    }
}

pub(crate) async fn observe(mut request: Request, next: Next) -> Response {
    let id = RequestId(Uuid::now_v7());
    request.extensions_mut().insert(id);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!("request", request.id = %id, http.method = %method, http.path = %path);
    let begun = Instant::now();
    let in_flight = metrics::gauge!(REQUESTS_IN_FLIGHT);
    in_flight.increment(1);
    let mut response = next.run(request).instrument(span.clone()).await;
    if method == Method::HEAD {
        // Over HTTP/2 a body after HEAD, such as that of an error, breaks the connection (RFC 9110, section 9.3.2).
        *response.body_mut() = Body::empty();
    }
    in_flight.decrement(1);
    let seconds = begun.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    let label = label(&method);
    metrics::counter!(REQUESTS, "method" => label, "status" => status.to_string()).increment(1);
    metrics::histogram!(REQUEST_SECONDS, "method" => label).record(seconds);
    span.in_scope(|| tracing::info!(http.status = status, seconds, "answered"));
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// What metrics call a method: each name costs memory for good, and a client can make up any number of them.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
