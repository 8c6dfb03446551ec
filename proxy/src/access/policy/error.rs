//! Why a policy is refused, in a sentence that names the place and the fault.
//!
//! What the author wrote is quoted, but cut short: a message goes back to the client and into logs.

use std::fmt;

use s3s::S3ErrorCode;

/// Why a text is not a policy that can be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    #[error("the policy has {found} bytes; at most {limit} are allowed")]
    TooLarge { found: usize, limit: usize },
    #[error("the policy is not readable JSON: {0}")]
    Json(String),
    #[error("{place} {fault}")]
    Fault { place: Place, fault: Fault },
}

impl PolicyError {
    /// What a client hears.
    pub(crate) fn code(&self) -> S3ErrorCode {
        S3ErrorCode::MalformedPolicy
    }
}

/// Where in the policy the fault is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// The policy as a whole.
    Policy,
    /// A statement, counted from 1.
    Statement(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy => f.write_str("the policy"),
            Self::Statement(number) => write!(f, "statement {number}"),
        }
    }
}

/// What is wrong there. Reads on from the name of the place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("has the key {0}, which policies do not know")]
    UnknownKey(Quoted),
    #[error("lacks the key {0}")]
    Missing(&'static str),
    #[error("has both {0} and {1}; only one of them is allowed")]
    Both(&'static str, &'static str),
    #[error("has {0}, which this kind of policy must not have")]
    Unwanted(&'static str),
    #[error("must have {expected} as {key}")]
    Shape { key: &'static str, expected: &'static str },
    #[error("has nothing in {0}")]
    Empty(&'static str),
    #[error("has the version {0}; 2012-10-17 and 2008-10-17 are known")]
    Version(Quoted),
    #[error("has the effect {0}; it must be Allow or Deny")]
    Effect(Quoted),
    #[error("allows with NotPrincipal; that would allow nearly everyone, so only Deny may have it")]
    AllowNotPrincipal,
    #[error("has the invalid principal {0}")]
    Principal(Quoted),
    #[error("has the invalid action {0}; actions look like s3:GetObject")]
    Action(Quoted),
    #[error("has the invalid resource {0}; resources look like arn:aws:s3:::bucket/key")]
    Resource(Quoted),
    #[error("has the resource {resource}, which does not belong to the bucket {bucket}")]
    ForeignResource { resource: Quoted, bucket: Quoted },
    #[error("has the variable {0}, which is not closed or not well written")]
    Variable(Quoted),
    #[error("has the unknown condition operator {0}")]
    Operator(Quoted),
    #[error("has the value {value} under {operator}, which cannot be read as {expected}")]
    Value { operator: Quoted, value: Quoted, expected: &'static str },
}

impl Fault {
    /// The fault, with its place.
    pub(super) fn at(self, place: &Place) -> PolicyError {
        PolicyError::Fault { place: place.clone(), fault: self }
    }
}

/// A piece of the author's text, cut short and in quotes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Quoted(String);

impl Quoted {
    pub(super) fn new(text: &str) -> Self {
        match text.char_indices().nth(QUOTED_CHARS_MAX) {
            Some((end, _)) => Self(format!("{}…", &text[..end])),
            None => Self(text.to_owned()),
        }
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Enough for any bucket's ARN.
const QUOTED_CHARS_MAX: usize = 120;
