//! The policies of ceph's s3-tests, each with its requests.

use super::*;

const LIST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"},
    "Action": "s3:ListBucket", "Resource": ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"]}]}"#;

/// What `make_json_policy` of the suite writes.
fn made(action: &str, resource: &str, conditions: &str) -> Policy {
    Policy::parse(&format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Action": "{action}", "Principal": {{"AWS": "*"}},
            "Effect": "Allow", "Resource": "arn:aws:s3:::{resource}", "Condition": {conditions}}}]}}"#
    ))
    .unwrap()
}

fn allowed(request: &Request, policy: &Policy) -> bool {
    matches!(request.verdict(policy), Verdict::Allow(_))
}

#[test]
fn another_account_may_list() {
    let policy = Policy::parse(LIST).unwrap();
    policy.check_bucket("photos").unwrap();
    assert!(allowed(&Request::by("alt", "s3:ListBucket", None), &policy));
    assert!(!allowed(&Request::by("alt", "s3:GetObject", Some("asdf")), &policy));
    assert!(!allowed(&Request::by("alt", "s3:ListBucketVersions", None), &policy));
    assert!(policy.is_public());
}

#[test]
fn one_policy_serves_two_buckets() {
    let text = LIST.replace("photos", "*");
    let policy = Policy::parse(&text).unwrap();
    for bucket in ["photos", "films"] {
        policy.check_bucket(bucket).unwrap();
        assert!(allowed(&Request { bucket, ..Request::by("alt", "s3:ListBucket", None) }, &policy));
    }
}

#[test]
fn a_denied_list_is_denied_to_all() {
    let policy = Policy::parse(&LIST.replace("Allow", "Deny")).unwrap();
    let request = Request::by("main", "s3:ListBucket", None);
    assert_eq!(request.verdict(&policy), Verdict::Deny(Which::Number(1)));
}

#[test]
fn a_put_needs_the_object_in_the_resource() {
    let put = Request::by("alt", "s3:PutObject", Some("mpobj"));
    let on_bucket = made("s3:PutObject", "photos", "{}");
    on_bucket.check_bucket("photos").unwrap();
    assert!(!allowed(&put, &on_bucket));
    assert!(allowed(&put, &made("s3:PutObject", "photos/mpobj", "{}")));
}

#[test]
fn if_exists_forgives_a_missing_referer() {
    let policy = allow_all(
        r#""Sid": "Allow Public Access to All Objects", "Action": "s3:GetObject",
        "Condition": {"StringLikeIfExists": {"aws:Referer": "http://www.example.com/*"}},
        "Resource": "arn:aws:s3:::photos/*""#,
    );
    let get = || Request::by("main", "s3:GetObject", Some("foo"));
    assert!(allowed(&get(), &policy));
    assert!(allowed(&get().with("aws:referer", "http://www.example.com/"), &policy));
    assert!(allowed(&get().with("aws:referer", "http://www.example.com/index.html"), &policy));
    assert!(!allowed(&get().with("aws:referer", "http://example.com"), &policy));
}

#[test]
fn tags_of_the_object_decide() {
    for (action, key) in [
        ("s3:GetObject", "s3:ExistingObjectTag/security"),
        ("s3:GetObjectTagging", "s3:ExistingObjectTag/security"),
        ("s3:PutObjectTagging", "s3:ExistingObjectTag/security"),
        ("s3:GetObjectAcl", "s3:ExistingObjectTag/security"),
        ("s3:PutObject", "s3:RequestObjectTag/security"),
    ] {
        let policy = made(action, "photos/*", &format!(r#"{{"StringEquals": {{"{key}": "public"}}}}"#));
        let fact = context_name(key);
        let request = || Request::by("alt", action, Some("tagged"));
        assert!(allowed(&request().with(&fact, "public"), &policy), "{action}");
        assert!(!allowed(&request().with(&fact, "private"), &policy), "{action}");
        assert!(!allowed(&request().with("s3:existingobjecttag/security1", "public"), &policy), "{action}");
        assert!(!allowed(&request(), &policy), "{action}");
    }
}

#[test]
fn headers_of_the_request_decide() {
    for (operator, key, wanted, good, bad) in [
        ("StringLike", "s3:x-amz-copy-source", "src/public/*", "src/public/foo", "src/private/foo"),
        ("StringEquals", "s3:x-amz-metadata-directive", "COPY", "COPY", "REPLACE"),
        ("StringEquals", "s3:x-amz-grant-full-control", "id=main", "id=main", "id=alt"),
        ("StringEquals", "s3:x-amz-server-side-encryption", "AES256", "AES256", "aws:kms"),
    ] {
        let policy =
            made("s3:PutObject", "photos/*", &format!(r#"{{"{operator}": {{"{key}": "{wanted}"}}}}"#));
        let put = || Request::by("alt", "s3:PutObject", Some("k"));
        assert!(allowed(&put().with(key, good), &policy), "{key}");
        assert!(!allowed(&put().with(key, bad), &policy), "{key}");
        assert!(!allowed(&put(), &policy), "{key}");
    }
}

#[test]
fn a_public_acl_is_denied() {
    let policy = bucket_policy(
        r#"[{"Action": "s3:PutObject", "Principal": {"AWS": "*"}, "Effect": "Allow", "Resource": "arn:aws:s3:::photos/*"},
        {"Action": "s3:PutObject", "Principal": {"AWS": "*"}, "Effect": "Deny", "Resource": "arn:aws:s3:::photos/*",
         "Condition": {"StringLike": {"s3:x-amz-acl": "public*"}}}]"#,
    );
    let put = || Request::by("alt", "s3:PutObject", Some("k"));
    assert!(allowed(&put(), &policy));
    assert_eq!(put().with("s3:x-amz-acl", "public-read").verdict(&policy), Verdict::Deny(Which::Number(2)));
}

#[test]
fn an_upload_must_be_encrypted() {
    let policy = bucket_policy(
        r#"[{"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::photos/*",
         "Condition": {"StringNotEquals": {"s3:x-amz-server-side-encryption": "AES256"}}},
        {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::photos/*",
         "Condition": {"Null": {"s3:x-amz-server-side-encryption": "true"}}}]"#,
    );
    let put = || Request::by("alt", "s3:PutObject", Some("k"));
    let header = "s3:x-amz-server-side-encryption";
    assert!(matches!(put().verdict(&policy), Verdict::Deny(_)));
    assert!(matches!(put().with(header, "aws:kms").verdict(&policy), Verdict::Deny(_)));
    assert_eq!(put().with(header, "AES256").verdict(&policy), Verdict::Silent);
}

#[test]
fn a_prefix_may_be_listed() {
    let policy = made("s3:ListBucket", "photos", r#"{"StringLike": {"s3:prefix": "public/*"}}"#);
    let list = || Request::by("alt", "s3:ListBucket", None);
    assert!(allowed(&list().with("s3:prefix", "public/object"), &policy));
    assert!(!allowed(&list().with("s3:prefix", "private/object"), &policy));
    assert!(!allowed(&list(), &policy));
}

#[test]
fn the_log_service_is_nobody_here() {
    let policy = bucket_policy(
        r#"[{"Sid": "S3ServerAccessLogsPolicy", "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": ["s3:PutObject"], "Resource": "arn:aws:s3:::photos/log/",
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::src"}, "StringEquals": {"aws:SourceAccount": "main"}}}]"#,
    );
    policy.check_bucket("photos").unwrap();
    assert!(!policy.is_public());
    assert!(!allowed(&Request::by("main", "s3:PutObject", Some("log/")), &policy));
}
