//! `DeleteObject`, and the bulk deletion, which is many of them.

use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use http::{HeaderMap, Uri};
use relais_catalog::IntentId;
use relais_model::{EventKind, Requester};
use relais_stores::request;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    ETagCondition, Error as DeleteError, ObjectIdentifier,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::conditions::Conditions;
use super::fan_out::{FanOut, PRIMARY};
use super::mutation::{Change, Mutation, Recorded, named_version};
use super::shown::shown;
use super::versions::{MadeVersion, VersionIds};
use super::write::Refused;
use crate::access::acl::Acl;
use crate::access::context::Facts;
use crate::access::decide::Question;
use crate::access::session::Asker;
use crate::access::write_mode;
use crate::error::GatewayError;
use crate::gateway::{Gateway, key, requester};
use crate::observe::Connection;
use crate::placement::{Bucket, Place};

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
    required: usize,
}

impl Gateway {
    pub(super) async fn delete(
        &self,
        asked: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let requester = requester(&asked);
        let bucket = self.bucket(&asked.input.bucket)?;
        let key = key(&asked.input.key)?;
        let (kind, required) = (EventKind::Delete, write_mode::required(&bucket, &asked.extensions));
        let mutation = Mutation::new(self, bucket, key, kind, requester, required);
        self.to_its_end(async move { mutation.delete(asked.input).await }).await.map(S3Response::new)
    }

    pub(super) async fn delete_many(
        &self,
        asked: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let bucket = self.bucket(&asked.input.bucket)?;
        let bulk = Arc::new(Bulk {
            required: write_mode::required(&bucket, &asked.extensions),
            bucket,
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
        let (bucket, requester) = (Arc::clone(&bulk.bucket), bulk.requester.clone());
        let key = key(&object.key)?;
        let mutation = Mutation::new(self, bucket, key, EventKind::Delete, requester, bulk.required);
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

/// What places answered: nothing where there was nothing to delete. A place that was not known to have the version has it
/// by settling, if at all.
type Deletions = FanOut<Option<DeleteObjectOutput>>;

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
        let (mut answer, mut fan) = match self.delete_on_replicas(input, &ids, may_refuse).await {
            Ok(deleted) => deleted,
            Err(refused) => return Err(self.refused(id, refused).await),
        };
        if version.is_none() && answer.version_id.is_some() {
            answer.delete_marker = Some(true); // It has made a version: a marker. Not every store says so.
        }
        match self.record_done(id, version.as_ref(), &answer, &mut fan).await {
            Ok((recorded, Some(marker))) => self.follow(recorded, fan, marker, id_of),
            Ok((recorded, None)) => self.settle_after(recorded, fan.rest().map(drop)),
            Err(error) => return Err(self.unrecorded(id, fan.rest().map(drop), error)),
        }
        Ok(answer)
    }

    /// Records what the deletion did, and says which marker it made, if it made one.
    async fn record_done(
        &self,
        id: IntentId,
        version: Option<&String>,
        answer: &DeleteObjectOutput,
        fan: &mut Deletions,
    ) -> S3Result<(Recorded, Option<MadeVersion>)> {
        let done = fan.done().iter().filter(|(_, answer)| answer.is_some());
        let change = Change { current: done.map(|(index, _)| *index).collect(), ..Default::default() };
        if version.is_some() || answer.delete_marker != Some(true) {
            return Ok((self.record_deletion(id, version, change).await?, None));
        }
        let owner = self.gateway.new_owner(&self.bucket, &self.requester, None).await?;
        let marker = MadeVersion::of(fan.done(), id_of, Acl::private(&owner));
        self.gateway.remember_version(&self.bucket, &self.key, &marker).await?;
        let version_id = named_version(answer.version_id.as_ref());
        let change = Change { kind: Some(EventKind::DeleteMarker), version_id, ..change };
        Ok((self.apply(id, change).await?, Some(marker)))
    }

    /// The primary goes first where it may refuse: under a condition, or a version, which may be locked. Else all at once.
    async fn delete_on_replicas(
        &self,
        input: DeleteObjectInput,
        ids: &VersionIds,
        may_refuse: bool,
    ) -> Result<(DeleteObjectOutput, Deletions), Refused> {
        let mut fan = FanOut::new(self.required);
        for (index, place) in self.bucket.places.iter().enumerate() {
            let input = if index == PRIMARY { input.clone() } else { unconditional(input.clone()) };
            let (version, place) = (ids.at(&self.bucket, place), place.clone());
            fan.ask(index, async move {
                match version {
                    Some(version) => delete_at(&place, input, version).await.map(Some),
                    None => Ok(None),
                }
            });
            if index == PRIMARY
                && may_refuse
                && let Err(error) = fan.primary().await
            {
                return Err(fan.refused(error));
            }
        }
        if let Err(error) = fan.met().await {
            return Err(fan.refused(error));
        }
        fan.look();
        for (index, error) in fan.failures() {
            log_pending(self, *index, error);
        }
        let answer = fan.done().get(&PRIMARY).cloned().flatten().unwrap_or_default();
        Ok((answer, fan))
    }

    async fn record_deletion(
        &self,
        id: IntentId,
        version: Option<&String>,
        mut change: Change,
    ) -> S3Result<Recorded> {
        let Some(named) = version else { return Ok(self.apply(id, change).await?) };
        let forgotten = self.gateway.versions.remove(&self.bucket.name, &self.key, named).await;
        forgotten.map_err(GatewayError::from)?;
        change.version_id = named_version(version);
        // What was beneath it may be the latest now.
        self.apply_uncovered(id, change).await
    }
}

fn id_of(answer: &Option<DeleteObjectOutput>) -> Option<&String> {
    answer.as_ref()?.version_id.as_ref()
}

async fn delete_at(
    place: &Place,
    input: DeleteObjectInput,
    version_id: Option<String>,
) -> S3Result<DeleteObjectOutput> {
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
