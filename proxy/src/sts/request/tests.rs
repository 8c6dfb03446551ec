use axum::body::Body;

use super::*;

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

fn request(method: &str, target: &str, kind: &str, body: &str) -> Request {
    let request = http::Request::builder().method(method).uri(target).header(HOST, "s3.test:9000");
    request.header(CONTENT_TYPE, kind).body(Body::from(body.to_owned())).unwrap()
}

#[test]
fn sts_is_asked_at_the_root_and_nowhere_else() {
    let is_for_sts = |request: &Request| is_for_sts(request, &["s3.test".to_owned()]);
    assert!(is_for_sts(&request("POST", "/", FORM, "")));
    assert!(is_for_sts(&request("GET", "/?Action=x", "", "")));
    assert!(is_for_sts(&request("POST", "/?Version=1&Action=x", "", "")));
    for (method, target, kind) in [
        ("POST", "/", "multipart/form-data; boundary=x"),
        ("POST", "/", ""),
        ("POST", "/?delete", FORM),
        ("POST", "/bucket", FORM),
        ("POST", "/bucket?Action=x", FORM),
        ("GET", "/", FORM),
        ("GET", "/?x=Action", ""),
        ("GET", "/?action=x", ""),
        ("PUT", "/?Action=x", FORM),
        ("OPTIONS", "/?Action=x", FORM),
    ] {
        assert!(!is_for_sts(&request(method, target, kind, "")), "{method} {target} {kind}");
    }
}

#[test]
fn the_host_of_a_bucket_is_not_the_root() {
    let at = |host: &str| {
        let mut request = request("POST", "/", FORM, "");
        request.headers_mut().insert(HOST, host.parse().unwrap());
        is_for_sts(&request, &["s3.test".to_owned()])
    };
    assert!(at("s3.test") && at("127.0.0.1:9000") && at("others3.test"));
    assert!(!at("bucket.s3.test") && !at("a.b.S3.test:9000"));
}

async fn asked(changes: &[(&str, &str)]) -> Result<(String, u64), StsError> {
    let mut all = vec![
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", "any"),
        ("RoleSessionName", "me"),
        ("WebIdentityToken", "a.b.c"),
    ];
    all.retain(|(name, _)| !changes.iter().any(|(changed, _)| name == changed));
    all.extend(changes);
    let body = serde_urlencoded::to_string(all).unwrap();
    let parameters = Parameters::read(request("POST", "/", FORM, &body)).await?;
    AssumeRole::parse(&parameters).map(|asked| (asked.token.to_owned(), asked.lifetime.as_secs()))
}

#[tokio::test]
async fn every_limit_has_its_code() {
    assert_eq!(asked(&[]).await.unwrap(), ("a.b.c".to_owned(), 3600));
    assert_eq!(asked(&[("DurationSeconds", "900")]).await.unwrap().1, 900);
    assert_eq!(asked(&[("DurationSeconds", "43200")]).await.unwrap().1, 43_200);
    let (long_name, long_token, long_policy) = ("n".repeat(65), "t".repeat(20_001), "p".repeat(2_049));
    for (name, value, code) in [
        ("Action", "", "MissingAction"),
        ("Action", "AssumeRole", "InvalidAction"),
        ("Version", "2010-05-08", "InvalidAction"),
        ("RoleArn", "", "MissingParameter"),
        ("RoleSessionName", "", "MissingParameter"),
        ("RoleSessionName", "x", "ValidationError"),
        ("RoleSessionName", "a b", "ValidationError"),
        ("RoleSessionName", &long_name, "ValidationError"),
        ("WebIdentityToken", "", "MissingParameter"),
        ("WebIdentityToken", &long_token, "ValidationError"),
        ("DurationSeconds", "899", "ValidationError"),
        ("DurationSeconds", "43201", "ValidationError"),
        ("DurationSeconds", "-1", "ValidationError"),
        ("DurationSeconds", "1h", "ValidationError"),
        ("Policy", &long_policy, "PackedPolicyTooLarge"),
        ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/AdministratorAccess", "ValidationError"),
    ] {
        assert_eq!(asked(&[(name, value)]).await.unwrap_err().code(), code, "{name}={value:.40}");
    }
}

#[tokio::test]
async fn a_body_has_a_limit_with_and_without_its_length() {
    let body = "x".repeat(BODY_BYTES_MAX + 1);
    let mut large = request("POST", "/", FORM, &body);
    let refused = Parameters::read(request("POST", "/", FORM, &body)).await;
    assert_eq!(refused.err().unwrap().code(), "RequestEntityTooLarge");
    large.headers_mut().insert(CONTENT_LENGTH, "999999".parse().unwrap());
    assert_eq!(Parameters::read(large).await.err().unwrap().code(), "RequestEntityTooLarge");
}
