//! One request, made of several places, and done when enough of them have done it.
//!
//! The primary has to be among them; which of the others are is left to their speed. A place that is slow, broken or silent
//! holds nothing back that others suffice for: whoever asked goes on when the write mode is met, and the places that were not
//! waited for come to their end behind that.
//!
//! What failed places are missing is not looked at here. The journal hears which places are done; settling does the rest.

use std::collections::BTreeMap;
use std::future::Future;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use http::StatusCode;
use relais_stores::{is_outage, is_unsent};
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::write::Refused;

/// Place of the primary among those of a bucket.
pub(super) const PRIMARY: usize = 0;

/// The places are known by their index in the bucket.
pub(crate) struct FanOut<T> {
    required: usize,
    running: FuturesUnordered<BoxFuture<'static, (usize, S3Result<T>)>>,
    done: BTreeMap<usize, T>,
    failed: Vec<(usize, S3Error)>,
}

impl<T: Send + 'static> FanOut<T> {
    /// Of nobody yet. The primary and others, together `required`, will have to do it.
    pub(super) fn new(required: usize) -> Self {
        Self { required, running: FuturesUnordered::new(), done: BTreeMap::new(), failed: Vec::new() }
    }

    /// Asks a place. Nothing happens before somebody waits.
    pub(super) fn ask(&mut self, index: usize, call: impl Future<Output = S3Result<T>> + Send + 'static) {
        self.running.push(Box::pin(call.map(move |outcome| (index, outcome))));
    }

    /// Waits for the primary, which was asked.
    pub(super) async fn primary(&mut self) -> S3Result<()> {
        while !self.done.contains_key(&PRIMARY) {
            if let Some(error) = self.failure_of_primary() {
                return Err(error);
            }
            self.next().await.ok_or_else(not_asked)?;
        }
        Ok(())
    }

    /// Waits until the primary and enough others have done it, or until it is certain that they will not. The primary's end
    /// is waited for either way: the error says the same however fast the others were.
    pub(super) async fn met(&mut self) -> S3Result<()> {
        self.primary().await?;
        while self.done.len() < self.required {
            if self.done.len() + self.running.len() < self.required || self.next().await.is_none() {
                let error = (!self.failed.is_empty()).then(|| self.failed.remove(0).1);
                return Err(error.unwrap_or_else(too_few));
            }
        }
        Ok(())
    }

    /// Waits for everybody.
    pub(super) async fn all(&mut self) {
        while self.next().await.is_some() {}
    }

    /// Takes in what has come meanwhile, without waiting.
    pub(super) fn look(&mut self) {
        while let Some(Some(())) = self.next().now_or_never() {}
    }

    /// What the places answered that have done it.
    pub(super) fn done(&self) -> &BTreeMap<usize, T> {
        &self.done
    }

    /// Takes out the primary's answer, which is there once it was waited for.
    pub(super) fn answer(&mut self) -> S3Result<T> {
        self.done.remove(&PRIMARY).ok_or_else(not_asked)
    }

    /// The places that have failed so far, with their errors.
    pub(super) fn failures(&self) -> &[(usize, S3Error)] {
        &self.failed
    }

    /// Whether no place is under way any more.
    pub(super) fn is_over(&self) -> bool {
        self.running.is_empty()
    }

    /// Waits for all the others, and gives back every answer that there is.
    pub(super) async fn rest(mut self) -> BTreeMap<usize, T> {
        self.all().await;
        self.done
    }

    /// The refusal of a write after [`Self::primary`] or [`Self::met`] gave an error. Nothing was changed only where every
    /// place that was asked has said so.
    pub(super) fn refused(mut self, error: S3Error) -> Refused {
        self.look();
        let may_have_done = |error: &S3Error| is_outage(error) && !is_unsent(error);
        let in_doubt = may_have_done(&error)
            || !self.done.is_empty()
            || !self.is_over()
            || self.failed.iter().any(|(_, error)| may_have_done(error));
        let error = if self.done.contains_key(&PRIMARY) { half_done(error) } else { error };
        let rest = self.rest().map(drop).boxed();
        Refused { error, in_doubt, rest: Some(rest) }
    }

    async fn next(&mut self) -> Option<()> {
        match self.running.next().await? {
            (index, Ok(answer)) => drop(self.done.insert(index, answer)),
            (index, Err(error)) => self.failed.push((index, unread(error))),
        }
        Some(())
    }

    fn failure_of_primary(&mut self) -> Option<S3Error> {
        let position = self.failed.iter().position(|(index, _)| *index == PRIMARY)?;
        Some(self.failed.remove(position).1)
    }
}

/// A store that refuses a write says why, in S3's words. A 400 without any comes from a server that could not read the request:
/// something on the way broke it off.
fn unread(error: S3Error) -> S3Error {
    let is_bare =
        *error.code() == S3ErrorCode::InternalError && error.status_code() == Some(StatusCode::BAD_REQUEST);
    if is_bare {
        s3s::s3_error!(error, ServiceUnavailable, "a store could not read the request; try again")
    } else {
        error
    }
}

/// What a replica says of a write that the primary has done. A 4xx would tell the client that nothing was changed.
fn half_done(error: S3Error) -> S3Error {
    let status = error.status_code().or_else(|| error.code().status_code());
    if status.is_none_or(|status| status.is_server_error()) {
        return error;
    }
    let mut answer = s3s::s3_error!(
        ServiceUnavailable,
        "a replica that the write mode needs refused what the primary has done; try again"
    );
    answer.set_source(Box::new(error));
    answer
}

fn not_asked() -> S3Error {
    s3s::s3_error!(InternalError, "the primary was not asked")
}

fn too_few() -> S3Error {
    s3s::s3_error!(ServiceUnavailable, "too few replicas take part in this write for its mode")
}

#[cfg(test)]
mod tests;
