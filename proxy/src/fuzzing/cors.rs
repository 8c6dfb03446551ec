//! Rules of cross-origin sharing.

use http::header::{ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN};
use http::{HeaderMap, HeaderValue};

use super::lines;
use crate::config::CorsRule;
use crate::cors::{allow, applies};

/// Lines: origins, methods and headers of the rule, each separated by spaces; then origin, method and headers of a request.
pub fn cors(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let ([origins, methods, headers, origin, method, asked], _) = lines(text);
    let words = |line: &str| line.split_ascii_whitespace().map(str::to_owned).collect();
    let rule = CorsRule {
        allowed_origins: words(origins),
        allowed_methods: words(methods),
        allowed_headers: words(headers),
        expose_headers: Vec::new(),
        max_age_seconds: Some(1),
        id: None,
    };
    let fits = |patterns: &[String], text: &str| patterns.iter().any(|pattern| fits(pattern, text));
    let wanted = fits(&rule.allowed_origins, origin)
        && rule.allowed_methods.iter().any(|allowed| allowed == method)
        && asked
            .split(',')
            .map(str::trim)
            .all(|header| header.is_empty() || fits(&rule.allowed_headers, header));
    assert_eq!(applies(&rule, origin, method, asked), wanted, "the rule and its meaning differ");
    check_answer(&rule, origin, asked);
}

/// The meaning of a pattern, by trial: what stands outside the wildcard must be there, letter by letter, and not twice used.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let Some(star) = pattern.iter().position(|byte| *byte == b'*') else {
        return pattern.eq_ignore_ascii_case(text);
    };
    let (before, after) = (&pattern[..star], &pattern[star + 1..]);
    (0..=text.len()).any(|begin| {
        text[..begin].eq_ignore_ascii_case(before)
            && (begin..=text.len()).any(|end| text[end..].eq_ignore_ascii_case(after))
    })
}

/// What every origin may read is read without credentials; else the origin that asked is named, and no other.
fn check_answer(rule: &CorsRule, origin: &str, asked: &str) {
    let mut headers = HeaderMap::new();
    allow(rule, origin, asked, true, &mut headers);
    let allowed = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(HeaderValue::as_bytes);
    let with_credentials = headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS);
    if rule.allowed_origins.iter().any(|pattern| pattern == "*") {
        assert!(allowed == Some(b"*") && !with_credentials, "credentials for everybody");
    } else {
        assert!(allowed.is_none_or(|allowed| allowed == origin.as_bytes()), "another origin than asked");
    }
}
