//! How long to wait before the next attempt.

use std::time::Duration;

/// Wait after the first failure.
const FIRST: Duration = Duration::from_secs(1);

/// Longest wait: an outage that ends is noticed within minutes.
const LONGEST: Duration = Duration::from_secs(300);

/// The wait after this many attempts: doubles each time, and half of it is chance, so that jobs that failed together
/// do not come back together.
pub(crate) fn delay(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let whole = (FIRST * (1 << doublings)).min(LONGEST);
    whole.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests;
