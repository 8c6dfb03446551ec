//! Whose turn it is in a request: ours, or the store's.
//!
//! A store that is silent while it is its turn is out of order; a client that is slow with its body, or with reading an
//! answer, is not the store's fault. So the clock runs from each piece that was handed to the store, until the next one is
//! taken or the answer begins, and stands still while there is nothing to hand over. The same holds for the pieces of an answer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_sdk_s3::primitives::SdkBody;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// A store did nothing although it was its turn.
#[derive(Debug, thiserror::Error)]
#[error("the store was silent for {0:?}")]
pub(super) struct Silent(pub(super) Duration);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Whose turn it is while a request is sent.
#[derive(Debug)]
pub(super) struct Turn {
    began: Instant,
    /// Since when it is the store's turn, in milliseconds after the beginning; or [`OURS`].
    stores_since: AtomicU64,
}

const OURS: u64 = u64::MAX;

impl Turn {
    /// The store's turn from now on.
    pub(super) fn stores() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), stores_since: AtomicU64::new(0) })
    }

    fn pass_to_store(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(OURS - 1);
        self.stores_since.store(since, Ordering::Relaxed);
    }

    fn take(&self) {
        self.stores_since.store(OURS, Ordering::Relaxed);
    }

    /// Ends when the store was silent for that long.
    pub(super) async fn silence(&self, limit: Duration) -> Silent {
        loop {
            match self.stores_since.load(Ordering::Relaxed) {
                // A turn that begins meanwhile cannot be over before this is.
                OURS => sleep(limit).await,
                since => {
                    let end = self.began + Duration::from_millis(since) + limit;
                    if end <= Instant::now() {
                        return Silent(limit);
                    }
                    sleep_until(end).await;
                }
            }
        }
    }
}

/// The body of a request, which says whose turn it is.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) body: SdkBody,
    pub(super) turn: Arc<Turn>,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            self.turn.pass_to_store()
        } else {
            self.turn.take()
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer. Its request is in flight until it ends or is dropped.
#[derive(Debug)]
pub(super) struct Received {
    body: SdkBody,
    silence: Option<Pin<Box<Sleep>>>,
    limit: Duration,
    permit: Option<OwnedSemaphorePermit>,
}

impl Received {
    pub(super) fn new(body: SdkBody, limit: Duration, permit: OwnedSemaphorePermit) -> Self {
        let permit = (!body.is_end_stream()).then_some(permit);
        Self { body, silence: None, limit, permit }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let limit = self.limit;
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.silence = None;
            if !matches!(frame, Some(Ok(_))) {
                self.permit = None;
            }
            return Poll::Ready(frame);
        }
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(silence.as_mut().poll(cx));
        self.permit = None;
        Poll::Ready(Some(Err(Box::new(Silent(limit)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
