//! Variables whose values a token's holder brings: lists, and values that must not widen what is allowed.

use std::time::{Duration, Instant};

use super::*;

/// Whether a role's statement of that effect applies: `rest` is its resource and conditions.
fn applies(effect: &str, rest: &str, key: &'static str, claims: &[(&str, &[&str])]) -> bool {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "Action": "s3:*", {rest}}}}}"#
    );
    let policy = Policy::parse_of_role(&text).unwrap();
    let mut request = Request::by("ada", "s3:GetObject", Some(key));
    for (claim, values) in claims {
        request.facts.insert(format!("jwt:{claim}"), values.iter().map(|&value| value.to_owned()).collect());
    }
    request.verdict(&policy) != Verdict::Silent
}

/// Far above what the work needs in a debug build on a busy machine, far below what trying all would take.
const PATIENCE: Duration = Duration::from_secs(10);

fn resource(path: &str) -> String {
    format!(r#""Resource": "arn:aws:s3:::photos/{path}""#)
}

fn not_resource(path: &str) -> String {
    format!(r#""NotResource": "arn:aws:s3:::photos/{path}""#)
}

#[test]
fn of_a_list_any_value_matches() {
    let groups: &[(&str, &[&str])] = &[("groups", &["red", "blue"])];
    let shared = resource("shared/${jwt:groups}/*");
    assert!(applies("Allow", &shared, "shared/red/x", groups));
    assert!(applies("Allow", &shared, "shared/blue/x", groups));
    assert!(!applies("Allow", &shared, "shared/green/x", groups));
    assert!(!applies("Allow", &shared, "shared/red", groups));
    assert!(!applies("Allow", &shared, "shared/redblue/x", groups));
    assert!(!applies("Allow", &shared, "shared//x", &[("groups", &[])]));
    let others = not_resource("shared/${jwt:groups}/*");
    assert!(!applies("Allow", &others, "shared/blue/x", groups));
    assert!(applies("Allow", &others, "shared/green/x", groups));
    let of_mine =
        r#""Resource": "*", "Condition": {"StringEquals": {"s3:ExistingObjectTag/team": "${jwt:groups}"}}"#;
    let policy = Policy::parse_of_role(&format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "s3:*", {of_mine}}}}}"#
    ))
    .unwrap();
    let tagged = |team| {
        Request::by("ada", "s3:GetObject", Some("k"))
            .with("jwt:groups", "red")
            .with("jwt:groups", "blue")
            .with("s3:existingobjecttag/team", team)
    };
    assert_ne!(tagged("blue").verdict(&policy), Verdict::Silent);
    assert_eq!(tagged("green").verdict(&policy), Verdict::Silent);
}

#[test]
fn two_variables_are_combined_and_one_that_stands_twice_is_the_same() {
    let claims: &[(&str, &[&str])] = &[("a", &["1", "2"]), ("b", &["x", "y"])];
    let both = resource("${jwt:a}/${jwt:b}/k");
    for (key, fits) in [("1/x/k", true), ("2/y/k", true), ("1/y/k", true), ("x/1/k", false), ("3/x/k", false)]
    {
        assert_eq!(applies("Allow", &both, key, claims), fits, "{key}");
    }
    let twice = resource("${jwt:a}/${jwt:a}");
    assert!(applies("Allow", &twice, "2/2", claims));
    assert!(!applies("Allow", &twice, "1/2", claims));
}

#[test]
fn a_value_in_a_path_is_one_segment() {
    for odd in ["7/42", "/", "", "42/", "/42", ".", "..", "7/../42"] {
        let claims: &[(&str, &[&str])] = &[("sub", &[odd])];
        let key: &'static str = Box::leak(format!("audio/{odd}/x").into_boxed_str());
        let own = resource("audio/${jwt:sub}/*");
        assert!(!applies("Allow", &own, key, claims), "{odd:?} reads");
        assert!(applies("Deny", &own, key, claims), "{odd:?} is not denied");
        assert!(applies("Deny", &own, "audio/8/x", claims), "{odd:?} may stand for anything");
        assert!(!applies("Deny", &own, "video/8/x", claims), "{odd:?} is still below audio/");
        let but = not_resource("audio/${jwt:sub}/*");
        assert!(!applies("Allow", &but, "audio/8/x", claims), "{odd:?} takes nothing from what is excepted");
        assert!(applies("Allow", &but, "video/8/x", claims), "{odd:?}");
        assert!(applies("Deny", &but, key, claims), "{odd:?} excepts nothing from a Deny");
    }
    let mixed: &[(&str, &[&str])] = &[("sub", &["7", "7/42"])];
    assert!(applies("Allow", &resource("audio/${jwt:sub}/x"), "audio/7/x", mixed));
    assert!(!applies("Allow", &resource("audio/${jwt:sub}/x"), "audio/7/42/x", mixed));
    assert!(!applies("Deny", &not_resource("audio/${jwt:sub}/x"), "audio/7/x", mixed));
}

#[test]
fn a_value_in_a_prefix_is_one_segment() {
    let listing = |effect: &str, operator: &str, sub: &str, prefix: &str| {
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "Action": "s3:ListBucket",
                "Resource": "*", "Condition": {{"{operator}": {{"s3:prefix": "audio/${{jwt:sub}}/*"}}}}}}}}"#
        );
        let request =
            Request::by("ada", "s3:ListBucket", None).with("jwt:sub", sub).with("s3:prefix", prefix);
        request.verdict(&Policy::parse_of_role(&text).unwrap()) != Verdict::Silent
    };
    assert!(listing("Allow", "StringLike", "42", "audio/42/"));
    assert!(!listing("Allow", "StringLike", "42", "audio/420/"));
    assert!(!listing("Allow", "StringLike", "7/42", "audio/7/42/"));
    assert!(!listing("Allow", "StringNotLike", "7/42", "audio/7/42/"));
    assert!(listing("Deny", "StringLike", "7/42", "audio/7/42/"));
    assert!(listing("Deny", "StringNotLike", "7/42", "audio/7/42/"));
}

#[test]
fn a_wildcard_in_a_claim_is_plain_text() {
    let own = resource("audio/${jwt:sub}/*");
    for sub in ["*", "?", "4?", "**", "${jwt:sub}", "${*}"] {
        assert!(!applies("Allow", &own, "audio/42/x", &[("sub", &[sub])]), "{sub}");
        assert!(!applies("Allow", &own, "audio/42/x", &[("sub", &["7", sub])]), "{sub}");
    }
    assert!(applies("Allow", &own, "audio/*/x", &[("sub", &["*"])]));
}

#[test]
fn one_number_is_no_other_that_begins_like_it() {
    let own = resource("audio/whatsapp/${jwt:sub}/*");
    let claims: &[(&str, &[&str])] = &[("sub", &["42"])];
    assert!(applies("Allow", &own, "audio/whatsapp/42/x", claims));
    for foreign in
        ["audio/whatsapp/420/x", "audio/whatsapp/7/42/x", "audio/whatsapp/4/2/x", "audio/whatsapp/42"]
    {
        assert!(!applies("Allow", &own, foreign, claims), "{foreign}");
    }
}

#[test]
fn without_the_claim_nothing_more_is_allowed() {
    let but = not_resource("private/${jwt:tenant}/*");
    assert!(!applies("Allow", &but, "private/acme/x", &[]));
    assert!(applies("Allow", &but, "open/x", &[]));
    assert!(!applies("Allow", &resource("private/${jwt:tenant}/*"), "private//x", &[]));
    assert!(!applies("Deny", &resource("private/${jwt:tenant}/*"), "private/acme/x", &[]), "as in AWS");
    assert!(applies("Deny", &but, "private/acme/x", &[]));
}

#[test]
fn lists_too_long_to_try_allow_nothing_and_deny_what_they_may_mean() {
    let many: Vec<String> = (0..257).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let own = resource("g/${jwt:groups}/*");
    assert!(applies("Allow", &own, "g/255/x", &[("groups", &many[..256])]));
    assert!(!applies("Allow", &own, "g/255/x", &[("groups", &many)]));
    assert!(applies("Deny", &own, "g/255/x", &[("groups", &many)]));
    assert!(!applies("Deny", &own, "h/255/x", &[("groups", &many)]));
    let pairs = resource("g/${jwt:a}/${jwt:b}");
    assert!(applies("Allow", &pairs, "g/15/15", &[("a", &many[..16]), ("b", &many[..16])]));
    assert!(!applies("Allow", &pairs, "g/15/15", &[("a", &many[..17]), ("b", &many[..16])]));
    assert!(applies("Deny", &pairs, "g/15/15", &[("a", &many[..17]), ("b", &many[..16])]));
    let powers = resource("${jwt:a}${jwt:b}${jwt:c}${jwt:d}${jwt:e}${jwt:f}${jwt:g}${jwt:h}${jwt:i}");
    let claims: Vec<(String, &[&str])> = ('a'..='i').map(|name| (name.to_string(), &many[..256])).collect();
    let claims: Vec<(&str, &[&str])> = claims.iter().map(|(name, values)| (name.as_str(), *values)).collect();
    assert!(!applies("Allow", &powers, "111111111", &claims));
}

#[test]
fn a_policy_full_of_lists_takes_little_time() {
    let many: Vec<String> = (0..256).map(|number| format!("{number:028}")).collect();
    let patterns = vec![r#""*${jwt:g}*b""#; 1100].join(",");
    let found = "a".repeat(8192);
    for (effect, applies) in [("Allow", false), ("Deny", true)] {
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "Action": "s3:*", "Resource": "*",
                "Condition": {{"StringLike": {{"aws:UserAgent": [{patterns}, "*${{jwt:g}}*"]}}}}}}}}"#
        );
        let policy = Policy::parse_of_role(&text).unwrap();
        let mut request = Request::by("ada", "s3:GetObject", Some("k")).with("aws:useragent", &found);
        request.facts.insert("jwt:g".to_owned(), many.clone());
        let start = Instant::now();
        assert_eq!(request.verdict(&policy) != Verdict::Silent, applies, "{effect}");
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    }
}
