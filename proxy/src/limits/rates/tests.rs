use super::*;

fn requests(per_second: u32) -> RateConfig {
    RateConfig { requests_per_second_max: NonZeroU32::new(per_second), bytes_per_second_max: None }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn what_is_over_the_rate_is_told_when_to_come_back() {
    let rates = Rates::new(&RatesConfig { address: requests(3), identity: RateConfig::default() });
    let (one, other) = (rates.who_at(address("192.0.2.1")), rates.who_at(address("192.0.2.2")));
    (0..3).for_each(|_| rates.address.admit(one).unwrap());
    let retry_after = rates.address.admit(one).unwrap_err();
    assert!(retry_after.0 <= Duration::from_millis(334), "{retry_after:?}");
    assert_eq!(retry_after.seconds(), 1);
    rates.address.admit(other).unwrap();
    (0..100).for_each(|_| rates.identity.admit(one).unwrap()); // No limit is set for them.
    std::thread::sleep(retry_after.0);
    rates.address.admit(one).unwrap();
    rates.address.admit(one).unwrap_err();
}

#[test]
fn retry_after_is_told_in_whole_seconds() {
    let seconds = |millis| RetryAfter(Duration::from_millis(millis)).seconds();
    assert_eq!([0, 1, 999, 1000, 1001, 5000].map(seconds), [1, 1, 1, 1, 2, 5]);
    let error = S3Error::from(RetryAfter(Duration::from_millis(1500)));
    assert_eq!(*error.code(), S3ErrorCode::SlowDown);
    assert_eq!(error.headers().unwrap()[RETRY_AFTER], "2");
}

#[test]
fn an_address_is_a_site() {
    let same = |one, other| assert_eq!(network(address(one)), network(address(other)), "{one} {other}");
    same("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff");
    same("::ffff:192.0.2.1", "192.0.2.1");
    let differ = |one, other| assert_ne!(network(address(one)), network(address(other)), "{one} {other}");
    differ("2001:db8::1", "2001:db8:0:1::1");
    differ("192.0.2.1", "192.0.2.2");
    differ("::1", "127.0.0.1");
}

#[test]
fn memory_is_bounded_and_nobody_gets_more_than_the_limit() {
    let mut buckets = Buckets::new(NonZeroU32::new(2).unwrap());
    buckets.keys_max = 10;
    let known = Who(3);
    buckets.take(known, NonZeroU32::MIN).unwrap();
    for who in 0..100_000_u64 {
        let _ = buckets.take(Who(u64::MAX - who), NonZeroU32::MIN);
    }
    assert!(buckets.limiter.len() <= 10 + usize::try_from(SHARED).unwrap(), "{}", buckets.limiter.len());
    let stranger = Who(u64::MAX / 2);
    let taken = (0..5).filter(|_| buckets.take(stranger, NonZeroU32::MIN).is_ok()).count();
    assert!(taken <= 2, "{taken}");
    std::thread::sleep(Duration::from_millis(2100)); // All are full again, for a second.
    buckets.forget();
    assert_eq!(buckets.limiter.len(), 0);
    buckets.take(known, NonZeroU32::MIN).unwrap();
    assert_eq!(buckets.limiter.len(), 1);
}

#[test]
fn bytes_are_paid_for_in_pieces_that_a_second_has() {
    let buckets = ByteBuckets::new(ByteSize(1000));
    assert_eq!(buckets.pay(Who(1), 5000), Ok(1000));
    let wait = buckets.pay(Who(1), 500).unwrap_err();
    assert!((Duration::from_millis(400)..=Duration::from_millis(500)).contains(&wait), "{wait:?}");
    assert_eq!(buckets.pay(Who(2), 1), Ok(1));
    assert_eq!(buckets.pay(Who(3), 0), Ok(0));
}

#[test]
fn large_rates_are_kept_too() {
    for rate in [1, 999, 1_000_000, 25_000_000, 3_000_000_000, 400_000_000_000] {
        let buckets = ByteBuckets::new(ByteSize(rate));
        let second = buckets.unit * u64::from(buckets.cells.get());
        assert!(second <= rate && second >= rate - rate / 500, "{rate}: {second}");
        let quota = Quota::per_second(buckets.cells);
        let fills_in = quota.replenish_interval() * buckets.cells.get();
        assert!(fills_in > Duration::from_millis(998) && fills_in <= Duration::from_secs(1), "{rate}");
    }
}
