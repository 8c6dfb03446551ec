//! One body for several stores.
//!
//! The body is read once by whoever holds the [`Tee`], which hands each chunk to every [`Branch`] through a bounded queue:
//! the slowest store that still takes part sets the pace, and memory stays at `branches × CHUNKS_QUEUED` chunks.
//! A branch that stalls past its budget, or whose store gave up, is left out of the rest of the write.
//!
//! A branch ends well only if it was told so: dropping the tee, or a branch of it, ends the body with an error, so a store
//! never takes a part for the whole. Deciding when the last chunk may go is the holder's affair.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use s3s::StdError;
use s3s::dto::StreamingBlob;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Chunks that may wait for one store. A chunk is what one read of a connection gives, at most some 400 KiB.
const CHUNKS_QUEUED: usize = 4;

/// A branch ended before its body was whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the write was given up before the body was whole")]
pub struct GivenUp;

/// Too few stores take the rest of the body: the primary does not, or not enough beside it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("replica {0} takes no more of the body")]
pub struct RequiredBranchLost(pub usize);

enum Part {
    Chunk(Bytes),
    End,
}

/// The side that is fed. The first branch is the primary's.
#[derive(Debug)]
pub struct Tee {
    branches: Vec<Option<Feeder>>,
    required: usize,
}

/// The end of one branch that is fed.
#[derive(Debug)]
pub struct Feeder {
    parts: mpsc::Sender<Part>,
    stall_budget: Duration,
}

/// The side that a store reads: a stream of a known number of bytes.
pub struct Branch {
    parts: mpsc::Receiver<Part>,
    first: Option<Part>,
    remaining: u64,
    ended: bool,
}

/// A tee with `count` branches of `length` bytes each; the write cannot do without the first of them, nor with fewer than
/// `required`. A store that leaves its queue full for longer than the budget is left out.
pub fn tee(count: usize, required: usize, length: u64, stall_budget: Duration) -> (Tee, Vec<Branch>) {
    let (feeders, branches) = (0..count)
        .map(|_| {
            let (sender, parts) = mpsc::channel(CHUNKS_QUEUED);
            let feeder = Feeder { parts: sender, stall_budget };
            (Some(feeder), Branch { parts, first: None, remaining: length, ended: false })
        })
        .unzip();
    (Tee { branches: feeders, required }, branches)
}

impl Tee {
    /// Hands a chunk to every branch that is left, waiting for the slowest: those that stall do so at the same time.
    pub async fn send(&mut self, chunk: Bytes) -> Result<(), RequiredBranchLost> {
        let offers = self.branches.iter().map(|branch| {
            let chunk = chunk.clone();
            async move {
                match branch {
                    Some(feeder) => feeder.offer(Part::Chunk(chunk)).await,
                    None => true, // Left out before.
                }
            }
        });
        let taken = futures::future::join_all(offers).await;
        for (index, _) in taken.iter().enumerate().filter(|(_, taken)| !**taken) {
            self.branches[index] = None;
            if index == 0 || self.branches.iter().flatten().count() < self.required {
                return Err(RequiredBranchLost(index));
            }
        }
        Ok(())
    }

    /// Takes a branch out, to be ended well by its feeder; nothing where it was left out. Dropped, the feeder ends the branch
    /// with an error.
    pub fn take(&mut self, index: usize) -> Option<Feeder> {
        self.branches[index].take()
    }
}

impl Feeder {
    /// Gives the branch its last chunk and lets it end well.
    pub async fn finish(self, last: Option<Bytes>) {
        if let Some(chunk) = last
            && !self.offer(Part::Chunk(chunk)).await
        {
            return;
        }
        self.offer(Part::End).await;
    }

    /// Whether the store takes it within its budget.
    async fn offer(&self, part: Part) -> bool {
        let part = match self.parts.try_send(part) {
            Ok(()) => return true, // As nearly always: no timer is needed.
            Err(TrySendError::Closed(_)) => return false,
            Err(TrySendError::Full(part)) => part,
        };
        let sent = tokio::time::timeout(self.stall_budget, self.parts.send(part)).await;
        matches!(sent, Ok(Ok(())))
    }
}

impl Branch {
    /// Waits until there is something to read. A store that is called only then sees nothing of a write that was given up
    /// before its first chunk was let go, and an empty body ends before the store is asked.
    pub async fn ready(&mut self) -> Result<(), GivenUp> {
        self.first = self.parts.recv().await;
        if self.first.is_some() { Ok(()) } else { Err(GivenUp) }
    }

    /// The branch as the body of a request to a store.
    pub fn into_body(self) -> StreamingBlob {
        StreamingBlob::new(self)
    }
}

impl std::fmt::Debug for Branch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Branch").field("remaining", &self.remaining).finish_non_exhaustive()
    }
}

impl Stream for Branch {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = match self.first.take() {
            Some(first) => Some(first),
            None => ready!(self.parts.poll_recv(context)),
        };
        match next {
            Some(Part::Chunk(chunk)) => {
                self.remaining = self.remaining.saturating_sub(chunk.len() as u64);
                Poll::Ready(Some(Ok(chunk)))
            }
            Some(Part::End) => {
                self.ended = true;
                Poll::Ready(None)
            }
            None => {
                self.ended = true;
                Poll::Ready(Some(Err(Box::new(GivenUp))))
            }
        }
    }
}

impl ByteStream for Branch {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.remaining)
            .map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}

#[cfg(test)]
mod tests;
