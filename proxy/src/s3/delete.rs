//! `DeleteObject`, and the bulk deletion, which is many of them.

use std::sync::Arc;

use futures::StreamExt;
use http::{HeaderMap, Uri};
use relais_catalog::IntentId;
use relais_model::{EventKind, Requester};
use relais_stores::{is_outage, request};
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    ETagCondition, Error as DeleteError, ObjectIdentifier,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::conditions::Conditions;
use super::mutation::{Change, Mutation};
use super::shown::shown;
use super::versions::VersionIds;
use super::write::Refused;
use crate::access::acl::Acl;
use crate::access::context::Facts;
use crate::access::decide::Question;
use crate::access::session::Asker;
use crate::error::GatewayError;
use crate::gateway::{Gateway, key, requester};
use crate::observe::Connection;
use crate::placement::Bucket;

/// Keys of one bulk deletion, as S3 has it.
const BULK_KEYS_MAX: usize = 1000;

/// Deletions of one bulk request that are under way at once.
const BULK_CONCURRENCY: usize = 16;

/// What the deletions of one bulk request share.
struct Bulk {
    bucket: Arc<Bucket>,
    requester: Requester,
    /// Who asks; nothing within the process.
    asker: Option<Asker>,
    headers: HeaderMap,
    uri: Uri,
    connection: Option<Connection>,
    bypass: Option<bool>,
}

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
        let bulk = Arc::new(Bulk {
            bucket: self.bucket(&asked.input.bucket)?,
            requester: requester(&asked),
            asker: Asker::of(&asked.extensions),
            connection: asked.extensions.get::<Connection>().copied(),
            headers: asked.headers,
            uri: asked.uri,
            bypass: asked.input.bypass_governance_retention,
        });
        let quiet = asked.input.delete.quiet.unwrap_or(false);
        let objects = asked.input.delete.objects;
        if objects.is_empty() || objects.len() > BULK_KEYS_MAX {
            return Err(s3_error!(MalformedXML, "a bulk deletion names 1 to 1,000 keys"));
        }
        let delete_one = |object: ObjectIdentifier| {
            let (gateway, bulk) = (self.clone(), Arc::clone(&bulk));
            async move {
                let deleted = gateway.delete_listed(&bulk, &object).await;
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
                    key: Some(shown(object.key)),
                    version_id: object.version_id.map(shown),
                    delete_marker: deleted.delete_marker,
                    delete_marker_version_id: deleted
                        .version_id
                        .filter(|_| deleted.delete_marker == Some(true)),
                }),
                Err(error) => output.errors.get_or_insert_default().push(DeleteError {
                    key: Some(shown(object.key)),
                    version_id: object.version_id.map(shown),
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                }),
            }
        }
        Ok(S3Response::new(output))
    }

    async fn delete_listed(&self, bulk: &Bulk, object: &ObjectIdentifier) -> S3Result<DeleteObjectOutput> {
        if let Some(asker) = &bulk.asker {
            let facts = Facts::new(&bulk.headers, &bulk.uri, bulk.connection, asker);
            let question = Question {
                asker,
                operation: "DeleteObject",
                bucket: &bulk.bucket,
                key: Some(&object.key),
                version: object.version_id.as_deref(),
                facts,
            };
            self.authorise(&question).await?;
        }
        let mutation = Mutation {
            gateway: self.clone(),
            bucket: Arc::clone(&bulk.bucket),
            key: key(&object.key)?,
            kind: EventKind::Delete,
            requester: bulk.requester.clone(),
        };
        let input = DeleteObjectInput {
            bypass_governance_retention: bulk.bypass,
            if_match: object.e_tag.clone().map(ETagCondition::ETag),
            if_match_last_modified_time: object.last_modified_time.clone(),
            if_match_size: object.size,
            key: object.key.clone(),
            version_id: object.version_id.clone(),
            ..Default::default()
        };
        self.to_its_end(async move { mutation.delete(input).await }).await
    }
}

/// What the replicas answered, the primary first.
struct Deleted {
    answer: DeleteObjectOutput,
    /// The id at each replica of the version that was deleted or made; nothing where it failed.
    versions: Vec<Option<String>>,
    /// How many replicas, counted from the primary, are known to be as the primary is.
    current: usize,
}

impl Mutation {
    /// Deletes on every replica; the primary's answer is the client's.
    async fn delete(self, mut input: DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
        let version = input.version_id.clone();
        let ids = self.gateway.version_ids(&self.bucket, &self.key, version.as_deref()).await?;
        let features = &self.bucket.primary().store.features;
        let conditions = Conditions {
            if_match: input.if_match.clone(),
            if_none_match: None,
            if_match_size: input.if_match_size,
            if_match_last_modified: input.if_match_last_modified_time.clone(),
        };
        let id = self.open().await?;
        let decides = features.conditional_deletes;
        let turn =
            self.gateway.turn_for_version(&self.bucket, &self.key, decides, &conditions, version.as_deref());
        let _turn = match turn.await {
            Ok(turn) => turn,
            Err(error) => {
                self.abandon(id).await;
                return Err(error);
            }
        };
        if !decides {
            input = unconditional(input);
        }
        let may_refuse = !conditions.is_empty() || version.is_some();
        let deleted = match self.delete_on_replicas(input, &ids, may_refuse).await {
            Ok(deleted) => deleted,
            Err(refused) => return Err(self.refused(id, refused).await),
        };
        self.record_deletion(id, version.as_deref(), &deleted).await?;
        if deleted.current < self.bucket.places.len() {
            self.settle_after(std::future::ready(()));
        }
        Ok(deleted.answer)
    }

    /// The primary goes first where it may refuse: under a condition, or a version, which may be locked. Else all at once.
    async fn delete_on_replicas(
        &self,
        input: DeleteObjectInput,
        ids: &VersionIds,
        may_refuse: bool,
    ) -> Result<Deleted, Refused> {
        let bucket = &self.bucket;
        let version = input.version_id.clone();
        let first = delete_at(bucket, 0, input.clone(), version.clone());
        let others = (1..bucket.places.len()).map(|index| {
            let (input, version) = (unconditional(input.clone()), ids.at(bucket, &bucket.places[index]));
            async move {
                match version {
                    Some(version) => delete_at(bucket, index, input, version).await,
                    None => Ok(DeleteObjectOutput::default()), // It has that version by settling, if at all.
                }
            }
        });
        let others = futures::future::join_all(others);
        let (first, outcomes) = if may_refuse {
            match first.await {
                Ok(answer) => (Ok(answer), others.await),
                Err(error) => (Err(error), Vec::new()),
            }
        } else {
            tokio::join!(first, others)
        };
        let mut answer = match first {
            Ok(answer) => answer,
            Err(error) => {
                let in_doubt = is_outage(&error) || !outcomes.is_empty();
                return Err(Refused { error, in_doubt });
            }
        };
        if version.is_none() && answer.version_id.is_some() {
            answer.delete_marker = Some(true); // It has made a version: a marker. Not every store says so.
        }
        let is_done = |(index, outcome): &(usize, &S3Result<DeleteObjectOutput>)| {
            outcome.is_ok() && ids.at(bucket, &bucket.places[index + 1]).is_some()
        };
        let current = 1 + outcomes.iter().enumerate().take_while(is_done).count();
        let mut versions = vec![answer.version_id.clone()];
        for (index, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(output) => versions.push(output.version_id),
                Err(error) if index + 1 < bucket.required() => return Err(Refused { error, in_doubt: true }),
                Err(error) => {
                    versions.push(None);
                    log_pending(self, index + 1, &error);
                }
            }
        }
        Ok(Deleted { answer, versions, current })
    }

    async fn record_deletion(&self, id: IntentId, version: Option<&str>, deleted: &Deleted) -> S3Result<()> {
        let (gateway, current) = (&self.gateway, deleted.current);
        if let Some(version) = version {
            let forgotten = gateway.versions.remove(&self.bucket.name, &self.key, version).await;
            forgotten.map_err(GatewayError::from)?;
            // What was beneath it may be the latest now.
            return self.apply_uncovered(id, current).await;
        }
        if deleted.answer.delete_marker == Some(true) {
            let owner = gateway.new_owner(&self.bucket, &self.requester, None).await?;
            let acl = Acl::private(&owner);
            gateway.remember_version(&self.bucket, &self.key, &deleted.versions, &acl).await?;
        }
        Ok(self.apply(id, Change { current, ..Default::default() }).await?)
    }
}

async fn delete_at(
    bucket: &Bucket,
    index: usize,
    input: DeleteObjectInput,
    version_id: Option<String>,
) -> S3Result<DeleteObjectOutput> {
    let place = &bucket.places[index];
    let input = DeleteObjectInput {
        bucket: place.bucket.to_string(),
        expected_bucket_owner: None,
        version_id,
        ..input
    };
    place.store.s3.delete_object(request(input)).await.map(|answer| answer.output)
}

fn unconditional(input: DeleteObjectInput) -> DeleteObjectInput {
    DeleteObjectInput { if_match: None, if_match_size: None, if_match_last_modified_time: None, ..input }
}

fn log_pending(mutation: &Mutation, index: usize, error: &S3Error) {
    let replica = &mutation.bucket.places[index].replica;
    tracing::warn!(%replica, code = error.code().as_str(), "a deletion is left to settle");
}
