use super::*;
use crate::decode::{Encoding, decode};

/// White noise of that loudness, the same every time.
pub(crate) fn noise(seconds: usize, loudness: f32) -> Vec<f32> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    };
    (0..seconds * RATE as usize).map(|_| loudness * next()).collect()
}

#[test]
fn silence_noise_and_hum_hold_no_speech() {
    let hum: Vec<f32> = (0..32_000).map(|n| (n as f32 * 0.0196).sin() * 0.2).collect();
    assert!(!may_hold_speech(&[]));
    assert!(!may_hold_speech(&[0.0; 48_000]));
    assert!(!may_hold_speech(&noise(3, 0.0005)));
    assert!(!may_hold_speech(&noise(3, 0.3)));
    assert!(!may_hold_speech(&hum));
}

#[test]
fn speech_holds_speech_also_when_it_is_quiet_or_noisy() {
    let sample = include_bytes!("../../../../tests/fixtures/samples/fr-cinq-neuf-sept.wav");
    let spoken = decode(sample, &Encoding::Contained { extension: "wav".into() }, 60).unwrap();
    assert!(may_hold_speech(&spoken));
    let quiet: Vec<f32> = spoken.iter().map(|sample| sample * 0.02).collect();
    assert!(may_hold_speech(&quiet));
    let noisy: Vec<f32> = spoken.iter().zip(noise(10, 0.03)).map(|(sample, noise)| sample + noise).collect();
    assert!(may_hold_speech(&noisy));
    let in_long_silence = [vec![0.0; 160_000], spoken, vec![0.0; 1_600_000]].concat();
    assert!(may_hold_speech(&in_long_silence));
}
