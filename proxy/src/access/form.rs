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

use super::identify::FormToken;

/// Largest part of a form before its file that is looked through: a policy and a token, with room.
const FIELDS_BYTES_MAX: usize = 128 * 1024;

/// Largest error body that is looked at: one that repeats a session token.
const ERROR_BYTES_MAX: usize = 256 * 1024;

/// From where on s3s repeats values in the refusal of a policy.
const VALUES: &str = " failed: expected";

/// The field, whose name has no case.
const FIELD: &str = "x-amz-security-token";

pub(crate) async fn form_token(request: Request, next: Next) -> Response {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let boundary = content_type.filter(|_| request.method() == Method::POST);
    let Some(boundary) = boundary.and_then(|text| multer::parse_boundary(text).ok()) else {
        return next.run(request).await;
    };
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
    let mut stream = body.into_data_stream();
    while head.len() < FIELDS_BYTES_MAX && !has_file(&head) {
        match stream.try_next().await {
            Ok(Some(chunk)) => head.extend_from_slice(&chunk),
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
    let names: [&[u8]; 2] = [b"name=\"file\"", b"name=file"];
    names.iter().any(|name| head.windows(name.len()).any(|window| window.eq_ignore_ascii_case(name)))
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
