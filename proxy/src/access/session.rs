//! What a request brings beside an account: the policies that say what it may do.
//!
//! An access key without a policy acts for its account, and needs none of this. Holders of tokens, and keys with a policy, may do
//! what their policies allow and what a bucket gives by its policy or to everybody; that an object is theirs gives them nothing.

use std::sync::Arc;

use http::Extensions;
use relais_model::{ByteSize, Identity};

use super::issuers::TokenError;
use super::policy::{Policy, PolicyError};
use super::roles::Role;
use super::temporary::Grant;
use super::token::{Claims, Token};
use crate::gateway::Gateway;
use crate::observe::RequestId;

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

/// Who asks, and what they bring.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) identity: Identity,
    pub(crate) session: Option<Arc<Session>>,
    /// In which request.
    pub(crate) request_id: Option<RequestId>,
}

impl Asker {
    pub(crate) fn new(identity: Identity, session: Option<Arc<Session>>) -> Self {
        Self { identity, session, request_id: None }
    }

    /// Who is left behind in a request by `access`; nobody where it was not asked.
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        let identity = extensions.get::<Identity>()?.clone();
        let session = extensions.get::<Arc<Session>>().cloned();
        Some(Self { identity, session, request_id: extensions.get().copied() })
    }

    /// What the token says that they brought.
    pub(crate) fn claims(&self) -> Option<&Claims> {
        Some(&self.session.as_ref()?.token.as_ref()?.claims)
    }

    /// Leaves it behind in a request.
    pub(crate) fn put_into(&self, extensions: &mut Extensions) {
        extensions.insert(self.identity.clone());
        if let Some(session) = &self.session {
            extensions.insert(Arc::clone(session));
        }
    }
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
    /// Media types that the credentials may write, whatever else the bucket takes; empty: all of those.
    pub(crate) content_types: Vec<String>,
}

impl Session {
    /// What a policy of its own gives an access key.
    pub(crate) fn of_key(policy: Arc<Policy>) -> Self {
        Self {
            via: Via::Key,
            token: None,
            roles: Vec::new(),
            policy: Some(policy),
            narrowed_to: None,
            object_bytes_max: None,
            content_types: Vec::new(),
        }
    }

    /// Every policy that has a say.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &Policy> {
        let own = self.policy.iter().chain(&self.narrowed_to).map(|policy| &**policy);
        own.chain(self.roles.iter().map(|role| &role.policy))
    }

    /// The largest object that it may write: of several roles the largest counts, and one without a limit has none.
    pub(crate) fn object_bytes_max(&self) -> Option<ByteSize> {
        let limits = self.roles.iter().map(|role| role.object_bytes_max);
        let of_roles = limits.reduce(|one, other| Some(one?.max(other?))).flatten();
        [of_roles, self.object_bytes_max].into_iter().flatten().min()
    }

    /// Whether it may ask for less than a bucket's write mode.
    pub(crate) fn may_lower_write_modes(&self) -> bool {
        self.narrowed_to.is_none() && self.roles.iter().any(|role| role.write_modes_below)
    }

    /// Whether it is told of each replica by name.
    pub(crate) fn sees_replicas(&self) -> bool {
        self.narrowed_to.is_none() && self.roles.iter().any(|role| role.see_replicas)
    }

    /// Whether it may manage other users' affairs.
    pub(crate) fn is_admin(&self) -> bool {
        self.narrowed_to.is_none() && self.roles.iter().any(|role| role.admin)
    }
}

impl Gateway {
    /// What the holder of a token may do. Whether they are still welcome is asked by [`Self::identify`].
    pub(crate) async fn session_of(&self, jwt: &str, via: Via) -> Result<Session, TokenError> {
        let token = self.issuers.verify(jwt).await?;
        Ok(self.session_for(token, via))
    }

    /// What temporary credentials give.
    pub(crate) fn session_of_grant(&self, grant: Grant, via: Via) -> Result<Session, PolicyError> {
        let narrowed_to = grant.narrowed_to.as_deref().map(Policy::parse_of_role).transpose()?;
        Ok(Session {
            narrowed_to: narrowed_to.map(Arc::new),
            object_bytes_max: grant.object_bytes_max,
            content_types: grant.content_types,
            ..self.session_for(grant.token, via)
        })
    }

    fn session_for(&self, token: Token, via: Via) -> Session {
        Session {
            via,
            roles: self.roles.of(&token),
            token: Some(Arc::new(token)),
            policy: None,
            narrowed_to: None,
            object_bytes_max: None,
            content_types: Vec::new(),
        }
    }
}
