//! From JSON to a policy. Strict: what is not understood is refused, because a part that is ignored would give more than
//! its author meant.

use super::condition::Condition;
use super::error::{Fault, Place, PolicyError, Quoted};
use super::json::Json;
use super::pattern::{Pattern, Syntax};
use super::principal::Principals;
use super::resource::Resource;
use super::{Actions, Effect, Policy, Resources, Speaker, Statement};

/// Whose policy it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Owner {
    /// A bucket's: every statement says of whom it speaks.
    Bucket,
    /// A role's: it speaks of whoever has the role.
    Role,
}

/// Reads a policy.
pub(super) fn policy(text: &str, owner: Owner) -> Result<Policy, PolicyError> {
    if text.len() > POLICY_BYTES_MAX {
        return Err(PolicyError::TooLarge { found: text.len(), limit: POLICY_BYTES_MAX });
    }
    let json = Json::parse(text).map_err(|error| PolicyError::Json(error.to_string()))?;
    let whole = |fault: Fault| fault.at(&Place::Policy);
    let fields = Fields::of(&json, &["Version", "Id", "Statement"]).map_err(whole)?;
    let variables = version(fields.find("Version")).map_err(whole)?;
    label("Id", fields.find("Id")).map_err(whole)?;
    let list = match fields.find("Statement") {
        None => return Err(whole(Fault::Missing("Statement"))),
        Some(Json::List(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    if list.is_empty() {
        return Err(whole(Fault::Empty("Statement")));
    }
    let statements = list
        .iter()
        .zip(1..)
        .map(|(json, number)| {
            statement(json, owner, variables).map_err(|fault| fault.at(&Place::Statement(number)))
        })
        .collect::<Result<_, _>>()?;
    Ok(Policy { statements })
}

/// One text or a list of them, at least one.
pub(super) fn texts<'j>(key: &'static str, json: &'j Json) -> Result<Vec<&'j str>, Fault> {
    each(json, key, |value| match value {
        Json::Text(text) => Some(text.as_str()),
        _ => None,
    })
    .ok_or(Fault::Shape { key, expected: "a text or a list of texts" })?
}

/// Like [`texts`], but numbers and booleans may stand there too.
pub(super) fn scalars(key: &'static str, json: &Json) -> Result<Vec<String>, Fault> {
    each(json, key, |value| match value {
        Json::Text(text) | Json::Number(text) => Some(text.clone()),
        Json::Bool(value) => Some(value.to_string()),
        _ => None,
    })
    .ok_or(Fault::Shape { key, expected: "texts, numbers, true or false as values" })?
}

/// Reads one value or each of a list. `None`: one of them is of the wrong kind.
fn each<'j, T>(
    json: &'j Json,
    key: &'static str,
    read: impl Fn(&'j Json) -> Option<T>,
) -> Option<Result<Vec<T>, Fault>> {
    match json {
        Json::List(list) if list.is_empty() => Some(Err(Fault::Empty(key))),
        Json::List(list) => list.iter().map(read).collect::<Option<_>>().map(Ok),
        one => read(one).map(|value| Ok(vec![value])),
    }
}

/// The keys of an object, each of which is known.
struct Fields<'j>(&'j [(String, Json)]);

impl<'j> Fields<'j> {
    fn of(json: &'j Json, known: &[&str]) -> Result<Self, Fault> {
        let Json::Object(fields) = json else {
            return Err(Fault::Shape { key: "its value", expected: "an object" });
        };
        match fields.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) => Err(Fault::UnknownKey(Quoted::new(key))),
            None => Ok(Self(fields)),
        }
    }

    fn find(&self, wanted: &str) -> Option<&'j Json> {
        self.0.iter().find(|(key, _)| key == wanted).map(|(_, value)| value)
    }

    /// Of a key and its negation, the one that is there, and whether it is the negation.
    fn either(&self, key: &'static str, not: &'static str) -> Result<Option<(&'j Json, bool)>, Fault> {
        match (self.find(key), self.find(not)) {
            (Some(_), Some(_)) => Err(Fault::Both(key, not)),
            (Some(value), None) => Ok(Some((value, false))),
            (None, Some(value)) => Ok(Some((value, true))),
            (None, None) => Ok(None),
        }
    }
}

/// Whether the version knows variables. Without a version it is the older one, as in AWS.
fn version(json: Option<&Json>) -> Result<bool, Fault> {
    match json {
        None => Ok(false),
        Some(Json::Text(text)) => match text.as_str() {
            "2012-10-17" => Ok(true),
            "2008-10-17" => Ok(false),
            other => Err(Fault::Version(Quoted::new(other))),
        },
        Some(_) => Err(Fault::Shape { key: "Version", expected: "a text" }),
    }
}

fn label(key: &'static str, json: Option<&Json>) -> Result<Option<String>, Fault> {
    match json {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Fault::Shape { key, expected: "a text" }),
    }
}

fn statement(json: &Json, owner: Owner, variables: bool) -> Result<Statement, Fault> {
    let fields = Fields::of(json, &STATEMENT_KEYS)?;
    let effect = effect(fields.find("Effect"))?;
    let (action, not_action) = fields.either("Action", "NotAction")?.ok_or(Fault::Missing("Action"))?;
    let (resource, not_resource) =
        fields.either("Resource", "NotResource")?.ok_or(Fault::Missing("Resource"))?;
    let resource_key = if not_resource { "NotResource" } else { "Resource" };
    Ok(Statement {
        sid: label("Sid", fields.find("Sid"))?,
        effect,
        speaker: speaker(&fields, owner, effect)?,
        actions: Actions { patterns: actions(action, not_action)?, except: not_action },
        resources: Resources {
            list: texts(resource_key, resource)?
                .into_iter()
                .map(|text| Resource::parse(text, variables))
                .collect::<Result<_, _>>()?,
            except: not_resource,
        },
        conditions: match fields.find("Condition") {
            Some(block) => Condition::parse_block(block, variables)?,
            None => Vec::new(),
        },
    })
}

fn effect(json: Option<&Json>) -> Result<Effect, Fault> {
    match json {
        None => Err(Fault::Missing("Effect")),
        Some(Json::Text(text)) => match text.as_str() {
            "Allow" => Ok(Effect::Allow),
            "Deny" => Ok(Effect::Deny),
            other => Err(Fault::Effect(Quoted::new(other))),
        },
        Some(_) => Err(Fault::Shape { key: "Effect", expected: "a text" }),
    }
}

fn speaker(fields: &Fields<'_>, owner: Owner, effect: Effect) -> Result<Speaker, Fault> {
    match (owner, fields.either("Principal", "NotPrincipal")?) {
        (Owner::Bucket, None) => Err(Fault::Missing("Principal")),
        (Owner::Bucket, Some((_, true))) if effect == Effect::Allow => Err(Fault::AllowNotPrincipal),
        (Owner::Bucket, Some((json, false))) => Ok(Speaker::Of(Principals::parse("Principal", json)?)),
        (Owner::Bucket, Some((json, true))) => Ok(Speaker::Not(Principals::parse("NotPrincipal", json)?)),
        (Owner::Role, None) => Ok(Speaker::Holder),
        (Owner::Role, Some((_, false))) => Err(Fault::Unwanted("Principal")),
        (Owner::Role, Some((_, true))) => Err(Fault::Unwanted("NotPrincipal")),
    }
}

fn actions(json: &Json, not: bool) -> Result<Vec<Pattern>, Fault> {
    texts(if not { "NotAction" } else { "Action" }, json)?.into_iter().map(action).collect()
}

fn action(text: &str) -> Result<Pattern, Fault> {
    let letters = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"*?-".contains(&b))
    };
    let written_well =
        text == "*" || text.split_once(':').is_some_and(|(service, name)| letters(service) && letters(name));
    if !written_well {
        return Err(Fault::Action(Quoted::new(text)));
    }
    Pattern::parse(text, Syntax { wildcards: true, variables: false })
}

const STATEMENT_KEYS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

/// S3's limit for a bucket policy.
const POLICY_BYTES_MAX: usize = 20 * 1024;
