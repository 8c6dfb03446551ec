//! What the audit log is told of a decision.

use relais_model::Identity;

use super::decide::Decision;
use super::session::{Asker, Via};
use crate::audit::{self, Entry};
use crate::gateway::Gateway;

/// What was asked for, and from where.
pub(super) struct Recorded<'a> {
    /// Empty where it is about no bucket.
    pub(super) bucket: &'a str,
    pub(super) key: Option<&'a str>,
    pub(super) version: Option<&'a str>,
    pub(super) source_ip: Option<String>,
}

impl Gateway {
    /// Writes down who asked for what, and why it was allowed or refused. Worth its strings only where the audit log is on.
    pub(super) async fn record(
        &self,
        asker: &Asker,
        action: &str,
        recorded: Recorded<'_>,
        decision: &Decision,
    ) {
        let (decision, reason) = match decision {
            Decision::Allowed(reason) => (audit::Decision::Allow, reason),
            Decision::Refused(reason) => (audit::Decision::Deny, reason),
        };
        let session = asker.session.as_deref();
        let token = session.and_then(|session| session.token.as_deref());
        let roles = session.map(|session| session.roles.iter().map(|role| role.name.as_str()).collect());
        let roles: Vec<&str> = roles.unwrap_or_default();
        let (reason, request_id) = (reason.to_string(), asker.request_id.map(|id| id.to_string()));
        let entry = Entry {
            request_id: request_id.as_deref(),
            issuer: token.map(|token| token.issuer.as_str()),
            roles: &roles,
            bucket: Some(recorded.bucket).filter(|bucket| !bucket.is_empty()),
            key: recorded.key,
            version: recorded.version,
            source_ip: recorded.source_ip.as_deref(),
            ..Entry::new((asker.identity.principal(), via(asker)), action, decision, &reason)
        };
        self.audit.record(entry).await;
    }
}

fn via(asker: &Asker) -> audit::Via {
    match (&asker.identity, asker.session.as_ref().map(|session| session.via)) {
        (Identity::Root, _) => audit::Via::Root,
        (Identity::Service(_), _) => audit::Via::Service,
        (Identity::Anonymous, _) => audit::Via::Anonymous,
        (Identity::Account(_), None | Some(Via::Key)) => audit::Via::Key,
        (Identity::Account(_), Some(Via::Bearer)) => audit::Via::Bearer,
        (Identity::Account(_), Some(Via::SessionToken)) => audit::Via::SessionToken,
        (Identity::Account(_), Some(Via::Sts)) => audit::Via::Sts,
    }
}
