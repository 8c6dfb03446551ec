//! Multipart uploads: the same parts, with the same boundaries, on every replica, so that entity tags agree.
//!
//! The upload id that a client holds carries each replica's own, sealed, so that any instance can go on with the upload and
//! nobody can make one up. The catalog knows the uploads that are under way, to list them and to remember how they ended. Parts
//! are not objects: the journal hears of the upload only when it is completed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use relais_model::{EventKind, Requester};
use relais_stores::request;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, Initiator,
    ListPartsInput, ListPartsOutput, ObjectCannedACL, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Error, S3Request, S3Response, S3Result};
use serde::{Deserialize, Serialize};

use super::acl::acl_asked;
use super::customer_key::check_customer_key;
use super::fan_out::FanOut;
use super::limits::{self, Wanted};
use super::mutation::Mutation;
use super::put::{canned, default_encryption};
use super::replication_status::Seer;
use super::shown::shown;
use super::sums;
use super::write::{Order, Write};
use crate::access::write_mode;
use crate::checksum::{Verifier, answer};
use crate::error::GatewayError;
use crate::gateway::{Gateway, key, requester};
use crate::kind::Examiner;
use crate::placement::{Bucket, Place};

mod abort;
mod complete;
mod composite;

use complete::{Completion, Details};

/// The part with which an object begins.
pub(super) const FIRST_PART: i32 = 1;

/// How long the beginning of an upload waits for replicas that it could do without. One that is left out is settled with the
/// whole object at the end, so a moment is worth it; a client waits for the first byte of an answer at least ten times as long.
const GRACE: Duration = Duration::from_secs(2);

/// What a sealed upload id holds.
#[derive(Deserialize, Serialize)]
pub(super) struct UploadId {
    bucket: String,
    key: String,
    /// Replica, as the configuration writes it, to the upload's id there.
    replicas: BTreeMap<String, String>,
    /// How large the object will be, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    announced_bytes: Option<u64>,
}

/// In the extensions of a request that begins an upload: how large the object will be. The upload id keeps it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnnouncedBytes(pub(crate) u64);

impl UploadId {
    /// The places of the bucket that take part, with their own ids.
    pub(super) fn places(&self, bucket: &Bucket) -> Vec<(Place, String)> {
        let own =
            |place: &Place| Some((place.clone(), self.replicas.get(&place.replica.to_string())?.clone()));
        bucket.places.iter().filter_map(own).collect()
    }
}

impl Gateway {
    pub(super) async fn create_upload(
        &self,
        asked: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let (gateway, requester) = (self.clone(), requester(&asked));
        let announced = asked.extensions.get().map(|AnnouncedBytes(bytes)| *bytes);
        // Before the task: what the session says stays with the request.
        let bucket = self.bucket(&asked.input.bucket)?;
        limits::check_content_type(&bucket.config, &asked.extensions, asked.input.content_type.as_deref())?;
        let required = write_mode::required(&bucket, &asked.extensions);
        let created =
            async move { gateway.create_on_replicas(asked.input, requester, (announced, required)).await };
        self.to_its_end(created).await
    }

    async fn create_on_replicas(
        &self,
        mut input: CreateMultipartUploadInput,
        requester: Requester,
        (announced_bytes, required): (Option<u64>, usize),
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let bucket = self.bucket(&input.bucket)?;
        key(&input.key)?;
        limits::check_metadata(input.metadata.as_ref())?;
        limits::check_features(&bucket, &Wanted::of_upload(&input))?;
        check_customer_key!(input, input.server_side_encryption)?;
        let initiator = self.new_owner(&bucket, &requester, None).await?;
        let acl = self.new_acl(&bucket, &acl_asked!(input), &initiator).await?;
        let details = Details::of(&input, acl.as_ref());
        let canned = canned(acl.as_ref(), bucket.is_public(&input.key));
        input.expected_bucket_owner = None;
        let mut fan = FanOut::new(required);
        for (index, place) in bucket.places.iter().enumerate() {
            let input = create_input(place, &bucket, &input, canned.clone());
            let s3 = Arc::clone(&place.store.s3);
            fan.ask(index, async move { Ok(s3.create_multipart_upload(request(input)).await?.output) });
        }
        let met = fan.met().await;
        // Who is not here by now is left out of the whole upload.
        let _ = tokio::time::timeout(GRACE, fan.all()).await;
        for (index, error) in fan.failures() {
            log_left_out(&bucket.places[*index], error);
        }
        let (name, key) = (input.bucket.clone(), input.key.clone());
        let mut id = UploadId { bucket: name, key, replicas: BTreeMap::new(), announced_bytes };
        id.replicas = uploads_at(&bucket, fan.done());
        let answer = met.and_then(|()| fan.answer());
        self.abort_late(&id, &bucket, fan);
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.abort_places(&id, &bucket).await;
                return Err(error);
            }
        };
        let sealed = self.sealer.seal(&serde_json::to_vec(&id).map_err(S3Error::internal_error)?);
        if let Err(error) = self.remember_upload(&bucket, &input.key, &sealed, initiator, details).await {
            self.abort_places(&id, &bucket).await;
            return Err(error.into());
        }
        let output = CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(shown(input.key)),
            upload_id: Some(sealed),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            ..answer
        };
        Ok(S3Response::new(output))
    }

    /// Uploads that begin too late to take part are ended again.
    fn abort_late(&self, id: &UploadId, bucket: &Arc<Bucket>, fan: FanOut<CreateMultipartUploadOutput>) {
        if fan.is_over() {
            return;
        }
        let (gateway, bucket) = (self.clone(), Arc::clone(bucket));
        let (name, key, known) = (id.bucket.clone(), id.key.clone(), id.replicas.clone());
        self.afterwards(async move {
            let mut replicas = uploads_at(&bucket, &fan.rest().await);
            replicas.retain(|replica, _| !known.contains_key(replica));
            let late = UploadId { bucket: name, key, replicas, announced_bytes: None };
            drop(gateway.abort_places(&late, &bucket).await);
        });
    }

    async fn remember_upload(
        &self,
        bucket: &Bucket,
        text: &str,
        sealed: &str,
        initiator: String,
        details: Details,
    ) -> Result<(), GatewayError> {
        let upload = relais_catalog::Upload {
            bucket: bucket.name.clone(),
            key: key(text)?,
            upload_id: sealed.to_owned(),
            initiator,
            began_at: chrono::Utc::now(),
            details: serde_json::to_value(details).map_err(GatewayError::Kept)?,
        };
        Ok(self.uploads.begin(&upload).await?)
    }

    pub(super) async fn put_part(
        &self,
        asked: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let gateway = self.clone();
        self.to_its_end(async move { gateway.write_part(asked).await }).await.map(S3Response::new)
    }

    /// Writes one part on every replica that takes part in the upload.
    pub(super) async fn write_part(&self, asked: S3Request<UploadPartInput>) -> S3Result<UploadPartOutput> {
        let S3Request { mut input, headers, trailing_headers, extensions, .. } = asked;
        let (bucket, id) = self.upload(&input.bucket, &input.key, &input.upload_id)?;
        let row = self.uploads.find(&input.upload_id).await.map_err(GatewayError::from)?;
        let row = row.filter(|row| row.result.is_none()).ok_or(GatewayError::UploadId)?; // It is over, or never was.
        let length = limits::declared_length(input.content_length)?;
        limits::check_length(limits::limit_of(&bucket.config, &extensions), length)?;
        let mut examiner = match input.part_number {
            FIRST_PART => Details::read(&row.upload)?.examiner(&bucket.config).for_first_part(),
            _ => Examiner::of_nothing(),
        };
        let mut verifier = Verifier::for_part(&input, &headers, trailing_headers)?;
        let body = input.body.take();
        check_customer_key!(input)?;
        let algorithm = sums::announced(&headers, input.checksum_algorithm.as_ref());
        let required = write_mode::required(&bucket, &extensions);
        let (places, ids): (Vec<_>, Vec<_>) = id.places(&bucket).into_iter().unzip();
        let ids: BTreeMap<_, _> = places.iter().map(|place: &Place| place.replica.clone()).zip(ids).collect();
        let put = move |place: &Place, body| {
            let mut part = UploadPartInput {
                body: Some(body),
                bucket: place.bucket.to_string(),
                upload_id: ids[&place.replica].clone(),
                ..part_without_body(&input)
            };
            sums::tell!(part, input, algorithm, &place.store.features);
            let input = part;
            let s3 = Arc::clone(&place.store.s3);
            let call: BoxFuture<'static, _> =
                Box::pin(async move { Ok(s3.upload_part(request(input)).await?.output) });
            call
        };
        let mut write = Write::begin(self.tasks(), places, self.terms(required), length, put);
        let verified = write.feed(body, length, (&mut verifier, &mut examiner)).await;
        let verified = verified.and_then(|()| verifier.finish());
        let checksum = match verified {
            Ok(checksum) => checksum,
            Err(error) => return Err(write.give_up().await.unwrap_or_else(|| error.into())),
        };
        let mut fan = write.commit(Order::AllAtOnce).await.map_err(|refused| refused.error)?;
        let mut output = fan.answer()?;
        self.afterwards(fan.rest().map(drop));
        answer!(output, checksum);
        Ok(output)
    }

    pub(super) async fn complete_upload(
        &self,
        asked: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let mut requester = requester(&asked);
        let S3Request { input, extensions, .. } = asked;
        let (bucket, id) = self.upload(&input.bucket, &input.key, &input.upload_id)?;
        let (required, seer) = (write_mode::required(&bucket, &extensions), Seer::of(&extensions));
        let row = self.uploads.find(&input.upload_id).await.map_err(GatewayError::from)?;
        let row = row.ok_or(GatewayError::UploadId)?;
        let limit = limits::limit_of(&bucket.config, &extensions);
        let completion = Completion { id, details: Details::read(&row.upload)?, input, limit };
        completion.check_parts()?;
        let key = key(&completion.input.key)?;
        let kind = EventKind::CompleteMultipartUpload;
        requester.principal = row.upload.initiator; // Whoever began the upload owns the object.
        let mutation = Mutation::new(self, bucket, key, kind, requester, required);
        self.to_its_end(async move { mutation.complete(completion, seer).await }).await
    }

    pub(super) async fn abort_upload(
        &self,
        asked: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = asked.input;
        let (bucket, id) = self.upload(&input.bucket, &input.key, &input.upload_id)?;
        let gateway = self.clone();
        self.to_its_end(async move {
            if let Some(Err(error)) = gateway.abort_places(&id, &bucket).await {
                return Err(error);
            }
            gateway.uploads.remove(&input.upload_id).await.map_err(GatewayError::from)?;
            Ok(S3Response::new(AbortMultipartUploadOutput::default()))
        })
        .await
    }

    pub(super) async fn list_upload_parts(
        &self,
        asked: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let (bucket, id) = self.upload(&asked.input.bucket, &asked.input.key, &asked.input.upload_id)?;
        let row = self.uploads.find(&asked.input.upload_id).await.map_err(GatewayError::from)?;
        let row = row.filter(|row| row.result.is_none()).ok_or(GatewayError::UploadId)?;
        let (primary, own_id) = id.places(&bucket).into_iter().next().ok_or(GatewayError::UploadId)?;
        let input = ListPartsInput {
            bucket: primary.bucket.to_string(),
            expected_bucket_owner: None,
            upload_id: own_id,
            ..asked.input.clone()
        };
        let listed = primary.store.s3.list_parts(request(input)).await?.output;
        let (initiator, rules) = (self.owner(&row.upload.initiator), self.rules(&bucket).await?);
        let details = Details::read(&row.upload)?;
        let owner = match &details.acl {
            _ if rules.acls_are_off() => self.owner(&rules.owner),
            Some(acl) => self.owner(&acl.owner),
            None => initiator.clone(),
        };
        let output = ListPartsOutput {
            bucket: Some(bucket.name.to_string()),
            checksum_algorithm: details.checksum_algorithm.map(Into::into),
            checksum_type: details.checksum_type.map(Into::into),
            initiator: Some(Initiator { display_name: initiator.display_name, id: initiator.id }),
            key: Some(shown(asked.input.key)),
            owner: Some(owner),
            upload_id: Some(asked.input.upload_id),
            ..listed
        };
        Ok(S3Response::new(output))
    }

    /// Opens an upload id. One of another bucket or key is none, nor is one in which the primary has no part: the
    /// configuration was changed since, and the upload has to begin anew.
    pub(super) fn upload(
        &self,
        bucket: &str,
        key: &str,
        sealed: &str,
    ) -> Result<(Arc<Bucket>, UploadId), GatewayError> {
        let opened = self.sealer.open(sealed).ok_or(GatewayError::UploadId)?;
        let id: UploadId = serde_json::from_slice(&opened).map_err(|_| GatewayError::UploadId)?;
        if id.bucket != bucket || id.key != key {
            return Err(GatewayError::UploadId);
        }
        let bucket = self.bucket(bucket)?;
        let places = id.places(&bucket);
        let has_primary = places.first().is_some_and(|(place, _)| place.replica == bucket.primary().replica);
        if !has_primary {
            return Err(GatewayError::UploadId);
        }
        Ok((bucket, id))
    }

    /// How large the object of an upload will be, if that was said when it began.
    pub(crate) fn announced_bytes(&self, bucket: &str, key: &str, sealed: &str) -> Option<u64> {
        self.upload(bucket, key, sealed).ok()?.1.announced_bytes
    }

    /// Aborts everywhere; the primary's answer is given back.
    async fn abort_places(&self, id: &UploadId, bucket: &Bucket) -> Option<S3Result<()>> {
        let calls = id.places(bucket).into_iter().map(|(place, upload_id)| {
            let input = AbortMultipartUploadInput {
                bucket: place.bucket.to_string(),
                key: id.key.clone(),
                upload_id,
                ..Default::default()
            };
            async move { place.store.s3.abort_multipart_upload(request(input)).await.map(drop) }
        });
        futures::future::join_all(calls).await.into_iter().next()
    }
}

/// What to add to the request that begins an upload at a place.
fn create_input(
    place: &Place,
    bucket: &Bucket,
    asked: &CreateMultipartUploadInput,
    canned: Option<ObjectCannedACL>,
) -> CreateMultipartUploadInput {
    let features = &place.store.features;
    let mut input = CreateMultipartUploadInput {
        acl: canned.filter(|_| features.acls),
        bucket: place.bucket.to_string(),
        ..asked.clone()
    };
    if input.server_side_encryption.is_none() && input.sse_customer_algorithm.is_none() {
        input.server_side_encryption = default_encryption(&bucket.config, features);
    }
    if !features.checksums {
        (input.checksum_algorithm, input.checksum_type) = (None, None);
    }
    input
}

fn part_without_body(input: &UploadPartInput) -> UploadPartInput {
    UploadPartInput {
        key: input.key.clone(),
        part_number: input.part_number,
        content_length: input.content_length,
        sse_customer_algorithm: input.sse_customer_algorithm.clone(),
        sse_customer_key: input.sse_customer_key.clone(),
        sse_customer_key_md5: input.sse_customer_key_md5.clone(),
        ..Default::default()
    }
}

/// The ids that the upload has at places.
fn uploads_at(
    bucket: &Bucket,
    done: &BTreeMap<usize, CreateMultipartUploadOutput>,
) -> BTreeMap<String, String> {
    let named =
        |(index, output): (&usize, &CreateMultipartUploadOutput)| Some((*index, output.upload_id.clone()?));
    let named = done.iter().filter_map(named);
    named.map(|(index, id)| (bucket.places[index].replica.to_string(), id)).collect()
}

fn log_left_out(place: &Place, error: &S3Error) {
    tracing::warn!(replica = %place.replica, code = error.code().as_str(), "a replica is left out of a multipart upload");
}
