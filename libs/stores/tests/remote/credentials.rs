//! Whose key signs. Shared files and the chain are read from the environment, so they are tested end to end.

use std::path::Path;

use relais_stores::{Credentials, OpenError, RemoteConfig, Store, StoreConfig};

use crate::server::{Server, answer};
use crate::{get, store};

#[tokio::test]
async fn temporary_credentials_send_their_token() {
    let server = Server::start(async |_, _| answer(200, "")).await;
    let s3 = store(&server, |config| config.session_token = Some("the-token".to_owned().into())).await;
    get(s3.as_ref()).await.unwrap();
    let sent = server.log.last().headers;
    assert_eq!(sent["x-amz-security-token"], "the-token");
    let authorization = sent["authorization"].to_str().unwrap();
    assert!(
        authorization.contains("Credential=AKIAEXAMPLE/") && authorization.contains("x-amz-security-token")
    );
}

async fn refusal(set: impl FnOnce(&mut RemoteConfig)) -> OpenError {
    let mut config = RemoteConfig::in_region("local".to_owned());
    set(&mut config);
    Store::open(&"remote".parse().unwrap(), &StoreConfig::S3(config), Path::new("/")).await.unwrap_err()
}

#[tokio::test]
async fn half_a_key_is_refused() {
    let half = refusal(|config| config.access_key_id = Some("key".to_owned())).await;
    assert!(matches!(half, OpenError::HalfAKey { .. }));
    let token = refusal(|config| config.session_token = Some("token".to_owned().into())).await;
    assert!(matches!(token, OpenError::HalfAKey { .. }));
}

#[tokio::test]
async fn key_beside_a_profile_of_shared_files_is_refused() {
    let both = refusal(|config| {
        config.aws_profile = Some("other".to_owned());
        config.credentials = Some(Credentials::Static);
    })
    .await;
    assert!(matches!(both, OpenError::KeyAndProfile { .. }));
}
