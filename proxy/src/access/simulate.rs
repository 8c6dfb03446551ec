//! `relais policy simulate`: asks the policies one question, and says which statement decided and why the others did not.
//!
//! The policies are asked by [`judge`], as for requests. What it does not look into: signatures of tokens, ACLs, and who owns an
//! object; where those would decide, the answer is what the policies give by themselves.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use relais_catalog::BucketRow;
use serde_json::{Map, Value, json};

use super::config::AccessConfig;
use super::context::Caller;
use super::judge::{Judgement, OfBucket, Reason, judge};
use super::policy::{Asked, Explained, Policy, Principal, context_name};
use super::roles::{RoleError, Roles};
use super::rules::Rules;
use super::session::{Session, Via};
use super::token::{Claims, OWN_ISSUER, Token};
use crate::config::BucketConfig;
use crate::placement::is_shown;

/// Who is taken to ask.
#[derive(Clone, Debug)]
pub enum SimulatedCaller {
    /// Who does not sign.
    Anonymous,
    /// An account, by its id.
    Account(String),
    /// Who has a token with these claims.
    Claims(Map<String, Value>),
}

/// A question, and the policies to ask.
#[derive(Debug)]
pub struct Simulation<'a> {
    /// The `[access]` section: its roles are asked, unless a policy is given.
    pub access: &'a AccessConfig,
    /// The `[[buckets]]`: their `public_read` is asked, unless a policy is given.
    pub buckets: &'a [BucketConfig],
    /// What the catalog keeps of the bucket.
    pub kept: Option<BucketRow>,
    /// Who asks.
    pub caller: SimulatedCaller,
    /// For what, such as `s3:GetObject`.
    pub action: String,
    /// In which bucket.
    pub bucket: String,
    /// Of which object; nothing asks for the bucket itself.
    pub key: Option<String>,
    /// Condition keys and their values.
    pub context: Vec<(String, String)>,
    /// The policy of a role, to ask instead of everything that is configured.
    pub policy: Option<String>,
    /// The policy of the bucket, likewise.
    pub bucket_policy: Option<String>,
    /// What was asked of STS.
    pub session_policy: Option<String>,
}

/// Why nothing can be simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A policy is none.
    #[error("{whose}: {what}")]
    Policy {
        /// Whose policy it is.
        whose: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// What is configured cannot be used.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// What the catalog keeps of the bucket cannot be read.
    #[error("what is kept of the bucket cannot be read: {0}")]
    Kept(String),
    /// The token is none.
    #[error("the token is not a JSON Web Token")]
    NoToken,
    /// The claims are none.
    #[error("the claims are not a JSON object: {0}")]
    NoClaims(serde_json::Error),
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Simulated {
    allowed: bool,
    reason: String,
    policies: Vec<Voice>,
}

/// What one policy says.
#[derive(Clone, Debug)]
struct Voice {
    of: String,
    statements: Vec<(String, Option<String>)>,
}

impl SimulatedCaller {
    /// Reads claims as JSON.
    pub fn of_claims(json: &str) -> Result<Self, SimulateError> {
        serde_json::from_str(json).map(Self::Claims).map_err(SimulateError::NoClaims)
    }

    /// Reads the claims of a token. Its signature is not looked at.
    pub fn of_token(jwt: &str) -> Result<Self, SimulateError> {
        let payload = jwt.trim().split('.').nth(1).ok_or(SimulateError::NoToken)?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| SimulateError::NoToken)?;
        serde_json::from_slice(&bytes).map(Self::Claims).map_err(|_| SimulateError::NoToken)
    }
}

impl Simulated {
    /// Whether it is allowed.
    pub fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// All of it, for programs.
    pub fn to_json(&self) -> String {
        let statement = |(name, why): &(String, Option<String>)| json!({ "statement": name, "applies": why.is_none(), "why": why });
        let policy = |voice: &Voice| {
            let statements: Vec<Value> = voice.statements.iter().map(statement).collect();
            json!({ "policy": voice.of, "statements": statements })
        };
        let policies: Vec<Value> = self.policies.iter().map(policy).collect();
        json!({ "allowed": self.allowed, "reason": self.reason, "policies": policies }).to_string()
    }
}

impl fmt::Display for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = if self.allowed { "allowed" } else { "refused" };
        write!(f, "{answer}: {}", self.reason)?;
        if self.policies.is_empty() {
            f.write_str("\nno policy has a say: no role fits the claims, and the bucket has none")?;
        }
        for voice in &self.policies {
            for (name, why) in &voice.statements {
                let why = why.as_deref().unwrap_or("applies");
                write!(f, "\n  {}, {name}: {why}", voice.of)?;
            }
        }
        Ok(())
    }
}

/// Asks.
pub fn simulate(simulation: &Simulation<'_>) -> Result<Simulated, SimulateError> {
    let token = simulation.token();
    if let Some(reason) = token.as_ref().and_then(|token| simulation.not_taken(token)) {
        return Ok(Simulated { allowed: false, reason: reason.to_owned(), policies: Vec::new() });
    }
    let session = simulation.session(token)?;
    let rules = Rules::of(simulation.kept.clone()).map_err(|error| SimulateError::Kept(error.to_string()))?;
    let given = simulation
        .bucket_policy
        .as_deref()
        .map(|text| Policy::parse(text).map_err(|error| invalid("the bucket's policy", &error)));
    let given = given.transpose()?;
    let kept = rules.policy.as_ref().map(|(policy, _)| policy).filter(|_| simulation.policy.is_none());
    let account = simulation.account();
    let owns = session.is_none() && account.as_deref() == Some(rules.owner.as_str());
    let of_bucket = given.as_ref().or(kept).map(|policy| {
        let restricted = rules.block().restrict && policy.is_public();
        OfBucket { policy, gives: !restricted || owns }
    });
    let claims = session.as_ref().and_then(|session| session.token.as_ref()).map(|token| &token.claims);
    let caller = Caller { account: account.as_deref(), claims, session: session.is_some() };
    let context = |name: &str| simulation.value(name, &caller);
    let asked = Asked {
        principal: account.as_deref().map_or(Principal::Anonymous, Principal::Account),
        action: &simulation.action,
        bucket: &simulation.bucket,
        key: simulation.key.as_deref(),
        context: &context,
    };
    let (allowed, reason) = match judge(session.as_ref(), of_bucket, &asked) {
        Judgement::Allowed(reason) => (true, reason),
        Judgement::Denied(reason) => (false, reason),
        Judgement::Silent if simulation.is_public() => (true, Reason::PublicRead),
        Judgement::Silent if owns => (true, Reason::OwnsBucket),
        Judgement::Silent => (false, Reason::Nothing),
    };
    let policies = voices(session.as_ref(), of_bucket, &asked);
    Ok(Simulated { allowed, reason: reason.to_string(), policies })
}

fn voices(session: Option<&Session>, of_bucket: Option<OfBucket<'_>>, asked: &Asked<'_>) -> Vec<Voice> {
    let mut voices = Vec::new();
    let mut hear = |of: String, policy: &Policy| {
        let statements = policy.explain(asked).iter().map(statement).collect();
        voices.push(Voice { of, statements });
    };
    if let Some(session) = session {
        session.policy.iter().for_each(|policy| hear("the given policy".to_owned(), policy));
        session.roles.iter().for_each(|role| hear(format!("role {}", role.name), &role.policy));
        session.narrowed_to.iter().for_each(|policy| hear("session policy".to_owned(), policy));
    }
    of_bucket.iter().for_each(|one| hear("policy of the bucket".to_owned(), one.policy));
    voices
}

fn statement(explained: &Explained<'_>) -> (String, Option<String>) {
    let name = format!("{} ({:?})", explained.which, explained.effect);
    (name, explained.misfit.map(|misfit| misfit.to_string()))
}

fn invalid(whose: &'static str, error: &super::policy::PolicyError) -> SimulateError {
    SimulateError::Policy { whose, what: error.to_string() }
}

impl Simulation<'_> {
    fn token(&self) -> Option<Token> {
        let SimulatedCaller::Claims(claims) = &self.caller else { return None };
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let configured = |issuer| self.access.issuers.iter().find(|one| one.issuer == issuer);
        let issuer = text("iss").and_then(configured);
        let subject = issuer.map_or("sub", |issuer| issuer.subject_claim.as_str());
        let time = |name: &str| DateTime::from_timestamp(claims.get(name)?.as_f64()? as i64, 0);
        Some(Token {
            issuer: issuer.map_or(OWN_ISSUER, |issuer| issuer.name.as_str()).to_owned(),
            subject: text(subject).unwrap_or_default().to_owned(),
            claims: Claims(claims.clone()),
            issued_at: time("iat"),
            expires_at: time("exp").unwrap_or(DateTime::<Utc>::MAX_UTC),
            id: text("jti").map(str::to_owned),
        })
    }

    /// Why the token would be of no use, whatever the policies say.
    fn not_taken(&self, token: &Token) -> Option<&'static str> {
        let issuer = token.claims.0.get("iss").and_then(Value::as_str);
        let is_known =
            |issuer: &str| issuer == OWN_ISSUER || self.access.issuers.iter().any(|one| one.issuer == issuer);
        match issuer {
            Some(issuer) if !is_known(issuer) => Some("the token's issuer is not configured"),
            _ if token.expires_at <= Utc::now() => Some("the token has expired"),
            _ => None,
        }
    }

    fn account(&self) -> Option<String> {
        match &self.caller {
            SimulatedCaller::Anonymous => None,
            SimulatedCaller::Account(id) => Some(id.clone()),
            SimulatedCaller::Claims(_) => self.token().map(|token| token.owner()),
        }
    }

    /// Nothing for an account and for nobody, unless a policy is given.
    fn session(&self, token: Option<Token>) -> Result<Option<Session>, SimulateError> {
        let parsed = |whose, text: &Option<String>| -> Result<Option<Arc<Policy>>, SimulateError> {
            let policy = text.as_deref().map(Policy::parse_of_role).transpose();
            Ok(policy.map_err(|error| invalid(whose, &error))?.map(Arc::new))
        };
        let policy = parsed("the policy", &self.policy)?;
        let narrowed_to = parsed("the session policy", &self.session_policy)?;
        if token.is_none() && policy.is_none() && narrowed_to.is_none() {
            return Ok(None);
        }
        let alone = self.policy.is_some() || self.bucket_policy.is_some();
        let roles = match token.as_ref().filter(|_| !alone) {
            Some(token) => Roles::new(&self.access.roles)?.of(token),
            None => Vec::new(),
        };
        Ok(Some(Session {
            via: if token.is_some() { Via::Bearer } else { Via::Key },
            token: token.map(Arc::new),
            roles,
            policy,
            narrowed_to,
            object_bytes_max: None,
            content_types: Vec::new(),
        }))
    }

    /// What was said on the command line, or else what is known of who asks and when.
    fn value(&self, key: &str, caller: &Caller<'_>) -> Option<Vec<String>> {
        let said = self.context.iter().filter(|(name, _)| context_name(name) == key);
        let said: Vec<String> = said.map(|(_, value)| value.clone()).collect();
        if !said.is_empty() {
            return Some(said);
        }
        match key {
            "aws:currenttime" => Some(vec![Utc::now().to_rfc3339()]),
            "aws:epochtime" => Some(vec![Utc::now().timestamp().to_string()]),
            _ => caller.values(key),
        }
    }

    fn is_public(&self) -> bool {
        let alone = self.policy.is_some() || self.bucket_policy.is_some();
        let named = |name: &str| self.buckets.iter().find(|bucket| bucket.name == name);
        let Some(bucket) = named(&self.bucket).or_else(|| named("*")) else { return false };
        let is_read = self.action.eq_ignore_ascii_case("s3:GetObject") && !alone;
        is_read && self.key.as_deref().is_some_and(|key| is_shown(&bucket.public_read, key))
    }
}

#[cfg(test)]
mod tests;
