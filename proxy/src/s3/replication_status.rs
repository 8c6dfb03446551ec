//! What answers say of an object's replicas.
//!
//! `x-amz-replication-status` says whether all replicas have the object as it is: `COMPLETED`, `PENDING`, or `FAILED` where one
//! cannot be brought up to date. `x-relais-replicas` names the store of each, for those who may see it: buckets there have names
//! that clients need not know. Buckets with one replica have nothing to say, nor is anything said of a version that is asked for
//! by its id: rows are of objects as they are now. What a store says of a replication of its own never comes through.

use std::collections::BTreeMap;

use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use relais_model::{Identity, Replica, ReplicaState};
use s3s::dto::{GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, ReplicationStatus};
use s3s::{S3Request, S3Response, S3Result};

use super::mutation::Recorded;
use crate::access::session::Asker;
use crate::gateway::{Gateway, key};
use crate::placement::Bucket;

const STATUS: HeaderName = HeaderName::from_static("x-amz-replication-status");

/// Each replica and its state, for who may see it.
const REPLICAS: HeaderName = HeaderName::from_static("x-relais-replicas");

/// Who reads an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Seer {
    /// Is told whether the object is everywhere.
    Client,
    /// Is told where it is, too.
    Operator,
}

impl Seer {
    /// Who is left behind in a request; where nobody was asked, a client.
    pub(super) fn of(extensions: &Extensions) -> Self {
        let Some(asker) = Asker::of(extensions) else { return Self::Client };
        let sees = match &asker.session {
            None => asker.identity == Identity::Root,
            Some(session) => session.sees_replicas(),
        };
        if sees { Self::Operator } else { Self::Client }
    }
}

/// States of a bucket's replicas, in the order of its places.
struct States<'a>(Vec<(&'a Replica, ReplicaState)>);

impl<'a> States<'a> {
    /// As the catalog has them. A replica that it does not know was added since, and has nothing yet.
    fn of_row(replicas: impl Iterator<Item = &'a Replica>, row: &BTreeMap<String, ReplicaState>) -> Self {
        let state = |name: String| row.get(&name).copied().unwrap_or(ReplicaState::Pending);
        Self(replicas.map(|replica| (replica, state(replica.to_string()))).collect())
    }

    fn status(&self) -> &'static str {
        let has = |wanted: ReplicaState| self.0.iter().any(|(_, state)| *state == wanted);
        if has(ReplicaState::Failed) {
            ReplicationStatus::FAILED
        } else if has(ReplicaState::Pending) {
            ReplicationStatus::PENDING
        } else {
            ReplicationStatus::COMPLETED
        }
    }

    fn tell(&self, headers: &mut HeaderMap, seer: Seer) {
        headers.insert(STATUS, HeaderValue::from_static(self.status()));
        if seer == Seer::Client {
            return;
        }
        let word = |state: &ReplicaState| match state {
            ReplicaState::Current => "current",
            ReplicaState::Pending => "pending",
            ReplicaState::Failed => "failed",
        };
        let each = self.0.iter().map(|(replica, state)| format!("{}={}", replica.store, word(state)));
        if let Ok(value) = HeaderValue::from_str(&each.collect::<Vec<_>>().join(", ")) {
            headers.insert(REPLICAS, value);
        }
    }
}

/// Tells of a write that was just recorded.
pub(super) fn tell(headers: &mut HeaderMap, bucket: &Bucket, recorded: &Recorded, seer: Seer) {
    if bucket.places.len() == 1 {
        return;
    }
    let state = |index| if recorded.has(index) { ReplicaState::Current } else { ReplicaState::Pending };
    let places = bucket.places.iter().enumerate();
    States(places.map(|(index, place)| (&place.replica, state(index))).collect()).tell(headers, seer);
}

/// A read whose answer tells of the replicas: catalog and store are asked at the same time.
macro_rules! told {
    ($method:ident, $read:ident, $input:ident, $output:ident) => {
        pub(super) async fn $method(&self, asked: S3Request<$input>) -> S3Result<S3Response<$output>> {
            let (name, text) = (asked.input.bucket.clone(), asked.input.key.clone());
            let (seer, of_version) = (Seer::of(&asked.extensions), asked.input.version_id.is_some());
            let states =
                async { if of_version { None } else { self.replica_states(&name, &text, seer).await } };
            let (answer, headers) = tokio::join!(self.$read(asked), states);
            let mut answer = answer?;
            answer.output.replication_status = None;
            answer.headers.extend(headers.unwrap_or_default());
            Ok(answer)
        }
    };
}

impl Gateway {
    told!(get_with_status, get, GetObjectInput, GetObjectOutput);
    told!(head_with_status, head, HeadObjectInput, HeadObjectOutput);

    /// The headers that tell of an object; nothing where nothing is known. A catalog that does not work costs these headers
    /// and no more.
    async fn replica_states(&self, bucket: &str, text: &str, seer: Seer) -> Option<HeaderMap> {
        let (bucket, key) = (self.bucket(bucket).ok()?, key(text).ok()?);
        if bucket.places.len() == 1 {
            return None;
        }
        let row = match self.objects.find(&bucket.name, &key).await {
            Ok(row) => row.filter(|row| row.object.is_some())?,
            Err(error) => {
                tracing::warn!(%error, bucket = %bucket.name, "the replication status of an object is not known");
                return None;
            }
        };
        let mut headers = HeaderMap::new();
        States::of_row(bucket.places.iter().map(|place| &place.replica), &row.replicas)
            .tell(&mut headers, seer);
        Some(headers)
    }
}

#[cfg(test)]
mod tests;
