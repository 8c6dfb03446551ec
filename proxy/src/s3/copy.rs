//! `CopyObject`, and what it shares with `UploadPartCopy` (`part`).
//!
//! Where each replica of the target lies in a store that has the source too, the stores copy among themselves. Otherwise the
//! source is read once and written like any other body. That the source may be read was asked by `access`.

use std::sync::Arc;

use futures::FutureExt;
use relais_catalog::IntentId;
use relais_model::{EventKind, ReplicaState, Sequencer};
use relais_stores::request;
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETag, GetObjectInput, GetObjectOutput,
    GetObjectTaggingInput, MetadataDirective, ObjectCannedACL, PutObjectInput, TaggingDirective, Timestamp,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::acl::acl_asked;
use super::conditions::Conditions;
use super::customer_key::check_customer_key;
use super::failover::Read;
use super::fan_out::{FanOut, PRIMARY};
use super::limits::{self, Wanted};
use super::mutation::{Change, Current, Mutation, Recorded, named_version};
use super::put::{canned, default_encryption};
use super::replication_status::{self, Seer};
use super::versions::{MadeVersion, NULL, VersionIds};
use crate::access::acl::Acl;
use crate::access::write_mode;
use crate::error::GatewayError;
use crate::gateway::{Gateway, key, requester};
use crate::placement::{Bucket, Place};

mod part;

/// Where a copy comes from, as clients name it.
struct Source {
    bucket: Arc<Bucket>,
    key: String,
    version_id: Option<String>,
    ids: VersionIds,
}

/// A place to copy from, and one in the same store to copy to.
type Pair = (Place, Place);

/// How the stores of a bucket copy among themselves.
struct InStores {
    /// In the order of the bucket's places.
    pairs: Vec<Pair>,
    /// The last change of the source when they were chosen.
    seen: Option<Sequencer>,
}

/// The conditions that a copy puts on its source, and the key that opens it, as those of a read.
macro_rules! source_conditions {
    ($input:expr) => {
        GetObjectInput {
            if_match: $input.copy_source_if_match.clone(),
            if_modified_since: $input.copy_source_if_modified_since.clone(),
            if_none_match: $input.copy_source_if_none_match.clone(),
            if_unmodified_since: $input.copy_source_if_unmodified_since.clone(),
            sse_customer_algorithm: $input.copy_source_sse_customer_algorithm.clone(),
            sse_customer_key: $input.copy_source_sse_customer_key.clone(),
            sse_customer_key_md5: $input.copy_source_sse_customer_key_md5.clone(),
            ..Default::default()
        }
    };
}

use source_conditions;

impl Gateway {
    pub(super) async fn copy(
        &self,
        asked: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let source = self.source(&asked.input.copy_source).await?;
        let bucket = self.bucket(&asked.input.bucket)?;
        let input = &asked.input;
        limits::check_features(&bucket, &Wanted::of_copy(input))?;
        limits::check_metadata(input.metadata.as_ref().filter(|_| replaces_metadata(input)))?;
        // What gets another type is looked at again, and what a session may write is measured: by relais, not by the stores.
        let retyped = limits::examines(&bucket.config) && replaces_metadata(input);
        let measured = retyped || limits::session_limit(&asked.extensions).is_some();
        check_customer_key!(input, input.server_side_encryption)?;
        let gateway = self.clone();
        let copied = self.to_its_end(async move {
            match gateway.copy_pairs(&source, &bucket).await?.filter(|_| !measured) {
                Some(how) => gateway.copy_in_stores(asked, source, bucket, how).await,
                None => gateway.copy_through(asked, &source).await,
            }
        });
        copied.await
    }

    async fn source(&self, named: &CopySource) -> S3Result<Source> {
        let CopySource::Bucket { bucket, key: text, version_id } = named else {
            return Err(s3_error!(NotImplemented, "a copy source is a bucket and a key"));
        };
        let version_id = version_id.as_ref().map(ToString::to_string);
        let bucket = self.bucket(bucket)?;
        let ids = self.version_ids(&bucket, &key(text)?, version_id.as_deref()).await?;
        Ok(Source { bucket, key: text.to_string(), version_id, ids })
    }

    /// For each place of the target, the place of the source in the same store; nothing if one has none, or one that is
    /// not known to be current. Nothing, too, where the target takes less than the source's bucket may: what is written
    /// through relais is measured like any other body.
    async fn copy_pairs(&self, source: &Source, target: &Bucket) -> S3Result<Option<InStores>> {
        let measured = target.config.object_bytes_max.is_some() || !target.config.content_types.is_empty();
        if measured && source.bucket.name != target.name {
            return Ok(None);
        }
        let row = self.objects.find(&source.bucket.name, &key(&source.key)?).await;
        let row = row.map_err(GatewayError::from)?;
        let primary = source.bucket.primary();
        let is_current = |place: &&Place| {
            let state = row.as_ref().and_then(|row| row.replicas.get(&place.replica.to_string()));
            let current = source.ids.is_asked() || state == Some(&ReplicaState::Current);
            place.replica == primary.replica || current && source.ids.at(&source.bucket, place).is_some()
        };
        let pair = |target: &Place| {
            let mut candidates = source.bucket.places.iter().filter(is_current);
            let from = candidates.find(|place| place.store.name == target.store.name)?;
            Some((from.clone(), target.clone()))
        };
        let pairs: Option<Vec<_>> = target.places.iter().map(pair).collect();
        let seen = row.as_ref().map(|row| row.sequencer);
        Ok(pairs.map(|pairs| InStores { pairs, seen }))
    }

    /// Whether nothing has changed the source since its pairs were chosen, as far as the catalog knows.
    async fn is_as_seen(&self, source: &Source, seen: Option<Sequencer>) -> S3Result<bool> {
        let (bucket, key) = (&source.bucket.name, key(&source.key)?);
        // First what is under way: whatever ends after that moves the sequencer.
        if self.objects.is_in_flight(bucket, Some(&key)).await.map_err(GatewayError::from)? {
            return Ok(false);
        }
        let row = self.objects.find(bucket, &key).await.map_err(GatewayError::from)?;
        Ok(row.map(|row| row.sequencer) == seen)
    }

    /// Every store copies for itself: the primary first, since the conditions of the copy are asked there.
    async fn copy_in_stores(
        &self,
        mut asked: S3Request<CopyObjectInput>,
        source: Source,
        bucket: Arc<Bucket>,
        InStores { pairs, seen }: InStores,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let (key, requester) = (key(&asked.input.key)?, requester(&asked));
        let (required, seer) =
            (write_mode::required(&bucket, &asked.extensions), Seer::of(&asked.extensions));
        let owner = self.new_owner(&bucket, &requester, None).await?;
        let acl = self.new_acl(&bucket, &acl_asked!(asked.input), &owner).await?;
        let mutation = Mutation::new(self, bucket, key, EventKind::Copy, requester, required);
        let input = asked.input;
        if replaces_metadata(&input) {
            limits::check_content_type(
                &mutation.bucket.config,
                &asked.extensions,
                input.content_type.as_deref(),
            )?;
        }
        let id = mutation.open().await?;
        let (if_match, if_none_match) = (input.if_match.clone(), input.if_none_match.clone());
        let conditions = Conditions { if_match, if_none_match, ..Default::default() };
        let decides = mutation.bucket.primary().store.features.conditional_copies;
        let _turn = match self.turn(&mutation.bucket, &mutation.key, decides, &conditions).await {
            Ok(turn) => turn,
            Err(error) => {
                mutation.abandon(id).await;
                return Err(error);
            }
        };
        let canned = canned(acl.as_ref(), mutation.bucket.is_public(&input.key));
        let source = Arc::new(source);
        let copy = |pair: &Pair, input| {
            let (pair, source, bucket) = (pair.clone(), Arc::clone(&source), Arc::clone(&mutation.bucket));
            let canned = canned.clone();
            async move { copy_at(&pair, &source, &bucket, canned, input).await }
        };
        let mut fan = FanOut::new(required);
        for (index, pair) in pairs.iter().enumerate() {
            let input = if index == PRIMARY { input.clone() } else { unconditional(input.clone()) };
            fan.ask(index, copy(pair, input));
            if index == PRIMARY
                && let Err(error) = fan.primary().await
            {
                return Err(mutation.refused(id, fan.refused(error)).await);
            }
        }
        if let Err(error) = fan.met().await {
            return Err(mutation.refused(id, fan.refused(error)).await);
        }
        fan.look();
        let (recorded, made, copied) =
            match mutation.record_copy(id, &mut fan, (&source, seen), (acl, &owner)).await {
                Ok(recorded) => recorded,
                Err(error) => return Err(mutation.unrecorded(id, fan.rest().map(drop), error)),
            };
        let mut response = S3Response::new(copied);
        replication_status::tell(&mut response.headers, &mutation.bucket, &recorded, seer);
        mutation.follow(recorded, fan, made, |copied| copied.version_id.as_ref());
        Ok(response)
    }

    /// Reads the source and writes it like a new object.
    async fn copy_through(
        &self,
        asked: S3Request<CopyObjectInput>,
        source: &Source,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = &asked.input;
        if input.bucket == source.bucket.name.as_str() && input.key == source.key && changes_nothing(input) {
            return Err(s3_error!(
                InvalidRequest,
                "a copy of an object to itself has to change its metadata, storage class or encryption"
            ));
        }
        let read = self.read_source(source, source_conditions!(input)).await?;
        let version_id = read.version_id.clone();
        let mut put = put_of_copy(input, read);
        if !replaces_tags(input) {
            put.tagging = self.tags_of_source(source).await?;
        }
        let mut put = request(put);
        put.extensions = asked.extensions;
        put.credentials = asked.credentials;
        let S3Response { output: written, headers, .. } = self.write_object(put, EventKind::Copy).await?;
        let copy_object_result =
            Some(CopyObjectResult { e_tag: written.e_tag, last_modified: Some(now()), ..Default::default() });
        let copied = CopyObjectOutput {
            copy_object_result,
            copy_source_version_id: version_id,
            version_id: written.version_id,
            ..Default::default()
        };
        Ok(S3Response::with_headers(copied, headers))
    }

    /// The tags of the source as a header would say them.
    async fn tags_of_source(&self, source: &Source) -> S3Result<Option<String>> {
        if !source.bucket.primary().store.features.tagging {
            return Ok(None);
        }
        let mut read = Read::object(&source.bucket, key(&source.key)?, source.version_id.clone());
        read.may_be_stale = false;
        let answer = self.ask(&read, |place, version_id| {
            let (bucket, key) = (place.bucket.to_string(), source.key.clone());
            let input = GetObjectTaggingInput { bucket, key, version_id, ..Default::default() };
            place.store.s3.get_object_tagging(request(input))
        });
        let tags = answer.await?.output.tag_set;
        Ok(super::object_settings::tagging_header(&tags))
    }

    async fn read_source(&self, source: &Source, conditions: GetObjectInput) -> S3Result<GetObjectOutput> {
        let input = GetObjectInput {
            bucket: source.bucket.name.to_string(),
            key: source.key.clone(),
            version_id: source.version_id.clone(),
            ..conditions
        };
        match self.get_current(request(input)).await {
            Err(error) if *error.code() == s3s::S3ErrorCode::NotModified => {
                Err(s3_error!(PreconditionFailed, "the source is not as the request wants it"))
            }
            answer => Ok(answer?.output),
        }
    }
}

impl Mutation {
    async fn record_copy(
        &self,
        id: IntentId,
        fan: &mut FanOut<CopyObjectOutput>,
        source: (&Source, Option<Sequencer>),
        (acl, owner): (Option<Acl>, &str),
    ) -> S3Result<(Recorded, MadeVersion, CopyObjectOutput)> {
        let text = acl.as_ref().map(serde_json::to_string).transpose().map_err(GatewayError::Kept)?;
        let acl = acl.unwrap_or_else(|| Acl::private(owner));
        let owner = acl.owner.clone();
        let made = MadeVersion::of(fan.done(), |copied| copied.version_id.as_ref(), acl);
        let current = self.copied_alike(fan, source).await?;
        let copied = fan.answer()?;
        self.gateway.remember_version(&self.bucket, &self.key, &made).await?;
        let version_id = named_version(copied.version_id.as_ref());
        let change = Change { acl: text, version_id, current, ..Default::default() };
        Ok((self.apply_as_found(id, None, &owner, change).await?, made, copied))
    }

    /// The places that are known to have made what the primary made. Each has copied at its own time, and the source may have
    /// changed in between; then they are settled.
    async fn copied_alike(
        &self,
        fan: &mut FanOut<CopyObjectOutput>,
        (source, seen): (&Source, Option<Sequencer>),
    ) -> S3Result<Current> {
        let all: Current = fan.done().keys().copied().collect();
        if all.len() == 1 || source.cannot_change() {
            return Ok(all);
        }
        let of_primary = fan.done().get(&PRIMARY).and_then(etag_of);
        let alike = |(index, copied): (&usize, _)| (etag_of(copied) == of_primary).then_some(*index);
        let alike: Current = fan.done().iter().filter_map(alike).collect();
        // Of a copy to itself the journal knows what overlapped; the intent that is open is its own.
        let is_itself = source.bucket.name == self.bucket.name && source.key == self.key.as_str();
        if alike.len() == 1 || is_itself || self.gateway.is_as_seen(source, seen).await? {
            return Ok(alike);
        }
        Ok(Current::from([PRIMARY]))
    }
}

impl Source {
    /// A version stays as it is, but for the one without an id.
    fn cannot_change(&self) -> bool {
        self.version_id.as_ref().is_some_and(|version| version != NULL)
    }

    /// The source as a store knows it.
    fn at(&self, place: &Place) -> Option<CopySource> {
        let version_id = self.ids.at(&self.bucket, place)?;
        Some(CopySource::Bucket {
            bucket: place.bucket.as_str().into(),
            key: self.key.as_str().into(),
            version_id: version_id.as_deref().map(Into::into),
        })
    }
}

fn etag_of(copied: &CopyObjectOutput) -> Option<&ETag> {
    copied.copy_object_result.as_ref()?.e_tag.as_ref()
}

async fn copy_at(
    pair: &Pair,
    source: &Source,
    bucket: &Bucket,
    canned: Option<ObjectCannedACL>,
    input: CopyObjectInput,
) -> S3Result<CopyObjectOutput> {
    let (from, to) = pair;
    let features = &to.store.features;
    let copy_source = source.at(from).ok_or_else(|| s3_error!(NoSuchVersion))?;
    let mut input = CopyObjectInput {
        acl: canned.filter(|_| features.acls),
        bucket: to.bucket.to_string(),
        copy_source,
        expected_bucket_owner: None,
        expected_source_bucket_owner: None,
        ..input
    };
    if input.server_side_encryption.is_none() && input.sse_customer_algorithm.is_none() {
        input.server_side_encryption = default_encryption(&bucket.config, features);
    }
    if !features.checksums {
        input.checksum_algorithm = None;
    }
    if !features.conditional_copies {
        (input.if_match, input.if_none_match) = (None, None);
    }
    to.store.s3.copy_object(request(input)).await.map(|answer| answer.output)
}

fn unconditional(input: CopyObjectInput) -> CopyObjectInput {
    CopyObjectInput {
        copy_source_if_match: None,
        copy_source_if_modified_since: None,
        copy_source_if_none_match: None,
        copy_source_if_unmodified_since: None,
        if_match: None,
        if_none_match: None,
        ..input
    }
}

/// The put that makes a copy: the source's bytes, with the source's settings or the request's.
fn put_of_copy(input: &CopyObjectInput, read: GetObjectOutput) -> PutObjectInput {
    let shared = PutObjectInput {
        acl: input.acl.clone(),
        body: read.body,
        bucket: input.bucket.clone(),
        checksum_algorithm: input.checksum_algorithm.clone(),
        content_length: read.content_length,
        grant_full_control: input.grant_full_control.clone(),
        grant_read: input.grant_read.clone(),
        grant_read_acp: input.grant_read_acp.clone(),
        grant_write_acp: input.grant_write_acp.clone(),
        if_match: input.if_match.clone(),
        if_none_match: input.if_none_match.clone(),
        key: input.key.clone(),
        object_lock_legal_hold_status: input.object_lock_legal_hold_status.clone(),
        object_lock_mode: input.object_lock_mode.clone(),
        object_lock_retain_until_date: input.object_lock_retain_until_date.clone(),
        server_side_encryption: input.server_side_encryption.clone(),
        sse_customer_algorithm: input.sse_customer_algorithm.clone(),
        sse_customer_key: input.sse_customer_key.clone(),
        sse_customer_key_md5: input.sse_customer_key_md5.clone(),
        storage_class: input.storage_class.clone(),
        tagging: input.tagging.clone(),
        website_redirect_location: input.website_redirect_location.clone(),
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

fn replaces_tags(input: &CopyObjectInput) -> bool {
    input.tagging_directive.as_ref().is_some_and(|asked| asked.as_str() == TaggingDirective::REPLACE)
}

/// A copy of an object to itself that asks for nothing new; S3 refuses it, since it is surely a mistake.
fn changes_nothing(input: &CopyObjectInput) -> bool {
    !replaces_metadata(input)
        && input.storage_class.is_none()
        && input.server_side_encryption.is_none()
        && input.sse_customer_algorithm.is_none()
        && input.website_redirect_location.is_none()
        && !matches!(&input.copy_source, CopySource::Bucket { version_id: Some(_), .. })
}

fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}
