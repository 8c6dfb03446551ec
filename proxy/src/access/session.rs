//! What a request brings beside an account: the policies that say what it may do.
//!
//! An access key without a policy acts for its account, and needs none of this. Holders of tokens, and keys with a policy, may do
//! what their policies allow and what a bucket gives by its policy or to everybody; that an object is theirs gives them nothing.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use relais_model::ByteSize;

use super::issuers::TokenError;
use super::policy::Policy;
use super::roles::Role;
use super::token::Token;
use crate::gateway::Gateway;

/// By which way somebody came in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Via {
    /// An access key with a policy of its own.
    Key,
    /// A token in `Authorization: Bearer`.
    Bearer,
    /// A token as session token of a signature.
    SessionToken,
    /// Temporary credentials of STS.
    Sts,
}

/// What somebody may do beside what a bucket gives.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) via: Via,
    /// Nothing for an access key.
    pub(crate) token: Option<Arc<Token>>,
    pub(crate) roles: Vec<Arc<Role>>,
    /// The policy of an access key.
    pub(crate) policy: Option<Arc<Policy>>,
    /// What was asked of STS: allows nothing by itself, and without it nothing is allowed.
    pub(crate) narrowed_to: Option<Arc<Policy>>,
    /// Largest object that the credentials may write, whatever the roles say.
    pub(crate) object_bytes_max: Option<ByteSize>,
}

impl Session {
    /// The policies that may allow something, each with the name of what it belongs to.
    pub(crate) fn policies(&self) -> impl Iterator<Item = (&str, &Policy)> {
        let own = self.policy.iter().map(|policy| ("key", &**policy));
        own.chain(self.roles.iter().map(|role| (role.name.as_str(), &role.policy)))
    }

    /// When it ends.
    pub(crate) fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.token.as_ref().map(|token| token.expires_at)
    }

    /// The largest object that it may write: of several roles the largest counts, and one without a limit has none.
    pub(crate) fn object_bytes_max(&self) -> Option<ByteSize> {
        let limits = self.roles.iter().map(|role| role.object_bytes_max);
        let of_roles = limits.reduce(|one, other| Some(one?.max(other?))).flatten();
        [of_roles, self.object_bytes_max].into_iter().flatten().min()
    }

    /// Whether it may manage other users' affairs.
    pub(crate) fn is_admin(&self) -> bool {
        self.narrowed_to.is_none() && self.roles.iter().any(|role| role.admin)
    }
}

impl Gateway {
    /// What the holder of a token may do.
    pub(crate) async fn session_of(&self, jwt: &str, via: Via) -> Result<Session, TokenError> {
        let token = self.issuers.verify(jwt).await?;
        Ok(self.session_for(token, via))
    }

    /// What a token that was verified gives.
    pub(crate) fn session_for(&self, token: Token, via: Via) -> Session {
        Session {
            via,
            roles: self.roles.of(&token),
            token: Some(Arc::new(token)),
            policy: None,
            narrowed_to: None,
            object_bytes_max: None,
        }
    }
}
