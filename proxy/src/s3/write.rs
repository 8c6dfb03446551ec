//! The write path of a body: read once, handed to every replica, committed when everything agrees.
//!
//! The last chunk is held back. Until it is let go no store can commit, so a body that is cut short, too long or not what
//! its checksums say leaves nothing behind anywhere; and the journal's intent becomes durable while the body streams.
//! A store is not even called before there is a chunk that may go to it.
//!
//! The journal is not touched here: what a committed or failed write means for it is decided by each operation.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use relais_stores::tee::{Branch, GivenUp, Tee, tee};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3Result};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::checksum::Verifier;
use crate::error::GatewayError;
use crate::kind::Examiner;
use crate::placement::Place;

/// One body on its way to several places.
pub(crate) struct Write<T> {
    places: Vec<Place>,
    tee: Tee,
    puts: Vec<JoinHandle<S3Result<T>>>,
    required: usize,
    held: Option<Bytes>,
}

/// What the places that were not waited for still have to say.
pub(crate) struct Rest<T> {
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
}

/// In which order places may commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    AllAtOnce,
    /// The others only if the primary did: for writes under a condition that the primary checks.
    PrimaryFirst,
}

impl<T: Send + 'static> Write<T> {
    /// Begins a write of `length` bytes that cannot do without the first `required` places.
    pub(crate) fn begin(
        tasks: &TaskTracker,
        places: Vec<Place>,
        required: usize,
        length: u64,
        put: impl Fn(&Place, StreamingBlob) -> BoxFuture<'static, S3Result<T>> + Send + Sync + 'static,
    ) -> Self {
        let put = Arc::new(put);
        let (tee, branches) = tee(places.len(), required, length);
        let begin = |(place, mut branch): (&Place, Branch)| {
            let (place, put) = (place.clone(), Arc::clone(&put));
            tasks.spawn(async move {
                branch.ready().await.map_err(S3Error::internal_error)?;
                put(&place, branch.into_body()).await
            })
        };
        let puts = places.iter().zip(branches).map(begin).collect();
        Self { places, tee, puts, required, held: None }
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

    /// Ends every branch with an error and waits until each store has let go. If a store that the write needs had refused
    /// it, that refusal is given back: it says more than the end of the body.
    pub(crate) async fn give_up(self) -> Option<S3Error> {
        drop(self.tee);
        let mut refusal = None;
        for (index, put) in self.puts.into_iter().enumerate() {
            let failed = put.await.ok().and_then(Result::err);
            let own = failed.filter(|error| index < self.required && !ended_by_us(error));
            refusal = refusal.or(own);
        }
        refusal
    }

    /// Lets the last chunk go and waits for the places that the write needs. The others go on; see [`Rest`].
    pub(crate) async fn commit(mut self, order: Order) -> Result<(Vec<T>, Rest<T>), Refused> {
        let mut outputs = Vec::with_capacity(self.required);
        let others = self.puts.split_off(self.required);
        if order == Order::AllAtOnce {
            for index in 0..self.required {
                self.tee.finish(index, self.held.clone()).await;
            }
        }
        let mut puts = self.puts.into_iter().enumerate();
        while let Some((index, put)) = puts.next() {
            if order == Order::PrimaryFirst {
                self.tee.finish(index, self.held.clone()).await;
            }
            match put.await.map_err(|error| GatewayError::from(error).into()).flatten() {
                Ok(output) => outputs.push(output),
                Err(error) => {
                    // Nobody may commit behind the back of who looks next.
                    drop(self.tee);
                    futures::future::join_all(puts.map(|(_, put)| put).chain(others)).await;
                    let alone = order == Order::PrimaryFirst || self.places.len() == 1;
                    let in_doubt = !(index == 0 && alone) || relais_stores::is_outage(&error);
                    return Err(Refused { error, in_doubt });
                }
            }
        }
        Ok((outputs, Rest { tee: self.tee, puts: others, required: self.required, held: self.held }))
    }
}

impl<T> Rest<T> {
    /// Whether there is anybody left to wait for.
    pub(crate) fn is_empty(&self) -> bool {
        self.puts.is_empty()
    }

    /// Lets the remaining places commit, waits for them, and gives back what they answered. What failed is settled later.
    pub(crate) async fn finish(mut self) -> Vec<Option<T>> {
        for index in self.required..self.required + self.puts.len() {
            self.tee.finish(index, self.held.clone()).await;
        }
        // Whether a place has the object is what settling asks the place itself.
        futures::future::join_all(self.puts).await.into_iter().map(|put| put.ok()?.ok()).collect()
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
