//! Multipart uploads: the same parts, with the same boundaries, on every replica, so that entity tags agree.
//!
//! The upload id that a client holds carries each replica's own, sealed, so that any instance can go on with the upload and
//! nobody can make one up. Parts are not objects: the journal hears of the upload only when it is completed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use relais_model::{ByteSize, EventKind};
use relais_stores::{is_outage, request};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedMultipartUpload, CompletedPart, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ListPartsInput, ListPartsOutput, ObjectCannedACL, ServerSideEncryption,
    UploadPartInput, UploadPartOutput,
};
use s3s::{S3Error, S3Request, S3Response, S3Result};
use serde::{Deserialize, Serialize};

use super::limits;
use super::mutation::Mutation;
use super::write::{Order, Refused, Write};
use crate::checksum::{Verifier, answer};
use crate::error::GatewayError;
use crate::gateway::{Gateway, key, requester};
use crate::placement::{Bucket, Place};

/// What a sealed upload id holds.
#[derive(Deserialize, Serialize)]
struct UploadId {
    bucket: String,
    key: String,
    /// Replica, as the configuration writes it, to the upload's id there.
    replicas: BTreeMap<String, String>,
}

impl UploadId {
    /// The places of the bucket that take part, with their own ids.
    fn places(&self, bucket: &Bucket) -> Vec<(Place, String)> {
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
        let gateway = self.clone();
        self.to_its_end(async move { gateway.create_on_replicas(asked.input).await }).await
    }

    async fn create_on_replicas(
        &self,
        mut input: CreateMultipartUploadInput,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let bucket = self.bucket(&input.bucket)?;
        key(&input.key)?;
        limits::check_content_type(&bucket.config, input.content_type.as_deref())?;
        if input.acl.is_none() && bucket.is_public(&input.key) {
            input.acl = Some(ObjectCannedACL::from_static(ObjectCannedACL::PUBLIC_READ));
        }
        if input.server_side_encryption.is_none() && input.sse_customer_algorithm.is_none() {
            input.server_side_encryption = bucket.config.encryption.clone().map(ServerSideEncryption::from);
        }
        // Parts are verified on their way in; stores are not asked to do it again. See `without_body` of a put.
        (input.checksum_algorithm, input.checksum_type, input.expected_bucket_owner) = (None, None, None);
        let calls = bucket.places.iter().map(|place| {
            let input = CreateMultipartUploadInput { bucket: place.bucket.to_string(), ..input.clone() };
            async move { (place, place.store.s3.create_multipart_upload(request(input)).await) }
        });
        let mut id =
            UploadId { bucket: input.bucket.clone(), key: input.key.clone(), replicas: BTreeMap::new() };
        let mut refusal = None;
        let mut answer = None;
        for (index, (place, created)) in futures::future::join_all(calls).await.into_iter().enumerate() {
            match created.map(|created| created.output) {
                Ok(output) => {
                    id.replicas.extend(output.upload_id.clone().map(|id| (place.replica.to_string(), id)));
                    answer = answer.or(Some(output));
                }
                Err(error) if index < bucket.required() => refusal = refusal.or(Some(error)),
                Err(error) => log_left_out(place, &error),
            }
        }
        if let Some(error) = refusal {
            self.abort_places(&id, &bucket).await;
            return Err(error);
        }
        let sealed = serde_json::to_vec(&id).map_err(S3Error::internal_error)?;
        let output = CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(self.sealer.seal(&sealed)),
            ..answer.unwrap_or_default()
        };
        Ok(S3Response::new(output))
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
        let S3Request { mut input, headers, trailing_headers, .. } = asked;
        let (bucket, id) = self.upload(&input.bucket, &input.key, &input.upload_id)?;
        let length = limits::declared_length(input.content_length)?;
        limits::check_length(&bucket.config, length)?;
        let mut verifier = Verifier::for_part(&input, &headers, trailing_headers)?;
        let body = input.body.take();
        let (places, ids): (Vec<_>, Vec<_>) = id.places(&bucket).into_iter().unzip();
        let ids: BTreeMap<_, _> = places.iter().map(|place: &Place| place.replica.clone()).zip(ids).collect();
        let put = move |place: &Place, body| {
            let input = UploadPartInput {
                body: Some(body),
                bucket: place.bucket.to_string(),
                upload_id: ids[&place.replica].clone(),
                ..part_without_body(&input)
            };
            let s3 = Arc::clone(&place.store.s3);
            let call: BoxFuture<'static, _> =
                Box::pin(async move { Ok(s3.upload_part(request(input)).await?.output) });
            call
        };
        let mut write = Write::begin(self.tasks(), places, bucket.required(), length, put);
        let verified = write.feed(body, length, &mut verifier).await.and_then(|()| verifier.finish());
        let checksum = match verified {
            Ok(checksum) => checksum,
            Err(error) => return Err(write.give_up().await.unwrap_or_else(|| error.into())),
        };
        let (outputs, rest) = write.commit(Order::AllAtOnce).await.map_err(|refused| refused.error)?;
        self.afterwards(rest.finish());
        let mut output = outputs.into_iter().next().unwrap_or_default();
        answer!(output, checksum);
        Ok(output)
    }

    pub(super) async fn complete_upload(
        &self,
        asked: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let requester = requester(&asked);
        let input = asked.input;
        let (bucket, id) = self.upload(&input.bucket, &input.key, &input.upload_id)?;
        let key = key(&input.key)?;
        let kind = EventKind::CompleteMultipartUpload;
        let mutation = Mutation { gateway: self.clone(), bucket, key, kind, requester };
        self.to_its_end(async move { mutation.complete(input, &id).await }).await.map(S3Response::new)
    }

    pub(super) async fn abort_upload(
        &self,
        asked: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = asked.input;
        let (bucket, id) = self.upload(&input.bucket, &input.key, &input.upload_id)?;
        let gateway = self.clone();
        self.to_its_end(async move {
            match gateway.abort_places(&id, &bucket).await {
                Some(Err(error)) => Err(error),
                _ => Ok(S3Response::new(AbortMultipartUploadOutput::default())),
            }
        })
        .await
    }

    pub(super) async fn list_upload_parts(
        &self,
        asked: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let (bucket, id) = self.upload(&asked.input.bucket, &asked.input.key, &asked.input.upload_id)?;
        let (primary, own_id) = id.places(&bucket).into_iter().next().ok_or(GatewayError::UploadId)?;
        let input =
            ListPartsInput { bucket: primary.bucket.to_string(), upload_id: own_id, ..asked.input.clone() };
        let listed = primary.store.s3.list_parts(request(input)).await?.output;
        let upload_id = Some(asked.input.upload_id);
        Ok(S3Response::new(ListPartsOutput { bucket: Some(bucket.name.to_string()), upload_id, ..listed }))
    }

    /// Opens an upload id. One of another bucket or key is none, nor is one that a replica which the write mode asks for
    /// has no part in: the configuration was changed since, and the upload has to begin anew.
    fn upload(&self, bucket: &str, key: &str, sealed: &str) -> Result<(Arc<Bucket>, UploadId), GatewayError> {
        let opened = self.sealer.open(sealed).ok_or(GatewayError::UploadId)?;
        let id: UploadId = serde_json::from_slice(&opened).map_err(|_| GatewayError::UploadId)?;
        if id.bucket != bucket || id.key != key {
            return Err(GatewayError::UploadId);
        }
        let bucket = self.bucket(bucket)?;
        let mut required = bucket.places[..bucket.required()].iter();
        if !required.all(|place| id.replicas.contains_key(&place.replica.to_string())) {
            return Err(GatewayError::UploadId);
        }
        Ok((bucket, id))
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

impl Mutation {
    /// Completes on the primary first: its answer decides, and the others follow it.
    async fn complete(
        self,
        input: CompleteMultipartUploadInput,
        upload: &UploadId,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let mut places = upload.places(&self.bucket).into_iter();
        let (primary, own_id) = places.next().ok_or(GatewayError::UploadId)?;
        self.check_size(&primary, &own_id, &input, upload).await?;
        let id = self.open().await?;
        let completed = match complete_at(&primary, own_id, &input).await {
            Ok(completed) => completed,
            Err(error) => {
                let in_doubt = is_outage(&error);
                return Err(self.refused(id, Refused { error, in_doubt }).await);
            }
        };
        let others: Vec<_> = places.collect();
        let unconditional = CompleteMultipartUploadInput { if_match: None, if_none_match: None, ..input };
        let calls = others.iter().map(|(place, own_id)| complete_at(place, own_id.clone(), &unconditional));
        let outcomes = futures::future::join_all(calls).await;
        let refusal = outcomes.iter().zip(&others).find_map(failed);
        if let Some(error) = refusal.filter(|_| self.bucket.required() > 1) {
            return Err(self.refused(id, Refused { error, in_doubt: true }).await);
        }
        let completed_too = outcomes.iter().zip(&others).filter(|(outcome, _)| outcome.is_ok());
        let mut done: Vec<_> = completed_too.map(|(_, (place, _))| &place.replica).collect();
        done.push(&primary.replica);
        let is_done = |place: &&Place| done.contains(&&place.replica);
        let current = self.bucket.places.iter().take_while(is_done).count();
        self.apply_as_found(id, completed.e_tag.clone(), current).await?;
        let location = self.gateway.public_url(&self.bucket, &self.key);
        let (bucket, key) = (Some(self.bucket.name.to_string()), Some(self.key.to_string()));
        if current < self.bucket.places.len() {
            self.settle_after(std::future::ready(()));
        }
        Ok(CompleteMultipartUploadOutput { bucket, key, location, ..completed })
    }

    /// Refuses an upload whose parts together are larger than the bucket allows, and aborts it: nothing is left behind.
    async fn check_size(
        &self,
        primary: &Place,
        own_id: &str,
        input: &CompleteMultipartUploadInput,
        upload: &UploadId,
    ) -> S3Result<()> {
        let Some(limit) = self.bucket.config.object_bytes_max else { return Ok(()) };
        let named =
            input.multipart_upload.as_ref().and_then(|named| named.parts.as_deref()).unwrap_or_default();
        let named: BTreeSet<_> = named.iter().filter_map(|part| part.part_number).collect();
        let (mut total, mut marker) = (0, None);
        loop {
            let list = ListPartsInput {
                bucket: primary.bucket.to_string(),
                key: input.key.clone(),
                upload_id: own_id.to_owned(),
                part_number_marker: marker,
                ..Default::default()
            };
            let listed = primary.store.s3.list_parts(request(list)).await?.output;
            for part in listed.parts.unwrap_or_default() {
                if part.part_number.is_some_and(|number| named.contains(&number)) {
                    total += part.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
                }
            }
            if ByteSize(total) > limit {
                self.gateway.abort_places(upload, &self.bucket).await;
                return Err(GatewayError::TooLarge { limit }.into());
            }
            marker = listed.next_part_number_marker.filter(|_| listed.is_truncated == Some(true));
            if marker.is_none() {
                return Ok(());
            }
        }
    }
}

async fn complete_at(
    place: &Place,
    upload_id: String,
    input: &CompleteMultipartUploadInput,
) -> S3Result<CompleteMultipartUploadOutput> {
    let input = CompleteMultipartUploadInput {
        bucket: place.bucket.to_string(),
        upload_id,
        multipart_upload: input.multipart_upload.clone().map(without_checksums),
        if_match: input.if_match.clone(),
        if_none_match: input.if_none_match.clone(),
        key: input.key.clone(),
        ..Default::default()
    };
    let output = place.store.s3.complete_multipart_upload(request(input)).await?.output;
    match output.future {
        Some(later) => later.await, // A store may answer before it is done, and say how it went at the end.
        None => Ok(output),
    }
}

/// Stores were not told of checksums with the parts, so they cannot compare any now.
fn without_checksums(upload: CompletedMultipartUpload) -> CompletedMultipartUpload {
    let plain = |part: CompletedPart| CompletedPart {
        e_tag: part.e_tag,
        part_number: part.part_number,
        ..Default::default()
    };
    CompletedMultipartUpload { parts: upload.parts.map(|parts| parts.into_iter().map(plain).collect()) }
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

fn failed<T>((outcome, (place, _)): (&S3Result<T>, &(Place, String))) -> Option<S3Error> {
    let error = outcome.as_ref().err()?;
    log_left_out(place, error);
    Some(GatewayError::ReplicaLost { replica: place.replica.clone() }.into())
}

fn log_left_out(place: &Place, error: &S3Error) {
    tracing::warn!(replica = %place.replica, code = error.code().as_str(), "a replica is left out of a multipart upload");
}
