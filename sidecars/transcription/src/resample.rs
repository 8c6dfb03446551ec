//! Mono audio of any sample rate to the 16 kHz that Whisper wants, as it comes.
//!
//! Works on the fly, so that an hour of 48 kHz audio is never in memory at its own rate. The filter's start-up delay
//! is cut off and its tail flushed: what comes out begins with, and is exactly as long as, what went in.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};

/// Samples a second of what comes out.
pub(crate) const RATE: u32 = 16_000;

/// Sample rates that are taken: telephones to studios.
pub(crate) const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// Input samples that are worked on at once, about; the exact number depends on the two rates.
const CHUNK_SAMPLES: usize = 1024;

/// Changes the sample rate of one recording.
pub(crate) struct Resampler {
    rate: u32,
    /// Nothing where the rate is right already.
    fft: Option<Fft<f32>>,
    pending: Vec<f32>,
    chunk: Vec<f32>,
    output: Vec<f32>,
    samples_in: u64,
}

impl Resampler {
    /// For input of that rate, which must be one of [`RATES`].
    pub(crate) fn new(rate: u32) -> Self {
        assert!(RATES.contains(&rate), "the caller checks the rate");
        let fft = (rate != RATE).then(|| {
            Fft::new(rate as usize, RATE as usize, CHUNK_SAMPLES, 1, FixedSync::Both)
                .expect("rates and chunk are not zero")
        });
        let chunk = vec![0.0; fft.as_ref().map_or(0, |fft| fft.output_frames_max())];
        Self { rate, fft, pending: Vec::new(), chunk, output: Vec::new(), samples_in: 0 }
    }

    /// The sample rate of the input.
    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Length of what came in so far.
    pub(crate) fn seconds(&self) -> f64 {
        self.samples_in as f64 / f64::from(self.rate)
    }

    /// Takes more input.
    pub(crate) fn push(&mut self, samples: &[f32]) {
        self.samples_in += samples.len() as u64;
        if self.fft.is_none() {
            self.output.extend_from_slice(samples);
        } else {
            self.pending.extend_from_slice(samples);
            self.process_pending();
        }
    }

    /// All of the output.
    pub(crate) fn finish(mut self) -> Vec<f32> {
        let Some(fft) = &self.fft else { return self.output };
        let (delay, needed) = (fft.output_delay(), fft.input_frames_next());
        let length = (self.samples_in * u64::from(RATE)).div_ceil(u64::from(self.rate)) as usize;
        while self.output.len() < delay + length {
            self.pending.resize(self.pending.len().next_multiple_of(needed).max(needed), 0.0);
            self.process_pending();
        }
        self.output.drain(..delay);
        self.output.truncate(length);
        self.output
    }

    fn process_pending(&mut self) {
        let Some(fft) = &mut self.fft else { return };
        let (needed, given) = (fft.input_frames_next(), fft.output_frames_next());
        let whole = self.pending.len() / needed * needed;
        for input in self.pending[..whole].chunks_exact(needed) {
            let input = InterleavedSlice::new(input, 1, needed).expect("one channel of that length");
            let mut output = InterleavedSlice::new_mut(&mut self.chunk[..given], 1, given)
                .expect("one channel of that length");
            fft.process_into_buffer(&input, &mut output, None)
                .expect("both sides have the sizes it asked for");
            self.output.extend_from_slice(&self.chunk[..given]);
        }
        self.pending.drain(..whole);
    }
}

#[cfg(test)]
mod tests;
