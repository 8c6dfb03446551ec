use std::num::NonZeroU32;

use axum::body::to_bytes;
use relais_model::ByteSize;

use super::*;
use crate::config::{RateConfig, RatesConfig};

fn bytes(per_second: u64) -> RateConfig {
    RateConfig { requests_per_second_max: None, bytes_per_second_max: Some(ByteSize(per_second)) }
}

fn meter(address: RateConfig, identity: RateConfig) -> Arc<Meter> {
    let rates = Arc::new(Rates::new(&RatesConfig { address, identity }));
    Arc::new(Meter::of(&rates, "192.0.2.1".parse().unwrap()).unwrap())
}

/// Reads a body of so many bytes, which must come as they were, and says how long that took.
async fn read(meter: &Arc<Meter>, length: usize) -> Duration {
    let begun = std::time::Instant::now();
    let content: Bytes = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let paced = Paced::new(Body::from(content.clone()), Arc::clone(meter), Fate::default());
    assert_eq!(paced.size_hint().exact(), Some(length as u64));
    assert_eq!(to_bytes(Body::new(paced), usize::MAX).await.unwrap(), content);
    begun.elapsed()
}

#[tokio::test]
async fn what_is_over_the_rate_takes_its_time() {
    let meter = meter(bytes(100_000), RateConfig::default());
    assert!(read(&meter, 100_000).await < Duration::from_millis(500)); // What has gathered is given out at once.
    let took = read(&meter, 100_000).await;
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn the_slower_of_the_two_sets_the_pace() {
    let meter = meter(bytes(1_000_000), bytes(50_000));
    assert!(read(&meter, 200_000).await < Duration::from_millis(500)); // Nobody knows yet who it is.
    meter.admit_identity("user").unwrap();
    let took = read(&meter, 100_000).await;
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn requests_of_an_identity_are_counted_whatever_address_they_come_from() {
    let one = RateConfig { requests_per_second_max: NonZeroU32::new(1), bytes_per_second_max: None };
    let rates = Arc::new(Rates::new(&RatesConfig { address: RateConfig::default(), identity: one }));
    let at = |address: &str| Meter::of(&rates, address.parse().unwrap()).unwrap();
    at("192.0.2.1").admit_identity("user").unwrap();
    at("192.0.2.2").admit_identity("user").unwrap_err();
    at("192.0.2.2").admit_identity("other").unwrap();
}

#[tokio::test(start_paused = true)]
async fn too_many_that_share_a_rate_are_told_to_slow_down() {
    // The limiter has a clock of its own, which stands still here: nothing is ever free again.
    let meter = meter(bytes(100), RateConfig::default());
    let fate = Fate::default();
    let paced = Paced::new(Body::from(vec![0; 1000]), meter, fate.clone());
    to_bytes(Body::new(paced), usize::MAX).await.unwrap_err();
    assert_eq!(fate.ending(), Some(Ending::Slow));
}
