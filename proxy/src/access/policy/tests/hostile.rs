//! Input that is meant to hurt.

use std::time::{Duration, Instant};

use super::*;

/// Far above what the work needs in a debug build, far below what exponential time would take.
const PATIENCE: Duration = Duration::from_secs(2);

#[test]
fn a_policy_over_the_limit_is_refused_unread() {
    let padding = " ".repeat(21 * 1024);
    let error = Policy::parse(&padding).unwrap_err();
    assert_eq!(error.to_string(), "the policy has 21504 bytes; at most 20480 are allowed");
    assert_eq!(error.code(), s3s::S3ErrorCode::MalformedPolicy);
}

#[test]
fn a_policy_at_the_limit_is_taken() {
    let head = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}}"#;
    let text = format!("{head}{}", " ".repeat(20 * 1024 - head.len()));
    assert!(Policy::parse(&text).is_ok());
    assert!(Policy::parse(&format!("{text} ")).is_err());
}

#[test]
fn ten_thousand_statements_are_refused_and_as_many_as_fit_take_little_time() {
    let statement = r#"{"Effect":"Deny","Principal":"*","NotAction":"a:b","NotResource":"*"}"#;
    let policy = |count: usize| format!(r#"{{"Statement":[{}]}}"#, vec![statement; count].join(","));
    assert!(matches!(Policy::parse(&policy(10_000)), Err(PolicyError::TooLarge { .. })));
    let start = Instant::now();
    let most = Policy::parse(&policy(280)).unwrap();
    let request = Request::anonymous("s3:GetObject", Some("k"));
    assert!((0..100).all(|_| request.verdict(&most) == Verdict::Silent));
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[test]
fn as_many_conditions_as_fit_take_little_time() {
    let keys: Vec<String> = (0..1200).map(|number| format!(r#""k:{number}":"*""#)).collect();
    let text = format!(r#"{{"StringNotLike": {{{}}}}}"#, keys.join(","));
    let start = Instant::now();
    assert!(condition_holds(&text, &[("k:-", "x")]));
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[test]
fn deep_json_is_refused() {
    for (open, close) in [("[", "]"), (r#"{"Statement":"#, "}")] {
        let text = format!("{}1{}", open.repeat(1000), close.repeat(1000));
        let error = Policy::parse(&text).unwrap_err();
        assert!(error.to_string().contains("recursion limit"), "{error}");
    }
}

#[test]
fn huge_numbers_do_no_harm() {
    let policy = |number: &str| {
        Policy::parse(&format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*",
                "Condition": {{"NumericLessThan": {{"s3:max-keys": {number}}}}}}}}}"#
        ))
    };
    assert!(policy("1e999").is_err());
    assert!(policy(&format!("{}{}", "9".repeat(10_000), ".5")).is_err());
    assert!(policy(r#""1e999""#).is_err());
    let huge = policy("123456789012345678901234567890").unwrap();
    let request = Request::anonymous("s3:ListBucket", None).with("s3:max-keys", "1000");
    assert_eq!(request.verdict(&huge), Verdict::Allow(Which::Number(1)));
    let date = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*",
        "Condition": {"DateLessThan": {"aws:EpochTime": 99999999999999999999}}}}"#;
    assert!(Policy::parse(date).is_err());
}

#[test]
fn many_stars_take_little_time() {
    let key: &'static str = Box::leak("a".repeat(1024).into_boxed_str());
    let patterns = ["*".repeat(9000), "a*".repeat(4500), "*?".repeat(900), "*a*?".repeat(300)];
    let start = Instant::now();
    for pattern in patterns {
        let policy = allow_all(&format!(
            r#""Action": "s3:*", "Resource": ["arn:aws:s3:::photos/{pattern}b", "arn:aws:s3:::*{pattern}*b"]"#
        ));
        let request = Request::anonymous("s3:GetObject", Some(key));
        assert_eq!(request.verdict(&policy), Verdict::Silent);
    }
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[test]
fn the_worst_pattern_against_the_longest_value_takes_little_time() {
    let half = "a".repeat(4000);
    let condition =
        format!(r#"{{"StringLike": {{"aws:UserAgent": ["*{half}b", "*{half}b*", "*{half}?b*c"]}}}}"#);
    let found = "a".repeat(8192);
    let start = Instant::now();
    assert!(!condition_holds(&condition, &[("aws:useragent", &found)]));
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[test]
fn odd_characters_do_no_harm() {
    for text in ["\u{0}", "\u{feff}{}", "{\"\\ud800\": 1}", "nul", "{\"Statement\": 1e5}", "\"${\""] {
        assert!(Policy::parse(text).is_err(), "{text:?}");
    }
    let policy = allow_all(r#""Action": "s3:*", "Resource": "arn:aws:s3:::photos/?\u0000é*""#);
    assert_ne!(Request::anonymous("s3:GetObject", Some("😀\0é")).verdict(&policy), Verdict::Silent);
    assert_eq!(Request::anonymous("s3:GetObject", Some("\0é")).verdict(&policy), Verdict::Silent);
    for date in ["2026-01-01T00:0é", "----------", "éééééééééééééééééé", "1.", ".", "-", "", "1.99999999999"]
    {
        let condition = r#"{"DateLessThan": {"aws:CurrentTime": "2026-01-01"}}"#;
        assert!(!condition_holds(condition, &[("aws:currenttime", date)]), "{date:?}");
    }
}

#[test]
fn a_message_repeats_little_of_what_was_sent() {
    let text = format!(
        r#"{{"Statement": {{"Effect": "{}", "Principal": "*", "Action": "s3:*", "Resource": "*"}}}}"#,
        "é".repeat(5000)
    );
    let message = Policy::parse(&text).unwrap_err().to_string();
    assert!(message.chars().count() < 250 && message.contains('…'), "{message}");
}
