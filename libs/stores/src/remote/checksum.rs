//! Checksums on a request, as the service understands them. Three habits of the SDK are corrected:
//!
//! - Told to compute checksums only where S3 requires them, as it is, it announces the algorithm that a request asks for and
//!   computes nothing, which AWS refuses. Here such a request gets its checksum: behind a streamed body, as a trailer.
//! - It puts a CRC32 on requests that S3 wants to be protected (a bulk deletion, most settings of a bucket). Services from
//!   before that know `Content-MD5` only and refuse the request without it, so they get that, and no checksum of any kind.
//! - It sends a checksum that is known beforehand without the name of its algorithm. AWS's other clients send both, and some
//!   services forget the value otherwise.

use aws_sdk_s3::config::{ConfigBag, Intercept, RequestChecksumCalculation, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut as Context;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use s3s::crypto::{Checksum, Md5};

use crate::profile::Features;

/// Sets what a request needs before it is signed.
#[derive(Debug)]
pub(super) struct Checksums(pub(super) Features);

const PREFIX: &str = "x-amz-checksum-";
const ALGORITHM: &str = "x-amz-sdk-checksum-algorithm";

/// Tells the SDK that a checksum is there already. It never leaves this module.
const MARKER: &str = "x-amz-checksum-none";

/// The header of a value is its algorithm's name in small letters behind [`PREFIX`].
const ALGORITHMS: [&str; 5] = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"];

impl Intercept for Checksums {
    fn name(&self) -> &'static str {
        "checksums as the service understands them"
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut Context<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let asked_for = request.headers().contains_key(ALGORITHM) && value(request).is_none();
        if !self.0.checksums {
            if body_in_memory(request).is_some() {
                request.headers_mut().insert(MARKER, "");
            }
        } else if asked_for && (self.0.trailers || body_in_memory(request).is_some()) {
            config.interceptor_state().store_put(RequestChecksumCalculation::WhenSupported);
        } else if asked_for {
            request.headers_mut().remove(ALGORITHM);
        }
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut Context<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if self.0.checksums {
            name_algorithm(request)
        } else {
            use_md5(request)
        }
        Ok(())
    }
}

/// A body that is not streamed, where there is one.
fn body_in_memory(request: &HttpRequest) -> Option<&[u8]> {
    request.body().bytes().filter(|bytes| !bytes.is_empty())
}

/// The algorithm of a checksum whose value the request has.
fn value(request: &HttpRequest) -> Option<&'static str> {
    let header = |algorithm: &str| format!("{PREFIX}{}", algorithm.to_ascii_lowercase());
    ALGORITHMS.into_iter().find(|algorithm| request.headers().contains_key(header(algorithm)))
}

/// A completion carries the checksum of the whole object, which is not one of its own body: it is no PUT.
fn name_algorithm(request: &mut HttpRequest) {
    if let Some(algorithm) = value(request)
        && request.method() == "PUT"
    {
        request.headers_mut().insert(ALGORITHM, algorithm);
    }
}

fn use_md5(request: &mut HttpRequest) {
    let not_understood = |name: &&str| name.starts_with(PREFIX) || *name == ALGORITHM;
    let names = request.headers().iter().map(|(name, _)| name).filter(not_understood);
    for name in names.map(str::to_owned).collect::<Vec<_>>() {
        request.headers_mut().remove(name);
    }
    if let Some(bytes) = body_in_memory(request)
        && !request.headers().contains_key("content-md5")
    {
        let md5 = BASE64_STANDARD.encode(Md5::checksum(bytes));
        request.headers_mut().insert("content-md5", md5);
    }
}
