//! Policies, questions and verdicts.

mod claims;
mod conditions;
mod explain;
mod hostile;
mod patterns;
mod principals;
mod public;
mod refusals;
mod suite;
mod variables;

use std::collections::HashMap;

use super::*;

/// A request that is good for one question after another.
struct Request {
    principal: Principal<'static>,
    action: &'static str,
    bucket: &'static str,
    key: Option<&'static str>,
    facts: HashMap<String, Vec<String>>,
}

impl Request {
    fn anonymous(action: &'static str, key: Option<&'static str>) -> Self {
        Self { principal: Principal::Anonymous, action, bucket: "photos", key, facts: HashMap::new() }
    }

    fn by(account: &'static str, action: &'static str, key: Option<&'static str>) -> Self {
        Self { principal: Principal::Account(account), ..Self::anonymous(action, key) }
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.facts.entry(key.to_owned()).or_default().push(value.to_owned());
        self
    }

    fn verdict<'p>(&self, policy: &'p Policy) -> Verdict<'p> {
        let context = |key: &str| self.facts.get(key).cloned();
        policy.decide(&Asked {
            principal: self.principal,
            action: self.action,
            bucket: self.bucket,
            key: self.key,
            context: &context,
        })
    }
}

fn bucket_policy(statements: &str) -> Policy {
    Policy::parse(&format!(r#"{{"Version": "2012-10-17", "Statement": {statements}}}"#)).unwrap()
}

/// A policy of one statement that allows everyone; `rest` are its action and what else it has.
fn allow_all(rest: &str) -> Policy {
    bucket_policy(&format!(r#"{{"Effect": "Allow", "Principal": "*", {rest}}}"#))
}

/// Whether a statement with that condition applies to a request with those facts.
fn condition_holds(condition: &str, facts: &[(&str, &str)]) -> bool {
    let policy = allow_all(&format!(r#""Action": "s3:*", "Resource": "*", "Condition": {condition}"#));
    let request =
        facts.iter().fold(Request::anonymous("s3:GetObject", Some("cat.jpg")), |request, (key, value)| {
            request.with(key, value)
        });
    request.verdict(&policy) != Verdict::Silent
}

#[test]
fn an_explicit_deny_wins_wherever_it_stands() {
    let allow = r#"{"Sid": "yes", "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}"#;
    let deny =
        r#"{"Sid": "no", "Effect": "Deny", "Principal": "*", "Action": "s3:Delete*", "Resource": "*"}"#;
    for statements in [format!("[{allow}, {deny}]"), format!("[{deny}, {allow}]")] {
        let policy = bucket_policy(&statements);
        let delete = Request::by("ada", "s3:DeleteObject", Some("cat.jpg"));
        let get = Request::by("ada", "s3:GetObject", Some("cat.jpg"));
        assert_eq!(delete.verdict(&policy), Verdict::Deny(Which::Sid("no")));
        assert_eq!(get.verdict(&policy), Verdict::Allow(Which::Sid("yes")));
    }
}

#[test]
fn a_statement_without_sid_is_named_by_its_number() {
    let other = r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "*"}"#;
    let second = r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}"#;
    let policy = bucket_policy(&format!("[{other}, {second}]"));
    let verdict = Request::anonymous("s3:GetObject", Some("a")).verdict(&policy);
    assert_eq!(verdict, Verdict::Allow(Which::Number(2)));
    assert_eq!(Which::Number(2).to_string(), "statement 2");
    assert_eq!(Which::Sid("x").to_string(), "x");
}

#[test]
fn actions_match_without_case_and_with_wildcards() {
    let cases = [
        (r#""s3:GetObject""#, "s3:GetObject", true),
        (r#""S3:getobject""#, "s3:GetObject", true),
        (r#""s3:GetObject""#, "s3:GetObjectAcl", false),
        (r#""s3:GetObject*""#, "s3:GetObjectAcl", true),
        (r#""s3:Get?bject""#, "s3:GetObject", true),
        (r#""s3:*Object""#, "s3:PutObject", true),
        (r#""s3:*Object""#, "s3:PutObjectAcl", false),
        (r#""*""#, "s3:PutObject", true),
        (r#"["s3:PutObject", "s3:GetObject"]"#, "s3:GetObject", true),
        (r#""sts:*""#, "s3:GetObject", false),
        (r#""s3express:*""#, "s3:GetObject", false),
    ];
    for (actions, action, applies) in cases {
        let plain = allow_all(&format!(r#""Action": {actions}, "Resource": "*""#));
        let inverted = allow_all(&format!(r#""NotAction": {actions}, "Resource": "*""#));
        let request = Request::anonymous(action, Some("k"));
        assert_eq!(request.verdict(&plain) != Verdict::Silent, applies, "{actions} {action}");
        assert_eq!(request.verdict(&inverted) == Verdict::Silent, applies, "not {actions} {action}");
    }
}

#[test]
fn resources_match_whole_paths_and_wildcards_cross_slashes() {
    let cases = [
        ("*", None, true),
        ("*", Some("a"), true),
        ("arn:aws:s3:::photos", None, true),
        ("arn:aws:s3:::photos", Some("a"), false),
        ("arn:aws:s3:::photos/*", None, false),
        ("arn:aws:s3:::photos/*", Some("a/b/c"), true),
        ("arn:aws:s3:::photos/a/*/c", Some("a/b/x/c"), true),
        ("arn:aws:s3:::photos/a", Some("a"), true),
        ("arn:aws:s3:::photos/a", Some("ab"), false),
        ("arn:aws:s3:::photos/?", Some("ab"), false),
        ("arn:aws:s3:::photos/?b", Some("äb"), true),
        ("arn:aws:s3:::photos/A", Some("a"), false),
        ("arn:aws:s3:::photos*", None, true),
        ("arn:aws:s3:::photos*", Some("a"), true),
        ("arn:aws:s3:::*", Some("a"), true),
        ("arn:aws:s3:::photo", None, false),
        ("arn:aws:s3:::photos/x:y", Some("x:y"), true),
        ("arn:aws-cn:s3:::photos/*", Some("a"), true),
        ("arn:*:s3:*:*:photos/*", Some("a"), true),
        ("arn:aws:s3:eu-west-1::photos/*", Some("a"), false),
        ("arn:aws:s3::123456789012:photos/*", Some("a"), false),
        ("arn:aws:sns:::photos/*", Some("a"), false),
    ];
    for (resource, key, applies) in cases {
        let plain = allow_all(&format!(r#""Action": "s3:*", "Resource": "{resource}""#));
        let inverted = allow_all(&format!(r#""Action": "s3:*", "NotResource": ["{resource}"]"#));
        let request = Request::anonymous("s3:GetObject", key);
        assert_eq!(request.verdict(&plain) != Verdict::Silent, applies, "{resource} {key:?}");
        assert_eq!(request.verdict(&inverted) == Verdict::Silent, applies, "not {resource} {key:?}");
    }
}

#[test]
fn every_resource_must_belong_to_the_bucket() {
    let cases = [
        (r#""arn:aws:s3:::photos""#, true),
        (r#""arn:aws:s3:::photos/*""#, true),
        (r#"["arn:aws:s3:::photos", "arn:aws:s3:::photos/a/*"]"#, true),
        (r#"["arn:aws:s3:::*", "arn:aws:s3:::*/*"]"#, true),
        (r#""*""#, true),
        (r#""arn:aws:s3:::phot?s/a""#, true),
        (r#""arn:aws:s3:::other/*""#, false),
        (r#"["arn:aws:s3:::photos", "arn:aws:s3:::other"]"#, false),
        (r#""arn:aws:s3:::photosx""#, false),
        (r#""arn:aws:s3:::${aws:username}/a""#, false),
        (r#""arn:aws:s3:us-east-1:1:accesspoint/photos""#, false),
        (r#""arn:aws:sqs:::photos""#, false),
    ];
    for (resources, belongs) in cases {
        for key in ["Resource", "NotResource"] {
            let policy = allow_all(&format!(r#""Action": "s3:*", "{key}": {resources}"#));
            assert_eq!(policy.check_bucket("photos").is_ok(), belongs, "{key} {resources}");
        }
    }
    let policy = allow_all(r#""Action": "s3:*", "Resource": "arn:aws:s3:::other/a""#);
    assert_eq!(
        policy.check_bucket("photos").unwrap_err().to_string(),
        r#"statement 1 has the resource "arn:aws:s3:::other/a", which does not belong to the bucket "photos""#
    );
}

#[test]
fn the_policy_of_a_role_speaks_of_whoever_has_it() {
    let text = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::photos/${jwt:sub}/*"}}"#;
    let policy = Policy::parse_of_role(text).unwrap();
    let own = Request::by("ada", "s3:GetObject", Some("ada/cat.jpg")).with("jwt:sub", "ada");
    let foreign = Request::by("ada", "s3:GetObject", Some("bob/cat.jpg")).with("jwt:sub", "ada");
    assert_eq!(own.verdict(&policy), Verdict::Allow(Which::Number(1)));
    assert_eq!(foreign.verdict(&policy), Verdict::Silent);
    assert!(Policy::parse(text).is_err(), "a bucket's policy needs a principal");
    assert!(!policy.is_public());
}
