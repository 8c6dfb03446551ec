//! Layouts of keys, and the keys that they make.

use chrono::DateTime;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::lines;
use crate::access::token::{Claims, Token};
use crate::api::uploads::layout::{Filling, Layout};

/// Lines: layout, subject, name of a file, claims; then what the client says of the placeholders.
pub fn layout(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let ([text, subject, filename, claims], values) = lines(text);
    let Ok(layout) = Layout::parse(text) else { return };
    let token = |subject: &str| Token {
        issuer: "relais".to_owned(),
        subject: subject.to_owned(),
        claims: serde_json::from_str::<Claims>(claims).unwrap_or_default(),
        issued_at: None,
        expires_at: DateTime::UNIX_EPOCH,
        id: None,
    };
    let values: Map<String, Value> = serde_json::from_str(values).unwrap_or_default();
    let filling = Filling {
        token: &token(subject),
        filename: Some(filename).filter(|name| !name.is_empty()),
        values: &values,
        now: DateTime::UNIX_EPOCH,
        uuid: Uuid::from_u128(42),
    };
    // The name is enough: any text may be asked after.
    let _ = layout.fits(filename, &filling);
    let Ok(key) = layout.fill(&filling) else { return };
    let key = key.as_str();
    assert!(key.len() <= 1024, "a key of {} bytes", key.len());
    assert!(!key.contains(char::is_control), "control characters in {key:?}");
    assert!(!key.split('/').any(|segment| matches!(segment, "" | "." | "..")), "a segment of {key:?}");
    assert!(layout.fits(key, &filling), "{key:?} was made and does not fit");
    let own = layout.prefixes_of(subject);
    assert!(own.is_none_or(|prefix| key.starts_with(&prefix)), "{key:?} is not in its user's folder");
    if text.contains("{user_id}") {
        assert!(key.split('/').any(|segment| segment == subject), "{key:?} has no folder of its user");
        let other = token(&format!("{subject}0"));
        check_other(&layout, key, &Filling { token: &other, ..filling });
    }
}

/// Nobody else reaches the key.
fn check_other(layout: &Layout, key: &str, other: &Filling<'_>) {
    assert!(!layout.fits(key, other), "{key:?} fits for {:?} too", other.token.subject);
    assert!(layout.fill(other).is_ok_and(|made| made.as_str() != key) || layout.fill(other).is_err());
    let prefix = layout.prefixes_of(&other.token.subject);
    assert!(prefix.is_none_or(|prefix| !key.starts_with(&prefix)), "{key:?} is in the folder of another");
}
