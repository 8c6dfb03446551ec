//! What is no longer valid though its signature is: credentials and tokens that were revoked, users who were switched off.
//!
//! Every instance looks into the catalog every [`LOOK`] and keeps what it finds, so that no request waits for it. While the
//! database is away the last that was seen counts.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use relais_catalog::{CatalogError, Mark, Revocation, RevocationKind};
use s3s::{S3Result, s3_error};
use tokio_util::sync::CancellationToken;

use super::token::{OWN_ISSUER, Token};
use crate::gateway::Gateway;

/// How often the catalog is asked. What is revoked on one instance is refused by all within 5 seconds.
const LOOK: Duration = Duration::from_secs(2);

/// What was found at the last look.
#[derive(Debug, Default)]
struct Seen {
    named: Arc<Named>,
    /// Users of relais's own who are not active.
    inactive: HashSet<String>,
    /// Tells whether `named` has changed since; nothing before the first look.
    mark: Option<Mark>,
}

/// What revocations name.
#[derive(Debug, Default)]
struct Named {
    credentials: HashSet<String>,
    tokens: HashSet<String>,
    /// Owner to the moment before which nothing issued to them is valid.
    subjects: HashMap<String, DateTime<Utc>>,
}

/// What is no longer valid.
#[derive(Debug, Default)]
pub(crate) struct Revoked(RwLock<Arc<Seen>>);

impl Revoked {
    /// Refuses an access key that was revoked.
    pub(crate) fn check_credentials(&self, access_key: &str) -> S3Result<()> {
        match self.seen().named.credentials.contains(access_key) {
            true => Err(s3_error!(InvalidAccessKeyId, "the access key was revoked")),
            false => Ok(()),
        }
    }

    /// Refuses a token that was revoked, or whose holder was.
    pub(crate) fn check_token(&self, token: &Token) -> S3Result<()> {
        match self.has(token) {
            true => Err(s3_error!(InvalidToken, "the token was revoked, or its holder is not active")),
            false => Ok(()),
        }
    }

    /// Whether a token, or its holder, is no longer welcome.
    pub(crate) fn has(&self, token: &Token) -> bool {
        let seen = self.seen();
        let own = token.issuer == OWN_ISSUER && seen.inactive.contains(&token.subject);
        let id = token.id.as_ref().map(|id| format!("{}:{id}", token.issuer));
        let before = seen.named.subjects.get(&token.owner());
        // A token that does not say when it was issued may be from before.
        let early = |before: &DateTime<Utc>| token.issued_at.is_none_or(|issued| issued <= *before);
        own || id.is_some_and(|id| seen.named.tokens.contains(&id)) || before.is_some_and(early)
    }

    fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn see(&self, named: Arc<Named>, inactive: &[i64], mark: Option<Mark>) {
        let inactive = inactive.iter().map(ToString::to_string).collect();
        let seen = Seen { named, inactive, mark };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(seen);
    }
}

impl Named {
    fn of(revocations: Vec<Revocation>) -> Self {
        let mut named = Self::default();
        for Revocation { kind, value, revoked_at, .. } in revocations {
            match kind {
                RevocationKind::Credentials => drop(named.credentials.insert(value)),
                RevocationKind::Token => drop(named.tokens.insert(value)),
                RevocationKind::Subject => drop(named.subjects.insert(value, revoked_at)),
            }
        }
        named
    }
}

impl Gateway {
    /// Looks into the catalog now: before the first request is answered.
    pub async fn look_at_revocations(&self) -> Result<(), CatalogError> {
        let seen = self.revoked.seen();
        // Before they are read: what changes in between is read again at the next look.
        let mark = Some(self.revocations.mark().await?);
        let named = match mark == seen.mark {
            true => Arc::clone(&seen.named),
            false => Arc::new(Named::of(self.revocations.current().await?)),
        };
        self.revoked.see(named, &self.users.inactive().await?, mark);
        Ok(())
    }

    /// Looks again and again until told to stop.
    pub(crate) async fn watch_revocations(&self, stop: CancellationToken) {
        let mut failed = false;
        while tokio::time::timeout(LOOK, stop.cancelled()).await.is_err() {
            match self.look_at_revocations().await {
                Ok(()) => failed = false,
                Err(error) if !failed => {
                    failed = true;
                    tracing::warn!(%error, "revocations cannot be looked at; those that were seen last count");
                }
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::token::Claims;

    fn token(issuer: &str, issued: Option<i64>) -> Token {
        Token {
            issuer: issuer.to_owned(),
            subject: "42".to_owned(),
            claims: Claims::default(),
            issued_at: issued.map(|at| DateTime::from_timestamp(at, 0).unwrap()),
            expires_at: DateTime::from_timestamp(9_000, 0).unwrap(),
            id: Some("j".to_owned()),
        }
    }

    fn after(kind: RevocationKind, value: &str) -> Revoked {
        let revoked = Revoked::default();
        let revoked_at = DateTime::from_timestamp(100, 0).unwrap();
        let one = Revocation { kind, value: value.to_owned(), revoked_at, expires_at: None, reason: None };
        revoked.see(Arc::new(Named::of(vec![one])), &[7], None);
        revoked
    }

    #[test]
    fn what_was_issued_to_a_subject_before_is_refused() {
        let revoked = after(RevocationKind::Subject, "42");
        assert!(revoked.has(&token(OWN_ISSUER, Some(99))));
        assert!(revoked.has(&token(OWN_ISSUER, Some(100))));
        assert!(!revoked.has(&token(OWN_ISSUER, Some(101))));
        assert!(revoked.has(&token(OWN_ISSUER, None)), "it may be from before");
        assert!(!revoked.has(&token("idp", Some(99))), "another issuer's 42 is somebody else");
        assert!(after(RevocationKind::Subject, "idp:42").has(&token("idp", Some(99))));
    }

    #[test]
    fn a_token_and_credentials_are_refused_by_their_id() {
        assert!(after(RevocationKind::Token, "relais:j").has(&token(OWN_ISSUER, Some(500))));
        assert!(!after(RevocationKind::Token, "idp:j").has(&token(OWN_ISSUER, Some(500))));
        let revoked = after(RevocationKind::Credentials, "RSTSABC");
        assert!(revoked.check_credentials("RSTSABC").is_err());
        assert!(revoked.check_credentials("RSTSABD").is_ok());
    }

    #[test]
    fn an_inactive_user_of_relais_is_out() {
        let revoked = after(RevocationKind::Token, "none");
        let seventh = |issuer| Token { subject: "7".to_owned(), ..token(issuer, Some(500)) };
        assert!(revoked.has(&seventh(OWN_ISSUER)));
        assert!(!revoked.has(&seventh("idp")));
    }
}
