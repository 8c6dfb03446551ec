//! Any recording to 16 kHz mono, within limits.
//!
//! Containers and most codecs are symphonia's; Opus, which it lacks, is decoded by libopus straight to 16 kHz mono.
//! Recordings come from anybody: both decoders run in the worker process, what they give is bounded by the length that
//! is allowed, and a decoder that panics makes the recording unusable instead of the worker dead. A recording that
//! breaks off gives what came before; of a chain of streams the first is taken.
//!
//! Whether anybody speaks is not asked here.

mod ogg_opus;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use self::ogg_opus::OpusDecoder;
use crate::resample::{RATES, Resampler};

/// How a recording is written down.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Encoding {
    /// A file that says itself what it is; the extension is a hint.
    Contained { extension: String },
    /// Nothing but samples: signed, 16 bits, little-endian, mono.
    Pcm16 { rate: u32 },
}

/// A recording that cannot be decoded. All of these are the recording's fault.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not one byte.
    #[error("the recording is empty")]
    Empty,
    /// No container that is known.
    #[error("not a recording in WAV, Ogg, MP3, M4A or AAC")]
    Container(#[source] SymphoniaError),
    /// A container with pictures or text alone.
    #[error("the file has no audio track")]
    NoAudio,
    /// A codec that is not known, or headers that make no sense.
    #[error("the audio codec cannot be decoded")]
    Codec(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More broken packets than whole ones.
    #[error("{broken} of {packets} audio packets are broken")]
    Broken {
        /// Those that the decoder refused.
        broken: u64,
        /// All there were.
        packets: u64,
    },
    /// A sample rate that is no recording's, or one that changes midway.
    #[error("sample rate of {0} Hz is out of range or changes midway")]
    Rate(u32),
    /// More channels than any recording of a voice has.
    #[error("{0} channels: at most {CHANNELS_MAX} can be mixed down")]
    Channels(usize),
    /// More audio than is allowed.
    #[error("the recording is longer than {seconds_max} seconds")]
    TooLong {
        /// What is allowed.
        seconds_max: u32,
    },
    /// The decoder panicked.
    #[error("the audio decoder gave up on the recording")]
    Panicked,
}

/// Decodes a recording of at most `seconds_max` to 16 kHz mono, samples from −1 to 1.
pub(crate) fn decode(bytes: &[u8], encoding: &Encoding, seconds_max: u32) -> Result<Vec<f32>, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    let mut sink = Sink { resampler: None, seconds_max };
    let decoded = catch_unwind(AssertUnwindSafe(|| match encoding {
        Encoding::Contained { extension } => decode_container(bytes, extension, &mut sink),
        Encoding::Pcm16 { rate } => decode_pcm16(bytes, *rate, &mut sink),
    }));
    decoded.unwrap_or(Err(DecodeError::Panicked))?;
    Ok(sink.finish())
}

fn decode_pcm16(bytes: &[u8], rate: u32, sink: &mut Sink) -> Result<(), DecodeError> {
    let sample = |pair: &[u8]| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0;
    let samples: Vec<f32> = bytes.chunks_exact(2).map(sample).collect();
    sink.push(rate, &samples)
}

fn decode_container(bytes: &[u8], extension: &str, sink: &mut Sink) -> Result<(), DecodeError> {
    let mut format = open(bytes, extension)?;
    let track = format.default_track(TrackType::Audio).ok_or(DecodeError::NoAudio)?;
    let track_id = track.id;
    let mut decoder = Decoder::new(track)?;
    let (mut packets, mut broken) = (0, 0);
    // An error of the container is the end, too: a recording that breaks off is worth what came before.
    while let Ok(Some(packet)) = format.next_packet() {
        if packet.track_id == track_id {
            packets += 1;
            broken += u64::from(!decoder.decode(&packet, sink)?);
        }
    }
    if packets == 0 { Err(DecodeError::NoAudio) } else { check_broken(broken, packets) }
}

fn check_broken(broken: u64, packets: u64) -> Result<(), DecodeError> {
    if broken * 2 > packets { Err(DecodeError::Broken { broken, packets }) } else { Ok(()) }
}

fn open<'b>(bytes: &'b [u8], extension: &str) -> Result<Box<dyn FormatReader + 'b>, DecodeError> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let mut hint = Hint::new();
    hint.with_extension(extension);
    symphonia::default::get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(DecodeError::Container)
}

/// The decoder of one track.
enum Decoder {
    Opus(Box<OpusDecoder>),
    Other { decoder: Box<dyn AudioDecoder>, interleaved: Vec<f32> },
}

impl Decoder {
    fn new(track: &Track) -> Result<Self, DecodeError> {
        let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
        let parameters = parameters.ok_or(DecodeError::NoAudio)?;
        if parameters.codec == CODEC_ID_OPUS {
            let head = parameters.extra_data.as_deref().unwrap_or_default();
            return Ok(Self::Opus(Box::new(OpusDecoder::new(head)?)));
        }
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default())
            .map_err(|error| DecodeError::Codec(error.into()))?;
        Ok(Self::Other { decoder, interleaved: Vec::new() })
    }

    /// Decodes a packet into the sink. False if the packet is broken, which alone is no reason to end.
    fn decode(&mut self, packet: &Packet, sink: &mut Sink) -> Result<bool, DecodeError> {
        match self {
            Self::Opus(decoder) => match decoder.decode(packet) {
                Ok(samples) => sink.push(ogg_opus::RATE, samples).map(|()| true),
                Err(_) => Ok(false),
            },
            Self::Other { decoder, interleaved } => {
                let Ok(decoded) = decoder.decode(packet) else { return Ok(false) };
                let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
                decoded.copy_to_vec_interleaved(interleaved);
                mix_down(interleaved, channels)?;
                sink.push(rate, interleaved).map(|()| true)
            }
        }
    }
}

/// The mean of all channels, in place.
fn mix_down(interleaved: &mut Vec<f32>, channels: usize) -> Result<(), DecodeError> {
    if !(1..=CHANNELS_MAX).contains(&channels) {
        return Err(DecodeError::Channels(channels));
    }
    let frames = interleaved.len() / channels;
    for frame in 0..frames {
        let sum: f32 = interleaved[frame * channels..][..channels].iter().sum();
        interleaved[frame] = sum / channels as f32;
    }
    interleaved.truncate(frames);
    Ok(())
}

/// Where decoded audio goes: checks rate and length, and resamples.
struct Sink {
    resampler: Option<Resampler>,
    seconds_max: u32,
}

impl Sink {
    fn push(&mut self, rate: u32, samples: &[f32]) -> Result<(), DecodeError> {
        if !RATES.contains(&rate) {
            return Err(DecodeError::Rate(rate));
        }
        let resampler = self.resampler.get_or_insert_with(|| Resampler::new(rate));
        if resampler.rate() != rate {
            return Err(DecodeError::Rate(rate));
        }
        let seconds = resampler.seconds() + samples.len() as f64 / f64::from(rate);
        if seconds > f64::from(self.seconds_max) {
            return Err(DecodeError::TooLong { seconds_max: self.seconds_max });
        }
        resampler.push(samples);
        Ok(())
    }

    /// The samples, made safe: float WAV may hold anything, infinity included.
    fn finish(self) -> Vec<f32> {
        let mut samples = self.resampler.map(Resampler::finish).unwrap_or_default();
        for sample in &mut samples {
            *sample = if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) };
        }
        samples
    }
}

/// 7.1 surround has eight.
const CHANNELS_MAX: usize = 8;

#[cfg(test)]
mod tests;
