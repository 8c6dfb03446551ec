use super::*;

fn sine(rate: u32, hertz: f64, seconds: f64) -> Vec<f32> {
    let samples = (f64::from(rate) * seconds) as usize;
    let step = std::f64::consts::TAU * hertz / f64::from(rate);
    (0..samples).map(|n| (0.5 * (n as f64 * step).sin()) as f32).collect()
}

fn resampled(rate: u32, input: &[f32], piece: usize) -> Vec<f32> {
    let mut resampler = Resampler::new(rate);
    for piece in input.chunks(piece) {
        resampler.push(piece);
    }
    resampler.finish()
}

#[test]
fn a_440_hz_sine_stays_one_at_every_rate_and_in_phase() {
    for rate in [4_000, 8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 44_101, 48_000, 96_000, 192_000] {
        let output = resampled(rate, &sine(rate, 440.0, 1.0), 977);
        let wanted = sine(RATE, 440.0, 1.0);
        assert_eq!(output.len(), wanted.len(), "{rate} Hz");
        // The ends ring, as any filter's do; a filter of odd length shifts by half a sample of the lower rate.
        let middle = 1_600..14_400;
        let worst = output[middle.clone()]
            .iter()
            .zip(&wanted[middle])
            .map(|(is, wanted)| (is - wanted).abs())
            .fold(0.0, f32::max);
        let half_a_sample = 0.5 * std::f32::consts::PI * 440.0 / rate.min(RATE) as f32;
        assert!(worst < half_a_sample + 0.01, "{rate} Hz differs by {worst}");
    }
}

#[test]
fn what_16_khz_cannot_carry_is_filtered_and_not_folded_back() {
    let output = resampled(48_000, &sine(48_000, 12_000.0, 1.0), 4_800);
    let loudest = output[1_600..14_400].iter().copied().fold(0.0, f32::max);
    assert!(loudest < 0.005, "{loudest} is left of a tone above the new limit");
}

#[test]
fn the_pieces_in_which_input_comes_make_no_difference() {
    let input = sine(24_000, 300.0, 0.7);
    let whole = resampled(24_000, &input, input.len());
    for piece in [1, 7, 960, 5_000] {
        assert_eq!(resampled(24_000, &input, piece), whole, "in pieces of {piece}");
    }
}

#[test]
fn short_and_empty_input_keeps_its_length() {
    for (rate, samples, wanted) in
        [(48_000, 0, 0), (48_000, 1, 1), (48_000, 3, 1), (8_000, 5, 10), (16_000, 5, 5)]
    {
        assert_eq!(resampled(rate, &vec![0.1; samples], 2).len(), wanted, "{samples} samples at {rate} Hz");
    }
}
