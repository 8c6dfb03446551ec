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
mod variable;

use std::fmt;

pub(crate) use error::PolicyError;

use condition::Condition;
use error::{Fault, Place, Quoted};
use pattern::{Case, Pattern};
use principal::Principals;
use resource::Resource;
use variable::{Doubt, Given, Work};

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

/// What a statement does to what it speaks of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// What a statement has to do with a question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Explained<'p> {
    pub(crate) which: Which<'p>,
    pub(crate) effect: Effect,
    /// Why it does not apply; nothing where it does.
    pub(crate) misfit: Option<Misfit<'p>>,
}

/// The first part of a statement that does not fit a question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Misfit<'p> {
    Action,
    Principal,
    Resource,
    /// The condition on that key.
    Condition(&'p str),
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
        let (path, work) = (asked.path(), Work::default());
        let mut verdict = Verdict::Silent;
        for (statement, number) in self.statements.iter().zip(1..) {
            let weighs = statement.effect == Effect::Deny || verdict == Verdict::Silent;
            if !weighs || statement.misfit(asked, &path, &work).is_some() {
                continue;
            }
            match statement.effect {
                Effect::Deny => return Verdict::Deny(statement.which(number)),
                Effect::Allow => verdict = Verdict::Allow(statement.which(number)),
            }
        }
        verdict
    }

    /// Says of each statement whether it applies to a question, and if not, why.
    pub(crate) fn explain(&self, asked: &Asked<'_>) -> Vec<Explained<'_>> {
        let (path, work) = (asked.path(), Work::default());
        let statements = self.statements.iter().zip(1..);
        statements
            .map(|(statement, number)| Explained {
                which: statement.which(number),
                effect: statement.effect,
                misfit: statement.misfit(asked, &path, &work),
            })
            .collect()
    }

    /// Whether it gives something to the public, by the rules of block-public-access.
    pub(crate) fn is_public(&self) -> bool {
        self.statements.iter().any(|statement| {
            let everyone = matches!(&statement.speaker, Speaker::Of(principals) if principals.are_everyone());
            everyone && statement.effect == Effect::Allow && !statement.conditions.iter().any(public::binds)
        })
    }
}

impl Asked<'_> {
    fn path(&self) -> String {
        match self.key {
            Some(key) => format!("{}/{key}", self.bucket),
            None => self.bucket.to_owned(),
        }
    }
}

impl Statement {
    fn which(&self, number: usize) -> Which<'_> {
        self.sid.as_deref().map_or(Which::Number(number), Which::Sid)
    }

    /// Why it does not apply; nothing where it does.
    fn misfit(&self, asked: &Asked<'_>, path: &str, work: &Work) -> Option<Misfit<'_>> {
        if !self.actions.include(asked.action) {
            return Some(Misfit::Action);
        }
        if !self.speaker.includes(asked.principal) {
            return Some(Misfit::Principal);
        }
        if !self.resources.include(path, asked.context, self.effect, work) {
            return Some(Misfit::Resource);
        }
        let failed = self.conditions.iter().find(|one| !one.holds(asked.context, self.effect, work));
        failed.map(|condition| Misfit::Condition(&condition.key))
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
        self.patterns.iter().any(|pattern| pattern.matches_alone(action, Case::Ignored)) != self.except
    }
}

impl Resources {
    fn include(&self, path: &str, context: &Context<'_>, effect: Effect, work: &Work) -> bool {
        let given = Given {
            context,
            doubt: Doubt::of(effect, self.except),
            segments: true,
            // Or somebody without the claim would be allowed the very folder that is kept from its holders.
            doubts_missing: self.except && effect == Effect::Allow,
            work,
        };
        self.list.iter().any(|resource| resource.covers(path, &given)) != self.except
    }
}

impl fmt::Display for Misfit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action => f.write_str("the action does not fit"),
            Self::Principal => f.write_str("the principal does not fit"),
            Self::Resource => f.write_str("the resource does not fit"),
            Self::Condition(key) => write!(f, "the condition on {key} does not hold"),
        }
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
pub(crate) fn context_name(key: &str) -> String {
    let family = key.split(':').next().unwrap_or_default();
    if !["aws", "s3"].iter().any(|own| family.eq_ignore_ascii_case(own)) {
        return key.to_owned();
    }
    match key.split_once('/') {
        Some((name, tag)) => format!("{}/{tag}", name.to_ascii_lowercase()),
        None => key.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests;
