//! A JSON body, whose refusals are problems like any other and never repeat what was sent.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::problem;

/// A body that is a JSON object, and a `T`. `serde_json` refuses what is nested deeper than 128 levels.
#[derive(Clone, Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        if !is_json(request.headers()) {
            return Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send the body as application/json"));
        }
        let body = Bytes::from_request(request, state).await.map_err(|refusal| match refusal.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than is taken here")
            }
            status => problem(status, "the body could not be read to its end"),
        })?;
        parse(&body).map(Self).map_err(|detail| problem(StatusCode::BAD_REQUEST, &detail))
    }
}

/// In two steps: what serde says of a value of the wrong type has the value in it, which may be a password.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let other =
        || "the body is JSON, but not of the form that is asked for; /openapi.json tells it".to_owned();
    if !value.is_object() {
        return Err(other()); // serde would take a list for a struct.
    }
    serde_json::from_value(value).map_err(|error| {
        let text = error.to_string();
        if text.starts_with("missing field") { text } else { other() }
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Asked {
        #[expect(dead_code, reason = "only its parsing is looked at")]
        password: String,
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_not_what_was_sent() {
        let refusal = |body: &str| parse::<Asked>(body.as_bytes()).unwrap_err();
        assert_eq!(refusal("{}"), "missing field `password`");
        for body in [r#"{"password": 24681357}"#, r#"["24681357"]"#, r#"{"password": ["24681357"]}"#] {
            assert!(!refusal(body).contains("24681357"), "{}", refusal(body));
        }
        let cut = refusal(r#"{"password": "24681357"#);
        assert!(cut.starts_with("the body is not JSON: ") && !cut.contains("24681357"), "{cut}");
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_stack_overflow() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert!(parse::<Value>(deep.as_bytes()).unwrap_err().contains("recursion limit"));
    }

    #[test]
    fn json_is_known_by_its_media_type() {
        let is = |kind| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            is_json(&headers)
        };
        assert!(is("application/json") && is("Application/JSON; charset=utf-8") && is("application/x+json"));
        assert!(!is("text/plain") && !is("text/json") && !is("application/jsonp"));
        assert!(!is_json(&HeaderMap::new()));
    }
}
