//! The head of a POST form.

use axum::body::{Body, Bytes};
use futures::FutureExt;

use crate::access::form::{head, token};

const BOUNDARY: &str = "boundary";

/// A byte that says how long the chunks are in which the body comes; then the body.
pub fn form(input: &[u8]) {
    let Some((length, body)) = input.split_first() else { return };
    let chunks: Vec<_> = body.chunks(usize::from(*length) + 1).map(Bytes::copy_from_slice).collect();
    let stream = futures::stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
    let (begin, rest) = now(head(Body::from_stream(stream)));
    let rest = now(axum::body::to_bytes(rest, body.len())).expect("the body is whole");
    assert!([&begin[..], &rest].concat() == body, "the body is not what came");
    let whole = now(token(&Bytes::copy_from_slice(body), BOUNDARY));
    if let Some(found) = now(token(&begin, BOUNDARY)) {
        assert_eq!(Some(found), whole, "the head has another token than the form");
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("everything is there, so nothing is waited for")
}
