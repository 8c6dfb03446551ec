//! What is left of a request's body when the answer does not wait for it.
//!
//! A request that is refused at its head leaves its body on the connection. A small rest is read and dropped, so that the
//! connection can be used again: many clients send head and body apart, and would find it closed in between. Where the rest is
//! large, or the client waits to be told to send it, the answer says that the connection closes: a client that did not know would
//! send its next request into it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT};
use http::{HeaderValue, Version};
use hyper::body::{Frame, SizeHint};

/// Largest body of which the rest is read.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How long the client may take to send it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a body goes that nobody reads any more.
type Slot = Arc<Mutex<Option<Body>>>;

/// A body that comes back when it is dropped before its end.
struct Returning {
    body: Option<Body>,
    slot: Slot,
}

impl Drop for Returning {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl HttpBody for Returning {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

pub(crate) async fn read_rest(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let waits = request.headers().contains_key(EXPECT); // It sends nothing before it is told to go on.
    let is_small = !waits && length.is_some_and(|length: usize| length <= BODY_BYTES_MAX);
    let is_http1 = request.version() < Version::HTTP_2; // Later versions have a stream for each request.
    let slot = Slot::default();
    let own = Arc::clone(&slot);
    let request = request.map(|body| Body::new(Returning { body: Some(body), slot: own }));
    let mut response = next.run(request).await;
    let rest = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let is_refused = response.status().is_client_error() || response.status().is_server_error();
    // What was taken is read but perhaps for the end of its framing, which hyper sees to.
    let Some(rest) = rest.filter(|_| is_refused) else { return response };
    // A client that sends no more, or something else, loses its connection; its answer it gets.
    let read = async { is_small && axum::body::to_bytes(rest, BODY_BYTES_MAX).await.is_ok() };
    let is_read = tokio::time::timeout(PATIENCE, read).await.unwrap_or(false);
    if !is_read && is_http1 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
