//! One side of a copy: a place as settling asks it, each request in its turn.

use http::HeaderMap;
use relais_model::ObjectKey;
use relais_stores::{refusal_header, request};
use s3s::dto::{
    DeleteObjectInput, DeleteObjectTaggingInput, ETagCondition, GetObjectInput, GetObjectTaggingInput,
    HeadBucketInput, HeadObjectInput, ObjectCannedACL, PutObjectAclInput, PutObjectTaggingInput, Tag,
    Tagging,
};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::desk::Desk;
use super::look::is_missing;
use super::shown::Shown;
use crate::placement::Place;

/// A place and a key there.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) place: &'a Place,
    pub(super) key: &'a ObjectKey,
    pub(super) desk: &'a Desk,
}

/// What a side has.
#[derive(Debug)]
pub(super) enum Found {
    /// An object.
    Object(Box<Shown>),
    /// None: it never was, or a delete marker with this id hides it.
    Nothing { marker: Option<String> },
}

impl Side<'_> {
    /// Waits for the turn, and makes the call.
    pub(super) async fn ask<T>(
        &self,
        call: impl Future<Output = S3Result<s3s::S3Response<T>>>,
    ) -> S3Result<T> {
        self.desk.turn(&self.place.store.name).await;
        Ok(call.await?.output)
    }

    pub(super) fn bucket(&self) -> String {
        self.place.bucket.to_string()
    }

    pub(super) async fn look(&self) -> S3Result<Found> {
        match self.head().await {
            Err(error) => self.missing(error).await,
            found => found,
        }
    }

    /// What is there of a copy. Where the bucket is gone too there is none either: nothing is left to delete, and what is to be
    /// written will be refused. So that is not asked.
    pub(super) async fn look_for_copy(&self) -> S3Result<Found> {
        match self.head().await {
            Err(error) if is_missing(&error) => Ok(Found::Nothing { marker: marker_id(&error) }),
            found => found,
        }
    }

    async fn head(&self) -> S3Result<Found> {
        let input =
            HeadObjectInput { bucket: self.bucket(), key: self.key.to_string(), ..Default::default() };
        let head = self.ask(self.place.store.s3.head_object(request(input))).await?;
        Ok(Found::Object(Box::new(Shown::of_head(head, &self.place.store.features))))
    }

    /// What [`Self::look`] finds, with the bytes, which are read only if somebody takes them.
    pub(super) async fn open(&self) -> S3Result<Found> {
        match self.read(None, None).await {
            Ok(read) => Ok(Found::Object(Box::new(read))),
            Err(error) => self.missing(error).await,
        }
    }

    /// Reads an object, or a range of it, if it is still the one with this entity tag.
    pub(super) async fn read(&self, etag: Option<&str>, range: Option<(u64, u64)>) -> S3Result<Shown> {
        let range = range.map(|(first, last)| s3s::dto::Range::Int { first, last: Some(last) });
        let input = GetObjectInput {
            bucket: self.bucket(),
            key: self.key.to_string(),
            if_match: etag.map(|etag| ETagCondition::ETag(s3s::dto::ETag::Strong(etag.to_owned()))),
            range,
            ..Default::default()
        };
        let read = self.ask(self.place.store.s3.get_object(request(input))).await?;
        Ok(Shown::of_read(read, &self.place.store.features))
    }

    /// A missing object is none only if its bucket is there: a bucket that somebody lost is no reason to delete anything.
    async fn missing(&self, error: S3Error) -> S3Result<Found> {
        if !is_missing(&error) || *error.code() == S3ErrorCode::NoSuchBucket {
            return Err(error);
        }
        if *error.code() != S3ErrorCode::NoSuchKey {
            let input = HeadBucketInput { bucket: self.bucket(), ..Default::default() };
            if let Err(error) = self.ask(self.place.store.s3.head_bucket(request(input))).await {
                return Err(if is_missing(&error) { s3_error!(error, NoSuchBucket) } else { error });
            }
        }
        Ok(Found::Nothing { marker: marker_id(&error) })
    }

    /// Deletes the object; gives the id of the delete marker where the bucket keeps versions.
    pub(super) async fn delete(&self) -> S3Result<Option<String>> {
        let input =
            DeleteObjectInput { bucket: self.bucket(), key: self.key.to_string(), ..Default::default() };
        Ok(self.ask(self.place.store.s3.delete_object(request(input))).await?.version_id)
    }

    /// The tags, in the order of their names.
    pub(super) async fn tags(&self) -> S3Result<Vec<Tag>> {
        let input =
            GetObjectTaggingInput { bucket: self.bucket(), key: self.key.to_string(), ..Default::default() };
        let mut tags = self.ask(self.place.store.s3.get_object_tagging(request(input))).await?.tag_set;
        tags.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(tags)
    }

    /// No tags are removed tags: not every store takes an empty set of them.
    pub(super) async fn set_tags(&self, tag_set: Vec<Tag>) -> S3Result<()> {
        if tag_set.is_empty() {
            let input = DeleteObjectTaggingInput {
                bucket: self.bucket(),
                key: self.key.to_string(),
                ..Default::default()
            };
            return self.ask(self.place.store.s3.delete_object_tagging(request(input))).await.map(drop);
        }
        let input = PutObjectTaggingInput {
            bucket: self.bucket(),
            checksum_algorithm: None,
            content_md5: None,
            expected_bucket_owner: None,
            key: self.key.to_string(),
            request_payer: None,
            tagging: Tagging { tag_set },
            version_id: None,
        };
        self.ask(self.place.store.s3.put_object_tagging(request(input))).await.map(drop)
    }

    /// Sets the canned ACL. A bucket that has its ACLs switched off has no use for any.
    pub(super) async fn set_acl(&self, acl: ObjectCannedACL) -> S3Result<()> {
        let input = PutObjectAclInput {
            acl: Some(acl),
            bucket: self.bucket(),
            key: self.key.to_string(),
            ..Default::default()
        };
        match self.ask(self.place.store.s3.put_object_acl(request(input))).await {
            Err(error) if *error.code() == S3ErrorCode::AccessControlListNotSupported => Ok(()),
            answer => answer.map(drop),
        }
    }
}

/// The id of the delete marker that an answer tells of.
fn marker_id(error: &S3Error) -> Option<String> {
    let own = |name: &str| error.headers().and_then(|headers: &HeaderMap| headers.get(name)?.to_str().ok());
    let header = |name: &str| own(name).or_else(|| refusal_header(error, name));
    header("x-amz-delete-marker").filter(|is_marker| *is_marker == "true")?;
    header("x-amz-version-id").map(str::to_owned)
}
