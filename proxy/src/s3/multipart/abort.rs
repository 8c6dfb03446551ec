//! Aborts an upload on every place that takes part, wherever it stands, for whoever clears up behind a user.

use relais_catalog::Upload;
use relais_stores::request;
use s3s::dto::AbortMultipartUploadInput;
use s3s::{S3Error, S3ErrorCode};

use super::UploadId;
use crate::error::GatewayError;
use crate::gateway::Gateway;

impl Gateway {
    /// Aborts an upload and forgets it; where a place refuses it is not forgotten, and what each said is given back.
    pub(crate) async fn abort_everywhere(
        &self,
        upload: &Upload,
    ) -> Result<Vec<(String, S3Error)>, GatewayError> {
        let opened = self.sealer.open(&upload.upload_id).ok_or(GatewayError::UploadId)?;
        let id: UploadId = serde_json::from_slice(&opened).map_err(|_| GatewayError::UploadId)?;
        let bucket = self.bucket(upload.bucket.as_str())?;
        let calls = id.places(&bucket).into_iter().map(|(place, upload_id)| async move {
            let input = AbortMultipartUploadInput {
                bucket: place.bucket.to_string(),
                key: upload.key.to_string(),
                upload_id,
                ..Default::default()
            };
            (place.replica.to_string(), place.store.s3.abort_multipart_upload(request(input)).await)
        });
        let refused = futures::future::join_all(calls).await.into_iter().filter_map(|(replica, answer)| {
            let error = answer.err()?;
            (*error.code() != S3ErrorCode::NoSuchUpload).then_some((replica, error))
        });
        let refused: Vec<_> = refused.collect();
        if refused.is_empty() {
            self.uploads.remove(&upload.upload_id).await?;
        }
        Ok(refused)
    }
}
