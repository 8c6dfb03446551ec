//! What the turns of one peer with one load come to.

use std::time::Duration;

use crate::load::Turn;

#[cfg(test)]
mod tests;

#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Requests a second, a number for each round.
    rates: Vec<f64>,
    /// Of all requests of all rounds.
    latencies: Vec<Duration>,
}

/// A number of every round, put together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) lowest: f64,
    pub(crate) median: f64,
    pub(crate) highest: f64,
}

impl Figures {
    pub(crate) fn add(&mut self, turn: &Turn) {
        self.rates.push(turn.latencies.len() as f64 / turn.elapsed.as_secs_f64());
        self.latencies.extend(&turn.latencies);
    }

    /// Requests a second.
    pub(crate) fn rate(&self) -> Spread {
        spread(self.rates.iter().copied())
    }

    /// How many times the other's rate this is. Rounds are compared with their own neighbours, so drift cancels out.
    pub(crate) fn times(&self, other: &Self) -> Spread {
        spread(self.rates.iter().zip(&other.rates).map(|(own, other)| own / other))
    }

    /// The time within which this share of the requests was answered.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        percentile(&mut self.latencies.clone(), share)
    }

    pub(crate) fn requests(&self) -> usize {
        self.latencies.len()
    }
}

/// The time that this share of the times does not exceed; sorts them.
pub(crate) fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    let rank = (share * times.len() as f64).ceil() as usize;
    times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn spread(numbers: impl Iterator<Item = f64>) -> Spread {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_unstable_by(f64::total_cmp);
    let at = |index: usize| numbers.get(index).copied().unwrap_or(f64::NAN);
    Spread { lowest: at(0), median: at(numbers.len() / 2), highest: at(numbers.len().saturating_sub(1)) }
}
