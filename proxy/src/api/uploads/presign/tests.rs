use std::time::{Duration, SystemTime};

use relais_model::Secret;

use super::*;

/// The key of the examples in the Amazon S3 API reference.
pub(in crate::api::uploads) fn example(epoch_seconds: u64, session_token: Option<&str>) -> Presigner {
    Presigner {
        endpoint: "https://s3.example".to_owned(),
        region: "us-east-1".to_owned(),
        key: SigningKey {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: Secret::from("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
            session_token: session_token.map(|token| Secret::from(token.to_owned())),
        },
        signed_at: SystemTime::UNIX_EPOCH + Duration::from_secs(epoch_seconds),
        expires: Duration::from_secs(86_400),
    }
}

/// 2013-05-24T00:00:00Z
const EXAMPLE_TIME: u64 = 1_369_353_600;

fn put<'a>(key: &'a str, query: &'a [(&'a str, &'a str)], headers: &'a [(&'a str, &'a str)]) -> Request<'a> {
    Request { method: "PUT", bucket: "media", key, query, headers }
}

/// "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)", the example at its end.
#[test]
fn the_example_of_aws_is_signed_as_aws_signs_it() {
    let url = "https://examplebucket.s3.amazonaws.com/test.txt".to_owned();
    let signed = example(EXAMPLE_TIME, None).sign("GET", url, &[]).unwrap();
    let (path, query) = signed.split_once('?').unwrap();
    assert_eq!(path, "https://examplebucket.s3.amazonaws.com/test.txt");
    let mut query: Vec<_> = query.split('&').collect();
    query.sort_unstable();
    assert_eq!(
        query,
        [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request",
            "X-Amz-Date=20130524T000000Z",
            "X-Amz-Expires=86400",
            "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
            "X-Amz-SignedHeaders=host",
        ]
    );
}

#[test]
fn keys_are_encoded_once_and_slashes_stay() {
    let presigner = example(EXAMPLE_TIME, None);
    let path = |key: &str| presigner.url(&put(key, &[], &[])).unwrap().split_once('?').unwrap().0.to_owned();
    assert_eq!(path("a/b c+d.jpg"), "https://s3.example/media/a/b%20c%2Bd.jpg");
    assert_eq!(path("é*'()~/%41?#"), "https://s3.example/media/%C3%A9%2A%27%28%29~/%2541%3F%23");
}

#[test]
fn headers_query_and_session_token_are_part_of_what_is_signed() {
    let headers = [("content-type", "audio/ogg"), ("content-length", "7")];
    let signed =
        example(EXAMPLE_TIME, Some("a+b/c=")).url(&put("k", &[("partNumber", "1")], &headers)).unwrap();
    assert!(signed.contains("?partNumber=1&"), "{signed}");
    assert!(signed.contains("&X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost"), "{signed}");
    assert!(signed.contains("&X-Amz-Security-Token=a%2Bb%2Fc%3D"), "{signed}");
    let signature = |url: &str| url.split("X-Amz-Signature=").nth(1).unwrap()[..64].to_owned();
    let presigner = example(EXAMPLE_TIME, Some("other"));
    let mut seen = std::collections::BTreeSet::from([signature(&signed)]);
    for request in [
        put("k", &[("partNumber", "1")], &headers),
        put("k", &[("partNumber", "2")], &headers),
        put("k", &[("partNumber", "1")], &headers[..1]),
        put("l", &[("partNumber", "1")], &headers),
        Request { bucket: "other", ..put("k", &[("partNumber", "1")], &headers) },
        Request { method: "POST", ..put("k", &[("partNumber", "1")], &headers) },
    ] {
        assert!(seen.insert(signature(&presigner.url(&request).unwrap())), "{request:?}");
    }
}

#[test]
fn an_address_is_a_scheme_and_a_host() {
    for wrong in ["", "s3.example", "ftp://s3.example", "https://s3.example/base", "https://s3.example?x"] {
        let presigner = Presigner { endpoint: wrong.to_owned(), ..example(EXAMPLE_TIME, None) };
        assert!(presigner.url(&put("k", &[], &[])).is_err(), "{wrong}");
    }
    let presigner =
        Presigner { endpoint: "http://127.0.0.1:9000/".to_owned(), ..example(EXAMPLE_TIME, None) };
    assert!(presigner.url(&put("k", &[], &[])).unwrap().starts_with("http://127.0.0.1:9000/media/k?"));
}

#[test]
fn what_is_shown_of_a_presigner_is_no_secret() {
    let shown = format!("{:?}", example(EXAMPLE_TIME, Some("session-token")));
    assert!(!shown.contains("wJalr") && !shown.contains("session-token"), "{shown}");
}
