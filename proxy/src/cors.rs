//! Cross-origin sharing by the rules of each bucket, as S3 has them.
//!
//! Above authentication, since a preflight request carries no signature; and on errors too, or a page could not read why it
//! was refused. See "Using cross-origin resource sharing" in the Amazon S3 user guide.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::config::CorsRule;
use crate::gateway::Gateway;
use crate::placement::Bucket;
use crate::stack::refusal;

/// Headers that a page may always read: what SDKs in browsers need.
const EXPOSED: &str = "ETag, x-amz-version-id, x-amz-request-id, x-amz-checksum-crc32, x-amz-checksum-crc32c, \
    x-amz-checksum-crc64nvme, x-amz-checksum-sha1, x-amz-checksum-sha256, x-amz-replication-status, x-relais-replicas, \
    x-relais-stale, Content-Range";

/// Answers depend on these, so caches must keep them apart.
const VARIES: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

pub(crate) async fn cors(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let Some(origin) = text(request.headers(), &ORIGIN) else {
        return match *request.method() {
            Method::OPTIONS => {
                refusal(StatusCode::BAD_REQUEST, "BadRequest", "a preflight request names its origin")
            }
            _ => next.run(request).await,
        };
    };
    let preflight = request.method() == Method::OPTIONS;
    let method = match preflight {
        true => text(request.headers(), &ACCESS_CONTROL_REQUEST_METHOD).unwrap_or_default(),
        false => request.method().to_string(),
    };
    let asked_headers = text(request.headers(), &ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let bucket = bucket(&gateway, &request);
    let rules = rules(&gateway, bucket).await;
    let rule = rules.iter().find(|rule| applies(rule, &origin, &method, &asked_headers));
    let mut response = match (preflight, rule) {
        (false, _) => next.run(request).await,
        (true, Some(_)) => Response::default(),
        (true, None) => {
            refusal(StatusCode::FORBIDDEN, "AccessForbidden", "no CORS rule of the bucket allows this")
        }
    };
    if let Some(rule) = rule {
        allow(rule, &origin, &asked_headers, preflight, response.headers_mut());
    }
    response.headers_mut().append(VARY, HeaderValue::from_static(VARIES));
    response
}

/// The bucket that a request names.
fn bucket(gateway: &Gateway, request: &Request) -> Option<Arc<Bucket>> {
    // Virtual hosts are told apart by s3s; here the first label of a host that is no path bucket is tried as well.
    let path = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or("");
    let host = text(request.headers(), &http::header::HOST).unwrap_or_default();
    let label = host.split('.').next().unwrap_or("");
    let below = host.split(':').next().and_then(|host| host.split_once('.'));
    let by_host = below.filter(|(_, domain)| gateway.domains.iter().any(|known| known == domain));
    if let Some(bucket) = by_host.and_then(|(label, _)| gateway.bucket(label).ok()) {
        return Some(bucket);
    }
    let found = [label, path].into_iter().find_map(|name| {
        let name = name.parse().ok()?;
        gateway.placement.named().find(|bucket| bucket.name == name).cloned()
    });
    found.or_else(|| gateway.bucket(path).ok())
}

/// The rules of a bucket: those that were put, else the configured ones.
async fn rules(gateway: &Gateway, bucket: Option<Arc<Bucket>>) -> Vec<CorsRule> {
    let Some(bucket) = bucket else { return Vec::new() };
    match gateway.rules(&bucket).await {
        Ok(rules) => rules.cors.unwrap_or_else(|| bucket.config.cors.clone()),
        Err(error) => {
            tracing::warn!(%error, "the CORS rules of a bucket cannot be read; the configured ones are used");
            bucket.config.cors.clone()
        }
    }
}

pub(crate) fn applies(rule: &CorsRule, origin: &str, method: &str, asked_headers: &str) -> bool {
    let mut asked = asked_headers.split(',').map(str::trim).filter(|header| !header.is_empty());
    rule.allowed_origins.iter().any(|pattern| matches(pattern, origin))
        && rule.allowed_methods.iter().any(|allowed| allowed == method)
        && asked.all(|header| rule.allowed_headers.iter().any(|pattern| matches(pattern, header)))
}

/// Whether a text fits a pattern with at most one `*`; case does not matter.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => {
            text.len() >= before.len() + after.len() && text.starts_with(before) && text.ends_with(after)
        }
    }
}

pub(crate) fn allow(
    rule: &CorsRule,
    origin: &str,
    asked_headers: &str,
    preflight: bool,
    headers: &mut HeaderMap,
) {
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    if rule.allowed_origins.iter().any(|allowed| allowed == "*") {
        set(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    } else {
        set(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        set(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    set(ACCESS_CONTROL_ALLOW_METHODS, &rule.allowed_methods.join(", "));
    let exposed =
        rule.expose_headers.iter().fold(EXPOSED.to_owned(), |list, header| format!("{list}, {header}"));
    set(ACCESS_CONTROL_EXPOSE_HEADERS, &exposed);
    if preflight {
        if !asked_headers.is_empty() {
            set(ACCESS_CONTROL_ALLOW_HEADERS, asked_headers);
        }
        if let Some(seconds) = rule.max_age_seconds {
            set(ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> CorsRule {
        CorsRule {
            allowed_origins: vec!["https://*.example".to_owned()],
            allowed_methods: vec!["GET".to_owned()],
            allowed_headers: vec!["x-amz-*".to_owned(), "range".to_owned()],
            expose_headers: Vec::new(),
            max_age_seconds: Some(3000),
            id: None,
        }
    }

    #[test]
    fn a_rule_applies_only_if_origin_method_and_every_header_fit() {
        let fits = |origin, method, headers| applies(&rule(), origin, method, headers);
        assert!(fits("https://app.example", "GET", ""));
        assert!(fits("https://app.example", "GET", "X-Amz-Date, Range"));
        assert!(!fits("https://app.example", "PUT", ""));
        assert!(!fits("https://app.example.evil", "GET", ""));
        assert!(!fits("http://app.example", "GET", ""));
        assert!(!fits("https://app.example", "GET", "x-amz-date, authorization"));
    }

    #[test]
    fn a_wildcard_stands_for_any_run_of_characters() {
        assert!(matches("*", "anything"));
        assert!(matches("ab*", "ab"));
        assert!(!matches("ab*ba", "aba"), "the ends may not overlap");
    }
}
