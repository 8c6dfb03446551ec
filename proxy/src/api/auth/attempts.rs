//! How often somebody may try: so many times a minute at one account, and from one address.
//!
//! Both are counted on each instance by itself. What is counted falls into a fixed number of buckets by a hash that nobody
//! outside can compute, so that memory is bounded whatever is sent; two that share a bucket share its limit.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::config::AccountsConfig;
use super::credentials::Email;

/// Attempts of the last minute.
#[derive(Debug)]
pub(super) struct Attempts {
    accounts: Counted,
    addresses: Counted,
}

/// There were too many; after this time there may be another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TooMany(pub(super) Duration);

/// Attempts of one kind. A bucket is a `u16`: 65,536 of them take two megabytes.
#[derive(Debug)]
struct Counted {
    limiter: Option<DefaultKeyedRateLimiter<u16>>,
    hasher: RandomState,
}

impl Attempts {
    pub(super) fn new(config: &AccountsConfig) -> Self {
        Self {
            accounts: Counted::new(config.login_attempts_per_minute),
            addresses: Counted::new(config.address_attempts_per_minute),
        }
    }

    /// Counts an attempt from an address.
    pub(super) fn count_address(&self, address: IpAddr) -> Result<(), TooMany> {
        self.addresses.count(&network(address))
    }

    /// Counts an attempt at an account, whether there is one or not.
    pub(super) fn count_account(&self, email: &Email) -> Result<(), TooMany> {
        self.accounts.count(email.as_str())
    }
}

impl Counted {
    fn new(per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).map(Quota::per_minute);
        Self { limiter: quota.map(RateLimiter::keyed), hasher: RandomState::new() }
    }

    fn count<K: Hash + ?Sized>(&self, key: &K) -> Result<(), TooMany> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        let [high, low, ..] = self.hasher.hash_one(key).to_be_bytes();
        limiter
            .check_key(&u16::from_be_bytes([high, low]))
            .map_err(|until| TooMany(until.wait_time_from(DefaultClock::default().now())))
    }
}

/// Who has an address of IPv6 has the 2^64 beside it, too.
fn network(address: IpAddr) -> [u8; 8] {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [0, 0, 0, 0, a, b, c, d]
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h, ..] = address.octets();
            [a, b, c, d, e, f, g, h]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_so_many_attempts_a_minute_and_is_told_when_the_next_may_be() {
        let counted = Counted::new(3);
        for _ in 0..3 {
            assert_eq!(counted.count("ada@example.org"), Ok(()));
        }
        let TooMany(wait) = counted.count("ada@example.org").unwrap_err();
        assert!(wait > Duration::from_secs(15) && wait <= Duration::from_secs(20), "{wait:?}");
        let others = (0..100).filter(|n| counted.count(&format!("{n}@example.org")).is_ok()).count();
        assert!(others >= 98, "others are not held up; one may share the bucket");
    }

    #[test]
    fn zero_is_no_limit() {
        let counted = Counted::new(0);
        assert!((0..1000).all(|_| counted.count("x").is_ok()));
    }

    #[test]
    fn memory_is_bounded_whatever_is_tried() {
        let counted = Counted::new(1);
        for n in 0..200_000 {
            let _ = counted.count(&n);
        }
        assert!(counted.limiter.unwrap().len() <= 65_536);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
