//! Who answers a read: the primary, and if it is out of order, a replica that is known to be current.
//!
//! Known by the catalog, whose row of a key is written in the transaction that acknowledges a change of it. A change that was
//! begun and is not known to have ended (an open intent, or one in doubt) may be on the primary, where somebody has perhaps
//! read it, and not on the replica, or the other way round. So while there is one, no replica counts as current. Nor does one
//! for a key that the catalog does not know. A version that is named does not change, and any replica that has it will do.
//!
//! A listing may come of a replica that is current for every known key of the bucket. Objects that relais was never told of
//! (a bucket that was there before and was not adopted) are on the primary alone, and missing in such an answer.
//!
//! With `stale_reads` another replica answers in the end, and the answer says so in its headers.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use relais_model::{BucketName, ObjectKey, ReplicaState};
use relais_stores::is_outage;
use s3s::{S3Error, S3Response, S3Result, s3_error};
use tokio::time::{Instant, timeout};

use crate::error::{GatewayError, cause};
use crate::gateway::Gateway;
use crate::placement::{Bucket, Place};
use crate::s3::versions::NULL;

/// Says that an answer may be older than what was acknowledged last.
const STALE: HeaderName = HeaderName::from_static("x-relais-stale");

/// The same for caches and clients that know HTTP: RFC 7234, section 5.5.1.
const WARNING: HeaderValue = HeaderValue::from_static("110 - \"Response is Stale\"");

/// What is read.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) what: What,
    /// Whether an answer will do that is not known to be current. It must not, where it becomes part of a new object.
    pub(crate) may_be_stale: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A key, or a version of it by the primary's id.
    Object { key: ObjectKey, version: Option<String> },
    /// The keys of the bucket.
    Listing,
    /// Their versions, which nobody but the primary knows.
    Versions,
}

/// An answer, and who gave it.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(crate) output: T,
    /// Which place of the bucket.
    pub(crate) place: usize,
    is_stale: bool,
}

/// A place that may answer instead of the primary.
#[derive(Clone, Debug)]
pub(crate) struct StandIn {
    pub(crate) place: usize,
    /// The id there of the version that was asked for.
    pub(crate) version: Option<String>,
    pub(crate) is_stale: bool,
    /// Whether it must have what is asked for: that it has not, or that it lets nobody in, is its own trouble then.
    pub(crate) must_have: bool,
}

/// Replicas that lack no key of their bucket because they joined it later. That takes a look at every row of the bucket and
/// does not change while the process runs, so it is remembered.
#[derive(Debug, Default)]
pub(crate) struct WholeReplicas(Mutex<HashSet<(BucketName, String)>>);

impl<T> Answer<T> {
    /// The answer as clients get it.
    pub(crate) fn into_response(self) -> S3Response<T> {
        let mut response = S3Response::new(self.output);
        if self.is_stale {
            mark_stale(&mut response.headers);
        }
        response
    }
}

impl Read {
    pub(crate) fn object(bucket: &Arc<Bucket>, key: ObjectKey, version: Option<String>) -> Self {
        let (bucket, may_be_stale) = (Arc::clone(bucket), bucket.config.stale_reads);
        Self { bucket, what: What::Object { key, version }, may_be_stale }
    }

    pub(crate) fn listing(bucket: &Arc<Bucket>) -> Self {
        Self { bucket: Arc::clone(bucket), what: What::Listing, may_be_stale: bucket.config.stale_reads }
    }

    fn version(&self) -> Option<String> {
        match &self.what {
            What::Object { version, .. } => version.clone(),
            What::Listing | What::Versions => None,
        }
    }

    fn has_replicas(&self) -> bool {
        self.bucket.places.len() > 1
    }

    fn is_hedged(&self) -> bool {
        self.bucket.config.hedged_reads && self.has_replicas() && matches!(self.what, What::Object { .. })
    }
}

impl Gateway {
    /// Asks the primary, or who may stand in for it; a refusal is an answer too. `ask` gets a place and the id there of the
    /// version that is read.
    pub(crate) async fn ask<T, F>(&self, read: &Read, ask: F) -> S3Result<Answer<T>>
    where
        F: for<'a> Fn(&'a Place, Option<String>) -> BoxFuture<'a, S3Result<S3Response<T>>> + Sync,
        T: Send,
    {
        let primary = read.bucket.primary();
        // Who is known to be out of order is asked last; the trials are made behind the requests.
        if primary.store.breaker.is_open() && read.has_replicas() {
            let stand_ins = self.stand_ins(read).await?;
            let current = stand_ins.into_iter().filter(|stand_in| !stand_in.is_stale);
            if let Some(answer) = first(read, current, &ask).await {
                return answer;
            }
        }
        let outage = match self.ask_primary(read, &ask).await {
            Err(error) if is_outage(&error) => error,
            answer => return answer,
        };
        log_outage(primary, &outage);
        if let Some(answer) = first(read, self.stand_ins(read).await?, &ask).await {
            return answer;
        }
        let store = &primary.store.name;
        Err(s3_error!(
            outage,
            ServiceUnavailable,
            "store {store}, the primary, is out of order, and no other replica is known to be current"
        ))
    }

    /// Who may stand in for the primary, the current ones first.
    pub(crate) async fn stand_ins(&self, read: &Read) -> Result<Vec<StandIn>, GatewayError> {
        if !read.has_replicas() {
            return Ok(Vec::new());
        }
        let mut stand_ins = match &read.what {
            What::Listing => self.whole_replicas(&read.bucket).await?,
            What::Versions => Vec::new(),
            What::Object { key, version: Some(version) } if version != NULL => {
                self.having(&read.bucket, key, version).await?
            }
            What::Object { key, version } => self.current_replicas(&read.bucket, key, version).await?,
        };
        stand_ins.retain(|stand_in| read.may_be_stale || !stand_in.is_stale);
        stand_ins.sort_by_key(|stand_in| stand_in.is_stale);
        Ok(stand_ins)
    }

    async fn having(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: &str,
    ) -> Result<Vec<StandIn>, GatewayError> {
        let ids = self.version_ids(bucket, key, Some(version)).await?;
        let id = |place| ids.at(bucket, &bucket.places[place]);
        let stand_in = |place| Some(StandIn { place, version: id(place)?, is_stale: false, must_have: true });
        Ok((1..bucket.places.len()).filter_map(stand_in).collect())
    }

    async fn current_replicas(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: &Option<String>,
    ) -> Result<Vec<StandIn>, GatewayError> {
        // In this order: what ends in between is in the row.
        let in_flight = self.objects.is_in_flight(&bucket.name, Some(key)).await?;
        let Some(row) = self.objects.find(&bucket.name, key).await? else { return Ok(Vec::new()) };
        let is_current = |place: &Place| {
            !in_flight && row.replicas.get(&place.replica.to_string()) == Some(&ReplicaState::Current)
        };
        let stand_in = |place: usize| {
            let is_stale = !is_current(&bucket.places[place]);
            let must_have = !is_stale && row.object.is_some();
            StandIn { place, version: version.clone(), is_stale, must_have }
        };
        Ok((1..bucket.places.len()).map(stand_in).collect())
    }

    async fn whole_replicas(&self, bucket: &Bucket) -> Result<Vec<StandIn>, GatewayError> {
        let in_flight = self.objects.is_in_flight(&bucket.name, None).await?;
        let mut stand_ins = Vec::new();
        for (place, found) in bucket.places.iter().enumerate().skip(1) {
            let is_whole = !in_flight && self.is_whole(bucket, &found.replica.to_string()).await?;
            stand_ins.push(StandIn { place, version: None, is_stale: !is_whole, must_have: true });
        }
        Ok(stand_ins)
    }

    async fn is_whole(&self, bucket: &Bucket, replica: &str) -> Result<bool, GatewayError> {
        if !self.objects.is_whole(&bucket.name, replica, true).await? {
            return Ok(false);
        }
        let known = (bucket.name.clone(), replica.to_owned());
        let whole = || self.whole.0.lock().unwrap_or_else(PoisonError::into_inner);
        if whole().contains(&known) {
            return Ok(true);
        }
        let is_whole = self.objects.is_whole(&bucket.name, replica, false).await?;
        if is_whole {
            whole().insert(known);
        }
        Ok(is_whole)
    }

    /// Asks the primary. Where the bucket wants it, a current replica is asked too when the primary takes longer than it mostly
    /// does; the first good answer wins.
    async fn ask_primary<T, F>(&self, read: &Read, ask: &F) -> S3Result<Answer<T>>
    where
        F: for<'a> Fn(&'a Place, Option<String>) -> BoxFuture<'a, S3Result<S3Response<T>>> + Sync,
        T: Send,
    {
        let primary = read.bucket.primary();
        let mut asked = ask(primary, read.version());
        if !read.is_hedged() {
            return of_primary(asked.await);
        }
        let (store, begun) = (&primary.store.name, Instant::now());
        if let Some(patience) = self.hedges.patience(store) {
            if let Ok(answer) = timeout(patience, &mut asked).await {
                self.hedges.record(store, begun.elapsed());
                return of_primary(answer);
            }
            let hedge = async {
                let stand_ins = self.stand_ins(read).await.ok()?;
                let current = stand_ins.into_iter().find(|stand_in| !stand_in.is_stale)?;
                if self.hedges.spend(store) {
                    first(read, [current], ask).await.filter(Result::is_ok)
                } else {
                    None
                }
            };
            tokio::select! {
                answer = &mut asked => {
                    self.hedges.record(store, begun.elapsed());
                    return of_primary(answer);
                }
                Some(answer) = hedge => {
                    self.hedges.record(store, begun.elapsed());
                    return answer;
                }
                else => {}
            }
        }
        let answer = asked.await;
        self.hedges.record(store, begun.elapsed());
        of_primary(answer)
    }
}

fn of_primary<T>(answer: S3Result<S3Response<T>>) -> S3Result<Answer<T>> {
    answer.map(|answer| Answer { output: answer.output, place: 0, is_stale: false })
}

/// The first of them that is not out of order, for all or for us.
async fn first<T, F>(
    read: &Read,
    stand_ins: impl IntoIterator<Item = StandIn>,
    ask: &F,
) -> Option<S3Result<Answer<T>>>
where
    F: for<'a> Fn(&'a Place, Option<String>) -> BoxFuture<'a, S3Result<S3Response<T>>>,
{
    for StandIn { place: index, version, is_stale, must_have } in stand_ins {
        let place = &read.bucket.places[index];
        match ask(place, version).await {
            Err(error) if is_outage(&error) || must_have && lacks(&error) => log_outage(place, &error),
            Ok(answer) => return Some(Ok(Answer { output: answer.output, place: index, is_stale })),
            Err(error) if is_stale => return Some(Err(marked_stale(error))),
            Err(error) => return Some(Err(error)),
        }
    }
    None
}

/// Whether a place says that it has nothing, or lets us not see it.
fn lacks(error: &S3Error) -> bool {
    let status = error.status_code().or_else(|| error.code().status_code());
    matches!(status, Some(StatusCode::NOT_FOUND | StatusCode::FORBIDDEN))
}

fn mark_stale(headers: &mut HeaderMap) {
    headers.insert(STALE, HeaderValue::from_static("true"));
    headers.insert(http::header::WARNING, WARNING);
}

fn marked_stale(mut error: S3Error) -> S3Error {
    let mut headers = error.headers().cloned().unwrap_or_default();
    mark_stale(&mut headers);
    error.set_headers(headers);
    error
}

fn log_outage(place: &Place, error: &S3Error) {
    tracing::warn!(replica = %place.replica, code = error.code().as_str(), source = cause(error), "a replica does not answer");
}
