//! Names of buckets, keys and stores, parsed once.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest object key in bytes of UTF-8, as S3 has it.
const KEY_BYTES_MAX: usize = 1024;

/// A name that breaks the rules of its kind.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what} {name:?} {rule}")]
pub struct InvalidName {
    what: &'static str,
    name: String,
    rule: &'static str,
}

/// A bucket name that satisfies S3's naming rules.
///
/// Source: "Bucket naming rules" in the Amazon S3 user guide.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(Box<str>);

/// A key of 1 to 1,024 bytes.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(Box<str>);

/// The name of a store in the configuration: letters, digits, `-` and `_`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct StoreName(Box<str>);

impl BucketName {
    fn broken_rule(name: &str) -> Option<&'static str> {
        let inner_ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        let end_ok = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = name.as_bytes();
        if !(3..=63).contains(&bytes.len()) {
            Some("must have 3 to 63 characters")
        } else if !bytes.iter().copied().all(inner_ok) {
            Some("may hold lower-case letters, digits, dots and hyphens only")
        } else if !end_ok(bytes.first()) || !end_ok(bytes.last()) {
            Some("must begin and end with a letter or digit")
        } else if name.contains(".-") || name.contains("-.") {
            Some("must not have a dot beside a hyphen")
        } else if name.contains("..") || name.parse::<std::net::Ipv4Addr>().is_ok() {
            Some("must not have two dots in a row nor be an address")
        } else {
            None
        }
    }
}

impl ObjectKey {
    fn broken_rule(name: &str) -> Option<&'static str> {
        match name.len() {
            _ if name.contains('\0') => Some("must not hold a zero byte"), // PostgreSQL and file systems cannot keep one.
            0 => Some("must not be empty"),
            1..=KEY_BYTES_MAX => None,
            _ => Some("must have at most 1,024 bytes"),
        }
    }

    /// Everything up to and with the last `/`, or nothing: where derived objects go.
    pub fn folder(&self) -> &str {
        self.0.rfind('/').map_or("", |end| &self.0[..=end])
    }

    /// What follows the last `/`, split at its last dot: `a/cat.jpg` gives (`cat`, `jpg`).
    pub fn stem_and_extension(&self) -> (&str, &str) {
        let name = &self.0[self.folder().len()..];
        match name.rfind('.') {
            Some(0) | None => (name, ""),
            Some(dot) => (&name[..dot], &name[dot + 1..]),
        }
    }

    /// The key of a derived object: `a/cat.jpg` with `_thumb.jpg` gives `a/cat_thumb.jpg`.
    pub fn with_suffix(&self, suffix: &str) -> Result<Self, InvalidName> {
        format!("{}{}{suffix}", self.folder(), self.stem_and_extension().0).parse()
    }
}

impl StoreName {
    fn broken_rule(name: &str) -> Option<&'static str> {
        let ok = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let fits = (1..=63).contains(&name.len()) && name.bytes().all(ok);
        (!fits).then_some("must have 1 to 63 letters, digits, hyphens or underscores")
    }
}

/// The same five impls for each kind of name.
macro_rules! name {
    ($type:ty, $what:literal) => {
        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(name: &str) -> Result<Self, InvalidName> {
                match Self::broken_rule(name) {
                    Some(rule) => Err(InvalidName { what: $what, name: name.to_owned(), rule }),
                    None => Ok(Self(name.into())),
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(name: String) -> Result<Self, InvalidName> {
                name.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.into()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(BucketName, "bucket name");
name!(ObjectKey, "object key");
name!(StoreName, "store name");

#[cfg(test)]
mod tests;
