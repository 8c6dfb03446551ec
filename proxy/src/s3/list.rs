//! Listings of a bucket: as the primary has it, under the name that clients use.

use relais_stores::request;
use s3s::dto::{ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output};
use s3s::{S3Request, S3Response, S3Result};

use crate::gateway::Gateway;

macro_rules! listing {
    ($method:ident, $input:ident, $output:ident, $operation:ident) => {
        pub(super) async fn $method(&self, asked: S3Request<$input>) -> S3Result<S3Response<$output>> {
            let bucket = self.bucket(&asked.input.bucket)?;
            let primary = bucket.primary();
            let input = $input { bucket: primary.bucket.to_string(), ..asked.input };
            let mut output = primary.store.s3.$operation(request(input)).await?.output;
            output.name = Some(bucket.name.to_string());
            Ok(S3Response::new(output))
        }
    };
}

impl Gateway {
    listing!(list, ListObjectsInput, ListObjectsOutput, list_objects);
    listing!(list_v2, ListObjectsV2Input, ListObjectsV2Output, list_objects_v2);
}
