use std::time::Duration;

use super::*;

const FIRST: &str = "the first secret of 32 bytes and more";
const SECOND: &str = "the second secret of 32 bytes and more";

fn keys(current: &str, before: &[&str]) -> TemporaryKeys {
    let secret = |text: &str| Secret::from(text.to_owned());
    TemporaryKeys::new(&Keyring::new(secret(current), before.iter().map(|text| secret(text))))
}

fn grant(expires_at: DateTime<Utc>) -> Grant {
    let token = json!({
        "issuer": "relais", "subject": "42", "claims": { "sub": "42", "groups": ["a", "b"] },
        "issued_at": null, "expires_at": expires_at, "id": null,
    });
    Grant {
        token: serde_json::from_value(token).unwrap(),
        narrowed_to: Some("{}".to_owned()),
        object_bytes_max: Some(ByteSize(7)),
        content_types: vec!["audio/ogg".to_owned()],
    }
}

fn in_an_hour() -> DateTime<Utc> {
    Utc::now() + Duration::from_secs(3600)
}

#[test]
fn another_instance_with_the_same_secret_knows_what_one_issued() {
    let given = grant(in_an_hour());
    let issued = keys(FIRST, &[]).issue(&given);
    let other = keys(FIRST, &[]);
    assert_eq!(other.secret(&issued.access_key_id), Some(issued.secret_access_key.clone()));
    assert_eq!(other.open(&issued.access_key_id, issued.session_token.expose()), Ok(given.clone()));
    assert_eq!(issued.expires_at, given.token.expires_at);
    assert_eq!(issued.secret_access_key.expose().len(), 40);
}

#[test]
fn an_id_is_of_characters_that_need_no_escaping() {
    let keys = keys(FIRST, &[]);
    let sts = keys.issue(&grant(in_an_hour())).access_key_id;
    let (pair, _) = keys.make_token_pair();
    assert_eq!((kind(&sts), kind(&pair)), (Some(Kind::Sts), Some(Kind::TokenPair)));
    for id in [sts, pair] {
        assert_eq!(id.len(), 32);
        assert!(id.bytes().all(|byte| ID_CHARACTERS.contains(&byte)), "{id}");
    }
    for foreign in ["", "RSTS", "RST\u{e9}", "AKIAIOSFODNN7EXAMPLE", "rstsAAAAAAAABBBBBBBBBBBBBBBBBBBB"] {
        assert_eq!(kind(foreign), None, "{foreign}");
        assert_eq!(keys.secret(foreign), None, "{foreign}");
    }
}

#[test]
fn an_altered_id_has_another_secret_or_none() {
    let keys = keys(FIRST, &[]);
    let issued = keys.issue(&grant(in_an_hour()));
    let id = &issued.access_key_id;
    for at in 0..id.len() {
        let other = if id.as_bytes()[at] == b'A' { "B" } else { "A" };
        let altered = format!("{}{other}{}", &id[..at], &id[at + 1..]);
        assert_ne!(keys.secret(&altered), Some(issued.secret_access_key.clone()), "{altered}");
        assert_eq!(keys.open(&altered, issued.session_token.expose()), Err(OpenError::NotOurs), "{altered}");
    }
    let pair = format!("RJWT{}", &id[4..]);
    assert_ne!(keys.secret(&pair).unwrap(), issued.secret_access_key);
    assert_eq!(keys.open(&pair, issued.session_token.expose()), Err(OpenError::NotOurs));
}

#[test]
fn a_session_token_opens_beside_its_own_id_alone() {
    let keys = keys(FIRST, &[]);
    let (one, other) = (keys.issue(&grant(in_an_hour())), keys.issue(&grant(in_an_hour())));
    assert_ne!(one.secret_access_key, other.secret_access_key);
    assert_eq!(keys.open(&one.access_key_id, other.session_token.expose()), Err(OpenError::NotOurs));
    assert_eq!(keys.open(&one.access_key_id, ""), Err(OpenError::NotOurs));
}

#[test]
fn credentials_end_with_their_grant() {
    let keys = keys(FIRST, &[]);
    let issued = keys.issue(&grant(Utc::now() - Duration::from_secs(1)));
    let opened = keys.open(&issued.access_key_id, issued.session_token.expose());
    assert_eq!(opened, Err(OpenError::Expired));
}

#[test]
fn credentials_outlive_a_rotation_but_not_their_secret() {
    let issued = keys(FIRST, &[]).issue(&grant(in_an_hour()));
    let (id, token) = (&issued.access_key_id, issued.session_token.expose());
    let rotated = keys(SECOND, &[FIRST]);
    assert_eq!(rotated.secret(id).as_ref(), Some(&issued.secret_access_key));
    assert!(rotated.open(id, token).is_ok());
    let after = rotated.issue(&grant(in_an_hour()));
    let dropped = keys(SECOND, &[]);
    assert_eq!(dropped.secret(id), None);
    assert_eq!(dropped.open(id, token), Err(OpenError::NotOurs));
    assert!(dropped.open(&after.access_key_id, after.session_token.expose()).is_ok());
}

#[test]
fn what_is_shown_of_credentials_is_no_secret() {
    let issued = keys(FIRST, &[]).issue(&grant(in_an_hour()));
    let shown = format!("{issued:?}");
    assert!(!shown.contains(issued.secret_access_key.expose()), "{shown}");
    assert!(!shown.contains(issued.session_token.expose()), "{shown}");
}
