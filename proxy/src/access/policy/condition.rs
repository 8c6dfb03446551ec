//! One condition of a statement: a key of the request, an operator, values.
//!
//! The keys of a block and its operators must all hold; of the values of one key any. A key that the request does not
//! have fails an operator, and satisfies one that negates or ends in `IfExists`. With `ForAnyValue:` a missing key always
//! fails, with `ForAllValues:` it always holds; a suffix `IfExists` changes neither, as in AWS.

use super::comparison::{self, Comparison};
use super::error::{Fault, Quoted};
use super::json::Json;
use super::parse::scalars;
use super::variable::{Doubt, Given, Work};
use super::{Context, Effect, context_name};

/// A condition on one key.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// As [`context_name`] writes it.
    pub(super) key: String,
    pub(super) test: Test,
}

/// What must hold for the key.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// The key is missing (`true`) or there (`false`).
    Missing(Vec<bool>),
    Compared {
        comparison: Comparison,
        negated: bool,
        of: Of,
        if_exists: bool,
    },
}

/// Which of the request's values must pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Of {
    /// The one that there is. Where there are several, one that fits is enough, and negated none may fit.
    One,
    /// `ForAnyValue:`
    Any,
    /// `ForAllValues:`
    All,
}

impl Condition {
    /// Reads a statement's whole block.
    pub(super) fn parse_block(json: &Json, variables: bool) -> Result<Vec<Self>, Fault> {
        let shape = Fault::Shape { key: "Condition", expected: "an object of objects" };
        let Json::Object(operators) = json else { return Err(shape) };
        let mut conditions = Vec::new();
        for (operator, keys) in operators {
            let Json::Object(keys) = keys else { return Err(shape) };
            for (key, values) in keys {
                let values = scalars("Condition", values)?;
                let test = Test::parse(operator, &values, variables)?;
                conditions.push(Self { key: context_name(key), test });
            }
            if keys.is_empty() {
                // Says nothing, but its operator must still be one.
                Test::parse(operator, &[], variables)?;
            }
        }
        Ok(conditions)
    }

    /// Whether the request satisfies it, in a statement of that effect.
    pub(super) fn holds(&self, context: &Context<'_>, effect: Effect, work: &Work) -> bool {
        let found = context(&self.key).filter(|values| !values.is_empty());
        match &self.test {
            Test::Missing(wanted) => wanted.contains(&found.is_none()),
            Test::Compared { comparison, negated, of, if_exists } => {
                let given = Given {
                    context,
                    doubt: Doubt::of(effect, *negated),
                    segments: OF_PATHS.contains(&self.key.as_str()),
                    doubts_missing: false,
                    work,
                };
                let fits = |value: &String| comparison.fits(value, &given);
                match (of, found) {
                    (Of::One, None) => *negated || *if_exists,
                    (Of::One, Some(values)) => values.iter().any(fits) != *negated,
                    (Of::Any, None) => false,
                    (Of::Any, Some(values)) => values.iter().any(|value| fits(value) != *negated),
                    (Of::All, None) => true,
                    (Of::All, Some(values)) => values.iter().all(|value| fits(value) != *negated),
                }
            }
        }
    }
}

impl Test {
    fn parse(operator: &str, values: &[String], variables: bool) -> Result<Self, Fault> {
        let unknown = |_| Fault::Operator(Quoted::new(operator));
        if operator == "Null" {
            return Ok(Self::Missing(comparison::all(
                operator,
                values,
                "true or false",
                comparison::boolean,
            )?));
        }
        let (of, name) = match operator.split_once(':') {
            Some(("ForAnyValue", name)) => (Of::Any, name),
            Some(("ForAllValues", name)) => (Of::All, name),
            _ => (Of::One, operator),
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (comparison, negated) =
            Comparison::parse(name, values, variables).map_err(|fault| match fault {
                Fault::Operator(_) => unknown(fault),
                fault => fault,
            })?;
        Ok(Self::Compared { comparison, negated, of, if_exists })
    }
}

/// Keys whose values name objects, so that variables in them are held to what they are held to in resources.
const OF_PATHS: [&str; 2] = ["s3:prefix", "s3:x-amz-copy-source"];
