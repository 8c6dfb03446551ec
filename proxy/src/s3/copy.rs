//! `CopyObject` and `UploadPartCopy`.
//!
//! Where each replica of the target lies in a store that has the source too, the stores copy among themselves. Otherwise, and
//! for parts, the source is read once and written like any other body.

use std::sync::Arc;

use relais_model::{EventKind, ReplicaState};
use relais_stores::{is_outage, request};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, GetObjectInput,
    GetObjectOutput, MetadataDirective, ObjectCannedACL, PutObjectInput, Range, ServerSideEncryption,
    Timestamp, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::limits;
use super::mutation::Mutation;
use super::write::Refused;
use crate::gateway::{Gateway, key, requester};
use crate::placement::{Bucket, Place};

/// Where a copy comes from, as clients name it.
struct Source {
    bucket: Arc<Bucket>,
    key: String,
    version_id: Option<String>,
}

/// The conditions that a copy puts on its source, as those of a read.
macro_rules! source_conditions {
    ($input:expr) => {
        GetObjectInput {
            if_match: $input.copy_source_if_match.clone(),
            if_modified_since: $input.copy_source_if_modified_since.clone(),
            if_none_match: $input.copy_source_if_none_match.clone(),
            if_unmodified_since: $input.copy_source_if_unmodified_since.clone(),
            ..Default::default()
        }
    };
}

impl Gateway {
    pub(super) async fn copy(
        &self,
        asked: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let source = self.source(&asked.input.copy_source)?;
        let bucket = self.bucket(&asked.input.bucket)?;
        let gateway = self.clone();
        self.to_its_end(async move {
            match gateway.copy_pairs(&source, &bucket).await? {
                Some(pairs) => gateway.copy_in_stores(asked, &source, bucket, pairs).await,
                None => gateway.copy_through(asked, &source).await,
            }
        })
        .await
        .map(S3Response::new)
    }

    pub(super) async fn copy_part(
        &self,
        asked: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let source = self.source(&asked.input.copy_source)?;
        let range = asked.input.copy_source_range.as_deref().map(Range::parse).transpose();
        let range =
            range.map_err(|_| s3_error!(InvalidArgument, "x-amz-copy-source-range is no range of bytes"))?;
        let gateway = self.clone();
        self.to_its_end(async move {
            let input = &asked.input;
            let asked_source = GetObjectInput { range, ..source_conditions!(input) };
            let read = gateway.read_source(&source, asked_source).await?;
            let part = UploadPartInput {
                body: read.body,
                bucket: input.bucket.clone(),
                content_length: read.content_length,
                key: input.key.clone(),
                part_number: input.part_number,
                upload_id: input.upload_id.clone(),
                ..Default::default()
            };
            let written = gateway.write_part(request(part)).await?;
            let last_modified = Some(now());
            let copy_part_result =
                Some(CopyPartResult { e_tag: written.e_tag, last_modified, ..Default::default() });
            Ok(S3Response::new(UploadPartCopyOutput { copy_part_result, ..Default::default() }))
        })
        .await
    }

    fn source(&self, named: &CopySource) -> S3Result<Source> {
        let CopySource::Bucket { bucket, key, version_id } = named else {
            return Err(s3_error!(NotImplemented, "a copy source is a bucket and a key"));
        };
        let version_id = version_id.as_ref().map(ToString::to_string);
        Ok(Source { bucket: self.bucket(bucket)?, key: key.to_string(), version_id })
    }

    /// For each place of the target, the place of the source in the same store; nothing if one has none, or one that is
    /// not known to be current. Nothing, too, where the target takes less than the source's bucket may: what is written
    /// through relais is measured like any other body.
    async fn copy_pairs(&self, source: &Source, target: &Bucket) -> S3Result<Option<Vec<(Place, Place)>>> {
        let measured = target.config.object_bytes_max.is_some() || !target.config.content_types.is_empty();
        if measured && source.bucket.name != target.name {
            return Ok(None);
        }
        let row = self.objects.find(&source.bucket.name, &key(&source.key)?).await;
        let row = row.map_err(crate::error::GatewayError::from)?;
        let primary = source.bucket.primary();
        let is_current = |place: &&Place| {
            let state = row.as_ref().and_then(|row| row.replicas.get(&place.replica.to_string()));
            place.replica == primary.replica || state == Some(&ReplicaState::Current)
        };
        let pair = |target: &Place| {
            let mut candidates = source.bucket.places.iter().filter(is_current);
            let from = candidates.find(|place| place.store.name == target.store.name)?;
            Some((from.clone(), target.clone()))
        };
        Ok(target.places.iter().map(pair).collect())
    }

    /// Every store copies for itself: the primary first, since the conditions of the copy are asked there.
    async fn copy_in_stores(
        &self,
        asked: S3Request<CopyObjectInput>,
        source: &Source,
        bucket: Arc<Bucket>,
        pairs: Vec<(Place, Place)>,
    ) -> S3Result<CopyObjectOutput> {
        let (key, requester) = (key(&asked.input.key)?, requester(&asked));
        let mutation = Mutation { gateway: self.clone(), bucket, key, kind: EventKind::Copy, requester };
        let input = self.copy_input(asked.input, &mutation.bucket);
        if replaces_metadata(&input) {
            limits::check_content_type(&mutation.bucket.config, input.content_type.as_deref())?;
        }
        let mut pairs = pairs.iter();
        let first = pairs.next().expect("a bucket has a primary, and each place its pair");
        let id = mutation.open().await?;
        let copied = match copy_at(first, source, input.clone()).await {
            Ok(copied) => copied,
            Err(error) => {
                let in_doubt = is_outage(&error);
                return Err(mutation.refused(id, Refused { error, in_doubt }).await);
            }
        };
        let others = pairs.map(|pair| copy_at(pair, source, unconditional(input.clone())));
        let outcomes = futures::future::join_all(others).await;
        let followed = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
        if let Some(error) = outcomes.into_iter().find_map(Result::err)
            && mutation.bucket.required() > 1
        {
            return Err(mutation.refused(id, Refused { error, in_doubt: true }).await);
        }
        mutation.apply_as_found(id, None, 1 + followed).await?;
        if 1 + followed < mutation.bucket.places.len() {
            mutation.settle_after(std::future::ready(()));
        }
        Ok(copied)
    }

    fn copy_input(&self, mut input: CopyObjectInput, bucket: &Bucket) -> CopyObjectInput {
        if input.acl.is_none() && bucket.is_public(&input.key) {
            input.acl = Some(ObjectCannedACL::from_static(ObjectCannedACL::PUBLIC_READ));
        }
        if input.server_side_encryption.is_none() && input.sse_customer_algorithm.is_none() {
            input.server_side_encryption = bucket.config.encryption.clone().map(ServerSideEncryption::from);
        }
        (input.checksum_algorithm, input.expected_bucket_owner, input.expected_source_bucket_owner) =
            (None, None, None);
        input
    }

    /// Reads the source and writes it like a new object.
    async fn copy_through(
        &self,
        asked: S3Request<CopyObjectInput>,
        source: &Source,
    ) -> S3Result<CopyObjectOutput> {
        let input = &asked.input;
        let read = self.read_source(source, source_conditions!(input)).await?;
        let put = put_of_copy(input, read);
        let mut put = request(put);
        put.extensions = asked.extensions;
        put.credentials = asked.credentials;
        let written = self.write_object(put, EventKind::Copy).await?.output;
        let copy_object_result =
            Some(CopyObjectResult { e_tag: written.e_tag, last_modified: Some(now()), ..Default::default() });
        Ok(CopyObjectOutput { copy_object_result, version_id: written.version_id, ..Default::default() })
    }

    async fn read_source(&self, source: &Source, conditions: GetObjectInput) -> S3Result<GetObjectOutput> {
        let input = GetObjectInput {
            bucket: source.bucket.name.to_string(),
            key: source.key.clone(),
            version_id: source.version_id.clone(),
            ..conditions
        };
        Ok(self.get(request(input)).await?.output)
    }
}

async fn copy_at(
    pair: &(Place, Place),
    source: &Source,
    input: CopyObjectInput,
) -> S3Result<CopyObjectOutput> {
    let (from, to) = pair;
    let copy_source = CopySource::Bucket {
        bucket: from.bucket.as_str().into(),
        key: source.key.as_str().into(),
        version_id: source.version_id.as_deref().map(Into::into),
    };
    let input = CopyObjectInput { bucket: to.bucket.to_string(), copy_source, ..input };
    to.store.s3.copy_object(request(input)).await.map(|answer| answer.output)
}

fn unconditional(input: CopyObjectInput) -> CopyObjectInput {
    CopyObjectInput {
        copy_source_if_match: None,
        copy_source_if_modified_since: None,
        copy_source_if_none_match: None,
        copy_source_if_unmodified_since: None,
        ..input
    }
}

/// The put that makes a copy: the source's bytes, with the source's settings or the request's.
fn put_of_copy(input: &CopyObjectInput, read: GetObjectOutput) -> PutObjectInput {
    let shared = PutObjectInput {
        acl: input.acl.clone(),
        body: read.body,
        bucket: input.bucket.clone(),
        content_length: read.content_length,
        key: input.key.clone(),
        server_side_encryption: input.server_side_encryption.clone(),
        storage_class: input.storage_class.clone(),
        tagging: input.tagging.clone(),
        ..Default::default()
    };
    if replaces_metadata(input) {
        PutObjectInput {
            cache_control: input.cache_control.clone(),
            content_disposition: input.content_disposition.clone(),
            content_encoding: input.content_encoding.clone(),
            content_language: input.content_language.clone(),
            content_type: input.content_type.clone(),
            expires: input.expires.clone(),
            metadata: input.metadata.clone(),
            ..shared
        }
    } else {
        PutObjectInput {
            cache_control: read.cache_control,
            content_disposition: read.content_disposition,
            content_encoding: read.content_encoding,
            content_language: read.content_language,
            content_type: read.content_type,
            expires: read.expires,
            metadata: read.metadata,
            ..shared
        }
    }
}

fn replaces_metadata(input: &CopyObjectInput) -> bool {
    input.metadata_directive.as_ref().is_some_and(|asked| asked.as_str() == MetadataDirective::REPLACE)
}

fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}
