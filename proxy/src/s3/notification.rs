//! The notifications of a bucket: kept in the catalog, enforced by the relay (`notify`).

use s3s::dto::{
    GetBucketNotificationConfigurationInput, GetBucketNotificationConfigurationOutput,
    PutBucketNotificationConfigurationInput, PutBucketNotificationConfigurationOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use crate::access::rules::Setting;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::notify::Notifications;
use crate::observe::RequestId;

impl Gateway {
    pub(super) async fn bucket_notifications(
        &self,
        asked: S3Request<GetBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketNotificationConfigurationOutput>> {
        let (bucket, _) = self.existing(&asked.input.bucket).await?;
        let kept: Option<Notifications> = self.kept(&bucket.name, Setting::Notification).await?;
        Ok(S3Response::new(kept.unwrap_or_default().into_output()))
    }

    /// The destinations are asked before anything is kept: a client shall not believe that events come which cannot.
    pub(super) async fn set_notifications(
        &self,
        asked: S3Request<PutBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<PutBucketNotificationConfigurationOutput>> {
        let (bucket, _) = self.existing(&asked.input.bucket).await?;
        let wanted = Notifications::of_client(asked.input.notification_configuration);
        let wanted = wanted.map_err(GatewayError::from)?;
        if !asked.input.skip_destination_validation.unwrap_or(false) {
            let id = asked.extensions.get::<RequestId>().map(ToString::to_string).unwrap_or_default();
            self.test_notifications(&bucket.name, &wanted, &id).await.map_err(GatewayError::from)?;
        }
        let wanted = Some(wanted).filter(|wanted| !wanted.is_empty());
        self.keep(&bucket, Setting::Notification, wanted.as_ref()).await?;
        self.notifications.forget(&bucket.name);
        Ok(S3Response::new(PutBucketNotificationConfigurationOutput::default()))
    }
}
