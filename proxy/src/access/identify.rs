//! Who asks: from an access key and what came with it to an identity, and the session that it brings.
//!
//! s3s has verified the signature by then, or there is none. A session token counts only where the signature covers it: as a
//! header, in the query of a presigned URL, or as a field of a form. A JWT is taken as a header alone: in a URL it would be
//! handed to whoever gets the URL.

use std::sync::Arc;

use http::HeaderMap;
use relais_model::Identity;
use s3s::{S3Result, s3_error};

use super::keys::Holder;
use super::session::{Asker, Session, Via};
use super::temporary::{Kind, OpenError, kind};
use crate::error::token_refused;
use crate::gateway::Gateway;

/// The header with a session token.
const SESSION_TOKEN: &str = "x-amz-security-token";

/// The token of a form, which is a field there.
#[derive(Clone)]
pub(crate) struct FormToken(pub(crate) String);

/// What a request brings to tell who sends it.
pub(crate) struct Evidence<'a> {
    /// The access key whose secret signed it.
    pub(crate) access_key: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    /// The session token in the query.
    pub(crate) query_token: Option<String>,
    /// The session token in a form.
    pub(crate) form_token: Option<FormToken>,
    /// What a bearer token gave, which was verified already.
    pub(crate) bearer: Option<Arc<Session>>,
}

impl Gateway {
    /// Who sent a request. Refuses keys that were revoked, and tokens that are not taken.
    pub(crate) async fn identify(&self, evidence: Evidence<'_>) -> S3Result<Asker> {
        let Some(access_key) = evidence.access_key else {
            let Some(session) = evidence.bearer else {
                return Ok(Asker::new(Identity::Anonymous, None));
            };
            return self.admit(session);
        };
        if evidence.bearer.is_some() {
            return Err(s3_error!(InvalidRequest, "send a token or a signature, not both"));
        }
        let in_header = header_token(evidence.headers)?;
        if let Some(kind) = kind(access_key) {
            self.revoked.check_credentials(access_key)?;
            let session = match kind {
                Kind::TokenPair => {
                    let jwt = in_header.ok_or_else(token_missing)?;
                    self.session_of(jwt, Via::SessionToken).await.map_err(|error| token_refused(&error))?
                }
                Kind::Sts => {
                    let in_form = evidence.form_token.map(|FormToken(token)| token);
                    let token = in_header.map(str::to_owned).or(evidence.query_token).or(in_form);
                    self.session_of_sts(access_key, &token.ok_or_else(token_missing)?)?
                }
            };
            return self.admit(Arc::new(session));
        }
        if in_header.is_some() || evidence.query_token.is_some() {
            return Err(s3_error!(InvalidToken, "a session token came with an access key that has none"));
        }
        match self.holder(access_key).await? {
            Some(Holder { identity, policy, .. }) => {
                self.revoked.check_credentials(access_key)?;
                let session = policy.map(|policy| Arc::new(Session::of_key(policy)));
                Ok(Asker::new(identity, session))
            }
            None => Err(s3_error!(InvalidAccessKeyId, "the access key is not known here")),
        }
    }

    /// What temporary credentials carry with them.
    fn session_of_sts(&self, access_key: &str, token: &str) -> S3Result<Session> {
        let grant = self.temporary.open(access_key, token).map_err(|error| match error {
            OpenError::Expired => s3_error!(ExpiredToken, "the credentials have expired"),
            OpenError::NotOurs => {
                s3_error!(InvalidToken, "the session token is not one of these credentials")
            }
        })?;
        self.session_of_grant(grant, Via::Sts)
            .map_err(|error| s3s::S3Error::with_source(s3s::S3ErrorCode::InvalidToken, Box::new(error)))
    }

    /// Takes a session unless its token, or whom it is for, is no longer welcome.
    fn admit(&self, session: Arc<Session>) -> S3Result<Asker> {
        let Some(token) = &session.token else {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        };
        self.revoked.check_token(token)?;
        Ok(Asker::new(token.identity(), Some(session)))
    }
}

/// The one session token in the headers.
fn header_token(headers: &HeaderMap) -> S3Result<Option<&str>> {
    let mut values = headers.get_all(SESSION_TOKEN).iter();
    let (first, second) = (values.next(), values.next());
    match (first, second) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(s3_error!(InvalidToken, "x-amz-security-token is not text")),
        },
        (Some(_), Some(_)) => Err(s3_error!(InvalidToken, "there is more than one x-amz-security-token")),
    }
}

fn token_missing() -> s3s::S3Error {
    s3_error!(InvalidToken, "these credentials need their session token in x-amz-security-token")
}
