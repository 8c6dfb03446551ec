//! The answers of STS: AWS's XML, codes and status.

use axum::body::Body;
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use super::request::{AssumeRole, POLICY_LENGTH_MAX};
use crate::access::issuers::TokenError;
use crate::access::temporary::Issued;
use crate::access::token::Token;

/// Why there are no credentials. None of these repeats any of a token.
#[derive(Debug, thiserror::Error)]
pub(super) enum StsError {
    #[error("the request names no Action")]
    MissingAction,
    #[error(
        "could not find operation {} for version {}; relais knows AssumeRoleWithWebIdentity of 2011-06-15",
        short(action),
        short(version)
    )]
    UnknownAction { action: String, version: String },
    #[error("the request must contain the parameter {0}")]
    MissingParameter(&'static str),
    #[error("{name}: {rule}")]
    Invalid { name: &'static str, rule: String },
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
    #[error("Policy: has more than {0} characters")]
    PolicyTooLarge(usize),
    #[error("Policy: {0}")]
    Policy(String),
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl StsError {
    /// The code that SDKs go by.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::MissingAction => "MissingAction",
            Self::UnknownAction { .. } => "InvalidAction",
            Self::MissingParameter(_) => "MissingParameter",
            Self::Invalid { .. } => "ValidationError",
            Self::TooLarge(_) => "RequestEntityTooLarge",
            Self::PolicyTooLarge(_) => "PackedPolicyTooLarge",
            Self::Policy(_) => "MalformedPolicyDocument",
            Self::Token(TokenError::Expired) => "ExpiredTokenException",
            Self::Token(TokenError::NotYet | TokenError::Invalid) => "InvalidIdentityToken",
            Self::Token(TokenError::Unavailable) => "IDPCommunicationError",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// Credentials, and what their answer says beside.
pub(super) struct Assumed {
    issued: Issued,
    subject: String,
    audience: String,
    provider: String,
    arn: String,
    assumed_role_id: String,
    packed_policy_size: Option<usize>,
}

/// The account in the name of a role that has none.
const NO_ACCOUNT: &str = "000000000000";

impl Assumed {
    pub(super) fn new(issued: Issued, token: &Token, asked: &AssumeRole<'_>) -> Self {
        let claim = |name: &str| token.claims.values(name).unwrap_or_default().join(" ");
        let account = asked.role_arn.split(':').nth(4).filter(|account| !account.is_empty());
        let role = asked.role_arn.rsplit(['/', ':']).next().unwrap_or_default();
        let account = account.unwrap_or(NO_ACCOUNT);
        Self {
            subject: token.subject.clone(),
            audience: claim("aud"),
            provider: Some(claim("iss"))
                .filter(|iss| !iss.is_empty())
                .unwrap_or_else(|| token.issuer.clone()),
            arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{}", asked.session_name),
            assumed_role_id: format!("{}:{}", issued.access_key_id, asked.session_name),
            packed_policy_size: asked
                .policy
                .map(|policy| (policy.chars().count() * 100).div_ceil(POLICY_LENGTH_MAX)),
            issued,
        }
    }
}

const XMLNS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

pub(super) fn assumed(assumed: &Assumed, request_id: &str) -> Response {
    let issued = &assumed.issued;
    let packed = assumed.packed_policy_size.map(|size| element("PackedPolicySize", &size.to_string()));
    let result = [
        wrapped(
            "Credentials",
            &[
                element("AccessKeyId", &issued.access_key_id),
                element("SecretAccessKey", issued.secret_access_key.expose()),
                element("SessionToken", issued.session_token.expose()),
                element("Expiration", &rfc3339(issued.expires_at)),
            ],
        ),
        element("SubjectFromWebIdentityToken", &assumed.subject),
        wrapped(
            "AssumedRoleUser",
            &[element("Arn", &assumed.arn), element("AssumedRoleId", &assumed.assumed_role_id)],
        ),
        packed.unwrap_or_default(),
        element("Provider", &assumed.provider),
        element("Audience", &assumed.audience),
    ];
    let body = [
        wrapped("AssumeRoleWithWebIdentityResult", &result),
        wrapped("ResponseMetadata", &[element("RequestId", request_id)]),
    ];
    xml(StatusCode::OK, "AssumeRoleWithWebIdentityResponse", &body)
}

pub(super) fn refused(error: &StsError, request_id: &str) -> Response {
    let parts =
        [element("Type", "Sender"), element("Code", error.code()), element("Message", &error.to_string())];
    let body = [wrapped("Error", &parts), element("RequestId", request_id)];
    xml(error.status(), "ErrorResponse", &body)
}

/// A time as SDKs read it.
pub(crate) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn xml(status: StatusCode, root: &str, parts: &[String]) -> Response {
    let text = format!("<{root} xmlns=\"{XMLNS}\">{}</{root}>\n", parts.concat());
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn wrapped(name: &str, parts: &[String]) -> String {
    format!("<{name}>{}</{name}>", parts.concat())
}

fn element(name: &str, text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // No document of XML 1.0 may have these, not even escaped.
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push('\u{fffd}');
            }
            other => escaped.push(other),
        }
    }
    format!("<{name}>{escaped}</{name}>")
}

/// What a client sent, cut where it is long.
fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_client_sent_cannot_become_markup() {
        let action = "<a b=\"c\">&\u{0}".to_owned();
        let error = StsError::UnknownAction { action, version: "x".repeat(1000) };
        let response = refused(&error, "ID");
        assert_eq!(response.status(), 400);
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("operation &lt;a b=&quot;c&quot;&gt;&amp;\u{fffd} for version xxx"), "{body}");
        assert!(body.contains("<Code>InvalidAction</Code>"), "{body}");
        assert!(body.contains("<RequestId>ID</RequestId></ErrorResponse>"), "{body}");
        assert!(body.len() < 600, "{body}");
    }
}
