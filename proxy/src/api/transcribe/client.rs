//! Who uses the transcription API: the service that holds its key, or the holder of a token.
//!
//! The service sees every job. The holder of a token sees their own; where the token is of a user who registered here, each job
//! costs that user a credit.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;
use relais_catalog::{Spent, Users};
use relais_model::{Identity, Secret};

use super::{Refusal, Transcribe};
use crate::access::session::Session;
use crate::api::auth::user_id;
use crate::api::caller::{bearer, holder, unauthorised};

/// Who asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Client {
    /// Whoever has the API key; where no token is asked for, anybody without one.
    Service,
    /// The holder of a token.
    Holder { owner: String, user: Option<i64> },
}

/// A credit that was taken for a job that is not stored yet.
#[derive(Debug)]
#[must_use = "a job that is not stored costs nothing: keep the credit, or give it back"]
pub(super) struct Credit {
    users: Users,
    /// Nobody where the job costs nothing.
    user: Option<i64>,
}

/// The identity of this API, where it reads for others or acts for the service.
const SERVICE: &str = "api";

impl Client {
    /// As whom a recording is stored: its owner.
    pub(super) fn identity(&self) -> Identity {
        match self {
            Self::Service => Identity::Service(SERVICE.to_owned()),
            Self::Holder { owner, .. } => Identity::Account(owner.clone()),
        }
    }

    /// Whether a job is for these eyes, whose recording has that owner.
    pub(super) fn may_see(&self, owner: Option<&str>) -> bool {
        match self {
            Self::Service => true,
            Self::Holder { owner: own, .. } => owner == Some(own),
        }
    }
}

impl From<Session> for Client {
    fn from(session: Session) -> Self {
        match session.token {
            Some(token) => Self::Holder { owner: token.owner(), user: user_id(&token) },
            // No session of a bearer is without a token; whoever had one without would own nothing.
            None => Self::Holder { owner: Identity::Anonymous.principal().to_owned(), user: None },
        }
    }
}

impl Credit {
    /// Takes one of a user's; tokens of nobody in the table cost nobody anything.
    pub(super) async fn spend(users: &Users, client: &Client) -> Result<Self, Refusal> {
        let mut credit = Self { users: users.clone(), user: None };
        let Client::Holder { user: Some(user), .. } = client else { return Ok(credit) };
        match users.spend_credit(*user).await.map_err(Refusal::Catalog)? {
            Spent::Unlimited | Spent::NoSuchUser => {}
            Spent::Left(_) => credit.user = Some(*user),
            Spent::Exhausted => return Err(Refusal::NoCredits),
        }
        Ok(credit)
    }

    /// Gives it back.
    pub(super) async fn give_back(self) {
        let Some(user) = self.user else { return };
        if let Err(error) = self.users.return_credit(user).await {
            tracing::error!(user.id = user, %error, "cannot give a credit back for a recording that was not stored");
        }
    }
}

/// Finds out who asks, and leaves a [`Client`] in the request's extensions.
pub(super) async fn authenticate(
    State(transcribe): State<Arc<Transcribe>>,
    mut request: Request,
    next: Next,
) -> Response {
    let sent = bearer(request.headers().get(AUTHORIZATION)).map(str::to_owned);
    match transcribe.client(sent.as_deref()).await {
        Ok(client) => {
            request.extensions_mut().insert(client);
            next.run(request).await
        }
        Err(refusal) => refusal,
    }
}

impl Transcribe {
    async fn client(&self, sent: Option<&str>) -> Result<Client, Response> {
        let refusal = match sent {
            Some(sent) if self.key.as_ref().is_some_and(|key| is_same(key, sent)) => {
                return Ok(Client::Service);
            }
            Some(sent) => match holder(&self.gateway, sent).await {
                Ok(session) => return Ok(session.into()),
                Err(refusal) => refusal,
            },
            None => unauthorised("send the API key or a token as `Authorization: Bearer …`"),
        };
        if self.require_auth { Err(refusal) } else { Ok(Client::Service) }
    }
}

/// The time it takes tells nothing of where the two differ.
fn is_same(key: &Secret, sent: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(key.expose().as_bytes(), sent.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_see_what_is_theirs_and_the_service_everything() {
        let holder = Client::Holder { owner: "42".to_owned(), user: Some(42) };
        assert!(holder.may_see(Some("42")));
        for other in [None, Some("420"), Some("4"), Some("idp:42"), Some("api"), Some("")] {
            assert!(!holder.may_see(other), "{other:?}");
            assert!(Client::Service.may_see(other));
        }
        assert_eq!(holder.identity(), Identity::Account("42".to_owned()));
    }
}
