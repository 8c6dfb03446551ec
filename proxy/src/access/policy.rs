//! IAM policies, as buckets have them (and roles): who may do what to what, and when.
//!
//! [`Policy::parse`] refuses what it does not understand; [`Policy::decide`] answers one question and touches nothing else:
//! the caller brings the facts of the request as a function from condition keys to values. An explicit Deny wins over any
//! Allow; what no statement speaks of is [`Verdict::Silent`], and then other grants (an ACL, being the owner) decide.
//! The order of such grants, and what an owner may always do, is not decided here.

mod comparison;
mod condition;
mod error;
mod json;
mod network;
mod parse;
mod pattern;
mod principal;
mod public;
mod resource;

use std::fmt;

pub(crate) use error::PolicyError;

use condition::Condition;
use error::{Fault, Place, Quoted};
use pattern::{Case, Pattern};
use principal::Principals;
use resource::Resource;

/// The facts of a request: the values of a condition key, `None` if the request has no such key.
///
/// Keys come as [`context_name`] writes them: in lower case, such as `aws:sourceip`, except for what follows a slash,
/// such as the tag in `s3:existingobjecttag/Colour`, and except for keys of other families, such as `jwt:sub`.
pub(crate) type Context<'a> = dyn Fn(&str) -> Option<Vec<String>> + 'a;

/// A policy that was read whole.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    statements: Vec<Statement>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Principal<'a> {
    /// Somebody who did not sign.
    Anonymous,
    /// The account of that name, or `ACCOUNT:USER`.
    Account(&'a str),
}

/// One question.
pub(crate) struct Asked<'a> {
    /// Who asks.
    pub(crate) principal: Principal<'a>,
    /// For what, such as `s3:GetObject`.
    pub(crate) action: &'a str,
    /// In which bucket.
    pub(crate) bucket: &'a str,
    /// Of which object; `None` asks for the bucket itself.
    pub(crate) key: Option<&'a str>,
    /// What else is known of the request.
    pub(crate) context: &'a Context<'a>,
}

/// What a policy says to a question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict<'p> {
    /// A statement allows it, and none denies it.
    Allow(Which<'p>),
    /// A statement denies it.
    Deny(Which<'p>),
    /// No statement speaks of it.
    Silent,
}

/// The statement that decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Which<'p> {
    /// By its name.
    Sid(&'p str),
    /// By its place, counted from 1, if it has no name.
    Number(usize),
}

#[derive(Clone, Debug)]
struct Statement {
    sid: Option<String>,
    effect: Effect,
    speaker: Speaker,
    actions: Actions,
    resources: Resources,
    conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Effect {
    Allow,
    Deny,
}

/// Of whom a statement speaks.
#[derive(Clone, Debug)]
enum Speaker {
    Of(Principals),
    Not(Principals),
    /// Whoever has the role that the policy belongs to.
    Holder,
}

#[derive(Clone, Debug)]
struct Actions {
    patterns: Vec<Pattern>,
    /// All actions but these.
    except: bool,
}

#[derive(Clone, Debug)]
struct Resources {
    list: Vec<Resource>,
    /// All resources but these.
    except: bool,
}

impl Policy {
    /// Reads the policy of a bucket.
    pub(crate) fn parse(text: &str) -> Result<Self, PolicyError> {
        parse::policy(text, parse::Owner::Bucket)
    }

    /// Reads the policy of a role: its statements speak of whoever has the role, and name no principal.
    #[cfg_attr(not(test), expect(dead_code, reason = "roles come with tokens"))]
    pub(crate) fn parse_of_role(text: &str) -> Result<Self, PolicyError> {
        parse::policy(text, parse::Owner::Role)
    }

    /// Checks that every statement speaks of that bucket. Wildcards may speak of others too.
    pub(crate) fn check_bucket(&self, bucket: &str) -> Result<(), PolicyError> {
        for (statement, number) in self.statements.iter().zip(1..) {
            if let Some(foreign) = statement.resources.list.iter().find(|one| !one.belongs_to(bucket)) {
                let resource = Quoted::new(foreign.text());
                let fault = Fault::ForeignResource { resource, bucket: Quoted::new(bucket) };
                return Err(fault.at(&Place::Statement(number)));
            }
        }
        Ok(())
    }

    /// Whether a condition asks for a key of the request that begins so, written as [`context_name`] writes it.
    pub(crate) fn looks_at(&self, prefix: &str) -> bool {
        self.statements
            .iter()
            .flat_map(|statement| &statement.conditions)
            .any(|one| one.key.starts_with(prefix))
    }

    /// Answers a question.
    pub(crate) fn decide(&self, asked: &Asked<'_>) -> Verdict<'_> {
        let path = match asked.key {
            Some(key) => format!("{}/{key}", asked.bucket),
            None => asked.bucket.to_owned(),
        };
        let mut verdict = Verdict::Silent;
        for (statement, number) in self.statements.iter().zip(1..) {
            let weighs = statement.effect == Effect::Deny || verdict == Verdict::Silent;
            if !weighs || !statement.applies(asked, &path) {
                continue;
            }
            let which = statement.sid.as_deref().map_or(Which::Number(number), Which::Sid);
            match statement.effect {
                Effect::Deny => return Verdict::Deny(which),
                Effect::Allow => verdict = Verdict::Allow(which),
            }
        }
        verdict
    }

    /// Whether it gives something to the public, by the rules of block-public-access.
    pub(crate) fn is_public(&self) -> bool {
        self.statements.iter().any(|statement| {
            let everyone = matches!(&statement.speaker, Speaker::Of(principals) if principals.are_everyone());
            everyone && statement.effect == Effect::Allow && !statement.conditions.iter().any(public::binds)
        })
    }
}

impl Statement {
    fn applies(&self, asked: &Asked<'_>, path: &str) -> bool {
        self.speaker.includes(asked.principal)
            && self.actions.include(asked.action)
            && self.resources.include(path, asked.context)
            && self.conditions.iter().all(|condition| condition.holds(asked.context))
    }
}

impl Speaker {
    fn includes(&self, principal: Principal<'_>) -> bool {
        match self {
            Self::Of(principals) => principals.contain(principal),
            Self::Not(principals) => !principals.contain(principal),
            Self::Holder => true,
        }
    }
}

impl Actions {
    fn include(&self, action: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(action, Case::Ignored, &nothing)) != self.except
    }
}

impl Resources {
    fn include(&self, path: &str, context: &Context<'_>) -> bool {
        self.list.iter().any(|resource| resource.covers(path, context)) != self.except
    }
}

impl fmt::Display for Which<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sid(sid) => f.write_str(sid),
            Self::Number(number) => write!(f, "statement {number}"),
        }
    }
}

/// The name under which the context is asked for a key. AWS' own keys have no case, but tags and claims have.
fn context_name(key: &str) -> String {
    let family = key.split(':').next().unwrap_or_default();
    if !["aws", "s3"].iter().any(|own| family.eq_ignore_ascii_case(own)) {
        return key.to_owned();
    }
    match key.split_once('/') {
        Some((name, tag)) => format!("{}/{tag}", name.to_ascii_lowercase()),
        None => key.to_ascii_lowercase(),
    }
}

/// A context that knows nothing.
fn nothing(_: &str) -> Option<Vec<String>> {
    None
}

#[cfg(test)]
mod tests;
