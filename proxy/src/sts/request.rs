//! What a client asks of STS, by form or by query.

use std::time::Duration;

use axum::extract::Request;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method};

use super::LIFETIME;
use super::answer::StsError;

/// Largest body. The largest token that AWS takes has 20,000 characters, each of which may be escaped as three.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// The version of the protocol, and the only one there is.
const VERSION: &str = "2011-06-15";

/// The limits of AWS's API reference.
const LIFETIME_SECONDS: std::ops::RangeInclusive<u64> = 900..=43_200;
const SESSION_NAME_LENGTH: std::ops::RangeInclusive<usize> = 2..=64;
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 4..=20_000;
pub(super) const POLICY_LENGTH_MAX: usize = 2_048;

/// Whether a request is one of STS: to the root, with an `Action` in its query or with a form. A form to a bucket of its own host,
/// or one in several parts, is an upload.
pub(super) fn is_for_sts(request: &Request, domains: &[String]) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let has_action = || pairs(query).iter().any(|(name, _)| name == "Action");
    let asks = match *request.method() {
        Method::GET => has_action(),
        // A query without Action is one of S3, such as `?delete`, whatever its body pretends to be.
        Method::POST => has_action() || query.is_empty() && is_form(request.headers()),
        _ => false,
    };
    request.uri().path() == "/" && asks && !is_host_of_bucket(request, domains)
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn is_host_of_bucket(request: &Request, domains: &[String]) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().host()).unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let name = |domain: &String| host.strip_suffix(&domain.to_ascii_lowercase())?.strip_suffix('.');
    domains.iter().filter_map(name).any(|bucket| !bucket.is_empty())
}

/// Names and values, the form's after the query's.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) async fn read(request: Request) -> Result<Self, StsError> {
        let mut parameters = pairs(request.uri().query().unwrap_or_default());
        if request.method() == Method::POST && is_form(request.headers()) {
            let length =
                request.headers().get(CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse().ok());
            if length.is_some_and(|length: usize| length > BODY_BYTES_MAX) {
                return Err(StsError::TooLarge(BODY_BYTES_MAX));
            }
            let body = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await;
            let body = body.map_err(|_| StsError::TooLarge(BODY_BYTES_MAX))?;
            parameters.extend(pairs(&String::from_utf8_lossy(&body)));
        }
        Ok(Self(parameters))
    }

    fn value(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &'static str) -> Result<&str, StsError> {
        self.value(name).ok_or(StsError::MissingParameter(name))
    }

    /// The parameter's value, if its length is one of these.
    fn measured(
        &self,
        name: &'static str,
        lengths: &std::ops::RangeInclusive<usize>,
    ) -> Result<&str, StsError> {
        let value = self.required(name)?;
        if lengths.contains(&value.chars().count()) {
            return Ok(value);
        }
        let rule = format!("must have {} to {} characters", lengths.start(), lengths.end());
        Err(StsError::Invalid { name, rule })
    }
}

/// `AssumeRoleWithWebIdentity`.
pub(super) struct AssumeRole<'a> {
    pub(super) role_arn: &'a str,
    pub(super) session_name: &'a str,
    pub(super) token: &'a str,
    pub(super) policy: Option<&'a str>,
    pub(super) lifetime: Duration,
}

impl<'a> AssumeRole<'a> {
    /// Takes the parameters; `ProviderId`, and what STS does not know either, is left aside.
    pub(super) fn parse(parameters: &'a Parameters) -> Result<Self, StsError> {
        let action = parameters.value("Action").ok_or(StsError::MissingAction)?;
        let version = parameters.value("Version").unwrap_or(VERSION);
        if action != "AssumeRoleWithWebIdentity" || version != VERSION {
            return Err(StsError::UnknownAction { action: action.to_owned(), version: version.to_owned() });
        }
        if parameters.0.iter().any(|(name, _)| name == "PolicyArns" || name.starts_with("PolicyArns.")) {
            let rule = "relais has no managed policies; send the policy itself as Policy".to_owned();
            return Err(StsError::Invalid { name: "PolicyArns", rule });
        }
        Ok(Self {
            role_arn: parameters.required("RoleArn")?,
            session_name: session_name(parameters)?,
            // SDKs send a file as it is, and a file ends with a line break, as a rule.
            token: parameters.measured("WebIdentityToken", &TOKEN_LENGTH)?.trim(),
            policy: policy(parameters)?,
            lifetime: lifetime(parameters)?,
        })
    }
}

fn session_name(parameters: &Parameters) -> Result<&str, StsError> {
    let name = parameters.measured("RoleSessionName", &SESSION_NAME_LENGTH)?;
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)) {
        return Ok(name);
    }
    let rule = "may have letters, digits and the characters _+=,.@- only".to_owned();
    Err(StsError::Invalid { name: "RoleSessionName", rule })
}

fn policy(parameters: &Parameters) -> Result<Option<&str>, StsError> {
    // An empty one is a mistake, too, and must not give more than was meant.
    let sent = parameters.0.iter().find(|(known, _)| known == "Policy");
    match sent.map(|(_, value)| value.as_str()) {
        Some(policy) if policy.chars().count() > POLICY_LENGTH_MAX => {
            Err(StsError::PolicyTooLarge(POLICY_LENGTH_MAX))
        }
        policy => Ok(policy),
    }
}

fn lifetime(parameters: &Parameters) -> Result<Duration, StsError> {
    let Some(text) = parameters.value("DurationSeconds") else { return Ok(LIFETIME) };
    match text.parse() {
        Ok(seconds) if LIFETIME_SECONDS.contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => {
            let (least, most) = LIFETIME_SECONDS.into_inner();
            let rule = format!("must be a number of seconds from {least} to {most}");
            Err(StsError::Invalid { name: "DurationSeconds", rule })
        }
    }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    serde_urlencoded::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests;
