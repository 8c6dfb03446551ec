//! Containers whose mark is not at the very beginning, and MPEG audio, which has no mark but its frames.

use super::Kind;

/// Brands of `ftyp` that are pictures rather than sound or film.
const PICTURE_BRANDS: [&[u8]; 8] = [b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis"];

/// First boxes of files that `QuickTime` wrote before there was `ftyp`.
const QUICKTIME_BOXES: [&[u8]; 4] = [b"moov", b"mdat", b"wide", b"skip"];

/// RIFF, and the boxes of ISO base media.
pub(super) fn container(first: &[u8]) -> Option<Kind> {
    let (size, name, brand) = (first.get(..4)?, first.get(4..8)?, first.get(8..12)?);
    match (size, name, brand) {
        (b"RIFF" | b"RF64" | b"BW64", _, b"WAVE") => Some(Kind::Wav),
        (b"RIFF", _, b"WEBP") => Some(Kind::Webp),
        (_, b"ftyp", _) if PICTURE_BRANDS.contains(&brand) => Some(Kind::Heif),
        (_, b"ftyp", b"qt  ") => Some(Kind::QuickTime),
        (_, b"ftyp" | b"styp", _) => Some(Kind::Mp4),
        _ if QUICKTIME_BOXES.contains(&name) => Some(Kind::QuickTime),
        _ => None,
    }
}

/// A frame of MPEG audio at the beginning.
pub(super) struct Audio {
    pub(super) kind: Kind,
    /// Whether the next frame is where this one ends: two bytes alone are in many things.
    pub(super) is_certain: bool,
}

/// MPEG audio of layer III in all versions, and AAC in ADTS.
pub(super) fn mpeg_audio(first: &[u8]) -> Option<Audio> {
    let frame = Frame::at(first)?;
    let next = frame.length.and_then(|length| first.get(length..)).and_then(Frame::at);
    let is_certain = next.is_some_and(|next| next.mark == frame.mark);
    Some(Audio { kind: frame.kind, is_certain })
}

/// What the head of a frame says.
struct Frame {
    kind: Kind,
    /// Version, layer and sampling rate, which do not change from frame to frame.
    mark: (u8, u8),
    /// Nothing where the bit rate is free.
    length: Option<usize>,
}

/// Kilobits a second by the index of the bit rate, for layer III: MPEG 1, then MPEG 2 and 2.5 (ISO 11172-3 and 13818-3).
const BIT_RATES: [[usize; 15]; 2] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// Samples a second by the index of the rate, for MPEG 1; the later versions have a half and a quarter.
const SAMPLE_RATES: [usize; 3] = [44_100, 48_000, 32_000];

impl Frame {
    fn at(bytes: &[u8]) -> Option<Self> {
        let head: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
        if head[0] != 0xff || head[1] & 0xe0 != 0xe0 {
            return None;
        }
        match head[1] >> 1 & 3 {
            0 => Self::adts(head, bytes),
            1 => Self::layer_three(head),
            _ => None,
        }
    }

    fn layer_three(head: [u8; 4]) -> Option<Self> {
        let (version, bit_rate, rate) = (head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3);
        // Version 1 is reserved, as are rate 3, bit rate 15 and emphasis 2.
        if version == 1 || rate == 3 || bit_rate == 15 || head[3] & 3 == 2 {
            return None;
        }
        let (table, samples_by_eight, divisor) = match version {
            3 => (0, 144, 1),
            2 => (1, 72, 2),
            _ => (1, 72, 4),
        };
        let rate_hz = SAMPLE_RATES[usize::from(rate)] / divisor;
        let bits = BIT_RATES[table][usize::from(bit_rate)] * 1000;
        let padding = usize::from(head[2] >> 1 & 1);
        let length = (bits > 0).then(|| samples_by_eight * bits / rate_hz + padding);
        Some(Self { kind: Kind::Mp3, mark: (head[1] & 0xfe, rate), length })
    }

    fn adts(head: [u8; 4], bytes: &[u8]) -> Option<Self> {
        let rate = head[2] >> 2 & 0xf;
        // Twelve bits of sync; the rates from 13 on are reserved.
        if head[1] & 0xf0 != 0xf0 || rate > 12 {
            return None;
        }
        let length = |bytes: &[u8]| {
            let high = usize::from(bytes[3] & 3) << 11;
            high | usize::from(bytes[4]) << 3 | usize::from(bytes[5] >> 5)
        };
        let length = bytes.get(..6).map(length).filter(|length| *length >= 7);
        Some(Self { kind: Kind::Aac, mark: (head[1], rate), length })
    }
}
