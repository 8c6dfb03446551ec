//! From a picture to its thumbnail.

use std::io::Cursor;

use fast_image_resize::{FilterType, ResizeAlg, ResizeError, ResizeOptions, Resizer};
use image::codecs::{jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{
    ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, Limits, Rgb, RgbImage, RgbaImage,
};
use jpeg_encoder::{Encoder, EncodingError};

use crate::config::Settings;
use crate::header::Header;

/// Largest ICC profile that goes along: those of cameras and displays have some 500 bytes to 4 KiB, and a profile larger
/// than the thumbnail helps nobody.
const ICC_BYTES_MAX: usize = 4096;

/// What decoders may hold beside the pixels.
const DECODER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why there is no thumbnail: always the picture's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThumbnailError {
    /// Nothing is there.
    #[error("the picture is empty")]
    Empty,
    /// None of the formats, or a header without a size.
    #[error("not a JPEG, PNG or WebP picture, or one without a sound header")]
    NoHeader,
    /// More pixels than allowed; known before anything was decoded.
    #[error("a picture of {width} x {height} pixels is larger than the {pixels_max} pixels allowed")]
    TooLarge {
        /// Width by the header.
        width: u32,
        /// Height by the header.
        height: u32,
        /// The limit.
        pixels_max: u64,
    },
    /// The decoder sees another picture than the header showed.
    #[error("the picture has two headers that differ")]
    Ambiguous,
    /// The end is missing.
    #[error("the picture is cut short")]
    CutShort,
    /// Damaged, or of a kind that the decoder does not know.
    #[error("the picture cannot be decoded")]
    Decode(#[from] ImageError),
    /// The resizer refused.
    #[error("the picture cannot be resized")]
    Resize(#[from] ResizeError),
    /// The encoder refused.
    #[error("the thumbnail cannot be encoded")]
    Encode(#[from] EncodingError),
}

/// What was decoded, and what else matters of it.
struct Picture {
    pixels: DynamicImage,
    orientation: Orientation,
    icc_profile: Option<Vec<u8>>,
}

/// Makes a JPEG within the settings' bounds of a JPEG, PNG or WebP picture.
///
/// The proportions are kept and nothing is enlarged. The orientation that EXIF gives is applied; whatever is transparent
/// becomes white; sixteen bits become eight.
pub fn thumbnail(bytes: &[u8], settings: &Settings) -> Result<Vec<u8>, ThumbnailError> {
    let header = checked_header(bytes, settings)?;
    let Picture { pixels, orientation, icc_profile } = decode(bytes, header, settings)?;
    let small = shrink(pixels, orientation, settings)?;
    let mut small = on_white(small);
    small.apply_orientation(orientation);
    encode(&small, icc_profile.as_deref(), settings)
}

fn checked_header(bytes: &[u8], settings: &Settings) -> Result<Header, ThumbnailError> {
    if bytes.is_empty() {
        return Err(ThumbnailError::Empty);
    }
    let header = Header::read(bytes).ok_or(ThumbnailError::NoHeader)?;
    let Header { width, height, .. } = header;
    let pixels_max = settings.pixels_max;
    if header.pixels() > pixels_max {
        return Err(ThumbnailError::TooLarge { width, height, pixels_max });
    }
    Ok(header)
}

fn decode(bytes: &[u8], header: Header, settings: &Settings) -> Result<Picture, ThumbnailError> {
    let source = Cursor::new(bytes);
    match header.format {
        ImageFormat::Jpeg if jpeg_is_cut_short(bytes) => Err(ThumbnailError::CutShort),
        ImageFormat::Jpeg => read(JpegDecoder::new(source)?, header),
        ImageFormat::Png => {
            // Eight bytes are the largest pixel; compressed text and profiles count as well.
            let mut limits = Limits::default();
            limits.max_alloc = Some(settings.pixels_max.saturating_mul(8).saturating_add(DECODER_BYTES_MAX));
            read(PngDecoder::with_limits(source, limits)?, header)
        }
        _ => read(WebPDecoder::new(source)?, header),
    }
}

fn read(mut decoder: impl ImageDecoder, header: Header) -> Result<Picture, ThumbnailError> {
    if decoder.dimensions() != (header.width, header.height) {
        return Err(ThumbnailError::Ambiguous);
    }
    // A picture with broken metadata is still a picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let icc_profile = decoder.icc_profile().unwrap_or(None).filter(|profile| profile.len() <= ICC_BYTES_MAX);
    Ok(Picture { pixels: DynamicImage::from_decoder(decoder)?, orientation, icc_profile })
}

/// Whether the end marker is missing. The decoder would fill what is missing with grey.
fn jpeg_is_cut_short(bytes: &[u8]) -> bool {
    let has = |bytes: &[u8], marker| bytes.windows(2).position(|pair| pair == [0xff, marker]);
    // Behind the start of scan, 0xff in data is followed by zero; before it, EXIF may hold a thumbnail with its own end.
    let scan = has(bytes, 0xda).unwrap_or(bytes.len());
    has(&bytes[scan..], 0xd9).is_none()
}

/// Resizes to what fits the bounds once the picture stands upright.
fn shrink(
    pixels: DynamicImage,
    orientation: Orientation,
    settings: &Settings,
) -> Result<DynamicImage, ThumbnailError> {
    let pixels = eight_bits(pixels);
    let bounds = (settings.width_max.get().into(), settings.height_max.get().into());
    let (width_max, height_max) = if lies_on_its_side(orientation) { (bounds.1, bounds.0) } else { bounds };
    let (width, height) = fit((pixels.width(), pixels.height()), (width_max, height_max));
    if (width, height) == (pixels.width(), pixels.height()) {
        return Ok(pixels);
    }
    let mut small = DynamicImage::new(width, height, pixels.color());
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize(&pixels, &mut small, &options)?;
    Ok(small)
}

/// The largest size within the bounds that has the proportions of the picture and is not larger than it.
fn fit((width, height): (u32, u32), (width_max, height_max): (u32, u32)) -> (u32, u32) {
    let scaled = |side: u32, by: u32, of: u32| {
        let rounded = (u64::from(side) * u64::from(by) + u64::from(of) / 2) / u64::from(of);
        u32::try_from(rounded).unwrap_or(u32::MAX).max(1)
    };
    if width <= width_max && height <= height_max {
        (width, height)
    } else if u64::from(width) * u64::from(height_max) >= u64::from(height) * u64::from(width_max) {
        (width_max, scaled(height, width_max, width))
    } else {
        (scaled(width, height_max, height), height_max)
    }
}

fn lies_on_its_side(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

/// Leaves grey grey, drops what a thumbnail cannot show.
fn eight_bits(pixels: DynamicImage) -> DynamicImage {
    match pixels.color() {
        ColorType::L8 | ColorType::Rgb8 | ColorType::Rgba8 => pixels,
        ColorType::L16 => pixels.into_luma8().into(),
        color if color.has_alpha() => pixels.into_rgba8().into(),
        _ => pixels.into_rgb8().into(),
    }
}

fn on_white(pixels: DynamicImage) -> DynamicImage {
    match pixels {
        DynamicImage::ImageRgba8(pixels) => without_alpha(&pixels).into(),
        opaque => opaque,
    }
}

fn without_alpha(pixels: &RgbaImage) -> RgbImage {
    RgbImage::from_fn(pixels.width(), pixels.height(), |x, y| {
        let [r, g, b, alpha] = pixels.get_pixel(x, y).0.map(u32::from);
        let over_white = |colour: u32| ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        Rgb([over_white(r), over_white(g), over_white(b)])
    })
}

fn encode(
    pixels: &DynamicImage,
    icc_profile: Option<&[u8]>,
    settings: &Settings,
) -> Result<Vec<u8>, ThumbnailError> {
    let mut jpeg = Vec::new();
    // With the standard tables: for tables of its own this encoder writes a scan for each component, which few other
    // programs do and not every decoder reads well.
    let mut encoder = Encoder::new(&mut jpeg, settings.quality.into());
    let (colour, icc_space) = match pixels {
        DynamicImage::ImageLuma8(_) => (jpeg_encoder::ColorType::Luma, b"GRAY"),
        _ => (jpeg_encoder::ColorType::Rgb, b"RGB "),
    };
    // Bytes 16 to 19 of a profile name the space it is for: that of a CMYK picture is not for these pixels.
    if let Some(profile) = icc_profile.filter(|profile| profile.get(16..20) == Some(icc_space)) {
        encoder.add_icc_profile(profile)?;
    }
    // Both sides fit: they are at most the bounds, which are sixteen bits wide.
    encoder.encode(pixels.as_bytes(), pixels.width() as u16, pixels.height() as u16, colour)?;
    Ok(jpeg)
}

#[cfg(test)]
mod tests;
