//! Facts of requests and of forms.

use http::{HeaderName, HeaderValue};
use s3s::dto::{ObjectCannedACL, PostObjectInput, ServerSideEncryption, StorageClass};
use serde_json::json;

use super::*;
use crate::access::session::Asker;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn ada() -> Asker {
    Asker::new(Identity::Account("ada".to_owned()), None)
}

fn nobody() -> Asker {
    Asker::new(Identity::Anonymous, None)
}

/// The one value of a key, for a request of Ada's.
fn value(uri: &str, pairs: &[(&'static str, &str)], key: &str) -> Option<String> {
    let (headers, uri, asker) = (headers(pairs), uri.parse().unwrap(), ada());
    let mut values = Facts::new(&headers, &uri, None, &asker).values(key, &Tags::new())?;
    assert!(values.len() < 2, "{key}: {values:?}");
    values.pop()
}

#[test]
fn headers_and_queries_are_facts() {
    let cases = [
        ("s3:x-amz-acl", "x-amz-acl"),
        ("s3:x-amz-grant-read", "x-amz-grant-read"),
        ("s3:x-amz-grant-full-control", "x-amz-grant-full-control"),
        ("s3:x-amz-server-side-encryption", "x-amz-server-side-encryption"),
        (
            "s3:x-amz-server-side-encryption-customer-algorithm",
            "x-amz-server-side-encryption-customer-algorithm",
        ),
        ("s3:x-amz-server-side-encryption-aws-kms-key-id", "x-amz-server-side-encryption-aws-kms-key-id"),
        ("s3:x-amz-content-sha256", "x-amz-content-sha256"),
        ("s3:x-amz-copy-source", "x-amz-copy-source"),
        ("s3:x-amz-storage-class", "x-amz-storage-class"),
        ("s3:object-lock-mode", "x-amz-object-lock-mode"),
        ("s3:object-lock-legal-hold", "x-amz-object-lock-legal-hold"),
        ("s3:object-lock-retain-until-date", "x-amz-object-lock-retain-until-date"),
        ("aws:referer", "referer"),
        ("aws:useragent", "user-agent"),
    ];
    for (key, header) in cases {
        assert_eq!(value("/b/k", &[(header, "v")], key).as_deref(), Some("v"), "{key}");
        assert_eq!(value("/b/k", &[(header, "")], key), None, "an empty {header} is none");
        assert_eq!(value("/b/k", &[], key), None, "{key}");
        let hoisted = format!("/b/k?{header}=v");
        assert_eq!(value(&hoisted, &[], key), None, "{header} in a query does nothing");
    }
    let listing = "/b?list-type=2&prefix=a%2Fb+c&delimiter=/&max-keys=10&%70refix2=x";
    assert_eq!(value(listing, &[], "s3:prefix").as_deref(), Some("a/b c"));
    assert_eq!(value(listing, &[], "s3:delimiter").as_deref(), Some("/"));
    assert_eq!(value(listing, &[], "s3:max-keys").as_deref(), Some("10"));
    assert_eq!(value("/b?%70refix=x", &[], "s3:prefix").as_deref(), Some("x"), "names are decoded too");
    assert_eq!(value("/b/k", &[("x-forwarded-for", "10.0.0.1")], "aws:sourceip"), None);
    assert_eq!(value("/b/k", &[], "s3:tlsversion"), None);
}

#[test]
fn tags_of_the_request_are_facts() {
    let tags = [("x-amz-tagging", "a%20b=c%2Fd&Team=red+blue&flag")];
    assert_eq!(value("/b/k", &tags, "s3:requestobjecttag/a b").as_deref(), Some("c/d"));
    assert_eq!(value("/b/k", &tags, "s3:requestobjecttag/Team").as_deref(), Some("red blue"));
    assert_eq!(value("/b/k", &tags, "s3:requestobjecttag/flag").as_deref(), Some(""));
    assert_eq!(value("/b/k", &tags, "s3:requestobjecttag/team"), None);
    let (headers, uri, asker) = (headers(&tags), "/b/k".parse().unwrap(), ada());
    let facts = Facts::new(&headers, &uri, None, &asker);
    let own = vec![("Team".to_owned(), "green".to_owned())];
    assert_eq!(facts.values("s3:requestobjecttagkeys", &own).unwrap(), ["a b", "Team", "flag"]);
    assert_eq!(facts.values("s3:existingobjecttag/Team", &own).unwrap(), ["green"]);
}

#[test]
fn the_length_is_that_of_the_object() {
    let length = |pairs: &[(&'static str, &str)]| value("/b/k", pairs, "s3:content-length");
    assert_eq!(length(&[("content-length", "9")]).as_deref(), Some("9"));
    let chunked = [
        ("content-length", "900"),
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", "700"),
    ];
    assert_eq!(length(&chunked).as_deref(), Some("700"));
    let lie = [("content-length", "900"), ("x-amz-decoded-content-length", "1")];
    assert_eq!(length(&lie).as_deref(), Some("900"), "without chunks that length means nothing");
    assert_eq!(length(&[("content-length", "0"), ("x-amz-copy-source", "a/b")]), None);
    assert_eq!(length(&[]), None);
}

#[test]
fn the_signature_is_a_fact() {
    let now = Utc::now().format("%Y%m%dT%H%M%SZ").to_string();
    let header = [("authorization", "AWS4-HMAC-SHA256 Credential=x"), ("x-amz-date", now.as_str())];
    assert_eq!(value("/b/k", &header, "s3:authtype").as_deref(), Some("REST-HEADER"));
    assert_eq!(value("/b/k", &header, "s3:signatureversion").as_deref(), Some("AWS4-HMAC-SHA256"));
    let age: i64 = value("/b/k", &header, "s3:signatureage").unwrap().parse().unwrap();
    assert!((0..60_000).contains(&age), "{age}");
    let presigned = "/b/k?X-Amz-Signature=00&X-Amz-Date=20200101T000000Z";
    assert_eq!(value(presigned, &[], "s3:authtype").as_deref(), Some("REST-QUERY-STRING"));
    assert_eq!(value(presigned, &[], "s3:x-amz-content-sha256").as_deref(), Some("UNSIGNED-PAYLOAD"));
    let age: i64 = value(presigned, &[], "s3:signatureage").unwrap().parse().unwrap();
    assert!(age > 1000 * 3600 * 24 * 365, "{age}");
    let old = [("authorization", "AWS x:y")];
    assert_eq!(value("/b/k", &old, "s3:signatureversion").as_deref(), Some("AWS"));
    let (headers, uri) = (headers(&header), "/b/k".parse().unwrap());
    let asker = nobody();
    let nobody = Facts::new(&headers, &uri, None, &asker);
    assert_eq!(nobody.values("s3:authtype", &Tags::new()), None, "who did not sign has no signature");
}

#[test]
fn claims_are_facts_of_who_has_a_token() {
    let claims: Claims =
        serde_json::from_value(json!({ "sub": "42", "iat": 1_767_225_600, "app": { "groups": ["a", "b"] } }))
            .unwrap();
    let caller = Caller { account: Some("idp:42"), claims: Some(&claims), session: true };
    let values = |key: &str| caller.values(key);
    assert_eq!(values("jwt:sub").unwrap(), ["42"]);
    assert_eq!(values("jwt:app.groups").unwrap(), ["a", "b"]);
    assert_eq!(values("jwt:absent"), None);
    assert_eq!(values("aws:tokenissuetime").unwrap(), ["2026-01-01T00:00:00Z"]);
    assert_eq!(values("aws:principaltype").unwrap(), ["User"]);
    assert_eq!(values("aws:username").unwrap(), ["idp:42"]);
    assert_eq!(values("aws:principalarn").unwrap(), ["arn:aws:iam::idp:user/42"]);
    let (headers, uri, ada, nobody) = (HeaderMap::new(), "/b/k".parse().unwrap(), ada(), nobody());
    let of = |asker, key| Facts::new(&headers, &uri, None, asker).values(key, &Tags::new());
    assert_eq!(of(&ada, "jwt:sub"), None);
    assert_eq!(of(&ada, "aws:tokenissuetime"), None);
    assert_eq!(of(&ada, "aws:principaltype").unwrap(), ["Account"]);
    assert_eq!(of(&ada, "aws:principalarn").unwrap(), ["arn:aws:iam:::user/ada"]);
    assert_eq!(of(&nobody, "aws:principaltype").unwrap(), ["Anonymous"]);
    assert_eq!(of(&nobody, "aws:username"), None);
}

#[test]
fn a_form_has_the_facts_of_a_put() {
    let input = PostObjectInput {
        acl: Some(ObjectCannedACL::from_static("public-read")),
        grant_read: Some("id=bob".to_owned()),
        tagging: Some("Team=r\u{f6}t".to_owned()),
        storage_class: Some(StorageClass::from_static("STANDARD_IA")),
        server_side_encryption: Some(ServerSideEncryption::from_static("AES256")),
        content_length: Some(7),
        ..Default::default()
    };
    let sent = headers(&[
        ("x-amz-acl", "private"),
        ("x-amz-storage-class", "x"),
        ("content-length", "900"),
        ("referer", "r"),
    ]);
    let (made, uri, asker) = (form::headers(&input, &sent).unwrap(), "/b".parse().unwrap(), ada());
    let facts = Facts::of_form(&made, &uri, None, &asker);
    let cases = [
        ("s3:x-amz-acl", "public-read"),
        ("s3:x-amz-grant-read", "id=bob"),
        ("s3:requestobjecttag/Team", "r\u{f6}t"),
        ("s3:x-amz-storage-class", "STANDARD_IA"),
        ("s3:x-amz-server-side-encryption", "AES256"),
        ("s3:content-length", "7"),
        ("s3:authtype", "POST"),
        ("aws:referer", "r"),
    ];
    for (key, wanted) in cases {
        assert_eq!(facts.values(key, &Tags::new()).unwrap(), [wanted], "{key}");
    }
    let plain = form::headers(&PostObjectInput::default(), &sent).unwrap();
    assert!(!plain.contains_key("x-amz-acl"), "a header beside a form sets no ACL");
    let broken = PostObjectInput { tagging: Some("a=\n".to_owned()), ..Default::default() };
    assert!(form::headers(&broken, &sent).is_err());
}
