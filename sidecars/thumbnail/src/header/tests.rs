use image::{DynamicImage, ImageFormat};
use std::io::Cursor;

use super::*;

fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::new_rgb8(width, height).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn webp(tag: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
    let size = length(content.len() + 12);
    [b"RIFF".as_slice(), &size, b"WEBP", tag, &length(content.len()), content].concat()
}

#[test]
fn the_size_of_every_format_is_read() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let header = Header::read(&picture(317, 45, format));
        assert_eq!(header, Some(Header { format, width: 317, height: 45 }));
    }
}

#[test]
fn the_size_of_every_kind_of_webp_is_read() {
    let header = |width, height| Some(Header { format: ImageFormat::WebP, width, height });
    // Lossy: the two upper bits of each side are a scale.
    let lossy = webp(b"VP8 ", &[0, 0, 0, 0x9d, 0x01, 0x2a, 0x3d, 0x41, 0x2d, 0xc0]);
    assert_eq!(Header::read(&lossy), header(317, 45));
    let extended = webp(b"VP8X", &[0, 0, 0, 0, 0x3c, 0x01, 0, 0x2c, 0, 0]);
    assert_eq!(Header::read(&extended), header(317, 45));
    let largest = webp(b"VP8X", &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(Header::read(&largest), header(1 << 24, 1 << 24));
}

#[test]
fn a_jpeg_with_fill_bytes_and_large_segments_before_its_frame_is_read() {
    let jpeg = picture(317, 45, ImageFormat::Jpeg);
    let mut padded = jpeg[..2].to_vec();
    padded.extend([0xff, 0xff, 0xff, 0xe5, 0xff, 0xff]);
    padded.extend([0xff; 0xfffd]);
    padded.extend(&jpeg[2..]);
    assert_eq!(Header::read(&padded), Header::read(&jpeg));
}

#[test]
fn what_has_no_size_has_no_header() {
    for bytes in [
        b"".as_slice(),
        b"not a picture",
        b"GIF89a\x01\x00\x01\x00\x00\x00\x00",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\x00\x00",
        b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x00\x00\x10",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIDAT\x00\x00\x00\x01\x00\x00\x00\x01",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x00\x00\x00\x00\x01",
        b"RIFF\x00\x00\x00\x00WEBPVP8 \x00\x00\x00\x00",
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
    ] {
        assert_eq!(Header::read(bytes), None, "{bytes:?}");
    }
}

#[test]
fn a_header_that_is_cut_anywhere_is_none_and_never_panics() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let whole = picture(317, 45, format);
        let needed = (0..=whole.len()).find(|length| Header::read(&whole[..*length]).is_some()).unwrap();
        for length in 0..needed {
            assert_eq!(Header::read(&whole[..length]), None, "{length} bytes of {format:?}");
        }
    }
}
