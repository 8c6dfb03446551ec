//! Policies: what is read, and what is decided.

use serde_json::{Value, json};

use super::lines;
use crate::access::policy::{Asked, Effect, Policy, Principal, Verdict};

/// Lines: action, key, account, facts as `name=value|value;…`; then the policy.
pub fn policy(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let ([action, key, account, facts], policy) = lines(text);
    let facts = read_facts(facts);
    let context =
        |name: &str| facts.iter().find(|(known, _)| *known == name).map(|(_, values)| values.clone());
    let principal = if account.is_empty() { Principal::Anonymous } else { Principal::Account(account) };
    let asked = Asked {
        principal,
        action,
        bucket: "photos",
        key: Some(key).filter(|key| !key.is_empty()),
        context: &context,
    };
    if !account.is_empty() {
        a_claim_reaches_its_own_folder_only(account, key);
    }
    if let Ok(role) = Policy::parse_of_role(policy) {
        check(&role, &asked);
    }
    let Ok(parsed) = Policy::parse(policy) else { return };
    check(&parsed, &asked);
    let _ = (parsed.check_bucket("photos"), parsed.is_public(), parsed.looks_at("jwt:"));
    check_denials(policy, &asked);
}

fn read_facts(line: &str) -> Vec<(&str, Vec<String>)> {
    let fact = |fact: &'_ str| -> Option<(usize, Vec<String>)> {
        let at = fact.find('=')?;
        Some((at, fact[at + 1..].split('|').map(str::to_owned).collect()))
    };
    line.split(';').filter_map(|text| fact(text).map(|(at, values)| (&text[..at], values))).collect()
}

/// What is decided is what is explained, and no Allow outweighs a Deny.
fn check(policy: &Policy, asked: &Asked<'_>) {
    let explained = policy.explain(asked);
    let applies = |effect| explained.iter().any(|one| one.effect == effect && one.misfit.is_none());
    match policy.decide(asked) {
        Verdict::Deny(_) => assert!(applies(Effect::Deny), "a denial that nothing explains"),
        Verdict::Allow(_) => {
            assert!(applies(Effect::Allow), "an allowance that nothing explains");
            assert!(!applies(Effect::Deny), "an Allow outweighed a Deny");
        }
        Verdict::Silent => assert!(!applies(Effect::Allow) && !applies(Effect::Deny), "silence that spoke"),
    }
}

/// The same policy allows nothing without its Allows, and nothing at all with a Deny of everything, wherever that stands.
fn check_denials(policy: &str, asked: &Asked<'_>) {
    let Ok(mut json) = serde_json::from_str::<Value>(policy) else { return };
    let statements = match json["Statement"].take() {
        Value::Array(list) => list,
        one => vec![one],
    };
    let mut decide = |statements: Vec<Value>, check: &dyn Fn(Verdict<'_>)| {
        json["Statement"] = Value::Array(statements);
        if let Ok(policy) = Policy::parse(&json.to_string()) {
            check(policy.decide(asked));
        }
    };
    let everything = json!({ "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*" });
    let is_denied =
        |verdict: Verdict<'_>| assert!(matches!(verdict, Verdict::Deny(_)), "a Deny was passed over");
    decide([std::slice::from_ref(&everything), &statements].concat(), &is_denied);
    decide([&statements, std::slice::from_ref(&everything)].concat(), &is_denied);
    let denials = statements.into_iter().filter(|statement| statement["Effect"] == "Deny").collect();
    decide(denials, &|verdict| assert!(!matches!(verdict, Verdict::Allow(_)), "denials allowed something"));
}

/// Whatever a claim says, `${jwt:sub}` stands for one segment, and for none of another user's.
fn a_claim_reaches_its_own_folder_only(subject: &str, key: &str) {
    let text = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*",
        "Resource": "arn:aws:s3:::photos/audio/${jwt:sub}/*"}}"#;
    let policy = Policy::parse_of_role(text).expect("the policy is well-formed");
    let context = |name: &str| (name == "jwt:sub").then(|| vec![subject.to_owned()]);
    let principal = Principal::Account(subject);
    let allows = |key: &str| {
        let asked =
            Asked { principal, action: "s3:GetObject", bucket: "photos", key: Some(key), context: &context };
        matches!(policy.decide(&asked), Verdict::Allow(_))
    };
    let is_folder = !subject.contains('/') && !matches!(subject, "." | "..");
    let own = format!("audio/{subject}/");
    for key in [key, &format!("audio/{key}"), &format!("{own}{key}"), &format!("audio/{subject}0/{key}")] {
        assert_eq!(allows(key), is_folder && key.starts_with(&own), "{subject:?} and {key:?}");
    }
}
