//! The remote store: an account at an S3 service.
//!
//! `s3s_aws::Proxy` turns each request into a call of the AWS SDK. The SDK is told to send what every S3 service understands:
//! bodies of known length, unsigned payload, no checksum unless the request carries one. It sends a request again, later each
//! time and with jitter, only where the body can be sent again, which is never the case for the body of a client, and where the
//! answer is the same then ([`once`]). Below the SDK a [`connector`] keeps the store's budget and its timeouts, and names answers
//! that come without a name.

use std::path::Path;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use relais_model::StoreName;

use crate::config::RemoteConfig;
use crate::error::OpenError;

mod answer;
mod budget;
mod checksum;
mod connector;
mod credentials;
mod once;
mod root;
mod turn;

pub use answer::refusal_header;

/// The first retry comes within this time, the second within twice as much. A service that is in trouble for longer is better
/// left alone: reads go to another replica, and writes settle.
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// How long a connection is kept without use. A service that closes idle ones sooner makes the next upload fail, since its
/// body cannot be sent twice; clouds keep them for 20 seconds and more (unverified), nginx for 75.
const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(15);

pub(crate) async fn open(store: &StoreName, config: &RemoteConfig) -> Result<s3s_aws::Proxy, OpenError> {
    let http = http_client(store, config.ca_file.as_deref())?;
    let connect_timeout = Duration::from_secs(config.connect_timeout_seconds.get().into());
    let timeouts = TimeoutConfig::builder().connect_timeout(connect_timeout).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .http_client(http.clone())
        // Time for answers is the connector's affair, for it knows who keeps whom waiting.
        .timeout_config(timeouts)
        // A slow client is our affair; its body must not be cut by the SDK.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if let Some(credentials) = credentials::of(store, config, &http)? {
        loader = loader.credentials_provider(credentials);
    }
    if let Some(endpoint) = &config.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let retries = RetryConfig::standard()
        .with_max_attempts(config.attempts_max.get())
        .with_initial_backoff(BACKOFF_FIRST)
        .with_max_backoff(BACKOFF_MAX);
    let client = aws_sdk_s3::config::Builder::from(&loader.load().await)
        .force_path_style(config.path_style.unwrap_or_else(|| config.endpoint.is_some()))
        .http_client(connector::Connector::over(http, config))
        .retry_config(retries)
        // Stores in one region would share what the SDK allows in retries, and one that is down would use it up for all.
        .retry_partition(RetryPartition::new(store.to_string()))
        .retry_classifier(answer::FullQueueIsFinal)
        .interceptor(once::Once)
        .interceptor(checksum::Checksums(config.effective_features()))
        .build();
    Ok(s3s_aws::Proxy::builder(aws_sdk_s3::Client::from_conf(client)).build())
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
    Ok(Builder::new()
        .tls_provider(Provider::rustls(CryptoMode::AwsLc))
        .tls_context(tls)
        .pool_idle_timeout(CONNECTION_IDLE_MAX)
        .build_https())
}

fn read(store: &StoreName, key: &'static str, path: &Path) -> Result<String, OpenError> {
    std::fs::read_to_string(path).map_err(|source| OpenError::File {
        store: store.clone(),
        key,
        path: path.to_owned(),
        source,
    })
}
