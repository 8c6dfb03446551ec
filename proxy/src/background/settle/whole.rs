//! A copy in one piece: what the primary gives is streamed to the replica, and committed there only when it is whole.

use s3s::dto::{ETag, ObjectCannedACL, PutObjectInput, Tag};
use s3s::{S3Result, s3_error};

use super::shown::Shown;
use super::side::Side;
use crate::config::BucketConfig;
use crate::s3::{default_encryption, tagging_header};

/// What goes with an object beside what the primary shows of it.
#[derive(Clone, Debug)]
pub(super) struct With<'a> {
    pub(super) tags: Vec<Tag>,
    /// Nothing where it is private.
    pub(super) acl: Option<ObjectCannedACL>,
    pub(super) config: &'a BucketConfig,
}

/// What a copy is called at the replica.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Copied {
    pub(super) etag: String,
    pub(super) version_id: Option<String>,
}

/// Copies an object that was opened, or is opened now, if it is still the one that was looked at.
pub(super) async fn copy(
    primary: &Side<'_>,
    replica: &Side<'_>,
    (truth, opened): (&Shown, Option<Shown>),
    with: &With<'_>,
) -> S3Result<Copied> {
    let read = match opened {
        Some(opened) => opened,
        None => primary.read(Some(&truth.etag), None).await?,
    };
    if read.etag != truth.etag || read.length != truth.length {
        return Err(s3_error!(PreconditionFailed, "the primary has another object by now"));
    }
    let features = &replica.place.store.features;
    let headers = read.headers;
    let put = PutObjectInput {
        acl: with.acl.clone().filter(|_| features.acls),
        body: read.body,
        bucket: replica.bucket(),
        cache_control: headers.cache_control,
        content_disposition: headers.content_disposition,
        content_encoding: headers.content_encoding,
        content_language: headers.content_language,
        content_length: i64::try_from(read.length).ok(),
        content_type: headers.content_type,
        expires: headers.expires,
        key: replica.key.to_string(),
        metadata: Some(headers.metadata).filter(|metadata| !metadata.is_empty()),
        server_side_encryption: default_encryption(with.config, features),
        tagging: tagging_header(&with.tags),
        website_redirect_location: headers.website_redirect_location,
        ..Default::default()
    };
    let put = replica.ask(replica.place.store.s3.put_object(relais_stores::request(put))).await?;
    let etag = put.e_tag.map(ETag::into_value).unwrap_or_default();
    Ok(Copied { etag, version_id: put.version_id.filter(|version| version != "null") })
}
