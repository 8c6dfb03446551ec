//! Whether the replicas of a bucket have the same settings: what `relais check` tells.

use s3s::dto::{
    GetBucketAccelerateConfigurationInput, GetBucketAccelerateConfigurationOutput, GetBucketEncryptionInput,
    GetBucketEncryptionOutput, GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput,
    GetBucketReplicationInput, GetBucketReplicationOutput, GetBucketTaggingInput, GetBucketTaggingOutput,
    GetBucketVersioningInput, GetBucketVersioningOutput, GetBucketWebsiteInput, GetBucketWebsiteOutput,
    GetObjectLockConfigurationInput, GetObjectLockConfigurationOutput,
};
use s3s::{S3Error, S3Result};

use super::replicas::at;
use crate::placement::{Bucket, Place};

/// A setting that a replica has otherwise than the primary.
#[derive(Debug)]
pub struct Difference {
    /// What the setting is called.
    pub setting: &'static str,
    /// The replica, as the configuration writes it.
    pub replica: String,
    /// What the primary has.
    pub primary: String,
    /// What the replica has.
    pub found: String,
}

/// One row a setting: its name, and how it is read.
macro_rules! settings {
    ($($name:literal $operation:ident($input:ident) -> $output:ident;)*) => {
        /// Every setting of a place, in words.
        async fn settings_of(place: &Place) -> S3Result<Vec<(&'static str, String)>> {
            let mut found = Vec::new();
            $(
                let answer = at!(place, $operation, $input, $input::default()).await;
                let nothing = format!("{:?}", $output::default());
                found.push(($name, words(answer.map(|answer| format!("{:?}", answer.output)), &nothing)?));
            )*
            Ok(found)
        }
    };
}

settings! {
    "acceleration" get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput) -> GetBucketAccelerateConfigurationOutput;
    "encryption" get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput;
    "lifecycle" get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput;
    "object lock" get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput;
    "replication" get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput;
    "tags" get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput;
    "versioning" get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput;
    "website" get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput;
}

/// A refusal, of a store that has no such setting or a bucket where it was never set, is as good as an empty one.
fn words(answer: S3Result<String>, nothing: &str) -> Result<String, S3Error> {
    match answer {
        Ok(text) if text != nothing => Ok(text),
        Ok(_) => Ok("none".to_owned()),
        Err(error) if relais_stores::is_outage(&error) => Err(error),
        Err(_) => Ok("none".to_owned()),
    }
}

/// Compares the settings of every replica with the primary's. An error is that of the first store that does not answer.
pub async fn differences(bucket: &Bucket) -> S3Result<Vec<Difference>> {
    let mut differences = Vec::new();
    if bucket.places.len() == 1 {
        return Ok(differences);
    }
    let primary = settings_of(bucket.primary()).await?;
    for place in &bucket.places[1..] {
        for ((setting, wanted), (_, found)) in primary.iter().zip(settings_of(place).await?) {
            if *wanted != found {
                let (setting, primary, replica) = (*setting, wanted.clone(), place.replica.to_string());
                differences.push(Difference { setting, replica, primary, found });
            }
        }
    }
    Ok(differences)
}
