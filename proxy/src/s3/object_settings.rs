//! Settings of one object: tags, retention, legal hold, restoring from an archive.
//!
//! Tags are part of what settling keeps equal and what events tell, so they go through the journal. The others are written
//! to every replica as bucket settings are.

use std::future::Future;

use futures::FutureExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use relais_model::EventKind;
use relais_stores::request;
use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectLegalHoldInput, GetObjectLegalHoldOutput,
    GetObjectRetentionInput, GetObjectRetentionOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    PutObjectLegalHoldInput, PutObjectLegalHoldOutput, PutObjectRetentionInput, PutObjectRetentionOutput,
    PutObjectTaggingInput, PutObjectTaggingOutput, RestoreObjectInput, RestoreObjectOutput, Tag,
};
use s3s::{S3Request, S3Response, S3Result};

use super::checked::{check_legal_hold, check_retention};
use super::failover::{Answer, Read};
use super::fan_out::{FanOut, PRIMARY};
use super::mutation::{Change, Mutation, named_version};
use super::replicas::{Wait, at};
use super::versions::VersionIds;
use crate::access::write_mode;
use crate::gateway::{Gateway, key, requester};
use crate::placement::Place;

/// Read from the primary.
macro_rules! read {
    ($method:ident, $operation:ident, $input:ident, $output:ident) => {
        pub(super) async fn $method(&self, asked: S3Request<$input>) -> S3Result<S3Response<$output>> {
            let bucket = self.bucket(&asked.input.bucket)?;
            key(&asked.input.key)?;
            at!(bucket.primary(), $operation, $input, asked.input).await
        }
    };
}

/// Written to every replica that has the version, without a trace in the journal.
macro_rules! write {
    ($method:ident, $operation:ident, $input:ident, $output:ident, $check:expr) => {
        pub(super) async fn $method(&self, asked: S3Request<$input>) -> S3Result<S3Response<$output>> {
            let bucket = self.bucket(&asked.input.bucket)?;
            let (required, input) = (write_mode::required(&bucket, &asked.extensions), asked.input);
            $check(&input)?;
            let ids = self.version_ids(&bucket, &key(&input.key)?, input.version_id.as_deref()).await?;
            let owner = std::sync::Arc::clone(&bucket);
            let write = move |place: Place| {
                let version = ids.at(&owner, &place);
                let input = $input { version_id: version.clone().flatten(), ..input.clone() };
                let call = at!(place, $operation, $input, input);
                async move {
                    if version.is_some() { call.await } else { Ok(S3Response::new($output::default())) }
                }
            };
            self.on_every_replica(bucket, Wait::Required(required), write).await
        }
    };
}

/// Written to every replica that has the version, by way of the journal.
macro_rules! mutate {
    ($method:ident, $operation:ident, $input:ident, $output:ident, $kind:ident) => {
        pub(super) async fn $method(&self, asked: S3Request<$input>) -> S3Result<S3Response<$output>> {
            let (bucket, requester) = (self.bucket(&asked.input.bucket)?, requester(&asked));
            let required = write_mode::required(&bucket, &asked.extensions);
            let (key, input) = (key(&asked.input.key)?, asked.input);
            let ids = self.version_ids(&bucket, &key, input.version_id.as_deref()).await?;
            let mutation = Mutation::new(self, bucket, key, EventKind::$kind, requester, required);
            let write = move |place: Place, version_id| {
                let input = $input { version_id, ..input.clone() };
                at!(place, $operation, $input, input)
            };
            self.to_its_end(async move { mutation.set(&ids, None, write).await }).await
        }
    };
}

fn unchecked<T>(_: &T) -> S3Result<()> {
    Ok(())
}

impl Gateway {
    /// Tags are settled with their object, so whoever may answer for that may answer for them.
    pub(super) async fn tags(
        &self,
        asked: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let bucket = self.bucket(&asked.input.bucket)?;
        let read = Read::object(&bucket, key(&asked.input.key)?, asked.input.version_id.clone());
        let answer = self.ask(&read, |place, version_id| {
            let (bucket, expected_bucket_owner) = (place.bucket.to_string(), None);
            let input =
                GetObjectTaggingInput { bucket, expected_bucket_owner, version_id, ..asked.input.clone() };
            place.store.s3.get_object_tagging(request(input))
        });
        answer.await.map(Answer::into_response)
    }

    read!(retention, get_object_retention, GetObjectRetentionInput, GetObjectRetentionOutput);
    read!(legal_hold, get_object_legal_hold, GetObjectLegalHoldInput, GetObjectLegalHoldOutput);
    write!(
        set_retention,
        put_object_retention,
        PutObjectRetentionInput,
        PutObjectRetentionOutput,
        |input: &PutObjectRetentionInput| check_retention(input.retention.as_ref())
    );
    write!(
        set_legal_hold,
        put_object_legal_hold,
        PutObjectLegalHoldInput,
        PutObjectLegalHoldOutput,
        |input: &PutObjectLegalHoldInput| check_legal_hold(input.legal_hold.as_ref())
    );
    write!(restore, restore_object, RestoreObjectInput, RestoreObjectOutput, unchecked);
    mutate!(set_tags, put_object_tagging, PutObjectTaggingInput, PutObjectTaggingOutput, PutTags);
    mutate!(
        remove_tags,
        delete_object_tagging,
        DeleteObjectTaggingInput,
        DeleteObjectTaggingOutput,
        DeleteTags
    );
}

/// Tags as a header says them.
pub(crate) fn tagging_header(tags: &[Tag]) -> Option<String> {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = tags.iter().filter_map(|tag| {
        Some(format!("{}={}", encode(tag.key.as_deref()?), encode(tag.value.as_deref().unwrap_or(""))))
    });
    let header = pairs.collect::<Vec<_>>().join("&");
    (!header.is_empty()).then_some(header)
}

impl Mutation {
    /// Changes a setting of the object on every replica, the primary first: its answer is the client's. An ACL is recorded
    /// with it. A replica that is not known to have the version may have it by settling, which comes again.
    pub(super) async fn set<T, F>(
        self,
        ids: &VersionIds,
        acl: Option<String>,
        write: impl Fn(Place, Option<String>) -> F,
    ) -> S3Result<S3Response<T>>
    where
        T: Send + 'static,
        F: Future<Output = S3Result<S3Response<T>>> + Send + 'static,
    {
        let id = self.open().await?;
        let bucket = std::sync::Arc::clone(&self.bucket);
        let mut fan = FanOut::new(self.required);
        let at = |place: &Place| ids.at(&bucket, place).map(|version| write(place.clone(), version));
        let calls: Vec<_> = bucket.places.iter().map(at).collect();
        for (index, call) in calls.into_iter().enumerate() {
            fan.ask(index, async move {
                match call {
                    Some(call) => call.await.map(Some),
                    None => Ok(None),
                }
            });
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
        let done = fan.done().iter().filter(|(_, answer)| answer.is_some());
        let current = done.map(|(index, _)| *index).collect();
        let answer = fan.answer()?; // It is there: the primary was waited for.
        let version_id = named_version(ids.asked());
        let change = Change { acl, version_id, current, ..Default::default() };
        let recorded = match self.apply_setting(id, change).await {
            Ok(recorded) => recorded,
            Err(error) => return Err(self.unrecorded(id, fan.rest().map(drop), error)),
        };
        self.settle_after(recorded, fan.rest().map(drop));
        Ok(answer.expect("the primary has every version that clients can name"))
    }
}
