//! Each operator, and what it makes of a key that is missing.

use super::*;

/// Operator, the policy's value as JSON, the request's value, whether it holds.
type Case = (&'static str, &'static str, &'static str, bool);

fn check(key: &str, cases: &[Case]) {
    for (operator, wanted, found, holds) in cases {
        let condition = format!(r#"{{"{operator}": {{"{key}": {wanted}}}}}"#);
        assert_eq!(condition_holds(&condition, &[(key, found)]), *holds, "{condition} {found}");
    }
}

#[test]
fn texts_are_compared() {
    check(
        "s3:prefix",
        &[
            ("StringEquals", r#""home/""#, "home/", true),
            ("StringEquals", r#""home/""#, "Home/", false),
            ("StringEquals", r#"["a", "b"]"#, "b", true),
            ("StringEquals", r#""a*""#, "ab", false),
            ("StringEquals", r#""""#, "", true),
            ("StringEquals", "5", "5", true),
            ("StringEquals", "true", "true", true),
            ("StringNotEquals", r#"["a", "b"]"#, "b", false),
            ("StringNotEquals", r#"["a", "b"]"#, "c", true),
            ("StringEqualsIgnoreCase", r#""HÖME""#, "höme", true),
            ("StringEqualsIgnoreCase", r#""home""#, "homes", false),
            ("StringNotEqualsIgnoreCase", r#""HOME""#, "home", false),
            ("StringLike", r#""home/*""#, "home/a/b", true),
            ("StringLike", r#""home/?""#, "home/ab", false),
            ("StringLike", r#"["x*", "*"]"#, "", true),
            ("StringNotLike", r#""public*""#, "public-read", false),
            ("StringNotLike", r#""public*""#, "private", true),
        ],
    );
}

#[test]
fn numbers_are_compared() {
    check(
        "s3:max-keys",
        &[
            ("NumericEquals", r#""10""#, "10", true),
            ("NumericEquals", "10", "10.0", true),
            ("NumericEquals", "[1, 2]", "2", true),
            ("NumericNotEquals", "10", "11", true),
            ("NumericNotEquals", "10", "10", false),
            ("NumericLessThan", "10", "10", false),
            ("NumericLessThan", "10", "9", true),
            ("NumericLessThanEquals", "10", "10", true),
            ("NumericGreaterThan", "-3", "-2", true),
            ("NumericGreaterThan", "10", "10", false),
            ("NumericGreaterThanEquals", "10", "10", true),
            ("NumericGreaterThanEquals", "10", "1e400", false),
            ("NumericLessThan", "10", "nine", false),
            ("NumericLessThan", "10", "", false),
            ("NumericLessThan", "10", "NaN", false),
            ("NumericNotEquals", "10", "nine", true),
        ],
    );
}

#[test]
fn dates_are_compared() {
    check(
        "aws:currenttime",
        &[
            ("DateGreaterThan", r#""2026-01-01T00:00:00Z""#, "2026-01-01T00:00:01Z", true),
            ("DateGreaterThan", r#""2026-01-01T00:00:00Z""#, "2026-01-01T00:00:00Z", false),
            ("DateGreaterThanEquals", r#""2026-01-01""#, "2026-01-01T00:00:00Z", true),
            ("DateLessThan", r#""2026-01-01T10:00Z""#, "2026-01-01T09:59:59Z", true),
            ("DateLessThan", r#""2026-01-01T10:00:00+02:00""#, "2026-01-01T09:00:00Z", false),
            ("DateLessThanEquals", "1767225600", "2026-01-01T00:00:00Z", true),
            ("DateEquals", r#""2026-01-01T00:00:00Z""#, "1767225600", true),
            ("DateNotEquals", r#""2026-01-01T00:00:00Z""#, "1767225601", true),
            ("DateLessThan", r#""2026-01-01T00:00:00Z""#, "yesterday", false),
        ],
    );
}

#[test]
fn booleans_and_bytes_are_compared() {
    check(
        "aws:securetransport",
        &[
            ("Bool", r#""true""#, "true", true),
            ("Bool", "false", "false", true),
            ("Bool", r#""True""#, "true", true),
            ("Bool", r#""false""#, "true", false),
            ("Bool", r#""false""#, "no", false),
        ],
    );
    check(
        "example:bytes",
        &[
            ("BinaryEquals", r#""aGk=""#, "aGk=", true),
            ("BinaryEquals", r#""aGk=""#, "aGo=", false),
            ("BinaryEquals", r#""aGk=""#, "%", false),
        ],
    );
}

#[test]
fn addresses_are_compared() {
    check(
        "aws:sourceip",
        &[
            ("IpAddress", r#""203.0.113.0/24""#, "203.0.113.7", true),
            ("IpAddress", r#""203.0.113.0/24""#, "203.0.114.7", false),
            ("IpAddress", r#""203.0.113.9/24""#, "203.0.113.7", true),
            ("IpAddress", r#""203.0.113.7""#, "203.0.113.7", true),
            ("IpAddress", r#""203.0.113.7/32""#, "203.0.113.8", false),
            ("IpAddress", r#""0.0.0.0/0""#, "8.8.8.8", true),
            ("IpAddress", r#"["10.0.0.0/8", "2001:db8::/32"]"#, "2001:db8:1::1", true),
            ("IpAddress", r#""2001:db8::/32""#, "2001:db9::1", false),
            ("IpAddress", r#""::/0""#, "2001:db9::1", true),
            ("IpAddress", r#""::/0""#, "10.0.0.1", false),
            ("IpAddress", r#""10.0.0.0/8""#, "::ffff:10.1.2.3", true),
            ("IpAddress", r#""::ffff:10.0.0.0/104""#, "10.1.2.3", true),
            ("IpAddress", r#""10.0.0.0/8""#, "not an address", false),
            ("NotIpAddress", r#""10.0.0.0/8""#, "10.1.2.3", false),
            ("NotIpAddress", r#""10.0.0.0/8""#, "11.1.2.3", true),
        ],
    );
}

#[test]
fn arns_are_compared_part_by_part() {
    let arn = "arn:aws:sns:eu-west-1:123456789012:topic:sub";
    check(
        "aws:sourcearn",
        &[
            ("ArnEquals", r#""arn:aws:sns:eu-west-1:123456789012:topic:sub""#, arn, true),
            ("ArnEquals", r#""arn:aws:sns:*:123456789012:*""#, arn, true),
            ("ArnLike", r#""arn:*:*:*:*:topic*""#, arn, true),
            ("ArnLike", r#""arn:aws:*:topic:sub:x:y""#, arn, false),
            ("ArnLike", r#""*""#, arn, true),
            ("ArnLike", r#""*""#, "no arn", false),
            ("ArnLike", r#""arn:aws:sns:eu-*:*:other""#, arn, false),
            ("ArnNotLike", r#""arn:aws:sns:*:*:*""#, arn, false),
            ("ArnNotEquals", r#""arn:aws:sqs:*:*:*""#, arn, true),
        ],
    );
}

#[test]
fn a_missing_key_fails_unless_the_operator_negates_or_forgives() {
    let cases = [
        ("StringEquals", r#""a""#, false),
        ("StringLike", r#""*""#, false),
        ("NumericLessThan", "5", false),
        ("DateLessThan", r#""2026-01-01""#, false),
        ("Bool", "true", false),
        ("BinaryEquals", r#""aGk=""#, false),
        ("IpAddress", r#""0.0.0.0/0""#, false),
        ("ArnLike", r#""*""#, false),
        ("StringNotEquals", r#""a""#, true),
        ("StringNotEqualsIgnoreCase", r#""a""#, true),
        ("StringNotLike", r#""*""#, true),
        ("NumericNotEquals", "5", true),
        ("DateNotEquals", r#""2026-01-01""#, true),
        ("NotIpAddress", r#""0.0.0.0/0""#, true),
        ("ArnNotLike", r#""*""#, true),
        ("StringEqualsIfExists", r#""a""#, true),
        ("StringNotEqualsIfExists", r#""a""#, true),
        ("BoolIfExists", "true", true),
        ("IpAddressIfExists", r#""10.0.0.0/8""#, true),
        ("ForAnyValue:StringEquals", r#""a""#, false),
        ("ForAnyValue:StringNotEquals", r#""a""#, false),
        ("ForAnyValue:StringEqualsIfExists", r#""a""#, false),
        ("ForAllValues:StringEquals", r#""a""#, true),
        ("ForAllValues:StringNotEquals", r#""a""#, true),
        ("Null", "true", true),
        ("Null", r#""false""#, false),
    ];
    for (operator, wanted, holds) in cases {
        let condition = format!(r#"{{"{operator}": {{"aws:Example": {wanted}}}}}"#);
        assert_eq!(condition_holds(&condition, &[]), holds, "{condition}");
    }
    assert!(!condition_holds(r#"{"Null": {"aws:Example": "true"}}"#, &[("aws:example", "")]));
    assert!(condition_holds(r#"{"Null": {"aws:Example": false}}"#, &[("aws:example", "x")]));
    assert!(!condition_holds(r#"{"StringEqualsIfExists": {"aws:Example": "a"}}"#, &[("aws:example", "b")]));
}

#[test]
fn sets_of_values_are_compared() {
    let cases = [
        ("ForAnyValue:StringEquals", &["a", "x"][..], true),
        ("ForAnyValue:StringEquals", &["x", "y"], false),
        ("ForAllValues:StringEquals", &["a", "b"], true),
        ("ForAllValues:StringEquals", &["a", "x"], false),
        ("ForAnyValue:StringNotEquals", &["a", "x"], true),
        ("ForAnyValue:StringNotEquals", &["a", "b"], false),
        ("ForAllValues:StringNotEquals", &["x", "y"], true),
        ("ForAllValues:StringNotEquals", &["a", "x"], false),
        ("ForAllValues:StringLike", &["b", "a"], true),
        ("StringEquals", &["x", "a"], true),
        ("StringNotEquals", &["x", "a"], false),
    ];
    for (operator, found, holds) in cases {
        let condition = format!(r#"{{"{operator}": {{"aws:TagKeys": ["a", "b"]}}}}"#);
        let facts: Vec<_> = found.iter().map(|value| ("aws:tagkeys", *value)).collect();
        assert_eq!(condition_holds(&condition, &facts), holds, "{condition} {found:?}");
    }
}

#[test]
fn all_keys_and_operators_of_a_block_must_hold() {
    let block = r#"{"StringEquals": {"s3:prefix": "a", "s3:delimiter": "/"}, "Bool": {"aws:SecureTransport": "true"}}"#;
    let facts = [("s3:prefix", "a"), ("s3:delimiter", "/"), ("aws:securetransport", "true")];
    assert!(condition_holds(block, &facts));
    for missing in 0..facts.len() {
        let mut fewer = facts.to_vec();
        fewer.remove(missing);
        assert!(!condition_holds(block, &fewer), "without {:?}", facts[missing]);
    }
    assert!(condition_holds("{}", &[]));
    assert!(condition_holds(r#"{"StringEquals": {}}"#, &[]));
}

#[test]
fn keys_have_no_case_but_tags_and_claims_have() {
    assert!(condition_holds(r#"{"StringEquals": {"AWS:USERNAME": "ada"}}"#, &[("aws:username", "ada")]));
    let tag = r#"{"StringEquals": {"S3:ExistingObjectTag/Colour": "red"}}"#;
    assert!(condition_holds(tag, &[("s3:existingobjecttag/Colour", "red")]));
    assert!(!condition_holds(tag, &[("s3:existingobjecttag/colour", "red")]));
    let claim = r#"{"StringEquals": {"jwt:Role": "admin"}}"#;
    assert!(condition_holds(claim, &[("jwt:Role", "admin")]));
}
