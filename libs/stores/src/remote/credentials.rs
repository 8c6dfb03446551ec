//! Who a remote store thinks we are: a key pair, a profile in AWS's shared files, or AWS's chain.

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials as KeyPair;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::Region;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use relais_model::StoreName;

use super::read;
use crate::config::{Credentials, RemoteConfig};
use crate::error::OpenError;

/// What the configuration says; nothing where the chain decides.
pub(super) fn of(
    store: &StoreName,
    config: &RemoteConfig,
    http: &SharedHttpClient,
) -> Result<Option<SharedCredentialsProvider>, OpenError> {
    if let Some(profile) = &config.aws_profile {
        if config.credentials == Some(Credentials::Static) || config.access_key_id.is_some() {
            return Err(OpenError::KeyAndProfile { store: store.clone() });
        }
        return Ok(Some(shared_files(profile, config, http)));
    }
    if config.credentials == Some(Credentials::Chain) {
        return Ok(None);
    }
    Ok(key_pair(store, config)?.map(SharedCredentialsProvider::new))
}

/// That profile and no other: the chain would prefer the keys of the environment, which belong to one account only.
fn shared_files(profile: &str, config: &RemoteConfig, http: &SharedHttpClient) -> SharedCredentialsProvider {
    let provider = ProviderConfig::without_region()
        .with_region(Some(Region::new(config.region.clone())))
        .with_http_client(http.clone());
    let files = ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile);
    SharedCredentialsProvider::new(files.build())
}

fn key_pair(store: &StoreName, config: &RemoteConfig) -> Result<Option<KeyPair>, OpenError> {
    let secret = match (&config.secret_access_key, &config.secret_access_key_file) {
        (Some(secret), _) => Some(secret.expose().to_owned()),
        (None, Some(path)) => Some(read(store, "secret_access_key_file", path)?.trim().to_owned()),
        (None, None) => None,
    };
    let token = config.session_token.as_ref().map(|token| token.expose().to_owned());
    match (&config.access_key_id, secret) {
        (Some(key), Some(secret)) => Ok(Some(KeyPair::new(key, secret, token, None, "relais configuration"))),
        (None, None) if config.credentials.is_none() && token.is_none() => Ok(None),
        _ => Err(OpenError::HalfAKey { store: store.clone() }),
    }
}
