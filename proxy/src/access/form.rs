//! The session token of a POST form, which is a field there that s3s does not show.
//!
//! The fields of a form come before its file. What stands before the file is read here, looked through, and put back in front
//! of the rest. Whether the token belongs to the key that signed the form is decided by `identify`.
//!
//! s3s repeats the values of a form in the refusal of its policy, and a session token may be one of them; they are taken out.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures::{StreamExt, TryStreamExt};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method};
use s3s::s3_error;

use super::identify::FormToken;
use crate::stack::refused;

/// Largest part of a form before its file that is looked through: a policy and a token, with room.
const FIELDS_BYTES_MAX: usize = 128 * 1024;

/// Largest error body that is looked at: one that repeats a session token.
const ERROR_BYTES_MAX: usize = 256 * 1024;

/// From where on s3s repeats values in the refusal of a policy.
const VALUES: &str = " failed: expected";

/// How the field of the file is named, the longest first.
const FILE_NAMES: [&[u8]; 2] = [b"name=\"file\"", b"name=file"];

/// The field, whose name has no case.
const FIELD: &str = "x-amz-security-token";

pub(crate) async fn form_token(request: Request, next: Next) -> Response {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let boundary = content_type.filter(|_| request.method() == Method::POST);
    let Some(boundary) = boundary.and_then(|text| multer::parse_boundary(text).ok()) else {
        return next.run(request).await;
    };
    // s3s would hold the whole form in memory to find out, before anybody has asked whether it is allowed.
    if !request.headers().contains_key(CONTENT_LENGTH) {
        return refused(&s3_error!(MissingContentLength, "send the form with its length, in Content-Length"));
    }
    let (parts, body) = request.into_parts();
    let (head, rest) = head(body).await;
    let token = token(&head, &boundary).await;
    let whole = futures::stream::iter([Ok(head)]).chain(rest.into_data_stream());
    let mut request = Request::from_parts(parts, Body::from_stream(whole));
    if let Some(token) = token {
        request.extensions_mut().insert(FormToken(token));
    }
    let response = next.run(request).await;
    if response.status().is_client_error() { without_values(response).await } else { response }
}

/// A refusal names the field that its policy does not allow, and leaves out what was in it.
async fn without_values(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(body) = axum::body::to_bytes(body, ERROR_BYTES_MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let text = String::from_utf8_lossy(&body);
    let (Some(from), Some(to)) = (text.find(VALUES), text.find("</Message>")) else {
        return Response::from_parts(parts, Body::from(body));
    };
    let told = format!("{} failed{}", &text[..from.min(to)], &text[to..]);
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(told.len()));
    Response::from_parts(parts, Body::from(told))
}

/// Reads until the file begins, or the limit is reached, or the body ends or breaks off; and gives back what it has not read.
pub(crate) async fn head(body: Body) -> (Bytes, Body) {
    let mut head = Vec::new();
    let mut found = false;
    let mut stream = body.into_data_stream();
    while head.len() < FIELDS_BYTES_MAX && !found {
        match stream.try_next().await {
            Ok(Some(chunk)) => {
                // Only what is new: a body in chunks of a byte would be looked through as often as it has bytes.
                let known = head.len().saturating_sub(FILE_NAMES[0].len());
                head.extend_from_slice(&chunk);
                found = has_file(&head[known..]);
            }
            Ok(None) => break,
            Err(error) => {
                let broken = futures::stream::once(async move { Err::<Bytes, _>(error) });
                return (head.into(), Body::from_stream(broken));
            }
        }
    }
    (head.into(), Body::from_stream(stream))
}

/// Whether the file's field has begun: a `Content-Disposition` with this name. Only how much is read depends on it.
fn has_file(head: &[u8]) -> bool {
    FILE_NAMES.iter().any(|name| head.windows(name.len()).any(|window| window.eq_ignore_ascii_case(name)))
}

pub(crate) async fn token(head: &Bytes, boundary: &str) -> Option<String> {
    let stream = futures::stream::iter([Ok::<_, std::io::Error>(head.clone())]);
    let mut form = multer::Multipart::new(stream, boundary);
    while let Ok(Some(field)) = form.next_field().await {
        let name = field.name().unwrap_or_default();
        if name.eq_ignore_ascii_case("file") {
            return None;
        }
        if name.eq_ignore_ascii_case(FIELD) {
            return field.text().await.ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    async fn read(chunks: impl Iterator<Item = Bytes> + Send + 'static) -> (Bytes, Bytes) {
        let chunks = chunks.map(Ok::<_, std::io::Error>);
        let (head, rest) = head(Body::from_stream(futures::stream::iter(chunks))).await;
        (head, axum::body::to_bytes(rest, usize::MAX).await.unwrap())
    }

    #[tokio::test]
    async fn reading_ends_where_the_file_begins_however_the_body_is_cut() {
        let form = "--b\r\nContent-Disposition: form-data; NAME=\"File\"; filename=\"f\"\r\n\r\nbytes";
        let end = form.find("\"; filename").unwrap() + 1;
        let (head, rest) = read(form.bytes().map(|byte| Bytes::from(vec![byte]))).await;
        assert_eq!((&head[..], &rest[..]), (&form.as_bytes()[..end], &form.as_bytes()[end..]));
        for cut in 0..form.len() {
            let chunks = [&form[..cut], &form[cut..]].map(|chunk| Bytes::from_static(chunk.as_bytes()));
            let (head, rest) = read(chunks.into_iter()).await;
            assert_eq!([head, rest].concat(), form.as_bytes());
        }
    }

    #[tokio::test]
    async fn a_body_in_single_bytes_is_looked_through_once() {
        let begun = Instant::now();
        let (head, rest) = read((0..FIELDS_BYTES_MAX + 1).map(|_| Bytes::from_static(b"x"))).await;
        assert_eq!((head.len(), rest.len()), (FIELDS_BYTES_MAX, 1));
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed()); // Minutes, if once for each byte.
    }
}
