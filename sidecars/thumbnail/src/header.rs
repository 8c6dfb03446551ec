//! Format and size of a picture, read from its first bytes.
//!
//! Decoders take memory by what a header says, and some have no limit of their own; so the header is read here first,
//! without allocation. Nothing is decoded and nothing beyond the size is checked: that is the decoders' business.

use image::ImageFormat;

/// What a picture says of itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    pub(crate) format: ImageFormat,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Header {
    /// Reads the header of a JPEG, PNG or WebP picture; nothing where there is none with a size.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (format, (width, height)) = match bytes {
            [0xff, 0xd8, segments @ ..] => (ImageFormat::Jpeg, jpeg_size(segments)?),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', chunks @ ..] => {
                (ImageFormat::Png, png_size(chunks)?)
            }
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', chunks @ ..] => {
                (ImageFormat::WebP, webp_size(chunks)?)
            }
            _ => return None,
        };
        (width > 0 && height > 0).then_some(Self { format, width, height })
    }

    /// Width times height.
    pub(crate) fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// Walks the segments up to the frame header.
///
/// Source: ITU-T T.81, B.1.1 (markers) and B.2.2 (frame header).
fn jpeg_size(mut segments: &[u8]) -> Option<(u32, u32)> {
    loop {
        match segments {
            // A marker may be preceded by any number of fill bytes.
            [0xff, 0xff, ..] => segments = &segments[1..],
            // Start of frame, but for three markers of that range that mean other things.
            [0xff, 0xc0..=0xcf, _, _, _, h1, h0, w1, w0, ..]
                if !matches!(segments[1], 0xc4 | 0xc8 | 0xcc) =>
            {
                return Some((u16::from_be_bytes([*w1, *w0]).into(), u16::from_be_bytes([*h1, *h0]).into()));
            }
            // Markers without a segment.
            [0xff, 0x01 | 0xd0..=0xd7, rest @ ..] => segments = rest,
            // Scans come after the frame header: there is none.
            [0xff, 0xd9 | 0xda, ..] => return None,
            [0xff, _, l1, l0, ..] => {
                segments = segments.get(2 + usize::from(u16::from_be_bytes([*l1, *l0]))..)?
            }
            _ => return None,
        }
    }
}

/// The first chunk holds the size.
///
/// Source: PNG specification, third edition, 11.2.1.
fn png_size(chunks: &[u8]) -> Option<(u32, u32)> {
    match chunks {
        [0, 0, 0, 13, b'I', b'H', b'D', b'R', w3, w2, w1, w0, h3, h2, h1, h0, ..] => {
            Some((u32::from_be_bytes([*w3, *w2, *w1, *w0]), u32::from_be_bytes([*h3, *h2, *h1, *h0])))
        }
        _ => None,
    }
}

/// The first chunk holds the size, in one of three ways.
///
/// Source: RFC 9649, sections 2.5 to 2.7 and 3.4; RFC 6386, section 9.1.
fn webp_size(chunks: &[u8]) -> Option<(u32, u32)> {
    let (tag, content) = (chunks.get(..4)?, chunks.get(8..)?);
    match (tag, content) {
        (b"VP8 ", [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..]) => {
            let fourteen_bits = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
            Some((fourteen_bits(*w0, *w1), fourteen_bits(*h0, *h1)))
        }
        (b"VP8L", [0x2f, b0, b1, b2, b3, ..]) => {
            let bits = u32::from_le_bytes([*b0, *b1, *b2, *b3]);
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        (b"VP8X", [_, _, _, _, w0, w1, w2, h0, h1, h2, ..]) => {
            Some((u32::from_le_bytes([*w0, *w1, *w2, 0]) + 1, u32::from_le_bytes([*h0, *h1, *h2, 0]) + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
