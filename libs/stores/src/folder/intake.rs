//! Takes a body into a temporary file, and compares it with what its request says of it.
//!
//! Never more than a piece of the body is in memory; writing and hashing are done on blocking threads, a piece at a time, so
//! that an upload which stalls holds none.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{ChecksumAlgorithm, StreamingBlob};
use s3s::{S3Result, s3_error};

use super::checksum::{self, Sums};
use super::disk::Temporary;
use super::{blocking, broken};

/// Written at a time: a trip to a blocking thread should cost little beside it.
const PIECE_BYTES: usize = 512 * 1024;

/// What a request says of its body.
#[derive(Default)]
pub(super) struct Expected {
    pub(super) length: Option<i64>,
    pub(super) md5: Option<String>,
    /// Checksums to compare with, and to keep.
    pub(super) sums: Sums,
    /// Names of further checksums to keep.
    pub(super) wanted: Vec<String>,
}

/// A body that came whole and right. Its bytes are written, not yet synced.
pub(super) struct Received {
    pub(super) temporary: Temporary,
    pub(super) file: File,
    pub(super) size: u64,
    pub(super) md5: Vec<u8>,
    pub(super) sums: Sums,
}

/// What a request says of its body, out of its input.
macro_rules! expected_of {
    ($input:expr) => {
        $crate::folder::intake::Expected {
            length: $input.content_length,
            md5: $input.content_md5.clone(),
            sums: $crate::folder::checksum::sums_of!($input),
            wanted: $crate::folder::intake::named($input.checksum_algorithm.as_ref()),
        }
    };
}
pub(super) use expected_of;

/// The algorithm that a request names, as a list.
pub(super) fn named(algorithm: Option<&ChecksumAlgorithm>) -> Vec<String> {
    algorithm.map(|algorithm| algorithm.as_str().to_owned()).into_iter().collect()
}

struct Intake {
    temporary: Temporary,
    file: File,
    size: u64,
    md5: Md5,
    hasher: ChecksumHasher,
}

impl Intake {
    fn take(&mut self, pieces: &[Bytes]) -> std::io::Result<()> {
        for piece in pieces {
            self.file.write_all(piece)?;
            self.md5.update(piece);
            self.hasher.update(piece);
            self.size += piece.len() as u64;
        }
        Ok(())
    }
}

/// Reads a body to its end.
pub(super) async fn receive(
    folder: PathBuf,
    name: String,
    body: Option<StreamingBlob>,
    expected: Expected,
) -> S3Result<Received> {
    let md5 = expected.md5.as_deref().map(decode_md5).transpose()?;
    checksum::check_form(&expected.sums)?;
    let names = expected.sums.keys().chain(&expected.wanted).map(String::as_str);
    let hasher = checksum::hasher(names)?;
    let mut intake = blocking(move || {
        let (temporary, file) = Temporary::create(&folder, &name).map_err(broken)?;
        Ok(Intake { temporary, file, size: 0, md5: Md5::new(), hasher })
    })
    .await?;
    if let Some(body) = body {
        intake = fill(intake, body, expected.length).await?;
    }
    if expected.length.is_some_and(|length| u64::try_from(length) != Ok(intake.size)) {
        return Err(s3_error!(IncompleteBody, "the body is shorter than its Content-Length"));
    }
    let Intake { temporary, file, size, md5: found, hasher } = intake;
    let (found, sums) = (found.finalize().to_vec(), checksum::finish(hasher));
    if md5.is_some_and(|md5| md5 != found) {
        return Err(s3_error!(BadDigest, "Content-MD5 is not that of the bytes"));
    }
    checksum::compare(&expected.sums, &sums)?;
    Ok(Received { temporary, file, size, md5: found, sums })
}

async fn fill(mut intake: Intake, mut body: StreamingBlob, length: Option<i64>) -> S3Result<Intake> {
    let length = length.map_or(u64::MAX, |length| u64::try_from(length).unwrap_or(0));
    let (mut pieces, mut waiting) = (Vec::new(), 0);
    loop {
        let piece = body.next().await.transpose().map_err(|error| {
            let mut broken_off = s3_error!(IncompleteBody, "the body broke off");
            broken_off.set_source(error);
            broken_off
        })?;
        let is_end = piece.is_none();
        waiting += piece.as_ref().map_or(0, Bytes::len);
        pieces.extend(piece);
        if intake.size + waiting as u64 > length {
            return Err(s3_error!(IncompleteBody, "the body is longer than its Content-Length"));
        }
        if waiting >= PIECE_BYTES || (is_end && waiting > 0) {
            let written = std::mem::take(&mut pieces);
            waiting = 0;
            intake = blocking(move || intake.take(&written).map_err(broken).map(|()| intake)).await?;
        }
        if is_end {
            return Ok(intake);
        }
    }
}

fn decode_md5(value: &str) -> S3Result<Vec<u8>> {
    match BASE64_STANDARD.decode(value) {
        Ok(digest) if digest.len() == 16 => Ok(digest),
        _ => Err(s3_error!(InvalidDigest, "Content-MD5 is not the base64 of 16 bytes")),
    }
}
