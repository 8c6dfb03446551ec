//! What a condition compares with: the operator and its values, read once when the policy is parsed.
//!
//! Each value of a request is compared with all values of the condition; one that fits is enough. A value of a request
//! that cannot be read (a number that is none) fits nothing.

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use s3s::dto::{Timestamp, TimestampFormat};

use super::error::{Fault, Quoted};
use super::network::Network;
use super::pattern::{Case, Pattern, Syntax};
use super::variable::Given;

/// An operator without prefix, suffix and negation, and its values.
#[derive(Clone, Debug)]
pub(super) enum Comparison {
    Text {
        case: Case,
        values: Vec<Pattern>,
    },
    Number {
        order: Order,
        values: Vec<f64>,
    },
    Date {
        order: Order,
        values: Vec<Timestamp>,
    },
    Bool(Vec<bool>),
    Binary(Vec<Vec<u8>>),
    Address(Vec<Network>),
    /// Compared part by part, so that a star does not reach into the next part.
    Arn(Vec<Vec<Pattern>>),
}

/// How a number or a date has to stand to the one of the policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Reads an operator's name and values. The flag says whether the operator negates.
    pub(super) fn parse(name: &str, values: &[String], variables: bool) -> Result<(Self, bool), Fault> {
        if let Some(kind) = name.strip_prefix("String") {
            return text(name, kind, values, variables);
        }
        if let Some(kind) = name.strip_prefix("Numeric") {
            let (order, negated) = order(name, kind)?;
            return Ok((Self::Number { order, values: all(name, values, "a number", number)? }, negated));
        }
        if let Some(kind) = name.strip_prefix("Date") {
            let (order, negated) = order(name, kind)?;
            return Ok((Self::Date { order, values: all(name, values, "a date", date)? }, negated));
        }
        match name {
            "Bool" => Ok((Self::Bool(all(name, values, "true or false", boolean)?), false)),
            "BinaryEquals" => Ok((Self::Binary(all(name, values, "base64", binary)?), false)),
            "IpAddress" | "NotIpAddress" => {
                let ranges = all(name, values, "an IP address or a range of them", Network::parse)?;
                Ok((Self::Address(ranges), name == "NotIpAddress"))
            }
            "ArnEquals" | "ArnLike" | "ArnNotEquals" | "ArnNotLike" => {
                Ok((Self::Arn(arns(name, values, variables)?), name.starts_with("ArnNot")))
            }
            _ => Err(Fault::Operator(Quoted::new(name))),
        }
    }

    /// Whether a value of the request fits one of the policy's.
    pub(super) fn fits(&self, found: &str, given: &Given<'_>) -> bool {
        match self {
            Self::Text { case, values } => values.iter().any(|value| value.matches(found, *case, given)),
            Self::Number { order, values } => {
                number(found).is_some_and(|found| values.iter().any(|value| order.holds(&found, value)))
            }
            Self::Date { order, values } => {
                date(found).is_some_and(|found| values.iter().any(|value| order.holds(&found, value)))
            }
            Self::Bool(values) => boolean(found).is_some_and(|found| values.contains(&found)),
            Self::Binary(values) => binary(found).is_some_and(|found| values.contains(&found)),
            Self::Address(ranges) => found
                .parse::<IpAddr>()
                .is_ok_and(|address| ranges.iter().any(|range| range.contains(address))),
            Self::Arn(values) => {
                let found: Vec<&str> = found.splitn(ARN_PARTS, ':').collect();
                values.iter().any(|value| arn_fits(value, &found, given))
            }
        }
    }
}

impl Order {
    fn holds<T: PartialOrd>(self, found: &T, wanted: &T) -> bool {
        match self {
            Self::Equal => found == wanted,
            Self::Less => found < wanted,
            Self::LessOrEqual => found <= wanted,
            Self::Greater => found > wanted,
            Self::GreaterOrEqual => found >= wanted,
        }
    }
}

/// Reads true or false, in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Reads every value, or names the one that cannot be read.
pub(super) fn all<T>(
    operator: &str,
    values: &[String],
    expected: &'static str,
    read: fn(&str) -> Option<T>,
) -> Result<Vec<T>, Fault> {
    values.iter().map(|value| read(value).ok_or_else(|| unreadable(operator, value, expected))).collect()
}

fn unreadable(operator: &str, value: &str, expected: &'static str) -> Fault {
    Fault::Value { operator: Quoted::new(operator), value: Quoted::new(value), expected }
}

fn text(name: &str, kind: &str, values: &[String], variables: bool) -> Result<(Comparison, bool), Fault> {
    let (wildcards, case, negated) = match kind {
        "Equals" => (false, Case::Exact, false),
        "NotEquals" => (false, Case::Exact, true),
        "EqualsIgnoreCase" => (false, Case::Ignored, false),
        "NotEqualsIgnoreCase" => (false, Case::Ignored, true),
        "Like" => (true, Case::Exact, false),
        "NotLike" => (true, Case::Exact, true),
        _ => return Err(Fault::Operator(Quoted::new(name))),
    };
    let syntax = Syntax { wildcards, variables };
    let values = values.iter().map(|value| Pattern::parse(value, syntax)).collect::<Result<_, _>>()?;
    Ok((Comparison::Text { case, values }, negated))
}

fn order(name: &str, kind: &str) -> Result<(Order, bool), Fault> {
    match kind {
        "Equals" => Ok((Order::Equal, false)),
        "NotEquals" => Ok((Order::Equal, true)),
        "LessThan" => Ok((Order::Less, false)),
        "LessThanEquals" => Ok((Order::LessOrEqual, false)),
        "GreaterThan" => Ok((Order::Greater, false)),
        "GreaterThanEquals" => Ok((Order::GreaterOrEqual, false)),
        _ => Err(Fault::Operator(Quoted::new(name))),
    }
}

/// Sizes and counts stay exact up to 2^53, which is far above the largest object.
fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Reads `2026-01-31`, `2026-01-31T10:00Z`, `2026-01-31T10:00:00+01:00`, or seconds since 1970.
fn date(text: &str) -> Option<Timestamp> {
    let seconds = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    let day_only = text.len() == 10 && text.bytes().filter(|byte| *byte == b'-').count() == 2;
    if day_only {
        return Timestamp::parse(TimestampFormat::DateTime, &format!("{text}T00:00:00Z")).ok();
    }
    if seconds {
        return Timestamp::parse(TimestampFormat::EpochSeconds, text).ok();
    }
    let without_seconds = text.is_ascii() && text.len() > 16 && text.as_bytes()[16] != b':';
    if without_seconds {
        let (minutes, zone) = text.split_at(16);
        return Timestamp::parse(TimestampFormat::DateTime, &format!("{minutes}:00{zone}")).ok();
    }
    Timestamp::parse(TimestampFormat::DateTime, text).ok()
}

fn binary(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

fn arns(name: &str, values: &[String], variables: bool) -> Result<Vec<Vec<Pattern>>, Fault> {
    let read = |value: &String| {
        let parts = Pattern::parse(value, Syntax { wildcards: true, variables })?.split(':', ARN_PARTS);
        if parts.len() == ARN_PARTS || value == "*" {
            Ok(parts)
        } else {
            Err(unreadable(name, value, "an ARN"))
        }
    };
    values.iter().map(read).collect()
}

/// A lone star is any ARN.
fn arn_fits(value: &[Pattern], found: &[&str], given: &Given<'_>) -> bool {
    found.len() == ARN_PARTS
        && (value.len() == 1
            || value.iter().zip(found).all(|(part, found)| part.matches(found, Case::Exact, given)))
}

/// `arn:partition:service:region:account:resource`, where only the last may have colons.
const ARN_PARTS: usize = 6;
