//! The end of a multipart upload: on the primary first, whose answer decides, then on the others.
//!
//! A completion may be asked for twice, since the answer to the first can get lost: the catalog remembers it, and gives the
//! same answer again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use relais_catalog::IntentId;
use relais_model::ByteSize;
use relais_stores::{Features, request};
use s3s::dto::{
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedMultipartUpload, CompletedPart,
    CreateMultipartUploadInput, ETag, ListPartsInput, ListPartsOutput,
};
use s3s::{S3Response, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::{UploadId, composite};
use crate::access::acl::Acl;
use crate::config::BucketConfig;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::kind::Examiner;
use crate::placement::{Bucket, Place};
use crate::s3::conditions::Conditions;
use crate::s3::fan_out::{FanOut, PRIMARY};
use crate::s3::limits;
use crate::s3::mutation::{Change, Mutation, Recorded, named_version};
use crate::s3::replication_status::{self, Seer};
use crate::s3::shown::shown;
use crate::s3::versions::MadeVersion;

/// What the catalog keeps of an upload for those who come later.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acl: Option<Acl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) checksum_algorithm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) checksum_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_class: Option<String>,
    /// As it was declared: what the first part has to begin as.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
}

impl Details {
    pub(super) fn of(input: &CreateMultipartUploadInput, acl: Option<&Acl>) -> Self {
        Self {
            acl: acl.cloned(),
            checksum_algorithm: input
                .checksum_algorithm
                .as_ref()
                .map(|algorithm| algorithm.as_str().to_owned()),
            checksum_type: input.checksum_type.as_ref().map(|kind| kind.as_str().to_owned()),
            storage_class: input.storage_class.as_ref().map(|class| class.as_str().to_owned()),
            content_type: input.content_type.clone(),
        }
    }

    /// Looks at what the bucket wants to know of the bytes.
    pub(super) fn examiner(&self, config: &BucketConfig) -> Examiner {
        limits::examiner(config, self.content_type.as_deref())
    }

    pub(super) fn read(upload: &relais_catalog::Upload) -> Result<Self, GatewayError> {
        Self::deserialize(&upload.details).map_err(GatewayError::Kept)
    }
}

/// What a completion gave: what its repetition gives.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Outcome {
    etag: Option<String>,
    version_id: Option<String>,
    crc32: Option<String>,
    crc32c: Option<String>,
    crc64nvme: Option<String>,
    sha1: Option<String>,
    sha256: Option<String>,
    checksum_type: Option<String>,
    encryption: Option<String>,
    encryption_key: Option<String>,
}

/// One completion.
pub(super) struct Completion {
    pub(super) id: UploadId,
    pub(super) details: Details,
    pub(super) input: CompleteMultipartUploadInput,
    /// The largest object that may come of it.
    pub(super) limit: Option<ByteSize>,
}

impl Completion {
    fn named(&self) -> &[CompletedPart] {
        self.input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref()).unwrap_or_default()
    }

    /// Refuses a list of parts that no store takes.
    pub(super) fn check_parts(&self) -> S3Result<()> {
        let numbers: Vec<_> = self.named().iter().map(|part| part.part_number).collect();
        if numbers.is_empty() {
            return Err(s3_error!(MalformedXML, "a completion names at least one part"));
        }
        if !numbers.is_sorted_by(|one, next| one < next) {
            return Err(s3_error!(InvalidPartOrder, "the parts are not in the order of their numbers"));
        }
        composite::check(&self.input, self.named(), self.details.checksum_type.as_deref())?;
        Ok(())
    }

    fn acl(&self, owner: &str) -> Acl {
        self.details.acl.clone().unwrap_or_else(|| Acl::private(owner))
    }

    fn conditions(&self) -> Conditions {
        let (if_match, if_none_match) = (self.input.if_match.clone(), self.input.if_none_match.clone());
        Conditions { if_match, if_none_match, ..Default::default() }
    }

    pub(super) fn answer(
        &self,
        gateway: &Gateway,
        bucket: &Bucket,
        outcome: Outcome,
    ) -> CompleteMultipartUploadOutput {
        let key = self.input.key.clone();
        CompleteMultipartUploadOutput {
            bucket: Some(bucket.name.to_string()),
            checksum_crc32: outcome.crc32,
            checksum_crc32c: outcome.crc32c,
            checksum_crc64nvme: outcome.crc64nvme,
            checksum_sha1: outcome.sha1,
            checksum_sha256: outcome.sha256,
            checksum_type: outcome.checksum_type.map(Into::into),
            e_tag: outcome.etag.map(ETag::Strong),
            server_side_encryption: outcome.encryption.map(Into::into),
            ssekms_key_id: outcome.encryption_key,
            location: Some(gateway.location(bucket, &key)),
            key: Some(shown(key)),
            version_id: outcome.version_id,
            ..Default::default()
        }
    }

    /// One page of the parts that a place has.
    async fn parts_at(&self, place: &Place, own_id: &str, after: Option<i32>) -> S3Result<ListPartsOutput> {
        let list = ListPartsInput {
            bucket: place.bucket.to_string(),
            key: self.input.key.clone(),
            upload_id: own_id.to_owned(),
            part_number_marker: after,
            ..Default::default()
        };
        Ok(place.store.s3.list_parts(request(list)).await?.output)
    }

    /// Makes sure that a place has every part that is named, as it is named.
    async fn check_at(&self, place: &Place, own_id: &str) -> S3Result<()> {
        let (mut there, mut marker) = (BTreeMap::new(), None);
        loop {
            let page = self.parts_at(place, own_id, marker).await?;
            let parts = page.parts.unwrap_or_default().into_iter();
            there.extend(parts.map(|part| (part.part_number, part.e_tag.map(ETag::into_value))));
            marker = page.next_part_number_marker.filter(|_| page.is_truncated == Some(true));
            if marker.is_none() {
                break;
            }
        }
        let is_there = |part: &&CompletedPart| {
            let found = there.get(&part.part_number);
            found.is_some_and(|etag| {
                part.e_tag.as_ref().is_none_or(|wanted| etag.as_deref() == Some(wanted.value()))
            })
        };
        match self.named().iter().find(|part| !is_there(part)) {
            None => Ok(()),
            Some(part) => Err(s3_error!(
                InvalidPart,
                "replica {} has not part {}, as it is named; upload it again",
                place.replica,
                part.part_number.unwrap_or_default()
            )),
        }
    }

    async fn at(
        &self,
        place: &Place,
        upload_id: String,
        decides: bool,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let features = &place.store.features;
        let asked = &self.input;
        let mut input = CompleteMultipartUploadInput {
            bucket: place.bucket.to_string(),
            upload_id,
            multipart_upload: asked.multipart_upload.clone().map(|upload| parts_for(features, upload)),
            key: asked.key.clone(),
            sse_customer_algorithm: asked.sse_customer_algorithm.clone(),
            sse_customer_key: asked.sse_customer_key.clone(),
            sse_customer_key_md5: asked.sse_customer_key_md5.clone(),
            ..Default::default()
        };
        if decides && features.conditional_writes {
            (input.if_match, input.if_none_match) = (asked.if_match.clone(), asked.if_none_match.clone());
        }
        if features.checksums {
            input.checksum_crc32.clone_from(&asked.checksum_crc32);
            input.checksum_crc32c.clone_from(&asked.checksum_crc32c);
            input.checksum_crc64nvme.clone_from(&asked.checksum_crc64nvme);
            input.checksum_sha1.clone_from(&asked.checksum_sha1);
            input.checksum_sha256.clone_from(&asked.checksum_sha256);
            input.checksum_type.clone_from(&asked.checksum_type);
        }
        let output = place.store.s3.complete_multipart_upload(request(input)).await?.output;
        match output.future {
            Some(later) => later.await, // A store may answer before it is done, and say how it went at the end.
            None => Ok(output),
        }
    }
}

impl Gateway {
    /// What an upload ended with; nothing while it goes on. One that is not known never was, or was aborted.
    pub(super) async fn outcome_of(&self, upload_id: &str) -> Result<Option<Outcome>, GatewayError> {
        let row = self.uploads.find(upload_id).await?.ok_or(GatewayError::UploadId)?;
        row.result.map(serde_json::from_value).transpose().map_err(GatewayError::Kept)
    }
}

/// A place that takes part: its index in the bucket, and the upload's id there.
type Part = (usize, Place, String);

impl Mutation {
    /// Completes on the primary first: its answer decides, and the others follow it.
    pub(super) async fn complete(
        self,
        completion: Completion,
        seer: Seer,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let (parts, completion) = (self.parts_of(&completion), Arc::new(completion));
        let (_, primary, own_id) = parts.first().ok_or(GatewayError::UploadId)?;
        let decides = primary.store.features.conditional_writes;
        let conditions = if decides { Conditions::default() } else { completion.conditions() };
        // One at a time, here and on other instances: who comes second gets the answer of the first.
        let _turn = self.gateway.turn(&self.bucket, &self.key, false, &conditions).await?;
        if let Some(outcome) = self.gateway.outcome_of(&completion.input.upload_id).await? {
            return Ok(S3Response::new(completion.answer(&self.gateway, &self.bucket, outcome)));
        }
        self.check_size(primary, own_id, &completion).await?;
        self.check_others(&completion, &parts).await?;
        let id = self.open().await?;
        let mut fan = FanOut::new(self.required);
        for (index, place, own_id) in parts {
            let completion = Arc::clone(&completion);
            fan.ask(index, async move { completion.at(&place, own_id, index == PRIMARY).await });
            if index == PRIMARY
                && let Err(error) = fan.primary().await
            {
                return Err(self.refused(id, fan.refused(error)).await);
            }
        }
        if let Err(error) = fan.met().await {
            return Err(self.refused(id, fan.refused(error)).await);
        }
        fan.look();
        for (index, error) in fan.failures() {
            super::log_left_out(&self.bucket.places[*index], error);
        }
        self.acknowledge(id, &completion, fan, seer).await
    }

    async fn acknowledge(
        self,
        id: IntentId,
        completion: &Completion,
        mut fan: FanOut<CompleteMultipartUploadOutput>,
        seer: Seer,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let (recorded, made, completed) = match self.record_completion(id, completion, &mut fan).await {
            Ok(recorded) => recorded,
            Err(error) => return Err(self.unrecorded(id, fan.rest().map(drop), error)),
        };
        let outcome = outcome(completed);
        let answer = completion.answer(&self.gateway, &self.bucket, outcome.clone());
        self.remember_outcome(&completion.input.upload_id, &outcome).await;
        let mut response = S3Response::new(answer);
        replication_status::tell(&mut response.headers, &self.bucket, &recorded, seer);
        self.follow(recorded, fan, made, |output| output.version_id.as_ref());
        Ok(response)
    }

    async fn record_completion(
        &self,
        id: IntentId,
        completion: &Completion,
        fan: &mut FanOut<CompleteMultipartUploadOutput>,
    ) -> S3Result<(Recorded, MadeVersion, CompleteMultipartUploadOutput)> {
        let owner = self.gateway.new_owner(&self.bucket, &self.requester, None).await?;
        let made = MadeVersion::of(fan.done(), |output| output.version_id.as_ref(), completion.acl(&owner));
        let current = fan.done().keys().copied().collect();
        let completed = fan.answer()?;
        self.gateway.remember_version(&self.bucket, &self.key, &made).await?;
        let text = completion.details.acl.as_ref().map(serde_json::to_string).transpose();
        let acl = text.map_err(GatewayError::Kept)?;
        let version_id = named_version(completed.version_id.as_ref());
        let change = Change { acl, version_id, current, ..Default::default() };
        let recorded = self.apply_as_found(id, completed.e_tag.clone(), &owner, change).await?;
        Ok((recorded, made, completed))
    }

    /// The places that take part in an upload, the primary first.
    fn parts_of(&self, completion: &Completion) -> Vec<Part> {
        let index = |place: &Place| self.bucket.places.iter().position(|one| one.replica == place.replica);
        let places = completion.id.places(&self.bucket).into_iter();
        places.filter_map(|(place, own_id)| Some((index(&place)?, place, own_id))).collect()
    }

    /// Makes sure that enough places have every part, before the primary makes an object of its own. A part was acknowledged by
    /// as many, but not by the same each time.
    async fn check_others(&self, completion: &Arc<Completion>, parts: &[Part]) -> S3Result<()> {
        if self.required == 1 {
            return Ok(());
        }
        let mut fan = FanOut::new(self.required);
        fan.ask(PRIMARY, std::future::ready(Ok(())));
        for (index, place, own_id) in parts.iter().skip(1).cloned() {
            let completion = Arc::clone(completion);
            fan.ask(index, async move { completion.check_at(&place, &own_id).await });
        }
        fan.met().await
    }

    /// The object is there whatever becomes of this; only a repetition would not be answered.
    async fn remember_outcome(&self, upload_id: &str, outcome: &Outcome) {
        let remembered = match serde_json::to_value(outcome) {
            Ok(outcome) => {
                self.gateway.uploads.complete(upload_id, outcome).await.map_err(GatewayError::from)
            }
            Err(error) => Err(GatewayError::Kept(error)),
        };
        if let Err(error) = remembered {
            tracing::warn!(%error, "the end of a multipart upload is not recorded");
        }
    }

    /// Refuses an upload whose parts together are larger than is allowed, and aborts it: nothing is left behind. Refuses one whose
    /// first bytes nobody has looked at, or that ends in the middle of a sample.
    async fn check_size(&self, primary: &Place, own_id: &str, completion: &Completion) -> S3Result<()> {
        let examiner = completion.details.examiner(&self.bucket.config);
        let first = completion.named().first().and_then(|part| part.part_number);
        if examiner.is_needed() && first != Some(super::FIRST_PART) {
            return Err(GatewayError::FirstPartMissing.into());
        }
        let limit = completion.limit;
        if limit.is_none() && !examiner.is_of_samples() {
            return Ok(());
        }
        let named: BTreeSet<_> = completion.named().iter().filter_map(|part| part.part_number).collect();
        let (mut total, mut marker) = (0, None);
        loop {
            let page = completion.parts_at(primary, own_id, marker).await?;
            for part in page.parts.unwrap_or_default() {
                if part.part_number.is_some_and(|number| named.contains(&number)) {
                    total += part.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
                }
            }
            if let Err(error) = limits::check_length(limit, total) {
                self.gateway.abort_places(&completion.id, &self.bucket).await;
                self.gateway.uploads.remove(&completion.input.upload_id).await.map_err(GatewayError::from)?;
                return Err(error.into());
            }
            marker = page.next_part_number_marker.filter(|_| page.is_truncated == Some(true));
            if marker.is_none() {
                return Ok(examiner.check_length(total).map_err(GatewayError::from)?);
            }
        }
    }
}

fn outcome(completed: CompleteMultipartUploadOutput) -> Outcome {
    Outcome {
        etag: completed.e_tag.map(ETag::into_value),
        version_id: completed.version_id,
        crc32: completed.checksum_crc32,
        crc32c: completed.checksum_crc32c,
        crc64nvme: completed.checksum_crc64nvme,
        sha1: completed.checksum_sha1,
        sha256: completed.checksum_sha256,
        checksum_type: completed.checksum_type.map(|kind| kind.as_str().to_owned()),
        encryption: completed.server_side_encryption.map(|kind| kind.as_str().to_owned()),
        encryption_key: completed.ssekms_key_id,
    }
}

/// A store that was not told of checksums with the parts cannot compare any now.
fn parts_for(features: &Features, upload: CompletedMultipartUpload) -> CompletedMultipartUpload {
    if features.checksums {
        return upload;
    }
    let plain = |part: CompletedPart| CompletedPart {
        e_tag: part.e_tag,
        part_number: part.part_number,
        ..Default::default()
    };
    CompletedMultipartUpload { parts: upload.parts.map(|parts| parts.into_iter().map(plain).collect()) }
}
