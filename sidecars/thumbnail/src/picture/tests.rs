use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, Luma, Rgba};

use super::*;

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const WHITE: [u8; 3] = [255, 255, 255];

fn settings() -> Settings {
    Settings {
        width_max: 200.try_into().unwrap(),
        height_max: 200.try_into().unwrap(),
        quality: 80.try_into().unwrap(),
        pixels_max: 50_000_000,
    }
}

fn encoded(pixels: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    pixels.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Makes the thumbnail and reads it back, as a client would.
fn small(bytes: &[u8]) -> DynamicImage {
    let jpeg = thumbnail(bytes, &settings()).unwrap();
    image::load_from_memory_with_format(&jpeg, ImageFormat::Jpeg).unwrap()
}

fn colour_at(pixels: &DynamicImage, x: u32, y: u32) -> [u8; 3] {
    pixels.to_rgb8().get_pixel(x, y).0
}

#[track_caller]
fn assert_colour(found: [u8; 3], wanted: [u8; 3]) {
    let close = found.iter().zip(wanted).all(|(found, wanted)| found.abs_diff(wanted) <= 16);
    assert!(close, "{found:?} is not {wanted:?}");
}

/// A picture that stands upright, 400 x 200, when seen with this orientation: red and green above, blue and white below.
///
/// Source of the positions: Exif 2.32, 4.6.4, Orientation: where the first row and the first column are seen.
fn stored_as(orientation: u8) -> RgbImage {
    let on_its_side = orientation >= 5;
    let (width, height) = if on_its_side { (200, 400) } else { (400, 200) };
    RgbImage::from_fn(width, height, |x, y| {
        let (second_columns, second_rows) = (x >= width / 2, y >= height / 2);
        let (right, below) = if on_its_side {
            (second_rows ^ matches!(orientation, 6 | 7), second_columns ^ matches!(orientation, 7 | 8))
        } else {
            (second_columns ^ matches!(orientation, 2 | 3), second_rows ^ matches!(orientation, 3 | 4))
        };
        Rgb(match (right, below) {
            (false, false) => RED,
            (true, false) => GREEN,
            (false, true) => BLUE,
            (true, true) => WHITE,
        })
    })
}

fn exif(orientation: u8) -> Vec<u8> {
    [b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation], b"\0\0\0\0\0\0"]
        .concat()
}

#[track_caller]
fn assert_upright(small: &DynamicImage) {
    assert_eq!((small.width(), small.height()), (200, 100));
    assert_colour(colour_at(small, 50, 25), RED);
    assert_colour(colour_at(small, 150, 25), GREEN);
    assert_colour(colour_at(small, 50, 75), BLUE);
    assert_colour(colour_at(small, 150, 75), WHITE);
}

#[test]
fn a_jpeg_of_every_orientation_comes_out_upright() {
    for orientation in 1..=8 {
        let stored = stored_as(orientation);
        let mut jpeg = Vec::new();
        let mut encoder = Encoder::new(&mut jpeg, 90);
        encoder.add_exif_metadata(&exif(orientation)).unwrap();
        let (width, height) = (stored.width() as u16, stored.height() as u16);
        encoder.encode(&stored, width, height, jpeg_encoder::ColorType::Rgb).unwrap();

        assert_upright(&small(&jpeg));
    }
}

#[test]
fn the_orientation_of_png_and_webp_counts_too() {
    for orientation in [3, 6] {
        let stored = stored_as(orientation);
        let (mut png, mut webp) = (Vec::new(), Vec::new());
        let mut encoder = PngEncoder::new(&mut png);
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        encoder.write_image(&stored, stored.width(), stored.height(), ExtendedColorType::Rgb8).unwrap();
        let mut encoder = WebPEncoder::new_lossless(&mut webp);
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        encoder.write_image(&stored, stored.width(), stored.height(), ExtendedColorType::Rgb8).unwrap();

        assert_upright(&small(&png));
        assert_upright(&small(&webp));
    }
}

#[test]
fn bounds_that_differ_hold_for_what_stands_upright() {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 90);
    encoder.add_exif_metadata(&exif(6)).unwrap();
    encoder.encode(&stored_as(6), 200, 400, jpeg_encoder::ColorType::Rgb).unwrap();

    let narrow = Settings { width_max: 50.try_into().unwrap(), ..settings() };
    let small = image::load_from_memory(&thumbnail(&jpeg, &narrow).unwrap()).unwrap();
    assert_eq!((small.width(), small.height()), (50, 25));
}

#[test]
fn transparency_becomes_white() {
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let pixels =
            RgbaImage::from_fn(400, 400, |x, _| if x < 200 { Rgba([255, 0, 0, 128]) } else { Rgba([0; 4]) });
        let small = small(&encoded(pixels, format));
        assert_colour(colour_at(&small, 50, 100), [255, 127, 127]);
        assert_colour(colour_at(&small, 150, 100), WHITE);
    }
}

#[test]
fn small_pictures_are_not_enlarged() {
    for (width, height) in [(1, 1), (20, 10), (200, 200), (1, 200)] {
        let small = small(&encoded(RgbImage::new(width, height), ImageFormat::Png));
        assert_eq!((small.width(), small.height()), (width, height));
    }
}

#[test]
fn proportions_are_kept() {
    for (width, height, small_width, small_height) in [
        (4000, 10, 200, 1),
        (10, 4000, 1, 200),
        (400, 400, 200, 200),
        (201, 200, 200, 199),
        (300, 400, 150, 200),
        (1200, 900, 200, 150),
    ] {
        let small = small(&encoded(RgbImage::new(width, height), ImageFormat::Jpeg));
        assert_eq!((small.width(), small.height()), (small_width, small_height), "{width} x {height}");
    }
}

#[test]
fn sixteen_bits_become_eight() {
    let rgb = image::ImageBuffer::<Rgb<u16>, _>::from_pixel(300, 300, Rgb([0xffff, 0x8000, 0]));
    assert_colour(colour_at(&small(&encoded(rgb, ImageFormat::Png)), 9, 9), [255, 128, 0]);
    let rgba = image::ImageBuffer::<Rgba<u16>, _>::from_pixel(300, 300, Rgba([0, 0, 0, 0x8000]));
    assert_colour(colour_at(&small(&encoded(rgba, ImageFormat::Png)), 9, 9), [127, 127, 127]);
    let grey = image::ImageBuffer::<Luma<u16>, _>::from_pixel(300, 300, Luma([0x4000]));
    assert_colour(colour_at(&small(&encoded(grey, ImageFormat::Png)), 9, 9), [64, 64, 64]);
}

#[test]
fn grey_pictures_stay_grey() {
    let grey = image::GrayImage::from_pixel(300, 300, Luma([90]));
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let small = small(&encoded(grey.clone(), format));
        assert_eq!(small.color(), ColorType::L8);
        assert_colour(colour_at(&small, 9, 9), [90; 3]);
    }
    let half = image::GrayAlphaImage::from_pixel(300, 300, image::LumaA([0, 128]));
    assert_colour(colour_at(&small(&encoded(half, ImageFormat::Png)), 9, 9), [127; 3]);
}

#[test]
fn a_palette_is_looked_up() {
    // The image crate does not write palettes: two by two pixels, two colours, one bit each.
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8; 4], content: &[u8]| {
        png.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        png.extend(name);
        png.extend(content);
        png.extend(crc32(&[name.as_slice(), content].concat()).to_be_bytes());
    };
    chunk(b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 2, 1, 3, 0, 0, 0]);
    chunk(b"PLTE", &[255, 0, 0, 0, 0, 255]);
    // Stored, not compressed: two rows, each a filter byte and one byte of pixels.
    chunk(b"IDAT", &[0x78, 0x01, 1, 4, 0, 0xfb, 0xff, 0, 0x80, 0, 0x80, 0x02, 0x02, 0x01, 0x01]);
    chunk(b"IEND", &[]);

    let Picture { pixels, .. } = decode(&png, Header::read(&png).unwrap(), &settings()).unwrap();
    assert_eq!([colour_at(&pixels, 0, 0), colour_at(&pixels, 1, 1)], [BLUE, RED]);
    assert_eq!(small(&png).width(), 2);
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

#[test]
fn cmyk_and_progressive_jpegs_are_read() {
    for colour in [jpeg_encoder::ColorType::Cmyk, jpeg_encoder::ColorType::CmykAsYcck] {
        let mut jpeg = Vec::new();
        // No cyan, all magenta, all yellow, no black: red.
        Encoder::new(&mut jpeg, 95).encode(&[0, 255, 255, 0].repeat(300 * 300), 300, 300, colour).unwrap();
        assert_colour(colour_at(&small(&jpeg), 100, 100), RED);
    }
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 95);
    encoder.set_progressive(true);
    encoder.encode(&stored_as(1), 400, 200, jpeg_encoder::ColorType::Rgb).unwrap();
    assert_upright(&small(&jpeg));
}

#[test]
fn the_colour_profile_goes_along_if_it_is_small_and_fits() {
    let with_profile = |space: &[u8; 4], length: usize| {
        let mut profile = vec![0; length];
        profile[16..20].copy_from_slice(space);
        let mut jpeg = Vec::new();
        let mut encoder = Encoder::new(&mut jpeg, 90);
        encoder.add_icc_profile(&profile).unwrap();
        encoder.encode(&stored_as(1), 400, 200, jpeg_encoder::ColorType::Rgb).unwrap();
        let small = thumbnail(&jpeg, &settings()).unwrap();
        JpegDecoder::new(Cursor::new(small)).unwrap().icc_profile().unwrap() == Some(profile)
    };
    assert!(with_profile(b"RGB ", 548));
    assert!(!with_profile(b"CMYK", 548));
    assert!(!with_profile(b"RGB ", ICC_BYTES_MAX + 1));
}

#[test]
fn what_is_not_a_picture_is_refused() {
    assert!(matches!(thumbnail(b"", &settings()), Err(ThumbnailError::Empty)));
    for bytes in [b"meow".as_slice(), &[0; 4096], b"%PDF-1.7", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"]
    {
        assert!(matches!(thumbnail(bytes, &settings()), Err(ThumbnailError::NoHeader)));
    }
}

#[test]
fn a_picture_that_is_cut_short_is_refused() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let whole = encoded(noise(64, 64), format);
        // The last twelve bytes of a PNG hold no pixels.
        let ends = (0..whole.len() - 12).step_by(97).chain([whole.len() / 2, whole.len() - 13]);
        for length in ends {
            assert!(
                thumbnail(&whole[..length], &settings()).is_err(),
                "{length} of {} {format:?}",
                whole.len()
            );
        }
    }
}

#[test]
fn damage_never_panics() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let whole = encoded(noise(64, 64), format);
        for place in (0..whole.len()).step_by(whole.len() / 200) {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x5a;
            // Either is fine: damage to a JPEG's pixels cannot be told from pixels.
            let _outcome = thumbnail(&damaged, &settings());
        }
    }
}

/// Pixels that do not compress, and are the same each time.
fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 1_u32;
    RgbImage::from_fn(width, height, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Rgb([(state >> 24) as u8, (state >> 16) as u8, (state >> 8) as u8])
    })
}

#[test]
fn a_bomb_is_refused_by_its_header() {
    let mut png = encoded(RgbImage::new(1, 1), ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    let refused = thumbnail(&png, &settings()).unwrap_err();
    assert!(matches!(refused, ThumbnailError::TooLarge { width: 50_000, height: 50_000, .. }));
    assert_eq!(
        refused.to_string(),
        "a picture of 50000 x 50000 pixels is larger than the 50000000 pixels allowed"
    );
}

#[test]
fn a_second_header_does_not_get_by_the_limit() {
    let honest = encoded(RgbImage::new(3000, 3000), ImageFormat::Jpeg);
    let frame = honest.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let mut lying = honest.clone();
    // A frame of 8 x 8 in front of the real one.
    lying.splice(frame..frame, [0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
    let strict = Settings { pixels_max: 1_000_000, ..settings() };

    assert!(matches!(thumbnail(&honest, &strict), Err(ThumbnailError::TooLarge { .. })));
    assert!(thumbnail(&lying, &strict).is_err());
}
