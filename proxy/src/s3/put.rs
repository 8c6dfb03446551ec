//! `PutObject`, and the upload by POST form, which is the same write with another name.

use std::sync::Arc;

use futures::FutureExt;
use relais_catalog::IntentId;
use relais_model::{DerivedFrom, EventKind, Identity, ObjectFacts, Requester};
use relais_stores::{Features, request};
use s3s::dto::{
    Checksum, ChecksumAlgorithm, ETag, ObjectCannedACL, PutObjectInput, PutObjectOutput, ServerSideEncryption,
};
use s3s::{S3Request, S3Response, S3Result};

use super::acl::acl_asked;
use super::conditions::Conditions;
use super::customer_key::check_customer_key;
use super::derived::derived_from;
use super::fan_out::FanOut;
use super::limits::{self, Wanted};
use super::mutation::{Change, Mutation, Recorded, named_version};
use super::replication_status::{self, Seer};
use super::sums;
use super::versions::MadeVersion;
use super::write::{Order, Write};
use crate::access::acl::Acl;
use crate::access::write_mode;
use crate::checksum::{Verifier, answer};
use crate::error::GatewayError;
use crate::gateway::{Gateway, key, requester};
use crate::kind::Examiner;
use crate::placement::Bucket;

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
        let S3Request { mut input, headers, trailing_headers, extensions, .. } = request;
        let bucket = self.bucket(&input.bucket)?;
        let key = key(&input.key)?;
        let (required, seer) = (write_mode::required(&bucket, &extensions), Seer::of(&extensions));
        let length = limits::declared_length(input.content_length)?;
        limits::check_length(limits::limit_of(&bucket.config, &extensions), length)?;
        limits::check_metadata(input.metadata.as_ref())?;
        // What a sidecar makes belongs beside its source, whatever the bucket takes from others. The mark is believed of the
        // root key and of relais's own parts only.
        let is_own = !matches!(extensions.get(), Some(Identity::Account(_) | Identity::Anonymous));
        self.backlog.admit()?; // Before the body is read.
        let source = derived_from(input.metadata.as_ref()).filter(|_| is_own);
        let mut examiner = Examiner::of_nothing();
        if source.is_none() {
            limits::check_content_type(&bucket.config, &extensions, input.content_type.as_deref())?;
            examiner = limits::examiner(&bucket.config, input.content_type.as_deref());
        }
        limits::check_features(&bucket, &Wanted::of(&input))?;
        check_customer_key!(input, input.server_side_encryption)?;
        input.content_encoding = kept_encoding(input.content_encoding.take());
        let mut verifier = Verifier::for_object(&input, &headers, trailing_headers)?;
        let body = input.body.take();
        let algorithm = sums::announced(&headers, input.checksum_algorithm.as_ref());
        let owner = self.new_owner(&bucket, &requester, source.as_ref()).await?;
        let acl = self.new_acl(&bucket, &acl_asked!(input), &owner).await?;
        let mutation = Mutation::new(self, bucket, key, kind, requester, required);
        let upload = Upload::new(mutation, &input, (length, owner, source), acl)?;

        let bucket = Arc::clone(&upload.mutation.bucket);
        let mut write = self.begin_object(&upload.mutation, input, length, upload.canned(), algorithm);
        let checks = (&mut verifier, &mut examiner);
        let (opened, fed) = tokio::join!(upload.mutation.open(), write.feed(body, length, checks));
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
        let features = &bucket.primary().store.features;
        let turn = self.turn(&bucket, &upload.mutation.key, features.conditional_writes, &upload.conditions);
        let _turn = match turn.await {
            Ok(turn) => turn,
            Err(error) => {
                write.give_up().await;
                upload.mutation.abandon(id).await;
                return Err(error);
            }
        };
        match write.commit(upload.order()).await {
            Ok(fan) => upload.acknowledge(id, fan, checksum, seer).await,
            Err(refused) => Err(upload.mutation.refused(id, refused).await),
        }
    }

    /// Whose a new object is: of who writes it. What nobody signed for belongs to the bucket's owner, or nobody could remove
    /// it; what was made from another object belongs to its owner.
    pub(super) async fn new_owner(
        &self,
        bucket: &Bucket,
        requester: &Requester,
        source: Option<&DerivedFrom>,
    ) -> Result<String, GatewayError> {
        if let Some(source) = source {
            let row = self.objects.find(&bucket.name, &source.key).await?;
            return Ok(row
                .and_then(|row| row.object)
                .map_or_else(|| requester.principal.clone(), |object| object.owner));
        }
        if requester.principal == Identity::Anonymous.principal() {
            return Ok(self.rules(bucket).await?.owner);
        }
        Ok(requester.principal.clone())
    }

    fn begin_object(
        &self,
        mutation: &Mutation,
        input: PutObjectInput,
        length: u64,
        canned: Option<ObjectCannedACL>,
        algorithm: Option<ChecksumAlgorithm>,
    ) -> Write<PutObjectOutput> {
        let bucket = &mutation.bucket;
        let primary = bucket.primary().replica.clone();
        let config = Arc::clone(&bucket.config);
        let put = move |place: &crate::placement::Place, body| {
            let features = &place.store.features;
            let mut put = without_body(&input);
            put.bucket = place.bucket.to_string();
            put.body = Some(body);
            if place.replica != primary || !features.conditional_writes {
                (put.if_match, put.if_none_match) = (None, None); // The primary, or relais, has decided.
            }
            put.acl = canned.clone().filter(|_| features.acls);
            sums::tell!(put, input, algorithm, features);
            if put.server_side_encryption.is_none() && put.sse_customer_algorithm.is_none() {
                put.server_side_encryption = default_encryption(&config, features);
            }
            let input = put;
            let s3 = Arc::clone(&place.store.s3);
            let call: futures::future::BoxFuture<'static, _> =
                Box::pin(async move { Ok(s3.put_object(request(input)).await?.output) });
            call
        };
        Write::begin(self.tasks(), bucket.places.clone(), self.terms(mutation.required), length, put)
    }
}

/// What is known of an object before its bytes are.
struct Upload {
    mutation: Mutation,
    conditions: Conditions,
    facts: ObjectFacts,
    acl: Option<Acl>,
    acl_text: Option<String>,
    derived_from: Option<DerivedFrom>,
}

impl Upload {
    fn new(
        mutation: Mutation,
        input: &PutObjectInput,
        (length, owner, derived_from): (u64, String, Option<DerivedFrom>),
        acl: Option<Acl>,
    ) -> S3Result<Self> {
        let (if_match, if_none_match) = (input.if_match.clone(), input.if_none_match.clone());
        let acl_text = acl.as_ref().map(serde_json::to_string).transpose().map_err(GatewayError::Kept)?;
        let owner = acl.as_ref().map_or(owner, |acl| acl.owner.clone());
        Ok(Self {
            conditions: Conditions { if_match, if_none_match, ..Default::default() },
            acl,
            acl_text,
            facts: ObjectFacts {
                size: length,
                etag: String::new(), // The primary will say.
                content_type: input.content_type.clone(),
                owner,
            },
            derived_from,
            mutation,
        })
    }

    /// Under a condition the primary commits first, since it may refuse.
    fn order(&self) -> Order {
        if self.conditions.is_empty() { Order::AllAtOnce } else { Order::PrimaryFirst }
    }

    /// What stores are told of the ACL; nothing of a private one, which is what all make by themselves.
    fn canned(&self) -> Option<ObjectCannedACL> {
        let public = self.mutation.bucket.is_public(self.mutation.key.as_str());
        canned(self.acl.as_ref(), public)
    }

    async fn acknowledge(
        self,
        id: IntentId,
        mut fan: FanOut<PutObjectOutput>,
        checksum: Checksum,
        seer: Seer,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let (recorded, made, mut output) = match self.record(id, &mut fan).await {
            Ok(recorded) => recorded,
            Err(error) => return Err(self.mutation.unrecorded(id, fan.rest().map(drop), error)),
        };
        answer!(output, checksum);
        let mut response = S3Response::new(output);
        replication_status::tell(&mut response.headers, &self.mutation.bucket, &recorded, seer);
        self.mutation.follow(recorded, fan, made, |output| output.version_id.as_ref());
        Ok(response)
    }

    async fn record(
        &self,
        id: IntentId,
        fan: &mut FanOut<PutObjectOutput>,
    ) -> S3Result<(Recorded, MadeVersion, PutObjectOutput)> {
        let Mutation { gateway, bucket, key, .. } = &self.mutation;
        let acl = self.acl.clone().unwrap_or_else(|| Acl::private(&self.facts.owner));
        let made = MadeVersion::of(fan.done(), |output| output.version_id.as_ref(), acl);
        let current = fan.done().keys().copied().collect();
        let output = fan.answer()?;
        gateway.remember_version(bucket, key, &made).await?;
        let etag = output.e_tag.clone().map(ETag::into_value).unwrap_or_default();
        let change = Change {
            object: Some(ObjectFacts { etag, ..self.facts.clone() }),
            acl: self.acl_text.clone(),
            derived_from: self.derived_from.clone(),
            version_id: named_version(output.version_id.as_ref()),
            kind: None,
            current,
        };
        Ok((self.mutation.apply(id, change).await?, made, output))
    }
}

/// The encoding of the content alone: how it was sent is over once it is here.
fn kept_encoding(encoding: Option<String>) -> Option<String> {
    let encoding = encoding?;
    let kept = encoding.split(',').map(str::trim).filter(|one| !one.eq_ignore_ascii_case("aws-chunked"));
    Some(kept.collect::<Vec<_>>().join(", ")).filter(|kept| !kept.is_empty())
}

/// The canned ACL that stores are told.
pub(crate) fn canned(acl: Option<&Acl>, public: bool) -> Option<ObjectCannedACL> {
    let asked = acl.map(Acl::nearest_canned).filter(|canned| *canned != ObjectCannedACL::PRIVATE);
    let canned = asked.or_else(|| public.then_some(ObjectCannedACL::PUBLIC_READ));
    canned.map(ObjectCannedACL::from_static)
}

/// The encryption that the bucket's configuration wants of this store, if the store can do it.
pub(crate) fn default_encryption(
    config: &crate::config::BucketConfig,
    features: &Features,
) -> Option<ServerSideEncryption> {
    let wanted = config.encryption.clone()?;
    let can = if wanted == ServerSideEncryption::AES256 {
        features.encryption_aes256
    } else {
        features.encryption_kms
    };
    can.then(|| wanted.into())
}

/// The request for one place, still without its body, checksums and ACL. Every field stands here: a new one must be decided
/// on.
fn without_body(input: &PutObjectInput) -> PutObjectInput {
    PutObjectInput {
        acl: None,
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
        grant_full_control: None,
        grant_read: None,
        grant_read_acp: None,
        grant_write_acp: None,
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
