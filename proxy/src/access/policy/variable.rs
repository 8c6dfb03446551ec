//! Policy variables: how they are written, and the values that they take.
//!
//! Values come with the request, many of them from whoever holds a token. So a value is plain text, never a wildcard, and where
//! it stands for a piece of a path (in `Resource`, `NotResource` and conditions on keys that name objects) it must be one
//! segment: not empty, no slash, neither `.` nor `..`. Otherwise the subject `7/42` would reach into the folder of user 7. A value that is
//! none, and a list that is too long to try, are in [`Doubt`]: the statement around it allows nothing because of them, and
//! denies whatever they might have meant.

use std::cell::Cell;

use super::{Context, Effect, context_name};

/// A variable such as `${jwt:sub}` or `${aws:username, 'nobody'}`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Variable {
    name: String,
    default: Option<String>,
}

/// What stands in the place of a variable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// Nobody knows: any text.
    Anything,
}

/// What becomes of a match that hangs on a value in doubt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Doubt {
    /// It is none: where a match gives something.
    Excludes,
    /// It is one: where a match takes something.
    Includes,
}

impl Doubt {
    /// For a part of a statement that applies to what matches, or to what does not.
    pub(super) fn of(effect: Effect, negated: bool) -> Self {
        if (effect == Effect::Deny) == negated { Self::Excludes } else { Self::Includes }
    }
}

/// The most work that lists of values may cause in one decision, in characters compared: some 10 ms. Real policies need a
/// thousandth of it.
const WORK_MAX: usize = 2_000_000;

/// What is left of [`WORK_MAX`].
#[derive(Debug)]
pub(super) struct Work(Cell<usize>);

impl Default for Work {
    fn default() -> Self {
        Self(Cell::new(WORK_MAX))
    }
}

impl Work {
    /// Takes from what is left; false where that is too little.
    pub(super) fn take(&self, characters: usize) -> bool {
        let left = self.0.get().checked_sub(characters);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// What patterns are compared with, beside the text.
pub(super) struct Given<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) doubt: Doubt,
    /// Values are segments of a path.
    pub(super) segments: bool,
    /// A variable without a value is in doubt too; otherwise it equals nothing.
    pub(super) doubts_missing: bool,
    pub(super) work: &'a Work,
}

impl Given<'_> {
    fn doubtful(&self) -> Vec<Value> {
        match self.doubt {
            Doubt::Includes => vec![Value::Anything],
            Doubt::Excludes => Vec::new(),
        }
    }
}

impl Variable {
    /// Reads what follows `${`, up to and with the brace that closes it.
    pub(super) fn parse(text: &str) -> Option<(Self, &str)> {
        let end = text.find([',', '}'])?;
        let name = text[..end].trim();
        let written_well = |c: char| !c.is_whitespace() && !matches!(c, '$' | '{' | '*' | '?' | '\'');
        if name.is_empty() || !name.chars().all(written_well) {
            return None;
        }
        let (default, after) = match text[end..].strip_prefix(',') {
            Some(rest) => {
                let (default, after) = quoted(rest.trim_start().strip_prefix('\'')?)?;
                (Some(default), after.trim_start())
            }
            None => (None, &text[end..]),
        };
        let after = after.strip_prefix('}')?;
        Some((Self { name: context_name(name), default }, after))
    }

    /// What it may stand for: of a list each value, nothing where the request has none.
    pub(super) fn values(&self, given: &Given<'_>) -> Vec<Value> {
        let found = (given.context)(&self.name).unwrap_or_default();
        let bytes = found.iter().map(|value| value.len() + 1).sum();
        match (found.len(), &self.default) {
            (0, Some(default)) => return vec![Value::Text(default.clone())],
            (0, None) if given.doubts_missing => return given.doubtful(),
            (0, None) => return Vec::new(),
            (1, _) => {}
            (several, _) if several > VALUES_MAX || !given.work.take(bytes) => return given.doubtful(),
            _ => {}
        }
        let (safe, unsafe_ones): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|value| !given.segments || is_segment(value));
        let mut values: Vec<_> = safe.into_iter().map(Value::Text).collect();
        if !unsafe_ones.is_empty() {
            values.extend(given.doubtful());
        }
        values
    }
}

fn is_segment(value: &str) -> bool {
    !matches!(value, "" | "." | "..") && !value.contains('/')
}

/// Reads up to the quote that ends the text; two quotes in a row are one that belongs to it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let quote = rest.find('\'')?;
        value.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return Some((value, rest)),
        }
    }
}

/// Most values that a variable may have; a token names 200 groups at most before its issuer leaves them out.
const VALUES_MAX: usize = 256;
