//! URLs and forms that carry a signature: who has one may do what it says until it ends, and nothing else.
//!
//! The signature is SigV4, as "Authenticating Requests: Using Query Parameters" of the Amazon S3 API reference has it. Nothing here
//! asks whether the signer may do what is signed: that is asked when the URL is used.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest, SignatureLocation, SigningError,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use relais_model::Secret;

/// An access key that signs.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// Access key id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Secret,
    /// What goes with temporary credentials.
    pub session_token: Option<Secret>,
}

/// Signs URLs for one address.
#[derive(Clone, Debug)]
pub struct Presigner {
    /// Scheme and host, and port if need be, of the S3 port.
    pub endpoint: String,
    /// Region in the scope of the signature.
    pub region: String,
    /// The key.
    pub key: SigningKey,
    /// Since when the signature is valid.
    pub signed_at: SystemTime,
    /// How long it is.
    pub expires: Duration,
}

/// What a URL is for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Method of HTTP.
    pub method: &'a str,
    /// The bucket.
    pub bucket: &'a str,
    /// The key of the object.
    pub key: &'a str,
    /// Parameters of the query.
    pub query: &'a [(&'a str, &'a str)],
    /// Headers that have to be sent as they are here.
    pub headers: &'a [(&'a str, &'a str)],
}

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum PresignError {
    /// The address is none.
    #[error("{0:?} is no address such as https://s3.example")]
    Endpoint(String),
    /// Something in the request.
    #[error("the request cannot be signed")]
    Sign(#[from] SigningError),
}

/// The service in the scope of signatures.
pub(super) const SERVICE: &str = "s3";

/// What stays as it is in a part of a query: the unreserved characters of RFC 3986.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// And in a path, whose slashes part it.
const OF_PATH: &AsciiSet = &UNRESERVED.remove(b'/');

impl Presigner {
    /// The URL, signed.
    pub fn url(&self, request: &Request<'_>) -> Result<String, PresignError> {
        let mut url = self.object_url(request.bucket, request.key)?;
        for (index, (name, value)) in request.query.iter().enumerate() {
            push_parameter(&mut url, if index == 0 { '?' } else { '&' }, name, value);
        }
        self.sign(request.method, url, request.headers)
    }

    /// Where a form for a bucket is sent.
    pub(super) fn bucket_url(&self, bucket: &str) -> Result<String, PresignError> {
        Ok(format!("{}/{bucket}", self.base()?))
    }

    fn object_url(&self, bucket: &str, key: &str) -> Result<String, PresignError> {
        let bucket = utf8_percent_encode(bucket, OF_PATH);
        Ok(format!("{}/{bucket}/{}", self.base()?, utf8_percent_encode(key, OF_PATH)))
    }

    fn base(&self) -> Result<&str, PresignError> {
        let base = self.endpoint.trim_end_matches('/');
        let uri: Option<http::Uri> = base.parse().ok();
        let is_address = |uri: &http::Uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.path() == "/" && uri.query().is_none()
        };
        match uri.filter(is_address) {
            Some(_) => Ok(base),
            None => Err(PresignError::Endpoint(self.endpoint.clone())),
        }
    }

    /// Signs a URL that is encoded already.
    fn sign(&self, method: &str, url: String, headers: &[(&str, &str)]) -> Result<String, PresignError> {
        let key = &self.key;
        let (secret, token) =
            (key.secret_access_key.expose(), key.session_token.as_ref().map(Secret::expose));
        let identity =
            Credentials::new(&key.access_key_id, secret, token.map(str::to_owned), None, "relais").into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.session_token_mode = SessionTokenMode::Include;
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(self.expires);
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(self.signed_at)
            .settings(settings)
            .build()
            .expect("every field is set above")
            .into();
        let headers = headers.iter().copied();
        let signable = SignableRequest::new(method, url.as_str(), headers, SignableBody::UnsignedPayload)?;
        let (instructions, _) = sign(signable, &parameters)?.into_parts();
        let mut signed = url;
        for (name, value) in instructions.into_parts().1 {
            let separator = if signed.contains('?') { '&' } else { '?' };
            push_parameter(&mut signed, separator, name, &value);
        }
        Ok(signed)
    }

    /// What a form carries beside its policy: the day, the time and the scope of its signature.
    pub(super) fn scope(&self) -> Scope {
        let time: chrono::DateTime<chrono::Utc> = self.signed_at.into();
        let day = time.format("%Y%m%d");
        Scope {
            credential: format!("{}/{day}/{}/{SERVICE}/aws4_request", self.key.access_key_id, self.region),
            date: time.format("%Y%m%dT%H%M%SZ").to_string(),
        }
    }

    /// The signature of a text, as a form has it over its policy.
    pub(super) fn signature(&self, text: &str) -> String {
        let secret = self.key.secret_access_key.expose();
        let key = v4::generate_signing_key(secret, self.signed_at, &self.region, SERVICE);
        v4::calculate_signature(key, text.as_bytes())
    }
}

/// The values of `x-amz-credential` and `x-amz-date`.
pub(super) struct Scope {
    pub(super) credential: String,
    pub(super) date: String,
}

fn push_parameter(url: &mut String, separator: char, name: &str, value: &str) {
    let (name, value) = (utf8_percent_encode(name, UNRESERVED), utf8_percent_encode(value, UNRESERVED));
    let _ = write!(url, "{separator}{name}={value}"); // A String takes all that is written.
}

#[cfg(test)]
pub(super) mod tests;
