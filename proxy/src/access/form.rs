//! The session token of a POST form, which is a field there that s3s does not show.
//!
//! The fields of a form come before its file. What stands before the file is read here, looked through, and put back in front
//! of the rest. Whether the token belongs to the key that signed the form is decided by `identify`.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures::{StreamExt, TryStreamExt};
use http::Method;
use http::header::CONTENT_TYPE;

use super::identify::FormToken;

/// Largest part of a form before its file that is looked through: a policy and a token, with room.
const FIELDS_BYTES_MAX: usize = 128 * 1024;

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
    next.run(request).await
}

/// Reads until the file begins, or the limit is reached, or the body ends or breaks off; and gives back what it has not read.
async fn head(body: Body) -> (Bytes, Body) {
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

async fn token(head: &Bytes, boundary: &str) -> Option<String> {
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
