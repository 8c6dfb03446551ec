//! How much one address, and one identity, does in a second.
//!
//! Buckets are kept by the hash of who they are for, so that each takes the same small room. Those that are full again are
//! forgotten. If there are more than [`KEYS_MAX`] all the same, whoever comes from then on shares one of [`SHARED`] buckets with
//! others: the memory stays bounded, and nobody gets more than the limit.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};
use relais_model::ByteSize;
use s3s::{S3Error, S3ErrorCode};

use crate::config::{RateConfig, RatesConfig};

/// Most buckets of one limit: about 10 MB of memory.
const KEYS_MAX: usize = 100_000;

/// Buckets that are shared beyond them.
const SHARED: u64 = 1024;

/// How often full buckets are forgotten.
const UPKEEP_EVERY: Duration = Duration::from_secs(30);

/// Rates of bytes are counted in units so that a second has at most this many: the limiter counts in nanoseconds, and its
/// rounding is then below one in five hundred.
const UNITS_PER_SECOND_MAX: u64 = 2_000_000;

/// When to come back.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct RetryAfter(Duration);

impl RetryAfter {
    /// In whole seconds, one at least: what the header can say.
    pub(crate) fn seconds(&self) -> u64 {
        (self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0)).max(1)
    }
}

impl From<RetryAfter> for S3Error {
    fn from(retry_after: RetryAfter) -> Self {
        let message = "too many requests are made with these credentials";
        let mut error = Self::with_message(S3ErrorCode::SlowDown, message);
        let seconds = HeaderValue::from(retry_after.seconds());
        error.set_headers(HeaderMap::from_iter([(RETRY_AFTER, seconds)]));
        error
    }
}

/// The limits of addresses and of identities.
#[derive(Debug)]
pub(crate) struct Rates {
    pub(super) address: Rate,
    pub(super) identity: Rate,
    hasher: RandomState,
}

/// Whom a bucket is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Who(u64);

impl Rates {
    pub(crate) fn new(config: &RatesConfig) -> Self {
        let (address, identity) = (Rate::new(&config.address), Rate::new(&config.identity));
        Self { address, identity, hasher: RandomState::new() }
    }

    /// Whether any limit of bytes is set.
    pub(crate) fn measures_bytes(&self) -> bool {
        self.address.bytes.is_some() || self.identity.bytes.is_some()
    }

    pub(super) fn who_at(&self, address: IpAddr) -> Who {
        Who(self.hasher.hash_one(network(address)))
    }

    pub(super) fn who_is(&self, principal: &str) -> Who {
        Who(self.hasher.hash_one(principal))
    }
}

/// What counts as one address: of IPv6 the half that a site is given.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [one, two, three, four, ..] = address.segments();
            IpAddr::from([one, two, three, four, 0, 0, 0, 0])
        }
        address => address,
    }
}

/// The limits of one sort of bucket.
#[derive(Debug)]
pub(super) struct Rate {
    requests: Option<Buckets>,
    bytes: Option<ByteBuckets>,
}

impl Rate {
    fn new(config: &RateConfig) -> Self {
        let requests = config.requests_per_second_max.map(Buckets::new);
        Self { requests, bytes: config.bytes_per_second_max.map(ByteBuckets::new) }
    }

    /// Takes one request out of a bucket.
    pub(super) fn admit(&self, who: Who) -> Result<(), RetryAfter> {
        match &self.requests {
            None => Ok(()),
            Some(buckets) => buckets.take(who, NonZeroU32::MIN).map_err(RetryAfter),
        }
    }

    /// Takes up to so many bytes out of a bucket, and says how many; or how long to wait.
    pub(super) fn pay(&self, who: Who, bytes: usize) -> Result<usize, Duration> {
        match &self.bytes {
            None => Ok(bytes),
            Some(buckets) => buckets.pay(who, bytes),
        }
    }
}

/// Buckets that fill with so many cells a second, and hold as many.
#[derive(Debug)]
struct Buckets {
    limiter: RateLimiter<u64, DashMapStateStore<u64>, DefaultClock>,
    upkept_at: Mutex<Instant>,
    keys_max: usize,
}

impl Buckets {
    fn new(per_second: NonZeroU32) -> Self {
        let limiter = RateLimiter::dashmap(Quota::per_second(per_second));
        Self { limiter, upkept_at: Mutex::new(Instant::now()), keys_max: KEYS_MAX }
    }

    /// The number of cells is at most what a bucket holds.
    fn take(&self, who: Who, cells: NonZeroU32) -> Result<(), Duration> {
        self.upkeep();
        let full = self.limiter.len() >= self.keys_max;
        let key = if full { who.0 % SHARED } else { who.0 };
        match self.limiter.check_key_n(&key, cells) {
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.limiter.clock().now())),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    /// Forgets full buckets, now and then.
    fn upkeep(&self) {
        let Ok(mut upkept_at) = self.upkept_at.try_lock() else { return };
        if upkept_at.elapsed() >= UPKEEP_EVERY {
            *upkept_at = Instant::now();
            drop(upkept_at);
            self.forget();
        }
    }

    fn forget(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// Buckets whose cells are some bytes each.
#[derive(Debug)]
struct ByteBuckets {
    buckets: Buckets,
    /// Bytes of a cell.
    unit: u64,
    /// Cells that a bucket holds.
    cells: NonZeroU32,
}

impl ByteBuckets {
    fn new(per_second: ByteSize) -> Self {
        let unit = per_second.0.div_ceil(UNITS_PER_SECOND_MAX).max(1);
        let cells =
            u32::try_from(per_second.0 / unit).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        Self { buckets: Buckets::new(cells), unit, cells }
    }

    fn pay(&self, who: Who, bytes: usize) -> Result<usize, Duration> {
        let wanted = u32::try_from((bytes as u64).div_ceil(self.unit)).unwrap_or(u32::MAX);
        let Some(cells) = NonZeroU32::new(wanted.min(self.cells.get())) else { return Ok(0) };
        self.buckets.take(who, cells)?;
        let paid = u64::from(cells.get()) * self.unit;
        Ok(usize::try_from(paid).unwrap_or(usize::MAX).min(bytes))
    }
}

#[cfg(test)]
mod tests;
