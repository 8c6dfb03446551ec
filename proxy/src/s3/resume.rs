//! A body that breaks off, because its store died in the middle, goes on from where another has the same.
//!
//! The same is what has the same entity tag and size, asked for with `If-Match`; a replica that was settled in one piece, while
//! the primary has it in parts, has another tag and cannot help. Then, and when the tries are used up, the client sees the cut:
//! never a body that looks whole and is not.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use relais_model::ObjectKey;
use relais_stores::request;
use s3s::StdError;
use s3s::dto::{ETag, ETagCondition, GetObjectInput, GetObjectOutput, Range, StreamingBlob};
use s3s::stream::{ByteStream, RemainingLength};
use tokio::task::JoinHandle;

use super::failover::{Read, StandIn};
use crate::gateway::Gateway;
use crate::placement::Bucket;

/// How often one body may break off. A store that is worse than that will not get a large object through.
const RESUMES_MAX: u32 = 3;

/// What is needed to ask for the rest.
struct Rest {
    gateway: Gateway,
    bucket: Arc<Bucket>,
    key: ObjectKey,
    /// What the client asked, less its conditions.
    asked: GetObjectInput,
    etag: ETag,
    /// The last byte, in the object.
    last: u64,
    /// Bytes of the whole object.
    total: u64,
}

struct Resumable {
    body: StreamingBlob,
    /// The next byte, in the object.
    next: u64,
    /// Which place the body comes from.
    place: usize,
    resumes: u32,
    rest: Arc<Rest>,
    asking: Option<Asking>,
}

/// The rest is being asked for, after an error that stands if nobody has it.
struct Asking {
    task: JoinHandle<Option<(usize, StreamingBlob)>>,
    error: Option<StdError>,
}

/// Lets the body of an answer go on from elsewhere, if it is known of which bytes it is.
pub(super) fn resumable(
    gateway: &Gateway,
    bucket: &Arc<Bucket>,
    key: ObjectKey,
    place: usize,
    asked: GetObjectInput,
    output: &mut GetObjectOutput,
) {
    let Some((first, last, total)) = span(&asked, output) else { return };
    let asked = without_conditions(asked);
    let Some(etag @ ETag::Strong(_)) = output.e_tag.clone() else { return };
    let Some(body) = output.body.take() else { return };
    let (gateway, bucket) = (gateway.clone(), Arc::clone(bucket));
    let rest = Arc::new(Rest { gateway, bucket, key, asked, etag, last, total });
    output.body =
        Some(StreamingBlob::new(Resumable { body, next: first, place, resumes: 0, rest, asking: None }));
}

/// The first and the last byte of an answer, and the size of the object; nothing where there are none.
fn span(asked: &GetObjectInput, output: &GetObjectOutput) -> Option<(u64, u64, u64)> {
    let length = u64::try_from(output.content_length?).ok().filter(|length| *length > 0)?;
    if let Some(range) = &output.content_range {
        let (bytes, total) = range.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = bytes.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        return (last.checked_sub(first)?.checked_add(1)? == length).then_some((
            first,
            last,
            total.parse().ok()?,
        ));
    }
    (asked.part_number.is_none() && asked.range.is_none()).then_some((0, length - 1, length))
}

fn without_conditions(asked: GetObjectInput) -> GetObjectInput {
    GetObjectInput {
        checksum_mode: None,
        if_match: None,
        if_modified_since: None,
        if_none_match: None,
        if_unmodified_since: None,
        part_number: None,
        ..asked
    }
}

impl Rest {
    /// The bytes from there on, from whoever has the same object.
    async fn from(&self, next: u64, broken: usize) -> Option<(usize, StreamingBlob)> {
        let mut read = Read::object(&self.bucket, self.key.clone(), self.asked.version_id.clone());
        read.may_be_stale = false;
        let mut candidates = self.gateway.stand_ins(&read).await.unwrap_or_default();
        let version = self.asked.version_id.clone();
        candidates.push(StandIn { place: 0, version, is_stale: false, must_have: true });
        // Whose body just broke off comes last: it may only have lost a connection.
        candidates.sort_by_key(|candidate| candidate.place == broken);
        for StandIn { place: index, version, .. } in candidates {
            let place = &self.bucket.places[index];
            let input = GetObjectInput {
                bucket: place.bucket.to_string(),
                version_id: version,
                range: Some(Range::Int { first: next, last: Some(self.last) }),
                if_match: Some(ETagCondition::ETag(self.etag.clone())),
                ..self.asked.clone()
            };
            let Ok(answer) = place.store.s3.get_object(request(input)).await else { continue };
            let expected = format!("bytes {next}-{}/{}", self.last, self.total);
            if answer.output.content_range.as_ref() == Some(&expected)
                && answer.output.e_tag.as_ref() == Some(&self.etag)
                && let Some(body) = answer.output.body
            {
                tracing::warn!(replica = %place.replica, from = next, "an answer broke off and goes on from here");
                return Some((index, body));
            }
        }
        None
    }
}

impl Resumable {
    fn ask_for_the_rest(&mut self, error: StdError) {
        self.resumes += 1;
        let (rest, next, place) = (Arc::clone(&self.rest), self.next, self.place);
        let task = self.rest.gateway.tasks().spawn(async move { rest.from(next, place).await });
        self.asking = Some(Asking { task, error: Some(error) });
    }

    fn remaining(&self) -> u64 {
        (self.rest.last + 1).saturating_sub(self.next)
    }
}

impl Stream for Resumable {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(asking) = &mut self.asking {
                let found = ready!(Pin::new(&mut asking.task).poll(context));
                let error = asking.error.take();
                self.asking = None;
                match found {
                    Ok(Some((place, body))) => (self.place, self.body) = (place, body),
                    _ => return Poll::Ready(error.map(Err)),
                }
            }
            let error = match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(chunk)) => {
                    self.next += chunk.len() as u64;
                    return Poll::Ready(Some(Ok(chunk)));
                }
                None if self.remaining() == 0 => return Poll::Ready(None),
                None => std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into(),
                Some(Err(error)) => error,
            };
            if self.resumes == RESUMES_MAX || self.remaining() == 0 {
                return Poll::Ready(Some(Err(error)));
            }
            self.ask_for_the_rest(error);
        }
    }
}

impl ByteStream for Resumable {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.remaining())
            .map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.task.abort(); // The client is gone.
    }
}
