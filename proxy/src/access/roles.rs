//! Roles: what holders of some tokens may do.
//!
//! A token has every role whose claims it has, and may do what any of them allows. Nobody assumes a role by asking for it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use relais_model::ByteSize;
use serde_json::Value;

use super::config::RoleConfig;
use super::policy::{Policy, PolicyError};
use super::token::Token;

/// A role.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) name: String,
    claims: BTreeMap<String, Value>,
    issuer: Option<String>,
    pub(crate) policy: Policy,
    pub(crate) object_bytes_max: Option<ByteSize>,
    pub(crate) admin: bool,
    pub(crate) write_modes_below: bool,
    pub(crate) see_replicas: bool,
}

/// Why a role cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// No policy, or two.
    #[error("access.roles: {0}: set policy or policy_file, and not both")]
    Policy(String),
    /// The policy's file cannot be read.
    #[error("access.roles: {role}: cannot read policy_file = {path:?}")]
    File {
        /// The role.
        role: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The policy is none.
    #[error("access.roles: {role}: {what}")]
    Invalid {
        /// The role.
        role: String,
        /// What is wrong with its policy.
        what: String,
    },
    /// The same role twice.
    #[error("access.roles: {0} is configured twice")]
    Twice(String),
}

/// All roles.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roles(Vec<Arc<Role>>);

impl Roles {
    pub(crate) fn new(configs: &[RoleConfig]) -> Result<Self, RoleError> {
        let mut roles: Vec<Arc<Role>> = Vec::new();
        for config in configs {
            if roles.iter().any(|role| role.name == config.name) {
                return Err(RoleError::Twice(config.name.clone()));
            }
            roles.push(Arc::new(Role::new(config)?));
        }
        Ok(Self(roles))
    }

    /// The roles that a token has.
    pub(crate) fn of(&self, token: &Token) -> Vec<Arc<Role>> {
        self.0.iter().filter(|role| role.is_of(token)).cloned().collect()
    }
}

impl Role {
    fn new(config: &RoleConfig) -> Result<Self, RoleError> {
        let role = || config.name.clone();
        let text = match (&config.policy, &config.policy_file) {
            (Some(text), None) => text.clone(),
            (None, Some(path)) => std::fs::read_to_string(path).map_err(|source| RoleError::File {
                role: role(),
                path: path.clone(),
                source,
            })?,
            _ => return Err(RoleError::Policy(role())),
        };
        let invalid = |error: PolicyError| RoleError::Invalid { role: role(), what: error.to_string() };
        Ok(Self {
            name: role(),
            claims: config.claims.clone(),
            issuer: config.issuer.clone(),
            policy: Policy::parse_of_role(&text).map_err(invalid)?,
            object_bytes_max: config.object_bytes_max,
            admin: config.admin,
            write_modes_below: config.write_modes_below,
            see_replicas: config.see_replicas,
        })
    }

    fn is_of(&self, token: &Token) -> bool {
        self.issuer.as_ref().is_none_or(|issuer| *issuer == token.issuer)
            && self.claims.iter().all(|(path, wanted)| token.claims.has(path, wanted))
    }
}
