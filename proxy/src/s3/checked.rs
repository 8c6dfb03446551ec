//! Settings of buckets and objects that are looked at before they go to the stores, since not every store does it: lifecycle,
//! versioning, object lock, retention and legal hold.
//!
//! Rules as in the API reference of Amazon S3, at `PutBucketLifecycleConfiguration` and `PutObjectLockConfiguration`.

use std::collections::BTreeSet;

use s3s::dto::{
    BucketLifecycleConfiguration, BucketVersioningStatus, DefaultRetention, ExpirationStatus,
    GetBucketVersioningInput, GetObjectLockConfigurationInput, ObjectLockEnabled, ObjectLockLegalHold,
    ObjectLockLegalHoldStatus, ObjectLockRetention, ObjectLockRetentionMode,
    PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput, PutBucketVersioningInput,
    PutBucketVersioningOutput, PutObjectLockConfigurationInput, PutObjectLockConfigurationOutput, Timestamp,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use uuid::Uuid;

use super::replicas::{Wait, at};
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::placement::Place;

/// Longest id of a lifecycle rule.
const RULE_ID_MAX: usize = 255;

impl Gateway {
    pub(super) async fn set_lifecycle(
        &self,
        asked: S3Request<PutBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<PutBucketLifecycleConfigurationOutput>> {
        let (bucket, mut input) = (self.bucket(&asked.input.bucket)?, asked.input);
        if let Some(configuration) = &mut input.lifecycle_configuration {
            complete_lifecycle(configuration)?;
        }
        let write = move |place: Place| {
            at!(
                place,
                put_bucket_lifecycle_configuration,
                PutBucketLifecycleConfigurationInput,
                input.clone()
            )
        };
        self.on_every_replica(bucket, Wait::All, write).await
    }

    pub(super) async fn set_versioning(
        &self,
        asked: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let (bucket, input) = (self.bucket(&asked.input.bucket)?, asked.input);
        let status = input.versioning_configuration.status.as_ref().map(BucketVersioningStatus::as_str);
        let suspends = status == Some(BucketVersioningStatus::SUSPENDED);
        if suspends && bucket.primary().store.features.object_lock && is_locked(bucket.primary()).await? {
            return Err(s3_error!(
                InvalidBucketState,
                "versioning cannot be suspended while the objects of the bucket can be locked"
            ));
        }
        let write =
            move |place: Place| at!(place, put_bucket_versioning, PutBucketVersioningInput, input.clone());
        self.on_every_replica(bucket, Wait::All, write).await
    }

    pub(super) async fn set_object_lock(
        &self,
        asked: S3Request<PutObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<PutObjectLockConfigurationOutput>> {
        let (bucket, input) = (self.bucket(&asked.input.bucket)?, asked.input);
        if !bucket.places.iter().all(|place| place.store.features.object_lock) {
            return Err(GatewayError::Unable("object lock").into());
        }
        if let Some(configuration) = &input.object_lock_configuration {
            let enabled = configuration.object_lock_enabled.as_ref().map(ObjectLockEnabled::as_str);
            if enabled != Some(ObjectLockEnabled::ENABLED) {
                return Err(s3_error!(MalformedXML, "ObjectLockEnabled must be Enabled"));
            }
            let retention = configuration.rule.as_ref().and_then(|rule| rule.default_retention.as_ref());
            retention.map(check_default).transpose()?;
        }
        let versioning = at!(
            bucket.primary(),
            get_bucket_versioning,
            GetBucketVersioningInput,
            GetBucketVersioningInput { bucket: String::new(), expected_bucket_owner: None }
        );
        let status = versioning.await?.output.status;
        if status.as_ref().map(BucketVersioningStatus::as_str) != Some(BucketVersioningStatus::ENABLED) {
            return Err(s3_error!(
                InvalidBucketState,
                "objects can be locked only where versioning is enabled"
            ));
        }
        let write = move |place: Place| {
            at!(place, put_object_lock_configuration, PutObjectLockConfigurationInput, input.clone())
        };
        self.on_every_replica(bucket, Wait::All, write).await
    }
}

async fn is_locked(place: &Place) -> S3Result<bool> {
    let asked = at!(
        place,
        get_object_lock_configuration,
        GetObjectLockConfigurationInput,
        GetObjectLockConfigurationInput { bucket: String::new(), expected_bucket_owner: None }
    );
    match asked.await {
        Ok(answer) => {
            let enabled = answer.output.object_lock_configuration.and_then(|found| found.object_lock_enabled);
            Ok(enabled.is_some_and(|enabled| enabled.as_str() == ObjectLockEnabled::ENABLED))
        }
        Err(error) if relais_stores::is_outage(&error) => Err(error),
        Err(_) => Ok(false), // Never configured.
    }
}

/// Refuses rules that S3 refuses, and gives an id to those that have none.
fn complete_lifecycle(configuration: &mut BucketLifecycleConfiguration) -> S3Result<()> {
    let mut ids = BTreeSet::new();
    for rule in &mut configuration.rules {
        let id = rule.id.get_or_insert_with(|| Uuid::new_v4().to_string());
        if id.len() > RULE_ID_MAX {
            return Err(s3_error!(InvalidArgument, "the id of a lifecycle rule has at most 255 characters"));
        }
        if !ids.insert(id.clone()) {
            return Err(s3_error!(InvalidArgument, "two lifecycle rules have the same id"));
        }
        if !matches!(rule.status.as_str(), ExpirationStatus::ENABLED | ExpirationStatus::DISABLED) {
            return Err(s3_error!(MalformedXML, "the status of a lifecycle rule is Enabled or Disabled"));
        }
        let transitions = rule.transitions.iter().flatten().map(|transition| &transition.date);
        let dates = rule.expiration.iter().map(|expiration| &expiration.date).chain(transitions);
        if dates.flatten().any(|date| !is_midnight(date)) {
            return Err(s3_error!(InvalidArgument, "a date of a lifecycle rule must be at midnight, UTC"));
        }
    }
    Ok(())
}

fn is_midnight(date: &Timestamp) -> bool {
    time::OffsetDateTime::from(date.clone()).to_offset(time::UtcOffset::UTC).time() == time::Time::MIDNIGHT
}

fn check_default(retention: &DefaultRetention) -> S3Result<()> {
    check_mode(retention.mode.as_ref())?;
    match (retention.days, retention.years) {
        (Some(count), None) | (None, Some(count)) if count > 0 => Ok(()),
        (Some(_), Some(_)) | (None, None) => {
            Err(s3_error!(MalformedXML, "a default retention is in days or in years"))
        }
        _ => {
            let code = S3ErrorCode::Custom("InvalidRetentionPeriod".into());
            let mut error =
                S3Error::with_message(code, "a default retention is at least one day or one year");
            error.set_status_code(http::StatusCode::BAD_REQUEST);
            Err(error)
        }
    }
}

fn check_mode(mode: Option<&ObjectLockRetentionMode>) -> S3Result<()> {
    match mode.map(ObjectLockRetentionMode::as_str) {
        Some(ObjectLockRetentionMode::COMPLIANCE | ObjectLockRetentionMode::GOVERNANCE) => Ok(()),
        _ => Err(s3_error!(MalformedXML, "the mode of a retention is COMPLIANCE or GOVERNANCE")),
    }
}

/// Refuses a retention of no known mode.
pub(super) fn check_retention(retention: Option<&ObjectLockRetention>) -> S3Result<()> {
    match retention {
        Some(retention) if retention.mode.is_some() || retention.retain_until_date.is_some() => {
            check_mode(retention.mode.as_ref())
        }
        _ => Ok(()), // An empty one takes the retention away, if the mode allows it.
    }
}

/// Refuses a legal hold that is neither on nor off.
pub(super) fn check_legal_hold(hold: Option<&ObjectLockLegalHold>) -> S3Result<()> {
    let status = hold.and_then(|hold| hold.status.as_ref()).map(ObjectLockLegalHoldStatus::as_str);
    match status {
        Some(ObjectLockLegalHoldStatus::ON | ObjectLockLegalHoldStatus::OFF) => Ok(()),
        _ => Err(s3_error!(MalformedXML, "a legal hold is ON or OFF")),
    }
}
