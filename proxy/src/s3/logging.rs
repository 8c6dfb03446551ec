//! Access logging of a bucket, which names another bucket: as clients call it here, as the store calls it there.

use s3s::dto::{
    GetBucketLoggingInput, GetBucketLoggingOutput, PutBucketLoggingInput, PutBucketLoggingOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::replicas::{Wait, at};
use crate::access::rules::ROOT;
use crate::gateway::{Gateway, requester};
use crate::placement::Place;

impl Gateway {
    pub(super) async fn logging(
        &self,
        asked: S3Request<GetBucketLoggingInput>,
    ) -> S3Result<S3Response<GetBucketLoggingOutput>> {
        let bucket = self.bucket(&asked.input.bucket)?;
        let mut answer =
            at!(bucket.primary(), get_bucket_logging, GetBucketLoggingInput, asked.input).await?;
        if let Some(logging) = &mut answer.output.logging_enabled {
            let there = (&bucket.primary().store.name, logging.target_bucket.as_str());
            if let Some(name) = self.placement.name_of(there.0, there.1) {
                logging.target_bucket = name.to_string();
            }
        }
        Ok(answer)
    }

    pub(super) async fn set_logging(
        &self,
        asked: S3Request<PutBucketLoggingInput>,
    ) -> S3Result<S3Response<PutBucketLoggingOutput>> {
        let is_root = requester(&asked).principal == ROOT;
        let (bucket, input) = (self.bucket(&asked.input.bucket)?, asked.input);
        let wanted = input.bucket_logging_status.logging_enabled.as_ref();
        let target = wanted.map(|wanted| self.bucket(&wanted.target_bucket)).transpose()?;
        if let (Some(target), false) = (&target, is_root) {
            // The store would write there with its own rights.
            if self.rules(target).await?.owner != self.rules(&bucket).await?.owner {
                return Err(s3_error!(
                    InvalidTargetBucketForLogging,
                    "the bucket for the logs belongs to somebody else than the bucket to be logged"
                ));
            }
        }
        let write = move |place: Place| {
            let mut input = input.clone();
            if let (Some(target), Some(wanted)) = (&target, &mut input.bucket_logging_status.logging_enabled)
            {
                // Logs can only be delivered within a store.
                let there = target.places.iter().find(|target| target.store.name == place.store.name);
                wanted.target_bucket = there.map(|there| there.bucket.to_string()).unwrap_or_default();
            }
            at!(place, put_bucket_logging, PutBucketLoggingInput, input)
        };
        self.on_every_replica(bucket, Wait::All, write).await
    }
}
