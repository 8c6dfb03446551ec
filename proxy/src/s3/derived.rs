//! What marks an object as made from another one.

use relais_model::DerivedFrom;
use s3s::dto::Metadata;

/// Key of the source, percent-encoded since headers are ASCII.
const DERIVED_FROM: &str = "relais-derived-from";

/// Entity tag of the source, when it was read.
const SOURCE_ETAG: &str = "relais-source-etag";

/// The source that an object's metadata names, if it does.
pub(crate) fn derived_from(metadata: Option<&Metadata>) -> Option<DerivedFrom> {
    let key = metadata?.get(DERIVED_FROM)?;
    let etag = metadata?.get(SOURCE_ETAG)?;
    let key = percent_encoding::percent_decode_str(key).decode_utf8().ok()?;
    Some(DerivedFrom { key: key.parse().ok()?, etag: etag.clone() })
}
