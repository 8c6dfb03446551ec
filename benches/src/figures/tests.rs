use super::*;

/// Turns of a second with that many requests of a millisecond each.
fn figures(requests: &[usize]) -> Figures {
    let mut figures = Figures::default();
    for count in requests {
        let latencies = vec![Duration::from_millis(1); *count];
        figures.add(&Turn { elapsed: Duration::from_secs(1), latencies });
    }
    figures
}

#[test]
fn rate_is_the_median_of_the_rounds() {
    let rate = figures(&[300, 100, 120]).rate();
    assert_eq!(rate, Spread { lowest: 100.0, median: 120.0, highest: 300.0 });
}

#[test]
fn drift_of_the_machine_cancels_out_of_ratios() {
    let (fast, slow) = (figures(&[200, 20, 2000]), figures(&[100, 10, 1000]));
    assert_eq!(fast.times(&slow), Spread { lowest: 2.0, median: 2.0, highest: 2.0 });
}

#[test]
fn percentiles_are_of_all_requests() {
    let mut figures = Figures::default();
    for round in [1..=50, 51..=100] {
        let latencies = round.map(Duration::from_millis).collect();
        figures.add(&Turn { elapsed: Duration::from_secs(1), latencies });
    }
    assert_eq!(figures.percentile(0.5), Duration::from_millis(50));
    assert_eq!(figures.percentile(0.99), Duration::from_millis(99));
    assert_eq!(figures.requests(), 100);
}
