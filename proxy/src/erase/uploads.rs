//! Multipart uploads under way: those that the user began, those of keys below the prefixes, and those that stores have below
//! the prefixes and nobody knows.

use relais_catalog::Upload;
use relais_stores::request;
use s3s::dto::{AbortMultipartUploadInput, ListMultipartUploadsInput};
use s3s::{S3ErrorCode, S3Result};

use super::key::{Target, reason};
use super::report::{Left, Place as Found};
use super::{EraseError, Erasure, Mode, ROWS};
use crate::placement::Place;

impl Erasure<'_> {
    /// The uploads that the user began outside the prefixes.
    pub(super) async fn abort_begun(&self) -> Result<(), EraseError> {
        let mut after: Option<String> = None;
        loop {
            let owner = &self.belongings.owner;
            let uploads = self.gateway.uploads.of_initiator(owner, after.as_deref(), ROWS).await?;
            let Some(last) = uploads.last() else { return Ok(()) };
            after = Some(last.upload_id.clone());
            for upload in &uploads {
                if !self.belongings.covers(&upload.bucket, upload.key.as_str()) {
                    self.abort(upload, &(upload.bucket.clone(), None)).await?;
                }
            }
        }
    }

    /// The uploads of keys below a prefix, whoever began them.
    pub(super) async fn abort_below(
        &self,
        target: &Target,
        prefix: &str,
        found: &Found,
    ) -> Result<(), EraseError> {
        let mut last: Option<Upload> = None;
        loop {
            let after = last.as_ref().map(|last| (last.key.as_str(), Some(last.upload_id.as_str())));
            let uploads = self.gateway.uploads.list(&target.bucket.name, prefix, after, ROWS).await?;
            let Some(newest) = uploads.last() else { break };
            last = Some(newest.clone());
            for upload in &uploads {
                self.abort(upload, found).await?;
            }
        }
        if self.mode == Mode::Count {
            return Ok(());
        }
        for place in &target.bucket.places {
            if let Err(error) = self.abort_unknown(place, prefix, found).await {
                self.tally.left(Left::at(found.0.as_str(), prefix).on(&place.replica), reason(&error));
            }
        }
        Ok(())
    }

    async fn abort(&self, upload: &Upload, found: &Found) -> Result<(), EraseError> {
        self.check_stopping()?;
        if self.mode == Mode::Count {
            self.tally.upload(found);
            return Ok(());
        }
        let left = |replica: Option<String>| Left {
            upload: Some(upload.upload_id.clone()),
            replica,
            ..Left::at(upload.bucket.as_str(), upload.key.as_str())
        };
        match self.gateway.abort_everywhere(upload).await {
            Ok(refusals) if refusals.is_empty() => self.tally.upload(found),
            Ok(refusals) => {
                for (replica, error) in refusals {
                    self.tally.left(left(Some(replica)), reason(&error));
                }
            }
            Err(error) => self.tally.left(left(None), error.to_string()),
        }
        Ok(())
    }

    /// Aborts what a store has below a prefix and the catalog does not know.
    async fn abort_unknown(&self, place: &Place, prefix: &str, found: &Found) -> S3Result<()> {
        let mut input = ListMultipartUploadsInput {
            bucket: place.bucket.to_string(),
            prefix: Some(prefix.to_owned()),
            ..Default::default()
        };
        loop {
            let page = match place.store.s3.list_multipart_uploads(request(input.clone())).await {
                Ok(page) => page.output,
                Err(error) if *error.code() == S3ErrorCode::NoSuchBucket => return Ok(()),
                Err(error) => return Err(error),
            };
            for upload in page.uploads.into_iter().flatten() {
                let (Some(key), Some(upload_id)) = (upload.key, upload.upload_id) else { continue };
                if !key.starts_with(prefix) {
                    continue; // A store that gives more than was asked for.
                }
                let abort = AbortMultipartUploadInput {
                    bucket: place.bucket.to_string(),
                    key,
                    upload_id,
                    ..Default::default()
                };
                match place.store.s3.abort_multipart_upload(request(abort)).await {
                    Ok(_) => self.tally.leftover(found),
                    Err(error) if *error.code() == S3ErrorCode::NoSuchUpload => {}
                    Err(error) => return Err(error),
                }
            }
            if page.is_truncated != Some(true) || page.next_key_marker.is_none() {
                return Ok(());
            }
            (input.key_marker, input.upload_id_marker) = (page.next_key_marker, page.next_upload_id_marker);
        }
    }
}
