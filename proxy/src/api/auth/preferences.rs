//! What a user may choose: any JSON object that every database takes and every client can read back.

use serde_json::{Map, Value};

/// Why preferences are not kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum InvalidPreferences {
    #[error("the preferences are nested deeper than {DEPTH_MAX} levels")]
    Deep,
    #[error("the preferences have the character NUL in a text, which PostgreSQL does not keep")]
    Nul,
}

/// Nesting that is kept. Far below the 128 levels that readers such as ours take, since answers put the object into others.
const DEPTH_MAX: usize = 32;

/// Checks them; the object itself is the first level.
pub(super) fn check(preferences: &Map<String, Value>) -> Result<(), InvalidPreferences> {
    check_object(preferences, DEPTH_MAX)
}

fn check_object(object: &Map<String, Value>, levels: usize) -> Result<(), InvalidPreferences> {
    let levels = levels.checked_sub(1).ok_or(InvalidPreferences::Deep)?;
    object.iter().try_for_each(|(name, value)| {
        check_text(name)?;
        check_value(value, levels)
    })
}

fn check_value(value: &Value, levels: usize) -> Result<(), InvalidPreferences> {
    match value {
        Value::Object(object) => check_object(object, levels),
        Value::Array(values) => {
            let levels = levels.checked_sub(1).ok_or(InvalidPreferences::Deep)?;
            values.iter().try_for_each(|value| check_value(value, levels))
        }
        Value::String(text) => check_text(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn check_text(text: &str) -> Result<(), InvalidPreferences> {
    if text.contains('\0') { Err(InvalidPreferences::Nul) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(value: &Value) -> Result<(), InvalidPreferences> {
        check(value.as_object().unwrap())
    }

    #[test]
    fn any_object_may_be_kept_that_is_not_too_deep() {
        assert_eq!(checked(&json!({})), Ok(()));
        assert_eq!(checked(&json!({ "a": [1, { "b": null }], "ü": "'; DROP TABLE users; --" })), Ok(()));
        let nested = |levels| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
        assert_eq!(checked(&nested(DEPTH_MAX)), Ok(()));
        assert_eq!(checked(&nested(DEPTH_MAX + 1)), Err(InvalidPreferences::Deep));
        let lists = (0..DEPTH_MAX).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(checked(&json!({ "a": lists })), Err(InvalidPreferences::Deep));
    }

    #[test]
    fn no_nul_reaches_the_database() {
        assert_eq!(checked(&json!({ "a": [{ "b": "x\0y" }] })), Err(InvalidPreferences::Nul));
        assert_eq!(checked(&json!({ "a\0": 1 })), Err(InvalidPreferences::Nul));
    }
}
