//! What is refused, and in which words.

use super::*;

fn refusal(text: &str) -> String {
    let error = Policy::parse(text).expect_err(text);
    assert_eq!(error.code(), s3s::S3ErrorCode::MalformedPolicy);
    error.to_string()
}

/// The refusal of a policy whose only statement is a plain one with one more or other key.
fn statement_refusal(key: &str, value: &str) -> String {
    let mut fields = vec![
        ("Effect", r#""Allow""#),
        ("Principal", r#""*""#),
        ("Action", r#""s3:GetObject""#),
        ("Resource", r#""arn:aws:s3:::photos/*""#),
    ];
    fields.retain(|(name, _)| *name != key);
    let mut body: Vec<String> = fields.iter().map(|(name, value)| format!(r#""{name}": {value}"#)).collect();
    if !value.is_empty() {
        body.push(format!(r#""{key}": {value}"#));
    }
    refusal(&format!(r#"{{"Version": "2012-10-17", "Statement": [{{{}}}]}}"#, body.join(", ")))
}

#[test]
fn a_policy_that_is_no_policy_is_refused() {
    let statement = r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}"#;
    let cases = [
        ("", "is not readable JSON"),
        ("{", "is not readable JSON"),
        ("[]", "must have an object"),
        ("\"x\"", "must have an object"),
        ("{}", "lacks the key Statement"),
        (r#"{"Statement": []}"#, "has nothing in Statement"),
        (r#"{"Statement": {}}"#, "statement 1 lacks the key Effect"),
        (r#"{"Statement": "x"}"#, "statement 1 must have an object"),
        (r#"{"Statement": [[]]}"#, "statement 1 must have an object"),
        (&format!(r#"{{"Statement": {statement}, "Foo": 1}}"#), r#"has the key "Foo""#),
        (&format!(r#"{{"statement": {statement}}}"#), r#"has the key "statement""#),
        (&format!(r#"{{"Version": "2020-01-01", "Statement": {statement}}}"#), r#"the version "2020-01-01""#),
        (&format!(r#"{{"Version": 2012, "Statement": {statement}}}"#), "must have a text as Version"),
        (&format!(r#"{{"Id": 1, "Statement": {statement}}}"#), "must have a text as Id"),
        (&format!(r#"{{"Statement": {statement}, "Statement": []}}"#), "the same key twice"),
        (&format!(r#"{{"Statement": {statement}}} x"#), "is not readable JSON"),
    ];
    for (text, words) in cases {
        let refusal = refusal(text);
        assert!(refusal.contains(words), "{text}: {refusal}");
    }
}

#[test]
fn a_statement_with_a_fault_is_refused() {
    let cases = [
        ("Effect", "", "statement 1 lacks the key Effect"),
        ("Principal", "", "statement 1 lacks the key Principal"),
        ("Action", "", "statement 1 lacks the key Action"),
        ("Resource", "", "statement 1 lacks the key Resource"),
        ("Effect", r#""allow""#, r#"has the effect "allow"; it must be Allow or Deny"#),
        ("Effect", "true", "must have a text as Effect"),
        ("Sid", "7", "must have a text as Sid"),
        ("Actions", r#""s3:*""#, r#"has the key "Actions", which policies do not know"#),
        ("NotAction", r#""s3:*""#, "has both Action and NotAction"),
        ("NotResource", r#""*""#, "has both Resource and NotResource"),
        ("NotPrincipal", r#""*""#, "has both Principal and NotPrincipal"),
        ("Action", "[]", "has nothing in Action"),
        ("Action", r#"["s3:GetObject", 5]"#, "must have a text or a list of texts as Action"),
        ("Action", r#""GetObject""#, r#"has the invalid action "GetObject""#),
        ("Action", r#""s3:""#, "has the invalid action"),
        ("Action", r#""s3:Get Object""#, "has the invalid action"),
        ("Action", r#""""#, "has the invalid action"),
        ("Resource", "[]", "has nothing in Resource"),
        ("Resource", r#""photos/*""#, r#"has the invalid resource "photos/*""#),
        ("Resource", r#""arn:aws:s3:::""#, "has the invalid resource"),
        ("Resource", r#""*:aws:s3:::photos""#, "has the invalid resource"),
        ("Resource", r#""arn:aws:s3:::photos/${aws:username""#, "has the variable"),
        ("Resource", r#""arn:aws:s3:::photos/${}""#, "has the variable"),
        ("Resource", r#""arn:aws:s3:::photos/${a, b}""#, "has the variable"),
        ("Condition", "[]", "must have an object of objects as Condition"),
        ("Condition", r#"{"StringEquals": "x"}"#, "must have an object of objects as Condition"),
        ("Condition", r#"{"StringEquals": {"s3:prefix": []}}"#, "has nothing in Condition"),
        ("Condition", r#"{"StringEquals": {"s3:prefix": {}}}"#, "as values as Condition"),
        ("Condition", r#"{"StringEquals": {"s3:prefix": null}}"#, "as values as Condition"),
        (
            "Condition",
            r#"{"StringMatches": {"s3:prefix": "a"}}"#,
            r#"the unknown condition operator "StringMatches""#,
        ),
        ("Condition", r#"{"StringMatches": {}}"#, "unknown condition operator"),
        ("Condition", r#"{"stringequals": {"s3:prefix": "a"}}"#, "unknown condition operator"),
        (
            "Condition",
            r#"{"ForSomeValues:StringEquals": {"s3:prefix": "a"}}"#,
            r#""ForSomeValues:StringEquals""#,
        ),
        ("Condition", r#"{"NullIfExists": {"s3:prefix": "true"}}"#, r#""NullIfExists""#),
        ("Condition", r#"{"ForAnyValue:Null": {"s3:prefix": "true"}}"#, r#""ForAnyValue:Null""#),
        ("Condition", r#"{"BoolIfExistsIfExists": {"s3:prefix": "true"}}"#, "unknown condition operator"),
        ("Condition", r#"{"NumericLike": {"s3:max-keys": "1"}}"#, "unknown condition operator"),
        (
            "Condition",
            r#"{"NumericEquals": {"s3:max-keys": "ten"}}"#,
            r#"has the value "ten" under "NumericEquals""#,
        ),
        ("Condition", r#"{"NumericEquals": {"s3:max-keys": "inf"}}"#, "cannot be read as a number"),
        ("Condition", r#"{"DateEquals": {"aws:CurrentTime": "noon"}}"#, "cannot be read as a date"),
        ("Condition", r#"{"Bool": {"aws:SecureTransport": "yes"}}"#, "cannot be read as true or false"),
        ("Condition", r#"{"Null": {"aws:SecureTransport": "yes"}}"#, "cannot be read as true or false"),
        ("Condition", r#"{"BinaryEquals": {"a:b": "%%"}}"#, "cannot be read as base64"),
        ("Condition", r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}"#, "cannot be read as an IP address"),
        ("Condition", r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/+8"}}"#, "cannot be read as an IP address"),
        ("Condition", r#"{"IpAddress": {"aws:SourceIp": "10.0.0/8"}}"#, "cannot be read as an IP address"),
        ("Condition", r#"{"IpAddress": {"aws:SourceIp": "::/129"}}"#, "cannot be read as an IP address"),
        ("Condition", r#"{"ArnLike": {"aws:SourceArn": "arn:aws"}}"#, "cannot be read as an ARN"),
        ("Condition", r#"{"Bool": {"a:b": "true"}, "Bool": {"a:c": "true"}}"#, "the same key twice"),
        ("Condition", r#"{"Bool": {"a:b": "true", "a:b": "false"}}"#, "the same key twice"),
    ];
    for (key, value, words) in cases {
        let refusal = statement_refusal(key, value);
        assert!(refusal.contains(words), "{key} {value}: {refusal}");
    }
}

#[test]
fn the_place_of_a_fault_is_named() {
    let good = r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}"#;
    let bad = r#"{"Effect": "Maybe", "Principal": "*", "Action": "s3:*", "Resource": "*"}"#;
    let refusal = refusal(&format!(r#"{{"Statement": [{good}, {bad}]}}"#));
    assert_eq!(refusal, r#"statement 2 has the effect "Maybe"; it must be Allow or Deny"#);
}

#[test]
fn to_allow_all_but_some_is_refused() {
    let text = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "NotPrincipal": {"AWS": "arn:aws:iam::s3tenant1:root"}, "Action": "s3:ListBucket",
        "Resource": ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"]}]}"#;
    assert!(refusal(text).contains("only Deny may have it"));
}

#[test]
fn a_role_names_no_principal() {
    let text = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}}"#;
    let error = Policy::parse_of_role(text).unwrap_err();
    assert_eq!(error.to_string(), "statement 1 has Principal, which this kind of policy must not have");
    let text = text.replace("Principal", "NotPrincipal");
    assert!(Policy::parse_of_role(&text).is_err());
}
