//! `PutObject`, and the upload by POST form, which is the same write with another name.

use std::sync::Arc;

use relais_catalog::IntentId;
use relais_model::{EventKind, ObjectFacts};
use relais_stores::request;
use s3s::dto::{Checksum, ETag, ObjectCannedACL, PutObjectInput, PutObjectOutput, ServerSideEncryption};
use s3s::{S3Request, S3Response, S3Result};

use super::derived::derived_from;
use super::limits;
use super::mutation::{Change, Mutation};
use super::write::{Order, Rest, Write};
use crate::checksum::{Verifier, answer};
use crate::gateway::{Gateway, key, requester};
use crate::placement::Bucket;

/// Answers whether every replica has the write already (`COMPLETED`) or some are to follow (`PENDING`).
const REPLICATION_STATUS: http::HeaderName = http::HeaderName::from_static("x-amz-replication-status");

impl Gateway {
    /// Also reached by POST forms, which s3s turns into puts.
    pub(super) async fn put(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let gateway = self.clone();
        let kind = if request.method == http::Method::POST { EventKind::Post } else { EventKind::Put };
        self.to_its_end(async move { gateway.write_object(request, kind).await }).await
    }

    /// Writes one object, whichever operation asked for it.
    pub(super) async fn write_object(
        &self,
        request: S3Request<PutObjectInput>,
        kind: EventKind,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let requester = requester(&request);
        let S3Request { mut input, headers, trailing_headers, .. } = request;
        let bucket = self.bucket(&input.bucket)?;
        let key = key(&input.key)?;
        let length = limits::declared_length(input.content_length)?;
        limits::check_length(&bucket.config, length)?;
        // What a sidecar makes belongs beside its source, whatever the bucket takes from others. Only the root keys and
        // services can write so far, so the mark is believed.
        if derived_from(input.metadata.as_ref()).is_none() {
            limits::check_content_type(&bucket.config, input.content_type.as_deref())?;
        }
        let mut verifier = Verifier::for_object(&input, &headers, trailing_headers)?;
        let body = input.body.take();
        let mutation = Mutation { gateway: self.clone(), bucket, key, kind, requester };
        let upload = Upload::new(mutation, &input, length);

        let mut write = self.begin_object(&upload.mutation.bucket, input, length);
        let (opened, fed) = tokio::join!(upload.mutation.open(), write.feed(body, length, &mut verifier));
        let verified = fed.and_then(|()| verifier.finish());
        let (id, checksum) = match (opened, verified) {
            (Ok(id), Ok(checksum)) => (id, checksum),
            (Err(error), _) => {
                write.give_up().await;
                return Err(error.into());
            }
            (Ok(id), Err(error)) => {
                let refusal = write.give_up().await;
                upload.mutation.abandon(id).await;
                return Err(refusal.unwrap_or_else(|| error.into()));
            }
        };
        match write.commit(upload.order).await {
            Ok((outputs, rest)) => upload.acknowledge(id, outputs, rest, checksum).await,
            Err(refused) => Err(upload.mutation.refused(id, refused).await),
        }
    }

    fn begin_object(&self, bucket: &Bucket, input: PutObjectInput, length: u64) -> Write<PutObjectOutput> {
        let primary = bucket.primary().replica.clone();
        let config = Arc::clone(&bucket.config);
        let public = bucket.is_public(&input.key);
        let put = move |place: &crate::placement::Place, body| {
            let mut input = without_body(&input);
            input.bucket = place.bucket.to_string();
            input.body = Some(body);
            if place.replica != primary {
                (input.if_match, input.if_none_match) = (None, None); // The primary has decided.
            }
            if public && input.acl.is_none() {
                input.acl = Some(ObjectCannedACL::from_static(ObjectCannedACL::PUBLIC_READ));
            }
            if input.server_side_encryption.is_none() && input.sse_customer_algorithm.is_none() {
                input.server_side_encryption = config.encryption.clone().map(ServerSideEncryption::from);
            }
            let s3 = Arc::clone(&place.store.s3);
            let call: futures::future::BoxFuture<'static, _> =
                Box::pin(async move { Ok(s3.put_object(request(input)).await?.output) });
            call
        };
        Write::begin(self.tasks(), bucket.places.clone(), bucket.required(), length, put)
    }
}

/// What is known of an object before its bytes are.
struct Upload {
    mutation: Mutation,
    order: Order,
    facts: ObjectFacts,
    acl: Option<String>,
    derived_from: Option<relais_model::DerivedFrom>,
}

impl Upload {
    fn new(mutation: Mutation, input: &PutObjectInput, length: u64) -> Self {
        let conditional = input.if_match.is_some() || input.if_none_match.is_some();
        let public = mutation.bucket.is_public(&input.key).then(|| ObjectCannedACL::PUBLIC_READ.to_owned());
        Self {
            order: if conditional { Order::PrimaryFirst } else { Order::AllAtOnce },
            facts: ObjectFacts {
                size: length,
                etag: String::new(), // The primary will say.
                content_type: input.content_type.clone(),
                owner: mutation.requester.principal.clone(),
            },
            acl: input.acl.as_ref().map(|acl| acl.as_str().to_owned()).or(public),
            derived_from: derived_from(input.metadata.as_ref()),
            mutation,
        }
    }

    async fn acknowledge(
        self,
        id: IntentId,
        outputs: Vec<PutObjectOutput>,
        rest: Rest<PutObjectOutput>,
        checksum: Checksum,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let current = outputs.len();
        let mut output = outputs.into_iter().next().unwrap_or_default();
        let etag = output.e_tag.clone().map(ETag::into_value).unwrap_or_default();
        let object = Some(ObjectFacts { etag, ..self.facts });
        let change = Change { object, acl: self.acl, derived_from: self.derived_from, current };
        self.mutation.apply(id, change).await?;
        let status = if rest.is_empty() { "COMPLETED" } else { "PENDING" };
        if !rest.is_empty() {
            self.mutation.settle_after(rest.finish());
        }
        answer!(output, checksum);
        let mut response = S3Response::new(output);
        response.headers.insert(REPLICATION_STATUS, http::HeaderValue::from_static(status));
        Ok(response)
    }
}

/// The request for one place, still without its body. Checksums were compared here, and a store that was told of one in
/// a trailer would wait for the trailer; so none is passed on. Every field stands here: a new one must be decided on.
fn without_body(input: &PutObjectInput) -> PutObjectInput {
    PutObjectInput {
        acl: input.acl.clone(),
        body: None,
        bucket: input.bucket.clone(),
        bucket_key_enabled: input.bucket_key_enabled,
        cache_control: input.cache_control.clone(),
        checksum_algorithm: None,
        checksum_crc32: None,
        checksum_crc32c: None,
        checksum_crc64nvme: None,
        checksum_md5: None,
        checksum_sha1: None,
        checksum_sha256: None,
        checksum_sha512: None,
        checksum_xxhash128: None,
        checksum_xxhash3: None,
        checksum_xxhash64: None,
        content_disposition: input.content_disposition.clone(),
        content_encoding: input.content_encoding.clone(),
        content_language: input.content_language.clone(),
        content_length: input.content_length,
        content_md5: None,
        content_type: input.content_type.clone(),
        expected_bucket_owner: None, // Owners are relais's own; a store's account means nothing to a client.
        expires: input.expires.clone(),
        grant_full_control: input.grant_full_control.clone(),
        grant_read: input.grant_read.clone(),
        grant_read_acp: input.grant_read_acp.clone(),
        grant_write_acp: input.grant_write_acp.clone(),
        if_match: input.if_match.clone(),
        if_none_match: input.if_none_match.clone(),
        key: input.key.clone(),
        metadata: input.metadata.clone(),
        object_lock_legal_hold_status: input.object_lock_legal_hold_status.clone(),
        object_lock_mode: input.object_lock_mode.clone(),
        object_lock_retain_until_date: input.object_lock_retain_until_date.clone(),
        request_payer: None,
        sse_customer_algorithm: input.sse_customer_algorithm.clone(),
        sse_customer_key: input.sse_customer_key.clone(),
        sse_customer_key_md5: input.sse_customer_key_md5.clone(),
        ssekms_encryption_context: input.ssekms_encryption_context.clone(),
        ssekms_key_id: input.ssekms_key_id.clone(),
        server_side_encryption: input.server_side_encryption.clone(),
        storage_class: input.storage_class.clone(),
        tagging: input.tagging.clone(),
        website_redirect_location: input.website_redirect_location.clone(),
        write_offset_bytes: input.write_offset_bytes,
    }
}
