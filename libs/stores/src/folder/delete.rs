//! Deleting: an object, a version of one, many at once.

use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    ETagCondition, Error, ObjectIdentifier,
};
use s3s::{S3Error, S3Result, s3_error};

use super::conditions::DeleteConditions;
use super::record::{NULL, Version};
use super::settings::Versioning;
use super::shelf::Shelf;
use super::write::on_top;
use super::{FolderStore, blocking, broken};

/// As many as S3 takes in one request.
const OBJECTS_MAX: usize = 1000;

pub(super) async fn delete(store: &FolderStore, input: DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
    let conditions = DeleteConditions {
        if_match: input.if_match,
        last_modified: input.if_match_last_modified_time,
        size: input.if_match_size,
    };
    delete_one(store, &input.bucket, input.key, input.version_id, conditions).await
}

pub(super) async fn delete_many(
    store: &FolderStore,
    input: DeleteObjectsInput,
) -> S3Result<DeleteObjectsOutput> {
    store.bucket(&input.bucket).await?;
    if input.delete.objects.is_empty() || input.delete.objects.len() > OBJECTS_MAX {
        return Err(s3_error!(MalformedXML, "name between 1 and {OBJECTS_MAX} objects to delete"));
    }
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for object in input.delete.objects {
        let conditions = DeleteConditions {
            if_match: object.e_tag.clone().map(ETagCondition::ETag),
            last_modified: object.last_modified_time.clone(),
            size: object.size,
        };
        let (key, version_id) = (object.key.clone(), object.version_id.clone());
        match delete_one(store, &input.bucket, key, version_id, conditions).await {
            Ok(output) => deleted.push(answer(object, output)),
            Err(error) => errors.push(refusal(object, &error)),
        }
    }
    let deleted = (!input.delete.quiet.unwrap_or(false)).then_some(deleted);
    Ok(DeleteObjectsOutput { deleted, errors: Some(errors), ..Default::default() })
}

fn answer(object: ObjectIdentifier, output: DeleteObjectOutput) -> DeletedObject {
    DeletedObject {
        delete_marker: output.delete_marker,
        delete_marker_version_id: output.delete_marker.and(output.version_id),
        key: Some(object.key),
        version_id: object.version_id,
    }
}

fn refusal(object: ObjectIdentifier, error: &S3Error) -> Error {
    Error {
        code: Some(error.code().as_str().to_owned()),
        key: Some(object.key),
        message: error.message().map(str::to_owned),
        version_id: object.version_id,
    }
}

async fn delete_one(
    store: &FolderStore,
    bucket: &str,
    key: String,
    version_id: Option<String>,
    conditions: DeleteConditions,
) -> S3Result<DeleteObjectOutput> {
    let shelf = store.bucket_for(bucket, &key).await?;
    let guard = store.locks.key(bucket, &key).await;
    blocking(move || {
        let _guard = guard;
        shelf.require()?;
        match version_id {
            Some(id) => remove(&shelf, &key, id, &conditions),
            None => mark(&shelf, &key, &conditions),
        }
    })
    .await
}

/// Removes one version for good. What was before it may be current then.
fn remove(
    shelf: &Shelf,
    key: &str,
    id: String,
    conditions: &DeleteConditions,
) -> S3Result<DeleteObjectOutput> {
    let look = shelf.look(key).map_err(broken)?;
    let found = look.versions.iter().find(|version| version.name() == id);
    conditions.check(found)?;
    let delete_marker = found.map(|version| version.object.is_none()).filter(|is_marker| *is_marker);
    if found.is_some() {
        let rest = look.versions.iter().filter(|version| version.name() != id).cloned().collect();
        shelf.replace(key, &look, rest, None).map_err(broken)?;
    }
    Ok(DeleteObjectOutput { delete_marker, version_id: Some(id), ..Default::default() })
}

/// Removes the object, or, where the bucket keeps versions, marks it as deleted.
fn mark(shelf: &Shelf, key: &str, conditions: &DeleteConditions) -> S3Result<DeleteObjectOutput> {
    let look = shelf.look(key).map_err(broken)?;
    conditions.check(look.versions.first())?;
    if look.versions.is_empty() && !conditions.are_none() {
        return Ok(DeleteObjectOutput::default()); // What is not there needs no marker.
    }
    let Some(versioning) = shelf.settings()?.versioning else {
        if !look.versions.is_empty() {
            let rest = look.versions.iter().filter(|version| version.id.is_some()).cloned().collect();
            shelf.replace(key, &look, rest, None).map_err(broken)?;
        }
        return Ok(DeleteObjectOutput::default());
    };
    let id = (versioning == Versioning::Enabled).then(|| shelf.clock.name());
    let version_id = Some(id.clone().unwrap_or_else(|| NULL.to_owned()));
    let newest = look.versions.first().map_or(0, |version| version.stamp);
    let marker = Version { id, stamp: shelf.clock.after(newest), object: None };
    let versions = on_top(marker, &look.versions);
    shelf.replace(key, &look, versions, None).map_err(broken)?;
    Ok(DeleteObjectOutput { delete_marker: Some(true), version_id, ..Default::default() })
}
