//! The other end of STS: asks for credentials, for `relais credentials`.

use std::path::PathBuf;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use relais_model::Secret;
use reqwest::{Certificate, Client, Response};
use serde_json::json;

use crate::api::SigningKey;

/// What is asked, and of whom.
#[derive(Clone, Debug)]
pub struct CredentialsRequest {
    /// Where the S3 port is.
    pub endpoint: String,
    /// The token of an issuer that is known there.
    pub token: Secret,
    /// The role that the request names; relais takes any.
    pub role_arn: String,
    /// The name of the session.
    pub session_name: String,
    /// How long the credentials are to live; the server decides where nothing is asked.
    pub lifetime_seconds: Option<u32>,
    /// Certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// Credentials that sign until they end.
#[derive(Clone, Debug)]
pub struct TemporaryCredentials {
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Secret,
    expiration: String,
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file of certificates is not there, or is none.
    #[error("cannot read certificates from {path:?}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer.
    #[error("{endpoint} does not answer")]
    Unreachable {
        /// Where it was asked.
        endpoint: String,
        /// What happened.
        #[source]
        source: reqwest::Error,
    },
    /// A refusal.
    #[error("{endpoint} refuses: {code}: {message}")]
    Refused {
        /// Where it was asked.
        endpoint: String,
        /// The code of the refusal, or the status.
        code: String,
        /// What it says.
        message: String,
    },
    /// Something that is no answer of STS.
    #[error("{0} does not speak STS: its answer has no credentials")]
    Answer(String),
}

/// SDKs wait a minute for a credential process; a server that works answers within a second.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Largest answer: the session token is little longer than the token, of at most 20,000 characters.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

impl CredentialsRequest {
    /// Asks for credentials.
    pub async fn send(&self) -> Result<TemporaryCredentials, CredentialsError> {
        let unreachable = |source| CredentialsError::Unreachable { endpoint: self.endpoint.clone(), source };
        let sent = self.client()?.post(&self.endpoint).body(self.form());
        let sent = sent.header(CONTENT_TYPE, "application/x-www-form-urlencoded").send().await;
        let response = sent.map_err(unreachable)?;
        let status = response.status();
        let text = self.text(response).await?;
        if !status.is_success() {
            return Err(CredentialsError::Refused {
                endpoint: self.endpoint.clone(),
                code: element(&text, "Code").unwrap_or_else(|| status.to_string()),
                message: element(&text, "Message").unwrap_or_default(),
            });
        }
        credentials(&text).ok_or_else(|| CredentialsError::Answer(self.endpoint.clone()))
    }

    fn client(&self) -> Result<Client, CredentialsError> {
        // A redirect would take the token somewhere else.
        let mut client = Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &self.ca_file {
            let unusable = |source| CredentialsError::Certificates { path: path.clone(), source };
            let pem = std::fs::read(path).map_err(|error| unusable(error.into()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.into()))?;
            client = client.tls_certs_merge(certificates);
        }
        client
            .build()
            .map_err(|source| CredentialsError::Unreachable { endpoint: self.endpoint.clone(), source })
    }

    fn form(&self) -> String {
        let seconds = self.lifetime_seconds.map(|seconds| seconds.to_string());
        let mut pairs = vec![
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", &self.role_arn),
            ("RoleSessionName", &self.session_name),
            ("WebIdentityToken", self.token.expose()),
        ];
        pairs.extend(seconds.as_deref().map(|seconds| ("DurationSeconds", seconds)));
        serde_urlencoded::to_string(pairs).expect("pairs of text can be written as a form")
    }

    async fn text(&self, mut response: Response) -> Result<String, CredentialsError> {
        let mut bytes = Vec::new();
        let unreachable = |source| CredentialsError::Unreachable { endpoint: self.endpoint.clone(), source };
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(CredentialsError::Answer(self.endpoint.clone()));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl TemporaryCredentials {
    /// As the key of a signature.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey {
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.clone(),
            session_token: Some(self.session_token.clone()),
        }
    }

    /// What the `credential_process` of AWS's configuration prints. This shows the secrets.
    pub fn to_process_json(&self) -> String {
        json!({
            "Version": 1,
            "AccessKeyId": self.access_key_id,
            "SecretAccessKey": self.secret_access_key.expose(),
            "SessionToken": self.session_token.expose(),
            "Expiration": self.expiration,
        })
        .to_string()
    }
}

fn credentials(xml: &str) -> Option<TemporaryCredentials> {
    Some(TemporaryCredentials {
        access_key_id: element(xml, "AccessKeyId")?,
        secret_access_key: Secret::from(element(xml, "SecretAccessKey")?),
        session_token: Secret::from(element(xml, "SessionToken")?),
        expiration: element(xml, "Expiration")?,
    })
}

/// The text of the first element of that name. Those that are read here have no attributes and no elements in them.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    Some(text.replace("&amp;", "&")) // Last: what it gives is no markup.
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_read_as_it_was_before_it_was_escaped() {
        let xml = "<E><Code>C</Code><Message>a &lt;b&gt; &amp;amp; &quot;c&quot;</Message></E>";
        assert_eq!(element(xml, "Code").as_deref(), Some("C"));
        assert_eq!(element(xml, "Message").as_deref(), Some("a <b> &amp; \"c\""));
        assert_eq!(element(xml, "RequestId"), None);
        assert!(credentials(xml).is_none());
    }
}
