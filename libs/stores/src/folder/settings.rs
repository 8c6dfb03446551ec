//! What is set for a bucket: versioning, tags, the region that it was asked to be in.

use s3s::dto::{
    BucketVersioningStatus, DeleteBucketTaggingInput, DeleteBucketTaggingOutput, GetBucketTaggingInput,
    GetBucketTaggingOutput, GetBucketVersioningInput, GetBucketVersioningOutput, PutBucketTaggingInput,
    PutBucketTaggingOutput, PutBucketVersioningInput, PutBucketVersioningOutput,
};
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::shelf::Shelf;
use super::tags::{self, Tags};
use super::{FolderStore, blocking, broken, disk};

/// The settings of one bucket, as their file holds them. There is no file while all are as they were made.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) versioning: Option<Versioning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<Tags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) location: Option<String>,
}

/// Whether versions are kept; nothing is said of it while it was never set.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Versioning {
    Enabled,
    Suspended,
}

impl Shelf {
    pub(super) fn settings(&self) -> S3Result<Settings> {
        match disk::read(&self.layout.settings()).map_err(broken)? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| broken(error.into())),
            None => Ok(Settings::default()),
        }
    }

    pub(super) fn write_settings(&self, settings: &Settings) -> S3Result<()> {
        if *settings == Settings::default() {
            return disk::remove(&self.layout.settings()).map_err(broken);
        }
        let bytes = serde_json::to_vec(settings).map_err(|error| broken(error.into()))?;
        let layout = &self.layout;
        disk::write(&layout.temporary(), &self.clock.name(), &layout.settings(), &bytes).map_err(broken)
    }
}

/// Changes a bucket's settings while nobody changes its objects.
async fn change(
    store: &FolderStore,
    bucket: &str,
    change: impl FnOnce(&mut Settings) + Send + 'static,
) -> S3Result<()> {
    let shelf = store.bucket(bucket).await?;
    let guard = store.locks.bucket(bucket).await;
    blocking(move || {
        let _guard = guard;
        shelf.require()?;
        let mut settings = shelf.settings()?;
        change(&mut settings);
        shelf.write_settings(&settings)
    })
    .await
}

async fn settings(store: &FolderStore, bucket: &str) -> S3Result<Settings> {
    let shelf = store.bucket(bucket).await?;
    blocking(move || shelf.settings()).await
}

pub(super) async fn put_versioning(
    store: &FolderStore,
    input: PutBucketVersioningInput,
) -> S3Result<PutBucketVersioningOutput> {
    let configuration = input.versioning_configuration;
    if configuration.mfa_delete.is_some_and(|mfa| mfa.as_str() != "Disabled") {
        return Err(s3_error!(NotImplemented, "a folder store knows no MFA delete"));
    }
    let versioning = match configuration.status.as_ref().map(BucketVersioningStatus::as_str) {
        Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
        Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
        _ => {
            return Err(s3_error!(
                IllegalVersioningConfigurationException,
                "the status is Enabled or Suspended"
            ));
        }
    };
    change(store, &input.bucket, move |settings| settings.versioning = Some(versioning)).await?;
    Ok(PutBucketVersioningOutput::default())
}

pub(super) async fn versioning(
    store: &FolderStore,
    input: GetBucketVersioningInput,
) -> S3Result<GetBucketVersioningOutput> {
    let status = settings(store, &input.bucket).await?.versioning.map(|versioning| match versioning {
        Versioning::Enabled => BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED),
        Versioning::Suspended => BucketVersioningStatus::from_static(BucketVersioningStatus::SUSPENDED),
    });
    Ok(GetBucketVersioningOutput { status, ..Default::default() })
}

pub(super) async fn put_tags(
    store: &FolderStore,
    input: PutBucketTaggingInput,
) -> S3Result<PutBucketTaggingOutput> {
    let tags = tags::parse(input.tagging.tag_set, tags::BUCKET_TAGS_MAX)?;
    change(store, &input.bucket, move |settings| settings.tags = Some(tags)).await?;
    Ok(PutBucketTaggingOutput::default())
}

pub(super) async fn tags(
    store: &FolderStore,
    input: GetBucketTaggingInput,
) -> S3Result<GetBucketTaggingOutput> {
    match settings(store, &input.bucket).await?.tags {
        Some(tags) if !tags.is_empty() => Ok(GetBucketTaggingOutput { tag_set: tags::to_set(&tags) }),
        _ => Err(s3_error!(NoSuchTagSet, "the bucket has no tags")),
    }
}

pub(super) async fn delete_tags(
    store: &FolderStore,
    input: DeleteBucketTaggingInput,
) -> S3Result<DeleteBucketTaggingOutput> {
    change(store, &input.bucket, |settings| settings.tags = None).await?;
    Ok(DeleteBucketTaggingOutput::default())
}
