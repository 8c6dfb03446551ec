//! Opus packets to 16 kHz mono by libopus, which does both while it decodes.
//!
//! The head is that of Ogg Opus (RFC 7845): what it asks to skip and to amplify is done here.

use symphonia::core::packet::Packet;

use super::DecodeError;

/// Samples a second that come out: one of the rates that libopus can decode to.
pub(super) const RATE: u32 = crate::resample::RATE;

pub(super) struct OpusDecoder {
    decoder: opus::Decoder,
    /// Samples at the start that are the encoder's run-up, not the recording's.
    skip: usize,
    samples: [f32; PACKET_SAMPLES_MAX],
}

impl OpusDecoder {
    /// Reads an identification header.
    pub(super) fn new(head: &[u8]) -> Result<Self, DecodeError> {
        let Some((
            b"OpusHead",
            [_, _, skip_low, skip_high, _, _, _, _, gain_low, gain_high, family, mapping @ ..],
        )) = head.split_first_chunk::<8>()
        else {
            return Err(DecodeError::Codec("malformed Opus header".into()));
        };
        // Family 0 is mono or stereo. Others say how many streams are braided into a packet; one is as good as family 0.
        if *family != 0 && mapping.first() != Some(&1) {
            return Err(DecodeError::Codec("Opus with more than two channels".into()));
        }
        let codec = |error: opus::Error| DecodeError::Codec(error.into());
        let mut decoder = opus::Decoder::new(RATE, opus::Channels::Mono).map_err(codec)?;
        decoder.set_gain(i16::from_le_bytes([*gain_low, *gain_high]).into()).map_err(codec)?;
        let skip = usize::from(u16::from_le_bytes([*skip_low, *skip_high])) / TICKS_PER_SAMPLE;
        Ok(Self { decoder, skip, samples: [0.0; PACKET_SAMPLES_MAX] })
    }

    /// The samples of one packet, without those to be skipped at either end of the recording.
    pub(super) fn decode(&mut self, packet: &Packet) -> Result<&[f32], opus::Error> {
        if packet.data.is_empty() {
            return Ok(&[]); // To libopus an empty packet is a lost one, to be made up.
        }
        let decoded = self.decoder.decode_float(&packet.data, &mut self.samples, false)?;
        let start = self.skip.min(decoded);
        self.skip -= start;
        let padding = usize::try_from(packet.trim_end.get()).unwrap_or(usize::MAX) / TICKS_PER_SAMPLE;
        let end = decoded.saturating_sub(padding).max(start);
        Ok(&self.samples[start..end])
    }
}

/// Ogg counts Opus in 48 kHz.
const TICKS_PER_SAMPLE: usize = 48_000 / RATE as usize;

/// The longest packet has 120 ms.
const PACKET_SAMPLES_MAX: usize = RATE as usize * 120 / 1000;
