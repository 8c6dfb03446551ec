//! Bodies at the pace that an address and an identity have.
//!
//! What is over the rate is not refused but waits: a client that sends or reads too fast is held up by its own connection. A wait
//! has an end, [`WAIT_MAX`], after which there are too many that share one rate: the request is told to slow down, and an
//! answer that is under way breaks off.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::body::{Ending, Fate};
use super::rates::{Rates, RetryAfter, Who};

/// Longest wait of some bytes for their turn. Clients give up after a minute of silence.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Whose account a request goes on.
#[derive(Debug)]
pub(crate) struct Meter {
    rates: Arc<Rates>,
    address: Who,
    /// Known once the request is verified.
    identity: OnceLock<Who>,
}

impl Meter {
    /// Counts a request of an address.
    pub(super) fn of(rates: &Arc<Rates>, address: IpAddr) -> Result<Self, RetryAfter> {
        let address = rates.who_at(address);
        rates.address.admit(address)?;
        Ok(Self { rates: Arc::clone(rates), address, identity: OnceLock::new() })
    }

    /// Counts the request as one of this identity, whose bytes its bodies are from now on.
    pub(crate) fn admit_identity(&self, principal: &str) -> Result<(), RetryAfter> {
        let who = *self.identity.get_or_init(|| self.rates.who_is(principal));
        self.rates.identity.admit(who)
    }

    /// Takes up to so many bytes at the first limit or at the second, and says how many.
    fn pay(&self, limit: Limit, bytes: usize) -> Result<usize, Duration> {
        match (limit, self.identity.get()) {
            (Limit::Address, _) => self.rates.address.pay(self.address, bytes),
            (Limit::Identity, Some(who)) => self.rates.identity.pay(*who, bytes),
            (Limit::Identity, None) => Ok(bytes),
        }
    }
}

/// Which of the two limits.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Address,
    Identity,
}

/// A body whose bytes wait for their turn.
pub(super) struct Paced {
    inner: Body,
    meter: Arc<Meter>,
    fate: Fate,
    /// Bytes that have not had their turn.
    held: Bytes,
    /// How many of them are paid for at each limit.
    paid: [usize; 2],
    waiting: Option<Pin<Box<Sleep>>>,
    waiting_since: Option<Instant>,
}

impl Paced {
    pub(super) fn new(inner: Body, meter: Arc<Meter>, fate: Fate) -> Self {
        let (held, paid) = (Bytes::new(), [0, 0]);
        Self { inner, meter, fate, held, paid, waiting: None, waiting_since: None }
    }

    /// Pays for some of the held bytes and gives them out, or says how long to wait.
    fn pay(&mut self) -> Result<Bytes, Duration> {
        for (paid, limit) in self.paid.iter_mut().zip([Limit::Address, Limit::Identity]) {
            if *paid == 0 {
                *paid = self.meter.pay(limit, self.held.len())?;
            }
        }
        let bytes = self.paid[0].min(self.paid[1]);
        self.paid.iter_mut().for_each(|paid| *paid -= bytes);
        self.waiting_since = None;
        Ok(self.held.split_to(bytes))
    }

    fn wait(&mut self, wait: Duration) -> Result<(), axum::Error> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        if since.elapsed() + wait > WAIT_MAX {
            self.fate.end(Ending::Slow);
            return Err(axum::Error::new(Ending::Slow));
        }
        self.waiting = Some(Box::pin(sleep(wait)));
        Ok(())
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(context));
                self.waiting = None;
            }
            if !self.held.is_empty() {
                match self.pay() {
                    Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                    Err(wait) => self.wait(wait)?,
                }
                continue;
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.held = bytes,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, held) = (self.inner.size_hint(), self.held.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + held);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + held);
        }
        hint
    }
}

#[cfg(test)]
mod tests;
