//! STS on the S3 port: a token becomes credentials with which any S3 SDK signs.
//!
//! `AssumeRoleWithWebIdentity` alone, as SDKs call it by themselves where `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_ROLE_ARN` and
//! `AWS_ENDPOINT_URL` are set. `request` is what a client may ask, `answer` the XML of AWS, `client` the other end, for our own
//! command. Which role is named does not matter: what the credentials may do follows from the token, and is decided when they
//! are used. So a token without a role gets credentials too; they open nothing.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use chrono::Utc;

use crate::access::issuers::TokenError;
use crate::access::policy::Policy;
use crate::access::temporary::{Grant, Issued};
use crate::access::token::Token;
use crate::audit::{Decision, Entry, Via};
use crate::gateway::Gateway;
use crate::observe::{Connection, RequestId};
pub(crate) use answer::rfc3339;
use answer::{Assumed, StsError};
use request::{AssumeRole, Parameters};

mod answer;
pub(crate) mod client;
mod request;

/// How long credentials live unless a client says otherwise. AWS's default.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

/// What the audit log calls it.
const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

/// Answers what is asked of STS, and leaves everything else to S3.
pub(crate) async fn sts(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    if !request::is_for_sts(&request, &gateway.domains) {
        return next.run(request).await;
    }
    let id = request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default();
    let client =
        request.extensions().get::<Connection>().map(|connection| connection.client.ip().to_string());
    match assume(&gateway, request, (&id, client.as_deref())).await {
        Ok(assumed) => answer::assumed(&assumed, &id),
        Err(error) => {
            tracing::info!(code = error.code(), "no temporary credentials were issued");
            answer::refused(&error, &id)
        }
    }
}

async fn assume(
    gateway: &Gateway,
    request: Request,
    (id, client): (&str, Option<&str>),
) -> Result<Assumed, StsError> {
    let parameters = Parameters::read(request).await?;
    let asked = AssumeRole::parse(&parameters)?;
    let token = gateway.issuers.verify(asked.token).await?;
    if let Some(policy) = asked.policy {
        Policy::parse_of_role(policy).map_err(|error| StsError::Policy(error.to_string()))?;
    }
    let issued = gateway.lend(&token, asked.lifetime, asked.policy)?;
    let owner = token.owner();
    let entry = Entry {
        request_id: Some(id),
        issuer: Some(&token.issuer),
        source_ip: client,
        ..Entry::new((&owner, Via::Bearer), ACTION, Decision::Allow, "the token is genuine")
    };
    gateway.audit.record(entry).await;
    Ok(Assumed::new(issued, &token, &asked))
}

impl Gateway {
    /// Issues credentials for the holder of a token, which end with the token at the latest.
    pub(crate) fn lend(
        &self,
        token: &Token,
        lifetime: Duration,
        narrowed_to: Option<&str>,
    ) -> Result<Issued, TokenError> {
        if self.revoked.has(token) {
            return Err(TokenError::Invalid);
        }
        let now = Utc::now();
        let token = Token { expires_at: token.expires_at.min(now + lifetime), ..token.clone() };
        if token.expires_at <= now {
            return Err(TokenError::Expired); // Taken only because clocks may differ.
        }
        let (identity, issuer) = (token.owner(), token.issuer.clone());
        let roles = self.roles.of(&token).len();
        let narrowed_to = narrowed_to.map(str::to_owned);
        let issued = self.temporary.issue(&Grant {
            token,
            narrowed_to,
            object_bytes_max: None,
            content_types: vec![],
        });
        let Issued { access_key_id, expires_at, .. } = &issued;
        tracing::info!(identity, issuer, roles, access_key_id, %expires_at, "temporary credentials issued");
        Ok(issued)
    }
}
