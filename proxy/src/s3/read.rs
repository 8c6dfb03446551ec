//! `GetObject` and `HeadObject`.
//!
//! The primary answers. When it is out of order, a replica that the catalog knows to be current does; there being none, the
//! client hears 503 rather than something stale.

use relais_model::ReplicaState;
use relais_stores::{is_outage, request};
use s3s::dto::{GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use crate::error::{GatewayError, cause};
use crate::gateway::{Gateway, key};
use crate::placement::{Bucket, Place};

/// One of the two reads: ask a place; on an outage ask the next that is current.
macro_rules! read {
    ($method:ident, $input:ident, $output:ident, $operation:ident) => {
        pub(super) async fn $method(&self, asked: S3Request<$input>) -> S3Result<S3Response<$output>> {
            let bucket = self.bucket(&asked.input.bucket)?;
            let key = key(&asked.input.key)?;
            let at = |place: &Place| $input { bucket: place.bucket.to_string(), ..asked.input.clone() };
            let primary = bucket.primary();
            let error = match primary.store.s3.$operation(request(at(primary))).await {
                Err(error) if is_outage(&error) => error,
                answer => return answer.map(|answer| S3Response::new(answer.output)),
            };
            for place in self.current_replicas(&bucket, &key, &error).await? {
                match place.store.s3.$operation(request(at(place))).await {
                    Err(error) if is_outage(&error) => log_outage(place, &error),
                    answer => return answer.map(|answer| S3Response::new(answer.output)),
                }
            }
            Err(s3_error!(
                error,
                ServiceUnavailable,
                "the primary replica is out of order and no other is known to be current"
            ))
        }
    };
}

impl Gateway {
    read!(get, GetObjectInput, GetObjectOutput, get_object);
    read!(head, HeadObjectInput, HeadObjectOutput, head_object);

    /// The replicas beside the primary that have the key as it was last acknowledged.
    async fn current_replicas<'a>(
        &self,
        bucket: &'a Bucket,
        key: &relais_model::ObjectKey,
        outage: &S3Error,
    ) -> Result<Vec<&'a Place>, GatewayError> {
        log_outage(bucket.primary(), outage);
        if bucket.places.len() == 1 {
            return Ok(Vec::new());
        }
        let Some(row) = self.objects.find(&bucket.name, key).await? else { return Ok(Vec::new()) };
        let current =
            |place: &&Place| row.replicas.get(&place.replica.to_string()) == Some(&ReplicaState::Current);
        Ok(bucket.places[1..].iter().filter(current).collect())
    }
}

fn log_outage(place: &Place, error: &S3Error) {
    tracing::warn!(replica = %place.replica, code = error.code().as_str(), source = cause(error), "a replica does not answer");
}
