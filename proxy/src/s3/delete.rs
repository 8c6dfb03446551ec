//! `DeleteObject`, and the bulk deletion, which is many of them.

use std::sync::Arc;

use futures::StreamExt;
use relais_model::EventKind;
use relais_stores::{is_outage, request};
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    Error as DeleteError, ObjectIdentifier,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::mutation::{Change, Mutation};
use super::write::Refused;
use crate::gateway::{Gateway, key, requester};

/// Keys of one bulk deletion, as S3 has it.
const BULK_KEYS_MAX: usize = 1000;

/// Deletions of one bulk request that are under way at once.
const BULK_CONCURRENCY: usize = 16;

impl Gateway {
    pub(super) async fn delete(
        &self,
        asked: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let requester = requester(&asked);
        let bucket = self.bucket(&asked.input.bucket)?;
        let key = key(&asked.input.key)?;
        let kind = EventKind::Delete;
        let mutation = Mutation { gateway: self.clone(), bucket, key, kind, requester };
        self.to_its_end(async move { mutation.delete(asked.input).await }).await.map(S3Response::new)
    }

    pub(super) async fn delete_many(
        &self,
        asked: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let requester = requester(&asked);
        let bucket = self.bucket(&asked.input.bucket)?;
        let quiet = asked.input.delete.quiet.unwrap_or(false);
        let objects = asked.input.delete.objects;
        if objects.len() > BULK_KEYS_MAX {
            return Err(s3_error!(MalformedXML, "a bulk deletion names at most 1,000 keys"));
        }
        let delete_one = |object: ObjectIdentifier| {
            let (gateway, bucket, requester) = (self.clone(), Arc::clone(&bucket), requester.clone());
            async move {
                let deleted = gateway.delete_listed(bucket, &object, requester).await;
                (object, deleted)
            }
        };
        let mut output =
            DeleteObjectsOutput { deleted: Some(Vec::new()), errors: Some(Vec::new()), ..Default::default() };
        let mut outcomes = futures::stream::iter(objects).map(delete_one).buffered(BULK_CONCURRENCY);
        while let Some((object, outcome)) = outcomes.next().await {
            match outcome {
                Ok(_) if quiet => {}
                Ok(deleted) => output.deleted.get_or_insert_default().push(DeletedObject {
                    key: Some(object.key),
                    version_id: object.version_id,
                    delete_marker: deleted.delete_marker,
                    delete_marker_version_id: deleted.version_id,
                }),
                Err(error) => output.errors.get_or_insert_default().push(DeleteError {
                    key: Some(object.key),
                    version_id: object.version_id,
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                }),
            }
        }
        Ok(S3Response::new(output))
    }

    async fn delete_listed(
        &self,
        bucket: Arc<crate::placement::Bucket>,
        object: &ObjectIdentifier,
        requester: relais_model::Requester,
    ) -> S3Result<DeleteObjectOutput> {
        let (key, kind) = (key(&object.key)?, EventKind::Delete);
        let mutation = Mutation { gateway: self.clone(), bucket, key, kind, requester };
        let input = DeleteObjectInput {
            key: object.key.clone(),
            version_id: object.version_id.clone(),
            ..Default::default()
        };
        self.to_its_end(async move { mutation.delete(input).await }).await
    }
}

impl Mutation {
    /// Deletes on every replica at once; the primary's answer is the client's.
    async fn delete(self, input: DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
        let id = self.open().await?;
        let calls = self.bucket.places.iter().map(|place| {
            let input = DeleteObjectInput { bucket: place.bucket.to_string(), ..input.clone() };
            async move { place.store.s3.delete_object(request(input)).await.map(|answer| answer.output) }
        });
        let mut outcomes = futures::future::join_all(calls).await.into_iter().enumerate();
        let required = self.bucket.required();
        let mut answer = None;
        let mut current = 0;
        for (index, outcome) in outcomes.by_ref() {
            match outcome {
                Ok(output) => {
                    current += usize::from(current == index);
                    answer = answer.or(Some(output));
                }
                Err(error) if index < required => {
                    let in_doubt = index > 0 || self.bucket.places.len() > 1 || is_outage(&error);
                    return Err(self.refused(id, Refused { error, in_doubt }).await);
                }
                Err(error) => log_pending(&self, index, &error),
            }
        }
        self.apply(id, Change { current, ..Default::default() }).await?;
        if current < self.bucket.places.len() {
            self.settle_after(std::future::ready(()));
        }
        Ok(answer.unwrap_or_default())
    }
}

fn log_pending(mutation: &Mutation, index: usize, error: &S3Error) {
    let replica = &mutation.bucket.places[index].replica;
    tracing::warn!(%replica, code = error.code().as_str(), "a deletion is left to settle");
}
