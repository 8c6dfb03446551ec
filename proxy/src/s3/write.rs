//! The write path of a body: read once, handed to every replica, committed when everything agrees.
//!
//! The last chunk is held back. Until it is let go no store can commit, so a body that is cut short, too long or not what
//! its checksums say leaves nothing behind anywhere; and the journal's intent becomes durable while the body streams.
//! A store is not even called before there is a chunk that may go to it.
//!
//! The journal is not touched here: what a committed or failed write means for it is decided by each operation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use relais_stores::tee::{Branch, GivenUp, Tee, tee};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3Result};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::fan_out::{FanOut, PRIMARY};
use crate::checksum::Verifier;
use crate::error::GatewayError;
use crate::kind::Examiner;
use crate::placement::Place;

/// How long stores are given to let go of a write that was given up, and to say why if it was they who refused it.
const LET_GO: Duration = Duration::from_secs(1);

/// One body on its way to several places.
pub(crate) struct Write<T> {
    places: Vec<Place>,
    tee: Tee,
    puts: Vec<JoinHandle<S3Result<T>>>,
    required: usize,
    held: Option<Bytes>,
}

/// Why a write was not acknowledged by a place that it needs.
pub(crate) struct Refused {
    pub(crate) error: S3Error,
    /// Whether some place may have committed all the same.
    pub(crate) in_doubt: bool,
    /// Ends when no place can commit any more: what it came to can be looked at then.
    pub(crate) rest: Option<BoxFuture<'static, ()>>,
}

/// How many places a write needs, the primary among them, and how long it bears with one that takes nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) required: usize,
    pub(crate) stall_budget: Duration,
}

/// In which order places may commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    AllAtOnce,
    /// The others only if the primary did: for writes under a condition that the primary checks.
    PrimaryFirst,
}

impl<T: Send + 'static> Write<T> {
    /// Begins a write of `length` bytes to places of which the first is the primary.
    pub(crate) fn begin(
        tasks: &TaskTracker,
        places: Vec<Place>,
        terms: Terms,
        length: u64,
        put: impl Fn(&Place, StreamingBlob) -> BoxFuture<'static, S3Result<T>> + Send + Sync + 'static,
    ) -> Self {
        let put = Arc::new(put);
        let (tee, branches) = tee(places.len(), terms.required, length, terms.stall_budget);
        let begin = |(place, mut branch): (&Place, Branch)| {
            let (place, put) = (place.clone(), Arc::clone(&put));
            tasks.spawn(async move {
                branch.ready().await.map_err(S3Error::internal_error)?;
                put(&place, branch.into_body()).await
            })
        };
        let puts = places.iter().zip(branches).map(begin).collect();
        Self { places, tee, puts, required: terms.required, held: None }
    }

    /// Reads the body to its end, keeping back the last chunk.
    pub(crate) async fn feed(
        &mut self,
        body: Option<StreamingBlob>,
        declared: u64,
        (verifier, examiner): (&mut Verifier, &mut Examiner),
    ) -> Result<(), GatewayError> {
        let mut body = body.unwrap_or_else(|| StreamingBlob::from_bytes(Bytes::new()));
        let mut received = 0;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(GatewayError::Body)?;
            if chunk.is_empty() {
                continue;
            }
            received += chunk.len() as u64;
            if received > declared {
                return Err(GatewayError::TooLong { declared });
            }
            verifier.update(&chunk);
            examiner.take(&chunk)?;
            if let Some(chunk) = self.held.replace(chunk) {
                self.tee.send(chunk).await.map_err(|lost| GatewayError::ReplicaLost {
                    replica: self.places[lost.0].replica.clone(),
                })?;
            }
        }
        if received < declared {
            return Err(GatewayError::Incomplete { received, declared });
        }
        Ok(examiner.finish()?)
    }

    /// Ends every branch with an error: nobody can commit any more. If the write failed because stores that it needs had
    /// refused it, the first such refusal is given back: it says more than the end of the body. A store that is stuck is not
    /// waited for.
    pub(crate) async fn give_up(self) -> Option<S3Error> {
        drop(self.tee);
        let places = self.puts.len();
        let puts = self.puts.into_iter().enumerate();
        let mut ends: FuturesUnordered<_> =
            puts.map(|(index, put)| put.map(move |outcome| (index, outcome))).collect();
        let mut refusals = BTreeMap::new();
        let let_go = async {
            while let Some((index, outcome)) = ends.next().await {
                let refusal = outcome.ok().and_then(Result::err).filter(|error| !ended_by_us(error));
                refusals.extend(refusal.map(|error| (index, error)));
            }
        };
        let _ = tokio::time::timeout(LET_GO, let_go).await;
        let needed = refusals.contains_key(&PRIMARY) || places - refusals.len() < self.required;
        refusals.into_values().next().filter(|_| needed)
    }

    /// Lets the last chunk go and waits until the primary and enough others have committed. The others go on behind that.
    ///
    /// Where the write needs nobody but the primary, the others follow it: they have nothing that it has refused.
    pub(crate) async fn commit(mut self, order: Order) -> Result<FanOut<T>, Refused> {
        let mut fan = FanOut::new(self.required);
        let mut commits = Vec::with_capacity(self.puts.len());
        for (index, put) in self.puts.into_iter().enumerate() {
            let (feeder, last) = (self.tee.take(index), self.held.clone());
            commits.push((index, async move {
                if let Some(feeder) = feeder {
                    feeder.finish(last).await;
                }
                put.await.map_err(|error| GatewayError::from(error).into()).flatten()
            }));
        }
        let mut commits = commits.into_iter();
        if order == Order::PrimaryFirst || self.required == 1 {
            for (index, commit) in commits.by_ref().take(1) {
                fan.ask(index, commit);
            }
            if let Err(error) = fan.primary().await {
                return Err(fan.refused(error)); // Dropped, the others never get their last chunk.
            }
        }
        for (index, commit) in commits {
            fan.ask(index, commit);
        }
        if let Err(error) = fan.met().await {
            return Err(fan.refused(error));
        }
        fan.look(); // Who was not waited for gets the last chunk now.
        Ok(fan)
    }
}

/// Whether a store failed only because we ended its body.
fn ended_by_us(error: &S3Error) -> bool {
    let mut source = error.source().map(|source| source as &(dyn std::error::Error + 'static));
    while let Some(error) = source {
        if error.is::<GivenUp>() {
            return true;
        }
        source = error.source();
    }
    false
}
