//! Whether a recording can hold speech at all, judged by its loudness alone.
//!
//! On silence and on steady noise Whisper invents text. Both are told by how loud 30 ms frames are: silence has no
//! loud one, and noise or hum has frames that are all alike, while syllables and pauses of speech lie tens of decibels
//! apart. In doubt the answer is yes: this is no voice detector, and words that are lost here are lost for good.

use crate::resample::RATE;

/// Whether something in these samples, at 16 kHz, may be speech.
pub(crate) fn may_hold_speech(samples: &[f32]) -> bool {
    let mut levels: Vec<f32> = samples.chunks(FRAME_SAMPLES).map(decibels).collect();
    levels.sort_by(f32::total_cmp);
    let Some(&loudest) = levels.last() else { return false };
    let quiet = levels[levels.len() / 20];
    let silent = loudest < SILENCE_DECIBELS;
    let steady = levels.len() >= STEADY_FRAMES_MIN && loudest - quiet < STEADY_DECIBELS;
    !silent && !steady
}

/// Root mean square of a frame in decibels below full scale.
fn decibels(frame: &[f32]) -> f32 {
    let mean_square = frame.iter().map(|sample| sample * sample).sum::<f32>() / frame.len() as f32;
    10.0 * mean_square.max(1e-12).log10()
}

/// 30 ms: shorter than a syllable, longer than a period of the deepest voice.
const FRAME_SAMPLES: usize = RATE as usize * 30 / 1000;

/// Below it even a whisper into a bad microphone is not found. Microphones' own noise is louder, and steady.
const SILENCE_DECIBELS: f32 = -70.0;

/// Louder and quieter frames of speech differ by 20 dB and more, those of white noise by less than 2.
const STEADY_DECIBELS: f32 = 3.0;

/// Half a second: a single held vowel is shorter.
const STEADY_FRAMES_MIN: usize = 17;

#[cfg(test)]
pub(crate) mod tests;
