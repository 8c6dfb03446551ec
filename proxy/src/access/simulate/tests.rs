//! Questions, and the statements that decide them.

use super::*;

const OWN: &str = r#"{"Version": "2012-10-17", "Statement": [{"Sid": "OwnFolder", "Effect": "Allow",
    "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::media/audio/${jwt:sub}/*"},
    {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*",
     "Condition": {"NumericGreaterThan": {"s3:content-length": "100"}}}]}"#;

fn claims(json: &str) -> SimulatedCaller {
    SimulatedCaller::of_claims(json).unwrap()
}

fn access() -> AccessConfig {
    serde_json::from_value(
        json!({ "roles": [{ "name": "user", "claims": { "role": "user" }, "policy": OWN }] }),
    )
    .unwrap()
}

fn ask(
    caller: SimulatedCaller,
    action: &str,
    key: &str,
    change: impl FnOnce(&mut Simulation<'_>),
) -> Simulated {
    let access = access();
    let mut simulation = Simulation {
        access: &access,
        buckets: &[],
        kept: None,
        caller,
        action: action.to_owned(),
        bucket: "media".to_owned(),
        key: Some(key.to_owned()),
        context: Vec::new(),
        policy: None,
        bucket_policy: None,
        session_policy: None,
    };
    change(&mut simulation);
    simulate(&simulation).unwrap()
}

#[test]
fn the_answer_names_the_statement() {
    let user = || claims(r#"{"sub": "42", "role": "user"}"#);
    let own = ask(user(), "s3:GetObject", "audio/42/x.ogg", |_| {});
    assert!(own.is_allowed());
    assert!(own.to_string().contains("OwnFolder"), "{own}");
    let foreign = ask(user(), "s3:GetObject", "audio/420/x.ogg", |_| {});
    assert!(!foreign.is_allowed());
    assert!(
        foreign.to_string().contains("role user, OwnFolder (Allow): the resource does not fit"),
        "{foreign}"
    );
    let large = |simulation: &mut Simulation<'_>| {
        simulation.context.push(("S3:Content-Length".to_owned(), "101".to_owned()));
    };
    let denied = ask(user(), "s3:PutObject", "audio/42/x.ogg", large);
    assert!(!denied.is_allowed());
    assert!(denied.to_string().contains("statement 2"), "{denied}");
    assert!(!ask(claims(r#"{"sub": "42"}"#), "s3:GetObject", "audio/42/x", |_| {}).is_allowed(), "no role");
}

#[test]
fn a_session_policy_narrows_and_a_given_policy_stands_alone() {
    let user = || claims(r#"{"sub": "42", "role": "user"}"#);
    let gets = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}"#;
    let narrowed = |action: &str| {
        ask(user(), action, "audio/42/x", |simulation| simulation.session_policy = Some(gets.to_owned()))
    };
    assert!(narrowed("s3:GetObject").is_allowed());
    assert!(!narrowed("s3:PutObject").is_allowed());
    let alone =
        |action: &str| ask(user(), action, "any", |simulation| simulation.policy = Some(gets.to_owned()));
    assert!(alone("s3:GetObject").is_allowed());
    assert!(!alone("s3:PutObject").is_allowed());
    let open = gets.replace(r#""Effect""#, r#""Principal": "*", "Effect""#);
    let nobody = ask(SimulatedCaller::Anonymous, "s3:GetObject", "any", |one| one.bucket_policy = Some(open));
    assert!(nobody.is_allowed());
}

#[test]
fn tokens_are_read_and_expired_ones_refused() {
    let token = |claims: &str| format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(claims));
    let read = |claims: &str| SimulatedCaller::of_token(&token(claims)).unwrap();
    assert!(ask(read(r#"{"sub":"42","role":"user"}"#), "s3:GetObject", "audio/42/x", |_| {}).is_allowed());
    let expired = read(r#"{"sub":"42","role":"user","exp":1}"#);
    assert!(!ask(expired, "s3:GetObject", "audio/42/x", |_| {}).is_allowed());
    let stranger = read(r#"{"sub":"42","role":"user","iss":"https://nobody.example"}"#);
    assert!(!ask(stranger, "s3:GetObject", "audio/42/x", |_| {}).is_allowed());
    for none in ["", "a.b", "a.!.c", "a.eyI.c"] {
        assert!(SimulatedCaller::of_token(none).is_err(), "{none}");
    }
}
