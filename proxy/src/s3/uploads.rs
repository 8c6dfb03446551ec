//! `ListMultipartUploads`: from the catalog, since a client must get the sealed ids that it was given, on any instance.
//!
//! Uploads that were begun in a store behind the back of relais are not listed; nobody could go on with them here.

use std::collections::BTreeSet;

use s3s::dto::{
    CommonPrefix, EncodingType, Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    MultipartUpload, Owner, StorageClass, Timestamp,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::bucket::head;
use super::list::encode;
use super::shown::shown;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::placement::Bucket;

/// Uploads and common prefixes of one answer, as S3 has it.
const UPLOADS_MAX: i32 = 1000;

/// Rows read from the catalog at a time.
const ROWS: u64 = 500;

impl Gateway {
    pub(super) async fn list_uploads(
        &self,
        asked: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = asked.input;
        let bucket = self.bucket(&input.bucket)?;
        head(bucket.primary()).await?;
        let max = input.max_uploads.unwrap_or(UPLOADS_MAX).min(UPLOADS_MAX);
        let max = usize::try_from(max).map_err(|_| s3_error!(InvalidArgument, "max-uploads is negative"))?;
        let page = self.page_of_uploads(&bucket, &input, max).await?;
        let encoded = input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == EncodingType::URL);
        let text = |text: String| if encoded { encode(&text) } else { shown(text) };
        let output = ListMultipartUploadsOutput {
            bucket: Some(bucket.name.to_string()),
            common_prefixes: Some(
                page.prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(text(prefix)) }).collect(),
            ),
            delimiter: input.delimiter.map(text),
            encoding_type: input.encoding_type,
            is_truncated: Some(page.next.is_some()),
            key_marker: Some(text(input.key_marker.unwrap_or_default())),
            max_uploads: i32::try_from(max).ok(),
            next_key_marker: page.next.as_ref().map(|next| text(next.0.clone())),
            next_upload_id_marker: page.next.and_then(|next| next.1),
            prefix: Some(text(input.prefix.unwrap_or_default())),
            request_charged: None,
            upload_id_marker: Some(shown(input.upload_id_marker.unwrap_or_default())),
            uploads: Some(page.uploads.into_iter().map(|upload| self.listed(upload, text)).collect()),
        };
        Ok(S3Response::new(output))
    }

    async fn page_of_uploads(
        &self,
        bucket: &Bucket,
        input: &ListMultipartUploadsInput,
        max: usize,
    ) -> Result<Page, GatewayError> {
        let prefix = input.prefix.as_deref().unwrap_or("");
        let delimiter = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let mut page = Page::default();
        // Keys below a prefix that the page before has named are behind us.
        let named = input.key_marker.as_deref().and_then(|marker| common(marker, prefix, delimiter));
        let mut after = input.key_marker.clone().map(|key| (key, input.upload_id_marker.clone()));
        loop {
            let marker = after.as_ref().map(|(key, id)| (key.as_str(), id.as_deref()));
            let rows = self.uploads.list(&bucket.name, prefix, marker, ROWS).await?;
            let Some(last) = rows.last() else { return Ok(page) };
            after = Some((last.key.to_string(), Some(last.upload_id.clone())));
            for row in rows {
                let common = common(row.key.as_str(), prefix, delimiter);
                if common.is_some() && common == named {
                    continue;
                }
                let is_new = common.as_ref().is_none_or(|common| !page.prefixes.contains(common));
                if is_new && page.uploads.len() + page.prefixes.len() == max {
                    page.next = page.last;
                    page.last = None;
                    return Ok(page);
                }
                page.last = Some((row.key.to_string(), Some(row.upload_id.clone())));
                match common {
                    Some(common) => drop(page.prefixes.insert(common)),
                    None => page.uploads.push(row),
                }
            }
        }
    }

    fn listed(&self, upload: relais_catalog::Upload, text: impl Fn(String) -> String) -> MultipartUpload {
        let owner = self.owner(&upload.initiator);
        let Owner { display_name, id } = owner.clone();
        let detail = |name: &str| upload.details.get(name)?.as_str().map(str::to_owned);
        MultipartUpload {
            checksum_algorithm: detail("checksum_algorithm").map(Into::into),
            checksum_type: detail("checksum_type").map(Into::into),
            initiated: Some(Timestamp::from(std::time::SystemTime::from(upload.began_at))),
            initiator: Some(Initiator { display_name, id }),
            key: Some(text(upload.key.to_string())),
            owner: Some(owner),
            storage_class: detail("storage_class")
                .map(Into::into)
                .or_else(|| Some(StorageClass::from_static(StorageClass::STANDARD))),
            upload_id: Some(upload.upload_id),
        }
    }
}

/// The common prefix that stands for a key.
fn common(key: &str, prefix: &str, delimiter: Option<&str>) -> Option<String> {
    let (rest, delimiter) = (key.strip_prefix(prefix)?, delimiter?);
    let length = rest.find(delimiter)? + delimiter.len();
    Some(format!("{prefix}{}", &rest[..length]))
}

#[derive(Default)]
struct Page {
    uploads: Vec<relais_catalog::Upload>,
    prefixes: BTreeSet<String>,
    /// The last that was taken: where the next page begins.
    last: Option<(String, Option<String>)>,
    next: Option<(String, Option<String>)>,
}
