//! The AWS SDK, set up as relais sets it up for its stores: nothing is hashed that nobody asked for.

use std::net::SocketAddr;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    Config, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};

/// The one key pair of a run, known to whoever checks signatures. It opens nothing but the processes of the run.
pub(crate) const ACCESS_KEY: &str = "BENCHBENCHBENCHBENCH";
pub(crate) const SECRET_KEY: &str = "bench-secret-of-processes-on-loopback";
pub(crate) const REGION: &str = "us-east-1";

pub(crate) fn client(endpoint: SocketAddr) -> Client {
    let config = Config::builder()
        .behavior_version_latest()
        .endpoint_url(format!("http://{endpoint}"))
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "bench"))
        .force_path_style(true)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    Client::from_conf(config.build())
}
