//! The remote store: an account at an S3 service.
//!
//! `s3s_aws::Proxy` turns each request into a call of the AWS SDK. The SDK is told to send what every S3 service understands:
//! bodies of known length, unsigned payload, no checksum unless the request carries one. Retries happen only where a
//! body can be sent again, which is never the case for the body of a client.

use std::path::Path;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use relais_model::StoreName;

use crate::config::{Credentials, RemoteConfig};
use crate::error::OpenError;

/// How long a connection may take to be made. Clouds answer in tens of milliseconds; after five seconds none will.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) async fn open(store: &StoreName, config: &RemoteConfig) -> Result<s3s_aws::Proxy, OpenError> {
    let http = http_client(store, config.ca_file.as_deref())?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .http_client(http)
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
        // A slow client is our affair; its body must not be cut by the SDK.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if let Some(credentials) = static_credentials(store, config)? {
        loader = loader.credentials_provider(credentials);
    }
    if let Some(endpoint) = &config.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let path_style = config.path_style.unwrap_or_else(|| config.endpoint.is_some());
    let config = aws_sdk_s3::config::Builder::from(&loader.load().await).force_path_style(path_style).build();
    Ok(s3s_aws::Proxy::builder(aws_sdk_s3::Client::from_conf(config)).build())
}

fn static_credentials(
    store: &StoreName,
    config: &RemoteConfig,
) -> Result<Option<aws_credential_types::Credentials>, OpenError> {
    if config.credentials == Some(Credentials::Chain) {
        return Ok(None);
    }
    let secret = match (&config.secret_access_key, &config.secret_access_key_file) {
        (Some(secret), _) => Some(secret.expose().to_owned()),
        (None, Some(path)) => Some(read(store, "secret_access_key_file", path)?.trim().to_owned()),
        (None, None) => None,
    };
    match (&config.access_key_id, secret) {
        (Some(key), Some(secret)) => {
            Ok(Some(aws_credential_types::Credentials::new(key, secret, None, None, "relais configuration")))
        }
        (None, None) if config.credentials.is_none() => Ok(None),
        _ => Err(OpenError::HalfAKey { store: store.clone() }),
    }
}

fn http_client(store: &StoreName, ca_file: Option<&Path>) -> Result<SharedHttpClient, OpenError> {
    let mut trust = TrustStore::default();
    if let Some(path) = ca_file {
        trust = trust.with_pem_certificate(read(store, "ca_file", path)?);
    }
    let tls = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|error| OpenError::Certificates { store: store.clone(), reason: error.to_string() })?;
    Ok(Builder::new().tls_provider(Provider::rustls(CryptoMode::AwsLc)).tls_context(tls).build_https())
}

fn read(store: &StoreName, key: &'static str, path: &Path) -> Result<String, OpenError> {
    std::fs::read_to_string(path).map_err(|source| OpenError::File {
        store: store.clone(),
        key,
        path: path.to_owned(),
        source,
    })
}
