//! Tags of objects.

use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    PutObjectTaggingInput, PutObjectTaggingOutput,
};
use s3s::{S3Result, s3_error};

use super::read::select;
use super::tags::{self, Tags};
use super::{FolderStore, blocking, broken};

pub(super) async fn get(
    store: &FolderStore,
    input: GetObjectTaggingInput,
) -> S3Result<GetObjectTaggingOutput> {
    let shelf = store.bucket_for(&input.bucket, &input.key).await?;
    let found = blocking(move || shelf.find(&input.key, input.version_id.as_deref())).await?;
    Ok(GetObjectTaggingOutput { tag_set: tags::to_set(&found.object.tags), version_id: found.version_id })
}

pub(super) async fn put(
    store: &FolderStore,
    input: PutObjectTaggingInput,
) -> S3Result<PutObjectTaggingOutput> {
    let tags = tags::parse(input.tagging.tag_set, tags::OBJECT_TAGS_MAX)?;
    let version_id = change(store, input.bucket, input.key, input.version_id, tags).await?;
    Ok(PutObjectTaggingOutput { version_id })
}

pub(super) async fn delete(
    store: &FolderStore,
    input: DeleteObjectTaggingInput,
) -> S3Result<DeleteObjectTaggingOutput> {
    let version_id = change(store, input.bucket, input.key, input.version_id, Tags::new()).await?;
    Ok(DeleteObjectTaggingOutput { version_id })
}

/// Gives a version other tags; its bytes, its etag and its time stay. Gives back the version's id.
async fn change(
    store: &FolderStore,
    bucket: String,
    key: String,
    version_id: Option<String>,
    tags: Tags,
) -> S3Result<Option<String>> {
    let shelf = store.bucket_for(&bucket, &key).await?;
    let guard = store.locks.key(&bucket, &key).await;
    blocking(move || {
        let _guard = guard;
        shelf.require()?;
        let look = shelf.look(&key).map_err(broken)?;
        let chosen = select(&look, version_id.as_deref())?.clone();
        let mut versions = look.versions.clone();
        let version = versions.iter_mut().find(|version| **version == chosen);
        let object = version.and_then(|version| version.object.as_mut());
        let object = object.ok_or_else(|| s3_error!(MethodNotAllowed, "a delete marker has no tags"))?;
        object.tags = tags;
        shelf.replace(&key, &look, versions, None).map_err(broken)?;
        shelf.shown_id(&chosen)
    })
    .await
}
