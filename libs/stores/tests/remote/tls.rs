//! HTTPS with an authority of one's own.

use relais_stores::is_outage;

use crate::server::{Server, answer};
use crate::{get, store};

#[tokio::test]
async fn authority_of_the_configuration_is_trusted() {
    let server = Server::start_tls(async |_, _| answer(200, "here")).await;
    let s3 = store(&server, |_| ()).await;
    assert_eq!(get(s3.as_ref()).await.unwrap(), b"here");
}

#[tokio::test]
async fn unknown_authority_is_not_trusted() {
    let server = Server::start_tls(async |_, _| answer(200, "here")).await;
    let s3 = store(&server, |config| {
        config.ca_file = None;
        config.attempts_max = 1.try_into().unwrap();
    })
    .await;
    let error = get(s3.as_ref()).await.unwrap_err();
    assert!(is_outage(&error) && format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
    assert_eq!(server.log.requests(), 0);
}
