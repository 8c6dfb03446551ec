//! What belongs to a user, and the checks that keep it from ever reaching what is another's.

use relais_model::BucketName;

use crate::access::accounts;

/// Longest id, far beyond any subject of a token, and well below the longest key.
const USER_BYTES_MAX: usize = 255;

/// Where everything of a user is to be found.
#[derive(Clone, Debug)]
pub struct Belongings {
    /// The account that owns the user's objects.
    pub(super) owner: String,
    /// Everything below these is the user's, whoever wrote it.
    pub(super) prefixes: Vec<(BucketName, String)>,
}

/// Why nothing can be erased for an id.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidUser {
    /// No id.
    #[error("the id of the user is empty")]
    Empty,
    /// Too long.
    #[error("the id of the user is longer than {USER_BYTES_MAX} bytes")]
    TooLong,
    /// An id that could reach into other prefixes.
    #[error("{0:?} cannot be the id of a user: it has a slash or a control character, or is a path")]
    Unusable(String),
    /// A part of relais.
    #[error("{0:?} is a name that relais uses itself, not a user")]
    Reserved(String),
    /// A prefix that is more than the user's.
    #[error("the prefix {0:?} does not name the user as a whole segment and end with a slash")]
    Prefix(String),
}

impl Belongings {
    /// Checks that owner and prefixes are of one user and no other: each prefix ends with a slash and has the user's id, or
    /// the subject in an owner `issuer:subject`, as a whole segment.
    pub fn new(owner: &str, prefixes: Vec<(BucketName, String)>) -> Result<Self, InvalidUser> {
        check(owner)?;
        for (_, prefix) in &prefixes {
            let whole = prefix.strip_suffix('/').ok_or_else(|| InvalidUser::Prefix(prefix.clone()))?;
            if !whole.split('/').any(|segment| is_user(segment, owner)) {
                return Err(InvalidUser::Prefix(prefix.clone()));
            }
        }
        Ok(Self { owner: owner.to_owned(), prefixes: outermost(prefixes) })
    }

    /// Whether a key is below one of the prefixes.
    pub(super) fn covers(&self, bucket: &BucketName, key: &str) -> bool {
        self.prefixes.iter().any(|(of, prefix)| of == bucket && key.starts_with(prefix.as_str()))
    }
}

fn check(owner: &str) -> Result<(), InvalidUser> {
    if owner.is_empty() {
        return Err(InvalidUser::Empty);
    }
    if owner.len() > USER_BYTES_MAX {
        return Err(InvalidUser::TooLong);
    }
    let is_path = |id: &str| matches!(id, "." | "..") || id.contains(['/', '\\']);
    if is_path(owner) || owner.chars().any(char::is_control) || owner.trim() != owner {
        return Err(InvalidUser::Unusable(owner.to_owned()));
    }
    if accounts::is_reserved(owner) {
        return Err(InvalidUser::Reserved(owner.to_owned()));
    }
    Ok(())
}

fn is_user(segment: &str, owner: &str) -> bool {
    let of_issuer = || owner.strip_suffix(segment)?.strip_suffix(':');
    !segment.is_empty() && (segment == owner || of_issuer().is_some_and(|issuer| !issuer.is_empty()))
}

/// Without those that lie below another, so that nothing is counted twice.
fn outermost(mut prefixes: Vec<(BucketName, String)>) -> Vec<(BucketName, String)> {
    prefixes.sort();
    prefixes.dedup_by(|inner, outer| inner.0 == outer.0 && inner.1.starts_with(outer.1.as_str()));
    prefixes
}
