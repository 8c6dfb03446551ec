//! Which checksum of a body a store is told, so that it keeps it and gives it back.
//!
//! The body was compared with its checksums on the way in; this is for afterwards. A value that is known before the body goes as
//! it is; one that comes behind the body is computed once more on the way to the store, and sent as a trailer.

use http::HeaderMap;
use relais_stores::Features;
use s3s::dto::ChecksumAlgorithm;

/// Algorithms that can be computed on the way to a store, by the header that carries them.
const COMPUTED: [(&str, &str); 5] = [
    ("x-amz-checksum-crc32", ChecksumAlgorithm::CRC32),
    ("x-amz-checksum-crc32c", ChecksumAlgorithm::CRC32C),
    ("x-amz-checksum-crc64nvme", ChecksumAlgorithm::CRC64NVME),
    ("x-amz-checksum-sha1", ChecksumAlgorithm::SHA1),
    ("x-amz-checksum-sha256", ChecksumAlgorithm::SHA256),
];

/// The algorithm whose value comes in a trailer, or that the client only named.
pub(super) fn announced(headers: &HeaderMap, named: Option<&ChecksumAlgorithm>) -> Option<ChecksumAlgorithm> {
    let trailers = headers.get_all("x-amz-trailer").iter().filter_map(|value| value.to_str().ok());
    let mut trailers = trailers.flat_map(|list| list.split(',')).map(|name| name.trim().to_ascii_lowercase());
    let by_trailer = trailers.find_map(|name| COMPUTED.iter().find(|(header, _)| *header == name));
    let by_name = || {
        let named = named?.as_str();
        COMPUTED.iter().find(|(_, algorithm)| algorithm.eq_ignore_ascii_case(named))
    };
    by_trailer.or_else(by_name).map(|(_, algorithm)| ChecksumAlgorithm::from_static(algorithm))
}

/// Puts into a request for a store what it may know of the checksums: the values of `$from`, or else the algorithm.
macro_rules! tell {
    ($to:ident, $from:expr, $algorithm:expr, $features:expr) => {
        $crate::s3::sums::tell_fields!(
            $to, $from, $algorithm, $features,
            checksum_crc32 checksum_crc32c checksum_crc64nvme checksum_sha1 checksum_sha256
        )
    };
}

macro_rules! tell_fields {
    ($to:ident, $from:expr, $algorithm:expr, $features:expr, $($field:ident)*) => {{
        let features: &relais_stores::Features = $features;
        let known = false $(|| $from.$field.is_some())*;
        if features.checksums && known {
            $($to.$field = $from.$field.clone();)*
            $to.checksum_algorithm = $from.checksum_algorithm.clone();
        } else if $crate::s3::sums::may_compute(features) {
            $to.checksum_algorithm = $algorithm.clone();
        }
    }};
}

pub(super) use {tell, tell_fields};

/// Whether a store takes a checksum whose value is not known beforehand.
pub(super) fn may_compute(features: &Features) -> bool {
    features.checksums && features.trailers
}
