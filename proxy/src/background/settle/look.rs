//! What a place has under a key, as anyone may ask.

use http::StatusCode;
use relais_model::ObjectKey;
use relais_stores::request;
use s3s::dto::{HeadObjectInput, HeadObjectOutput};
use s3s::{S3Error, S3Result};

use crate::placement::Place;

/// What a place has under a key; nothing if it has none.
pub(crate) async fn head(place: &Place, key: &ObjectKey) -> S3Result<Option<HeadObjectOutput>> {
    head_version(place, key, None).await
}

/// What a place has as a version of a key.
pub(crate) async fn head_version(
    place: &Place,
    key: &ObjectKey,
    version: Option<&str>,
) -> S3Result<Option<HeadObjectOutput>> {
    let input = HeadObjectInput {
        bucket: place.bucket.to_string(),
        key: key.to_string(),
        version_id: version.map(str::to_owned),
        ..Default::default()
    };
    match place.store.s3.head_object(request(input)).await {
        Ok(found) => Ok(Some(found.output)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A HEAD has no body, so a missing key shows as a bare 404. A missing bucket is another matter, but may look the same.
pub(crate) fn is_missing(error: &S3Error) -> bool {
    let status = error.status_code().or_else(|| error.code().status_code());
    status == Some(StatusCode::NOT_FOUND)
}
