//! Bodies that end when nothing comes, and bodies that hold something until they end.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// Why relais ended the body of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Ending {
    #[error("the body stood still for too long")]
    Idle,
    #[error("the body waited too long for its turn")]
    Slow,
}

/// What became of the body of a request, for whoever answers it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate(Arc<OnceLock<Ending>>);

impl Fate {
    pub(super) fn end(&self, ending: Ending) {
        let _ = self.0.set(ending); // The first reason is the reason.
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        self.0.get().copied()
    }
}

/// The body of a request that may not stand still. Only the time counts in which somebody waits for it: who reads it may take
/// longer.
pub(crate) struct Lively {
    inner: Body,
    patience: Duration,
    fate: Fate,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Lively {
    pub(crate) fn new(inner: Body, patience: Duration, fate: Fate) -> Self {
        Self { inner, patience, fate, timer: None, waiting: false }
    }

    /// Whether the patience is over.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(Instant::now() + patience);
        }
        timer.as_mut().poll(context)
    }
}

impl HttpBody for Lively {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            self.waiting = false;
            return Poll::Ready(frame);
        }
        match self.poll_timer(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                self.fate.end(Ending::Idle);
                Poll::Ready(Some(Err(axum::Error::new(Ending::Idle))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of an answer, and what is given back when it was taken or the client is gone.
pub(crate) struct Holding<T> {
    inner: Body,
    held: Option<T>,
}

impl<T> Holding<T> {
    pub(crate) fn new(inner: Body, held: T) -> Self {
        // What has no body is not asked for one.
        let held = (!inner.is_end_stream()).then_some(held);
        Self { inner, held }
    }
}

impl<T: Unpin> HttpBody for Holding<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.held = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
