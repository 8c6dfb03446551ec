//! Makes a key of a layout.

use chrono::{DateTime, Utc};
use relais_model::{InvalidName, ObjectKey};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Piece, Placeholder, VALUE_BYTES_MAX, extension_of, sanitised};
use crate::access::token::Token;

/// What fills a layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filling<'a> {
    /// Who asks.
    pub(crate) token: &'a Token,
    /// The client's name for the file.
    pub(crate) filename: Option<&'a str>,
    /// What the client says of other placeholders.
    pub(crate) values: &'a Map<String, Value>,
    pub(crate) now: DateTime<Utc>,
    pub(crate) uuid: Uuid,
}

/// Why no key can be made.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Unfilled {
    #[error("{{{0}}}: the token has no such claim; say it in \"values\"")]
    Missing(String),
    #[error("{{{name}}}: {wrong}")]
    Value { name: String, wrong: Wrong },
    #[error("filename: the keys of this profile need the name of the file")]
    NoFilename,
    #[error("filename: the keys of this profile need a name with an extension, such as \"photo.jpg\"")]
    NoExtension,
    #[error("the values make no key: {0}")]
    Key(#[from] InvalidName),
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Wrong {
    #[error("the value is neither text nor a number")]
    Kind,
    #[error("the value is empty")]
    Empty,
    #[error("the value has more than {VALUE_BYTES_MAX} bytes")]
    TooLong,
    #[error("the value has a slash")]
    Slash,
    #[error("the value has control characters")]
    Control,
    #[error("the value is \".\" or \"..\"")]
    Dots,
}

pub(super) fn layout(pieces: &[Piece], filling: &Filling<'_>) -> Result<ObjectKey, Unfilled> {
    let mut key = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => key.push_str(text),
            Piece::Placeholder(placeholder) => key.push_str(&value(placeholder, filling)?),
        }
    }
    Ok(key.parse()?)
}

fn value(placeholder: &Placeholder, filling: &Filling<'_>) -> Result<String, Unfilled> {
    match placeholder {
        Placeholder::Year => Ok(filling.now.format("%Y").to_string()),
        Placeholder::Month => Ok(filling.now.format("%m").to_string()),
        Placeholder::Day => Ok(filling.now.format("%d").to_string()),
        Placeholder::Uuid => Ok(filling.uuid.hyphenated().to_string()),
        Placeholder::Filename => Ok(sanitised(filling.filename.ok_or(Unfilled::NoFilename)?)),
        Placeholder::Extension => {
            let name = sanitised(filling.filename.ok_or(Unfilled::NoFilename)?);
            extension_of(&name).map(str::to_owned).ok_or(Unfilled::NoExtension)
        }
        Placeholder::UserId | Placeholder::Named(_) => {
            let name = || placeholder.name().to_owned();
            let given = given(placeholder, filling).ok_or_else(|| Unfilled::Missing(name()))?;
            given.and_then(|text| checked(&text)).map_err(|wrong| Unfilled::Value { name: name(), wrong })
        }
    }
}

/// What the token says; nothing of what only the client can say.
pub(super) fn claimed(placeholder: &Placeholder, token: &Token) -> Option<Result<String, Wrong>> {
    match placeholder {
        Placeholder::UserId => Some(Ok(token.subject.clone())),
        // A claim of a kind that cannot be used is no reason to believe the client instead.
        Placeholder::Named(name) => Some(text(token.claims.at(name)?)),
        _ => None,
    }
}

fn given(placeholder: &Placeholder, filling: &Filling<'_>) -> Option<Result<String, Wrong>> {
    claimed(placeholder, filling.token).or_else(|| filling.values.get(placeholder.name()).map(text))
}

fn text(value: &Value) -> Result<String, Wrong> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(Wrong::Kind),
    }
}

fn checked(text: &str) -> Result<String, Wrong> {
    check_value(text).map(|()| text.to_owned())
}

/// Holds a value to one part of one segment.
pub(super) fn check_value(text: &str) -> Result<(), Wrong> {
    match text {
        "" => Err(Wrong::Empty),
        "." | ".." => Err(Wrong::Dots),
        _ if text.len() > VALUE_BYTES_MAX => Err(Wrong::TooLong),
        _ if text.contains('/') => Err(Wrong::Slash),
        _ if text.contains(char::is_control) => Err(Wrong::Control),
        _ => Ok(()),
    }
}
