//! `UploadPartCopy`: a part of an upload that is taken from an object.

use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use relais_stores::request;
use s3s::dto::{
    CopyPartResult, GetObjectInput, HeadObjectInput, Range, UploadPartCopyInput, UploadPartCopyOutput,
    UploadPartInput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::{InStores, Pair, Source, now, source_conditions};
use crate::access::write_mode;
use crate::gateway::Gateway;
use crate::placement::Place;
use crate::s3::customer_key::check_customer_key;
use crate::s3::fan_out::FanOut;
use crate::s3::limits;
use crate::s3::multipart::FIRST_PART;

impl Gateway {
    pub(in crate::s3) async fn copy_part(
        &self,
        asked: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let source = self.source(&asked.input.copy_source).await?;
        let range = asked.input.copy_source_range.as_deref().map(part_range).transpose()?;
        check_customer_key!(asked.input)?;
        let (bucket, id) = self.upload(&asked.input.bucket, &asked.input.key, &asked.input.upload_id)?;
        let gateway = self.clone();
        let copied = self.to_its_end(async move {
            if let Some(last) = range.and_then(last_of) {
                gateway.check_range(&source, &asked.input, last).await?;
            }
            // With what an object begins is looked at, and what a session may write is measured: by relais, not by the stores.
            let first = asked.input.part_number == FIRST_PART && limits::examines(&bucket.config);
            let measured = first || limits::session_limit(&asked.extensions).is_some();
            if let Some(InStores { pairs, .. }) =
                gateway.copy_pairs(&source, &bucket).await?.filter(|_| !measured)
            {
                let required = write_mode::required(&bucket, &asked.extensions);
                let calls = part_copies(&asked.input, &source, &pairs, &id.places(&bucket));
                return gateway.copy_part_in_stores(required, calls).await;
            }
            let input = &asked.input;
            let asked_source = GetObjectInput { range, ..source_conditions!(input) };
            let read = gateway.read_source(&source, asked_source).await?;
            let part = UploadPartInput {
                body: read.body,
                bucket: input.bucket.clone(),
                content_length: read.content_length,
                key: input.key.clone(),
                part_number: input.part_number,
                upload_id: input.upload_id.clone(),
                sse_customer_algorithm: input.sse_customer_algorithm.clone(),
                sse_customer_key: input.sse_customer_key.clone(),
                sse_customer_key_md5: input.sse_customer_key_md5.clone(),
                ..Default::default()
            };
            let mut part = request(part);
            part.extensions = asked.extensions;
            let written = gateway.write_part(part).await?;
            let last_modified = Some(now());
            let copy_part_result =
                Some(CopyPartResult { e_tag: written.e_tag, last_modified, ..Default::default() });
            Ok(UploadPartCopyOutput { copy_part_result, ..Default::default() })
        });
        copied.await.map(S3Response::new)
    }

    /// The primary's answer is the client's. Who has not the part by then goes on; what it lacks at the end, it is settled.
    async fn copy_part_in_stores(
        &self,
        required: usize,
        calls: Vec<impl Future<Output = S3Result<UploadPartCopyOutput>> + Send + 'static>,
    ) -> S3Result<UploadPartCopyOutput> {
        let mut fan = FanOut::new(required);
        for (index, call) in calls.into_iter().enumerate() {
            fan.ask(index, call);
        }
        let met = fan.met().await;
        let answer = met.and_then(|()| fan.answer());
        self.afterwards(fan.rest().map(drop));
        answer
    }

    /// A part must not ask for more than the source has; reading alone would give what there is.
    async fn check_range(&self, source: &Source, input: &UploadPartCopyInput, last: u64) -> S3Result<()> {
        let head = HeadObjectInput {
            bucket: source.bucket.name.to_string(),
            key: source.key.clone(),
            version_id: source.version_id.clone(),
            sse_customer_algorithm: input.copy_source_sse_customer_algorithm.clone(),
            sse_customer_key: input.copy_source_sse_customer_key.clone(),
            sse_customer_key_md5: input.copy_source_sse_customer_key_md5.clone(),
            ..Default::default()
        };
        let length = self.head_current(request(head)).await?.output.content_length.unwrap_or(0);
        if u64::try_from(length).is_ok_and(|length| last < length) {
            return Ok(());
        }
        Err(s3_error!(InvalidRange, "the range ends behind the end of the source, which has {length} bytes"))
    }
}

/// `bytes=first-last`: nothing else is a range of a part.
fn part_range(text: &str) -> S3Result<Range> {
    let bounds = text.strip_prefix("bytes=").and_then(|bounds| bounds.split_once('-'));
    let bounds = bounds.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    match bounds {
        Some((first, last)) if first <= last => Ok(Range::Int { first, last: Some(last) }),
        _ => Err(s3_error!(InvalidArgument, "x-amz-copy-source-range must be bytes=first-last")),
    }
}

fn last_of(range: Range) -> Option<u64> {
    match range {
        Range::Int { last, .. } => last,
        Range::Suffix { .. } => None,
    }
}

/// Every store that takes part copies the part for itself.
fn part_copies(
    input: &UploadPartCopyInput,
    source: &Source,
    pairs: &[Pair],
    ids: &[(Place, String)],
) -> Vec<impl Future<Output = S3Result<UploadPartCopyOutput>> + Send + 'static> {
    let copy = |(place, upload_id): &(Place, String)| {
        let (from, to) = pairs.iter().find(|(_, to)| to.replica == place.replica)?;
        let input = UploadPartCopyInput {
            bucket: to.bucket.to_string(),
            copy_source: source.at(from)?,
            expected_bucket_owner: None,
            expected_source_bucket_owner: None,
            upload_id: upload_id.clone(),
            ..input.clone()
        };
        let s3 = Arc::clone(&to.store.s3);
        Some(async move { s3.upload_part_copy(request(input)).await.map(|answer| answer.output) })
    };
    ids.iter().filter_map(copy).collect()
}
