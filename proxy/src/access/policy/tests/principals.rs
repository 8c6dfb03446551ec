//! Who is meant by a principal.

use super::*;

fn speaks_of(principal: &str, account: &'static str) -> bool {
    let policy = bucket_policy(&format!(
        r#"{{"Effect": "Allow", "Principal": {principal}, "Action": "s3:*", "Resource": "*"}}"#
    ));
    Request::by(account, "s3:GetObject", Some("k")).verdict(&policy) != Verdict::Silent
}

fn speaks_of_anonymous(principal: &str) -> bool {
    let policy = bucket_policy(&format!(
        r#"{{"Effect": "Allow", "Principal": {principal}, "Action": "s3:*", "Resource": "*"}}"#
    ));
    Request::anonymous("s3:GetObject", Some("k")).verdict(&policy) != Verdict::Silent
}

#[test]
fn a_star_is_everyone() {
    for principal in [r#""*""#, r#"{"AWS": "*"}"#, r#"{"AWS": ["arn:aws:iam::1:root", "*"]}"#] {
        assert!(speaks_of(principal, "ada") && speaks_of_anonymous(principal), "{principal}");
    }
}

#[test]
fn a_name_speaks_of_its_account_only() {
    let cases = [
        (r#"{"AWS": "ada"}"#, "ada", true),
        (r#"{"AWS": "ada"}"#, "ada:bob", true),
        (r#"{"AWS": "ada"}"#, "adam", false),
        (r#"{"AWS": ["bob", "ada"]}"#, "ada", true),
        (r#"{"AWS": "123456789012"}"#, "123456789012", true),
        (r#"{"AWS": "arn:aws:iam::tenant:root"}"#, "tenant", true),
        (r#"{"AWS": "arn:aws:iam::tenant:root"}"#, "tenant:ada", true),
        (r#"{"AWS": "arn:aws:iam::tenant:root"}"#, "root", false),
        (r#"{"AWS": "arn:aws:iam:::user/ada"}"#, "ada", true),
        (r#"{"AWS": "arn:aws:iam:::user/sales/ada"}"#, "ada", true),
        (r#"{"AWS": "arn:aws:iam:::user/ada"}"#, "tenant:ada", false),
        (r#"{"AWS": "arn:aws:iam::tenant:user/ada"}"#, "tenant:ada", true),
        (r#"{"AWS": "arn:aws:iam::tenant:user/ada"}"#, "arn:aws:iam::tenant:user/ada", true),
        (r#"{"AWS": "arn:aws:iam::tenant:user/ada"}"#, "ada", false),
        (r#"{"AWS": "arn:aws:iam::tenant:user/ada"}"#, "tenant", false),
        (r#"{"AWS": "arn:aws:sts::1:assumed-role/r/s"}"#, "arn:aws:sts::1:assumed-role/r/s", true),
        (r#"{"AWS": "arn:aws:iam::1:role/r"}"#, "1", false),
        (r#"{"CanonicalUser": "ada"}"#, "ada", true),
        (r#"{"CanonicalUser": "ada"}"#, "ada:bob", false),
        (r#"{"Service": "logging.s3.amazonaws.com"}"#, "logging.s3.amazonaws.com", false),
        (r#"{"Federated": "accounts.google.com"}"#, "accounts.google.com", false),
        (r#"{"Service": "x", "AWS": "ada"}"#, "ada", true),
    ];
    for (principal, account, meant) in cases {
        assert_eq!(speaks_of(principal, account), meant, "{principal} {account}");
        assert!(!speaks_of_anonymous(principal), "{principal}");
    }
}

#[test]
fn not_principal_denies_all_but_the_named() {
    let policy = bucket_policy(
        r#"{"Effect": "Deny", "NotPrincipal": {"AWS": "ada"}, "Action": "s3:*", "Resource": "*"}"#,
    );
    let get = "s3:GetObject";
    assert_eq!(Request::by("ada", get, Some("k")).verdict(&policy), Verdict::Silent);
    assert_eq!(Request::by("bob", get, Some("k")).verdict(&policy), Verdict::Deny(Which::Number(1)));
    assert_eq!(Request::anonymous(get, Some("k")).verdict(&policy), Verdict::Deny(Which::Number(1)));
}

#[test]
fn unclear_principals_are_refused() {
    for principal in [
        r#""ada""#,
        r#""""#,
        "{}",
        "[]",
        r#"["*"]"#,
        "true",
        r#"{"AWS": []}"#,
        r#"{"AWS": ""}"#,
        r#"{"AWS": 5}"#,
        r#"{"AWS": "a*"}"#,
        r#"{"AWS": "ad a"}"#,
        r#"{"AWS": "arn:aws:iam::*:root"}"#,
        r#"{"AWS": "arn:aws:iam:::root"}"#,
        r#"{"AWS": "arn:aws:iam::1:group/g"}"#,
        r#"{"AWS": "arn:aws:iam:eu-west-1:1:root"}"#,
        r#"{"AWS": "arn::iam::1:root"}"#,
        r#"{"AWS": "arn:aws:iam::1:user/"}"#,
        r#"{"AWS": "arn:aws:iam::1:rootx"}"#,
        r#"{"AWS": "arn:aws:s3:::photos"}"#,
        r#"{"AWS": "arn:aws:iam"}"#,
        r#"{"CanonicalUser": "*"}"#,
        r#"{"Service": "*"}"#,
        r#"{"Everybody": "x"}"#,
    ] {
        let text = format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": {principal}, "Action": "s3:*", "Resource": "*"}}}}"#
        );
        let error = Policy::parse(&text).expect_err(principal);
        assert!(error.to_string().starts_with("statement 1 has") || error.to_string().contains("must have"));
    }
}
