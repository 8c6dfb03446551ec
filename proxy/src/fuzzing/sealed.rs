//! Sealed texts, and the session tokens that are such texts.

use std::sync::LazyLock;

use chrono::{TimeDelta, Utc};
use relais_model::Secret;

use super::{keyring, lines};
use crate::access::temporary::{Grant, OpenError, TemporaryKeys};
use crate::access::token::{Claims, Token};
use crate::keyring::Keyring;
use crate::seal::Sealer;

struct Sealers {
    one: Sealer,
    other_purpose: Sealer,
    other_key: Sealer,
    keys: TemporaryKeys,
}

static SEALERS: LazyLock<Sealers> = LazyLock::new(|| {
    let other = Keyring::new(Secret::from("another secret, of 32 bytes or more".to_owned()), []);
    Sealers {
        one: keyring().sealer("one"),
        other_purpose: keyring().sealer("two"),
        other_key: other.sealer("one"),
        keys: TemporaryKeys::new(&keyring()),
    }
});

/// Lines: what stands beside, the place that is changed, an access key id; then the plain text.
pub fn sealed(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let ([beside, place, id], plain) = lines(&text);
    let Sealers { one, other_purpose, other_key, keys } = &*SEALERS;
    let place: usize = place.parse().unwrap_or(0);

    assert_eq!(one.open_with(&text, beside), None, "a text that nobody sealed");
    // The id of the right key gets a text as far as it can come.
    let key_id = keyring().current().id.clone();
    assert_eq!(one.open_with(&format!("{key_id}{plain}"), beside), None, "a text that nobody sealed");

    let sealed = one.seal_with(plain.as_bytes(), beside);
    assert_eq!(one.open_with(&sealed, beside).as_deref(), Some(plain.as_bytes()));
    assert_eq!(one.open_with(&sealed, id).is_some(), id == beside, "opened beside another text");
    assert_eq!(other_purpose.open_with(&sealed, beside), None, "opened for another purpose");
    assert_eq!(other_key.open_with(&sealed, beside), None, "opened with another key");
    assert_eq!(one.open_with(&changed(&sealed, place), beside), None, "opened although changed");
    assert_eq!(one.open_with(&sealed[..place % sealed.len()], beside), None, "opened although cut");

    assert!(keys.open(id, &text).is_err(), "a session token that nobody issued");
    let _ = keys.secret(id);
    check_grant(keys, beside, plain, id, place);
}

/// Credentials give what they were issued for, beside their own id and unchanged.
fn check_grant(keys: &TemporaryKeys, subject: &str, claims: &str, id: &str, place: usize) {
    let ends = if claims.len().is_multiple_of(2) { TimeDelta::hours(1) } else { TimeDelta::hours(-1) };
    let claims: Claims = serde_json::from_str(claims).unwrap_or_default();
    let token = Token {
        issuer: "relais".to_owned(),
        subject: subject.to_owned(),
        claims,
        issued_at: None,
        expires_at: Utc::now() + ends,
        id: Some(id.to_owned()),
    };
    let grant =
        Grant { token, narrowed_to: Some(id.to_owned()), object_bytes_max: None, content_types: Vec::new() };
    let issued = keys.issue(&grant);
    let session_token = issued.session_token.expose();
    assert!(keys.secret(&issued.access_key_id) == Some(issued.secret_access_key));
    match keys.open(&issued.access_key_id, session_token) {
        Ok(opened) => {
            assert!(ends > TimeDelta::zero(), "opened although expired");
            assert_eq!(opened.token.subject, subject);
            assert_eq!(opened.narrowed_to, grant.narrowed_to);
        }
        Err(error) => assert!(error == OpenError::Expired && ends < TimeDelta::zero()),
    }
    let not_ours = |id: &str, token: &str| assert!(keys.open(id, token) == Err(OpenError::NotOurs));
    not_ours(&issued.access_key_id, &changed(session_token, place));
    not_ours(&keys.issue(&grant).access_key_id, session_token);
    not_ours(id, session_token);
}

/// The text with one of its characters replaced.
fn changed(sealed: &str, place: usize) -> String {
    let at = place % sealed.len();
    let other = if sealed.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &sealed[..at], &sealed[at + 1..])
}
