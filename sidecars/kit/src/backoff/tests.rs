use super::*;

#[test]
fn waits_double_up_to_the_longest() {
    for (attempts, seconds) in [(0, 1), (1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (u32::MAX, 300)] {
        let whole = Duration::from_secs(seconds);
        for _ in 0..100 {
            let wait = delay(attempts);
            assert!(wait >= whole / 2 && wait <= whole, "{wait:?} after {attempts} attempts");
        }
    }
}

#[test]
fn jobs_that_failed_together_come_back_apart() {
    let first = delay(8);
    assert!((0..100).any(|_| delay(8) != first));
}
