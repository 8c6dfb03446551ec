//! `DELETE /api/users/{id}/objects`: erases everything that belongs to a user.
//!
//! The user may ask, and whoever has a role with `admin`. What was begun goes on when the client goes away. The account itself
//! stays.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, Path, State};
use axum::response::{IntoResponse, Response};
use futures::stream;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use relais_model::BucketName;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::Instrument;

use super::caller::Caller;
use super::problem;
use super::routes::Routes;
use crate::access::token::Token;
use crate::audit::{Decision, Entry, Via};
use crate::erase::{Belongings, EraseError, Mode, Progress, Report};
use crate::gateway::Gateway;

/// Gives the prefixes that are a user's, by the layouts of the configuration.
pub type Prefixes = Arc<dyn Fn(&str) -> Vec<(BucketName, String)> + Send + Sync>;

/// Lines of progress that wait for a slow client; more are left out, the report never is.
const LINES_MAX: usize = 16;

/// The media type of lines of JSON.
const LINES: &str = "application/x-ndjson";

/// What the route works with.
#[derive(Clone)]
pub(super) struct Erase {
    gateway: Gateway,
    prefixes: Prefixes,
}

impl FromRef<Erase> for Gateway {
    fn from_ref(erase: &Erase) -> Self {
        erase.gateway.clone()
    }
}

/// The route.
pub fn erasure(gateway: Gateway, prefixes: Prefixes) -> Router {
    routes().router().with_state(Erase { gateway, prefixes })
}

pub(super) fn routes() -> Routes<Erase> {
    Routes::new().delete("/api/users/{id}/objects", erase)
}

async fn erase(
    State(erase): State<Erase>,
    Path(user): Path<String>,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let is_own = caller.token().is_some_and(|token| token.owner() == user);
    let is_allowed = is_own || caller.0.is_admin();
    let why = match (is_own, is_allowed) {
        (true, _) => "the objects are the caller's own",
        (false, true) => "a role of the caller has admin",
        (false, false) => "the objects are another's",
    };
    let owner = caller.token().map(Token::owner).unwrap_or_default();
    let decision = if is_allowed { Decision::Allow } else { Decision::Deny };
    let entry = Entry::new((&owner, Via::Bearer), "relais:EraseUser", decision, why);
    erase.gateway.audit.record(Entry { key: Some(&user), ..entry }).await;
    if !is_allowed {
        return problem(StatusCode::FORBIDDEN, "only the user and administrators may erase a user's objects");
    }
    let belongings = match Belongings::new(&user, (erase.prefixes)(&user)) {
        Ok(belongings) => belongings,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let (lines, mut receiver) = mpsc::channel(LINES_MAX);
    let gateway = erase.gateway.clone();
    // In a task of its own: what was begun does not end with the client's patience.
    erase.gateway.tasks().spawn(run(gateway, belongings, lines).in_current_span());
    if wants_lines(&headers) {
        let lines = stream::unfold(receiver, async |mut receiver| {
            let line = receiver.recv().await?;
            Some((Ok::<_, Infallible>(line.to_line()), receiver))
        });
        return ([(CONTENT_TYPE, HeaderValue::from_static(LINES))], Body::from_stream(lines)).into_response();
    }
    loop {
        match receiver.recv().await {
            Some(Line::Progress(_)) => {}
            Some(Line::Report(report)) => return axum::Json(report).into_response(),
            Some(Line::Failed(detail)) => return problem(StatusCode::SERVICE_UNAVAILABLE, &detail),
            None => return problem(StatusCode::INTERNAL_SERVER_ERROR, "erasing ended early; ask again"),
        }
    }
}

/// What a run tells.
enum Line {
    Progress(Progress),
    Report(Report),
    Failed(String),
}

impl Line {
    fn to_line(&self) -> String {
        let value: Value = match self {
            Self::Progress(progress) => json!({ "progress": progress }),
            Self::Report(report) => json!({ "report": report }),
            Self::Failed(detail) => json!({ "error": detail }),
        };
        format!("{value}\n")
    }
}

async fn run(gateway: Gateway, belongings: Belongings, lines: mpsc::Sender<Line>) {
    let tell = |progress: &Progress| {
        // A client that reads too slowly misses some of it.
        let _ = lines.try_send(Line::Progress(progress.clone()));
    };
    let last = match gateway.erase(&belongings, Mode::Erase, tell).await {
        Ok(report) => Line::Report(report),
        Err(error) => {
            if let EraseError::Catalog(source) = &error {
                tracing::error!(error = %source, "a user's objects cannot be erased");
            }
            Line::Failed(error.to_string())
        }
    };
    let _ = lines.send(last).await; // Nobody waits for it where the client has gone.
}

fn wants_lines(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .any(|kind| kind.split(';').next().unwrap_or("").trim() == LINES)
}
