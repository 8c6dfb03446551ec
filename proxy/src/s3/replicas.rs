//! One request, made of one replica or of all.
//!
//! For settings of buckets. They are not in the journal: what a replica did not take shows in `relais check`, and the next
//! request for the same setting mends it.

use std::future::Future;
use std::sync::Arc;

use relais_stores::is_outage;
use s3s::{S3Error, S3Response, S3Result};

use crate::error::cause;
use crate::gateway::Gateway;
use crate::placement::{Bucket, Place};

/// Asks a place: the input with the bucket's name there. Nothing else of the client's request reaches the store, nor do
/// headers of its answer come back.
macro_rules! at {
    ($place:expr, $operation:ident, $input:ident, $asked:expr) => {{
        let place: crate::placement::Place = $place.clone();
        let mut input: $input = $asked;
        input.bucket = place.bucket.to_string();
        input.expected_bucket_owner = None; // Owners are relais's own.
        async move {
            let answer = place.store.s3.$operation(relais_stores::request(input)).await;
            answer.map(|answer| s3s::S3Response::new(answer.output))
        }
    }};
}
pub(super) use at;

impl Gateway {
    /// Writes to every replica, the primary first: if it refuses, nothing was changed, and its answer is the client's. A
    /// replica that the write mode asks for must follow; that another does not is logged.
    pub(super) async fn on_every_replica<T, F>(
        &self,
        bucket: Arc<Bucket>,
        write: impl Fn(Place) -> F + Send + 'static,
    ) -> S3Result<S3Response<T>>
    where
        T: Send + 'static,
        F: Future<Output = S3Result<S3Response<T>>> + Send,
    {
        self.to_its_end(async move {
            let answer = write(bucket.primary().clone()).await?;
            let others = bucket.places[1..].iter().map(|place| write(place.clone()));
            let outcomes = futures::future::join_all(others).await;
            for (index, error) in outcomes.into_iter().enumerate().filter_map(failed) {
                let place = &bucket.places[index + 1];
                log_difference(&bucket, place, &error);
                if index + 1 < bucket.required() {
                    return Err(error);
                }
            }
            Ok(answer)
        })
        .await
    }
}

fn failed<T>((index, outcome): (usize, S3Result<T>)) -> Option<(usize, S3Error)> {
    Some((index, outcome.err()?))
}

fn log_difference(bucket: &Bucket, place: &Place, error: &S3Error) {
    let (replica, code, outage) = (&place.replica, error.code().as_str(), is_outage(error));
    tracing::warn!(bucket = %bucket.name, %replica, code, outage, source = cause(error), "a replica did not take a setting of the bucket");
}
