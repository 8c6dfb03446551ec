//! Whether a body is what the client meant to send.
//!
//! Every checksum that a request names (in a header, or in a trailer that it announces) is computed while the body streams
//! by and compared before any store may commit. `Content-MD5` is one of them. Payload hashes and chunk signatures are s3s'.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use s3s::TrailingHeaders;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{Checksum, PutObjectInput, UploadPartInput};

use crate::error::GatewayError;

/// Compares a body with the checksums that came with it.
pub(crate) struct Verifier {
    hasher: ChecksumHasher,
    expected: Checksum,
    content_md5: Option<(Vec<u8>, Md5)>,
    trailers: Option<TrailingHeaders>,
    /// The checksums that the request said would come behind the body.
    announced: Vec<&'static str>,
}

/// One row an algorithm: its header, its field, its hasher. The table that everything below is made from.
macro_rules! algorithms {
    ($($header:literal $field:ident $hasher:ident $bytes:literal;)*) => {
        const HEADERS: &[&str] = &[$($header),*];

        /// The checksums that the headers of a request carry.
        macro_rules! expected {
            ($input:expr) => { Checksum { $($field: $input.$field.clone(),)* ..Default::default() } };
        }

        impl Verifier {
            fn enable(&mut self, header: &str) {
                match header {
                    $($header => self.hasher.$hasher = Some(Default::default()),)*
                    _ => {}
                }
            }

            fn enable_expected(&mut self) -> Result<(), GatewayError> {
                if [$(self.expected.$field.is_some()),*].into_iter().filter(|is_there| *is_there).count() > 1 {
                    return Err(GatewayError::TwoDigests);
                }
                $(if let Some(value) = &self.expected.$field {
                    if BASE64_STANDARD.decode(value).map_or(0, |digest| digest.len()) != $bytes {
                        return Err(GatewayError::DigestUnreadable { algorithm: $header });
                    }
                    self.enable($header);
                })*
                Ok(())
            }

            fn expect(&mut self, header: &str, value: &str) {
                match header {
                    $($header => self.expected.$field = Some(value.to_owned()),)*
                    _ => {}
                }
            }
        }

        /// Puts the checksums of a body into the answer to its upload.
        macro_rules! answer_checksums {
            ($output:ident, $checksum:ident) => { $($output.$field = $checksum.$field;)* };
        }

        fn mismatch(found: &Checksum, expected: &Checksum) -> Option<&'static str> {
            $(if expected.$field.is_some() && found.$field != expected.$field {
                return Some($header);
            })*
            None
        }
    };
}

algorithms! {
    "x-amz-checksum-crc32" checksum_crc32 crc32 4;
    "x-amz-checksum-crc32c" checksum_crc32c crc32c 4;
    "x-amz-checksum-crc64nvme" checksum_crc64nvme crc64nvme 8;
    "x-amz-checksum-md5" checksum_md5 md5 16;
    "x-amz-checksum-sha1" checksum_sha1 sha1 20;
    "x-amz-checksum-sha256" checksum_sha256 sha256 32;
    "x-amz-checksum-sha512" checksum_sha512 sha512 64;
    "x-amz-checksum-xxhash64" checksum_xxhash64 xxhash64 8;
    "x-amz-checksum-xxhash3" checksum_xxhash3 xxhash3 8;
    "x-amz-checksum-xxhash128" checksum_xxhash128 xxhash128 16;
}

pub(crate) use answer_checksums as answer;

impl Verifier {
    /// For the body of `PutObject`, or of a POST form.
    pub(crate) fn for_object(
        input: &PutObjectInput,
        headers: &HeaderMap,
        trailers: Option<TrailingHeaders>,
    ) -> Result<Self, GatewayError> {
        Self::new(expected!(input), input.content_md5.as_deref(), headers, trailers)
    }

    /// For the body of `UploadPart`.
    pub(crate) fn for_part(
        input: &UploadPartInput,
        headers: &HeaderMap,
        trailers: Option<TrailingHeaders>,
    ) -> Result<Self, GatewayError> {
        Self::new(expected!(input), input.content_md5.as_deref(), headers, trailers)
    }

    fn new(
        expected: Checksum,
        content_md5: Option<&str>,
        headers: &HeaderMap,
        trailers: Option<TrailingHeaders>,
    ) -> Result<Self, GatewayError> {
        let content_md5 = content_md5.map(decode_md5).transpose()?.map(|digest| (digest, Md5::new()));
        let mut verifier = Self {
            hasher: ChecksumHasher::default(),
            expected,
            content_md5,
            trailers,
            announced: Vec::new(),
        };
        verifier.enable_expected()?;
        let announced = headers.get_all("x-amz-trailer").iter().filter_map(|value| value.to_str().ok());
        for header in announced.flat_map(|list| list.split(',')) {
            let header = header.trim().to_ascii_lowercase();
            verifier.enable(&header);
            verifier.announced.extend(HEADERS.iter().find(|known| **known == header));
        }
        Ok(verifier)
    }

    /// Takes the next bytes of the body.
    pub(crate) fn update(&mut self, chunk: &[u8]) {
        self.hasher.update(chunk);
        if let Some((_, md5)) = &mut self.content_md5 {
            md5.update(chunk);
        }
    }

    /// Compares, once the body was read to its end. Gives back the checksums to answer with.
    pub(crate) fn finish(mut self) -> Result<Checksum, GatewayError> {
        let behind = self.trailers.take(); // Nothing where the body is not one in chunks.
        let trailers = behind.as_ref().and_then(|trailers| trailers.take()).unwrap_or_default();
        // A body that was cut right before its trailer is whole only by its length.
        if behind.is_some() && self.announced.iter().any(|announced| !trailers.contains_key(*announced)) {
            return Err(GatewayError::TrailerMissing);
        }
        for (header, value) in &trailers {
            let known = HEADERS.iter().find(|known| *known == header);
            if let (Some(known), Ok(value)) = (known, value.to_str()) {
                self.expect(known, value);
            }
        }
        if let Some((expected, md5)) = self.content_md5
            && md5.finalize().as_slice() != expected
        {
            return Err(GatewayError::Digest { algorithm: "content-md5" });
        }
        let found = self.hasher.finalize();
        match mismatch(&found, &self.expected) {
            Some(algorithm) => Err(GatewayError::Digest { algorithm }),
            None => Ok(found),
        }
    }
}

fn decode_md5(value: &str) -> Result<Vec<u8>, GatewayError> {
    match BASE64_STANDARD.decode(value) {
        Ok(digest) if digest.len() == 16 => Ok(digest),
        _ => Err(GatewayError::DigestUnreadable { algorithm: "content-md5" }),
    }
}

#[cfg(test)]
mod tests;
