//! Whether a policy opens a bucket to the public, as S3's block-public-access defines it.
//!
//! A policy is public unless each statement that allows something to everyone is bound to somebody by a condition: a
//! key that only that somebody can have, an operator that fails without the key, and fixed values, without wildcards and
//! variables. A range of addresses counts if it is /8 or narrower (/32 for IPv6). What other statements deny is not
//! weighed. Unlike in AWS, the id of a KMS key binds nobody: here it is a header that anyone may send.

use super::comparison::Comparison;
use super::condition::{Condition, Of, Test};
use super::pattern::{Case, Pattern};

/// Whether the condition binds its statement to somebody.
pub(super) fn binds(condition: &Condition) -> bool {
    let Test::Compared { comparison, negated: false, of: Of::One | Of::Any, if_exists: false } =
        &condition.test
    else {
        return false;
    };
    match (comparison, condition.key.as_str()) {
        (Comparison::Address(ranges), "aws:sourceip") => ranges.iter().all(|range| range.is_narrow()),
        (Comparison::Text { values, .. }, ACCESS_POINT) => {
            values.iter().all(|value| has_fixed_account(&value.split(':', 6)))
        }
        (Comparison::Arn(values), ACCESS_POINT) => values.iter().all(|parts| has_fixed_account(parts)),
        (Comparison::Text { values, .. }, key) if BINDING.contains(&key) => values.iter().all(is_somebody),
        (Comparison::Arn(values), key) if BINDING.contains(&key) => {
            values.iter().flatten().all(Pattern::is_fixed)
        }
        _ => false,
    }
}

/// Whether the value is fixed, and not the name that stands for everyone who does not sign.
fn is_somebody(value: &Pattern) -> bool {
    value.is_fixed() && !value.matches_alone(ANONYMOUS, Case::Ignored)
}

/// Of an access point the account must be fixed; its name may have wildcards.
fn has_fixed_account(arn: &[Pattern]) -> bool {
    matches!(arn, [_, _, _, _, account, _] if account.is_fixed() && !account.is_empty())
}

const ACCESS_POINT: &str = "s3:dataaccesspointarn";

/// `aws:userid` of a request without a signature.
const ANONYMOUS: &str = "anonymous";

/// The keys that say who asks, or from where, in a way that nobody else can say.
const BINDING: [&str; 10] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
];
