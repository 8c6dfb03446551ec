//! A copy in one piece: what the primary gives is streamed to the replica, and committed there only when it is whole.

use s3s::dto::{ETag, ObjectCannedACL, PutObjectInput, Tag};
use s3s::{S3Result, s3_error};

use super::shown::Shown;
use super::side::Side;
use crate::config::BucketConfig;

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

/// The input of an operation that makes an object on a replica: what the primary shows of it, and what goes with it.
macro_rules! described {
    ($input:ident, $replica:expr, $headers:expr, $with:expr $(, $field:ident: $value:expr)*) => {{
        let (replica, headers, with) = ($replica, $headers, $with);
        let features = &replica.place.store.features;
        $input {
            acl: with.acl.clone().filter(|_| features.acls),
            bucket: replica.bucket(),
            cache_control: headers.cache_control,
            content_disposition: headers.content_disposition,
            content_encoding: headers.content_encoding,
            content_language: headers.content_language,
            content_type: headers.content_type,
            expires: headers.expires,
            key: replica.key.to_string(),
            metadata: Some(headers.metadata).filter(|metadata| !metadata.is_empty()),
            server_side_encryption: $crate::s3::default_encryption(with.config, features),
            tagging: $crate::s3::tagging_header(&with.tags),
            website_redirect_location: headers.website_redirect_location,
            $($field: $value,)*
            ..Default::default()
        }
    }};
}
pub(super) use described;

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
    let length = i64::try_from(read.length).ok();
    let put =
        described!(PutObjectInput, replica, read.headers, with, body: read.body, content_length: length);
    let put = replica.ask(replica.place.store.s3.put_object(relais_stores::request(put))).await?;
    let etag = put.e_tag.map(ETag::into_value).unwrap_or_default();
    Ok(Copied { etag, version_id: put.version_id.filter(|version| version != "null") })
}
