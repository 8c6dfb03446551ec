//! One request, made of one replica or of all.
//!
//! For settings of buckets. They are not in the journal: what a replica did not take shows in `relais check`, and the next
//! request for the same setting mends it.

use std::future::Future;
use std::sync::Arc;

use relais_stores::is_outage;
use s3s::{S3Error, S3Response, S3Result};

use super::fan_out::{FanOut, PRIMARY};
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

/// How many places must do it, and who is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wait {
    /// As many as the bucket's write mode asks for, and then for all others too: what is written next counts on it.
    All,
    /// As many as this request asks for.
    Required(usize),
}

impl Gateway {
    /// Writes to every replica, the primary first: if it refuses, nothing was changed, and its answer is the client's. As many
    /// as the write mode asks for must follow; that another does not is logged.
    pub(super) async fn on_every_replica<T, F>(
        &self,
        bucket: Arc<Bucket>,
        wait: Wait,
        write: impl Fn(Place) -> F + Send + 'static,
    ) -> S3Result<S3Response<T>>
    where
        T: Send + 'static,
        F: Future<Output = S3Result<S3Response<T>>> + Send + 'static,
    {
        let gateway = self.clone();
        self.to_its_end(async move {
            let required = match wait {
                Wait::All => bucket.required(),
                Wait::Required(required) => required,
            };
            let mut fan = FanOut::new(required);
            fan.ask(PRIMARY, write(bucket.primary().clone()));
            fan.primary().await?;
            for (index, place) in bucket.places.iter().enumerate().skip(1) {
                fan.ask(index, write(place.clone()));
            }
            if matches!(wait, Wait::All) {
                fan.all().await;
            }
            if let Err(error) = fan.met().await {
                log_differences(&bucket, fan.failures());
                tracing::warn!(code = error.code().as_str(), "a setting is on too few replicas");
                return Err(error);
            }
            let answer = fan.answer()?;
            gateway.afterwards(async move {
                fan.all().await;
                log_differences(&bucket, fan.failures());
            });
            Ok(answer)
        })
        .await
    }
}

fn log_differences(bucket: &Bucket, failures: &[(usize, S3Error)]) {
    for (index, error) in failures {
        let replica = &bucket.places[*index].replica;
        let (code, outage) = (error.code().as_str(), is_outage(error));
        tracing::warn!(bucket = %bucket.name, %replica, code, outage, source = cause(error), "a replica did not take a setting");
    }
}
