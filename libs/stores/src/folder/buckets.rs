//! Buckets: a bucket is a folder below the store's.

use std::io;
use std::path::Path;

use s3s::dto::{
    Bucket, BucketLocationConstraint, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
    DeleteBucketOutput, GetBucketLocationInput, GetBucketLocationOutput, HeadBucketInput, HeadBucketOutput,
    ListBucketsInput, ListBucketsOutput,
};
use s3s::{S3Result, s3_error};

use super::layout::Layout;
use super::listing::owner;
use super::settings::Settings;
use super::shelf::Shelf;
use super::sweep::names;
use super::walk::{From, Walk};
use super::{FolderStore, blocking, broken, disk, tags};

/// As many as S3 lists at once.
const BUCKETS_MAX: usize = 10_000;

impl Shelf {
    /// Refuses what is about a bucket that is not there.
    pub(super) fn require(&self) -> S3Result<()> {
        if self.layout.visible().is_dir() { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }
}

pub(super) async fn create(store: &FolderStore, input: CreateBucketInput) -> S3Result<CreateBucketOutput> {
    let shelf = store.shelf(&input.bucket)?;
    if input.object_lock_enabled_for_bucket.unwrap_or(false) {
        return Err(s3_error!(NotImplemented, "a folder store cannot lock objects"));
    }
    let configuration = input.create_bucket_configuration.unwrap_or_default();
    let tags = configuration.tags.map(|tags| tags::parse(tags, tags::BUCKET_TAGS_MAX)).transpose()?;
    let location = configuration.location_constraint.map(|location| location.as_str().to_owned());
    let settings = Settings { versioning: None, tags, location };
    let guard = store.locks.bucket(&input.bucket).await;
    blocking(move || {
        let _guard = guard;
        if shelf.layout.visible().exists() {
            return Err(s3_error!(BucketAlreadyOwnedByYou, "the bucket is there and yours"));
        }
        remove_folder(&shelf.layout.hidden()).map_err(broken)?; // Of a bucket that was there once.
        shelf.write_settings(&settings)?;
        disk::make_folder(&shelf.layout.visible()).map_err(broken)
    })
    .await?;
    Ok(CreateBucketOutput { location: Some(format!("/{}", input.bucket)), ..Default::default() })
}

pub(super) async fn delete(store: &FolderStore, input: DeleteBucketInput) -> S3Result<DeleteBucketOutput> {
    let shelf = store.bucket(&input.bucket).await?;
    let guard = store.locks.bucket(&input.bucket).await;
    let hidden_root = Layout::hidden_root(&store.root);
    blocking(move || {
        let _guard = guard;
        shelf.require()?;
        let mut walk = Walk::new(&shelf.layout, "", From::Start);
        while let Some(key) = walk.next().map_err(broken)? {
            if !shelf.look(&key).map_err(broken)?.versions.is_empty() {
                return Err(s3_error!(BucketNotEmpty));
            }
        }
        match remove_empty(&shelf.layout.visible()) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                return Err(s3_error!(BucketNotEmpty));
            }
            done => done.map_err(broken)?,
        }
        // An upload may just begin to write there; what stays is removed when a bucket of that name is made.
        let _ = remove_folder(&shelf.layout.hidden());
        let _ = std::fs::remove_dir(hidden_root); // Unless there are other buckets.
        Ok(DeleteBucketOutput::default())
    })
    .await
}

/// Removes a folder of folders; a file in it stops that.
fn remove_empty(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        remove_empty(&entry.path())?;
    }
    std::fs::remove_dir(folder)
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(super) async fn head(store: &FolderStore, input: HeadBucketInput) -> S3Result<HeadBucketOutput> {
    store.bucket(&input.bucket).await?;
    Ok(HeadBucketOutput::default())
}

pub(super) async fn location(
    store: &FolderStore,
    input: GetBucketLocationInput,
) -> S3Result<GetBucketLocationOutput> {
    let shelf = store.bucket(&input.bucket).await?;
    let location = blocking(move || shelf.settings()).await?.location;
    Ok(GetBucketLocationOutput { location_constraint: location.map(BucketLocationConstraint::from) })
}

pub(super) async fn list(store: &FolderStore, input: ListBucketsInput) -> S3Result<ListBucketsOutput> {
    let root = store.root.clone();
    let prefix = input.prefix.clone().unwrap_or_default();
    let after = input.continuation_token.unwrap_or_default();
    let mut names = blocking(move || {
        let mut names = names(&root).map_err(broken)?;
        names.retain(|name| Layout::is_bucket_name(name) && root.join(name).is_dir());
        names.retain(|name| name.starts_with(&prefix) && *name > after);
        names.sort();
        Ok(names)
    })
    .await?;
    let count_max = input.max_buckets.map_or(BUCKETS_MAX, |max| usize::try_from(max).unwrap_or(0));
    let is_truncated = names.len() > count_max;
    names.truncate(count_max);
    let continuation_token = names.last().filter(|_| is_truncated).cloned();
    let root = store.root.clone();
    let buckets = blocking(move || Ok(names.into_iter().map(|name| bucket(&root, name)).collect())).await?;
    Ok(ListBucketsOutput {
        buckets: Some(buckets),
        continuation_token,
        owner: Some(owner()),
        prefix: input.prefix,
    })
}

/// A bucket is as old as its folder, where the file system knows that.
fn bucket(root: &Path, name: String) -> Bucket {
    let found = std::fs::metadata(root.join(&name));
    let made = found.and_then(|found| found.created().or_else(|_| found.modified()));
    Bucket { creation_date: made.ok().map(Into::into), name: Some(name), ..Default::default() }
}
