//! What can be set about the proxy and its buckets.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use relais_model::{ByteSize, Replica, WriteMode};
use serde::{Deserialize, Serialize};

/// The S3 side. Every key is explained, with its default, in `config/default.toml`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of the S3 port.
    pub listen: SocketAddr,
    /// PEM chain of the server's certificate; TLS is on when it and the key are set.
    pub tls_certificate_file: Option<PathBuf>,
    /// PEM key of the certificate.
    pub tls_key_file: Option<PathBuf>,
    /// PEM certificates of the authorities that clients' certificates come from.
    pub tls_client_ca_file: Option<PathBuf>,
    /// Whether clients show a certificate.
    pub tls_client_auth: ClientAuth,
    /// How long browsers shall insist on HTTPS; nothing: it is not said.
    pub hsts_max_age_seconds: Option<u64>,
    /// Domains below which a host name names a bucket.
    pub domains: Vec<String>,
    /// Region that buckets say they are in. Signatures may be for any.
    pub region: String,
    /// Whether signatures of version 2 are taken too.
    pub signature_v2: bool,
    /// Addresses at which clients reach relais through a proxy in front of it. The first is the base of public URLs of objects
    /// whose primary store has none of its own.
    pub public_urls: Vec<String>,
    /// Requests worked on at once, each until its answer was taken; more are told to slow down.
    pub requests_in_flight_max: usize,
    /// Connections on each port; more are closed.
    pub connections_max: usize,
    /// Connections of one address on each port; nothing: as many as there are.
    pub connections_per_address_max: Option<usize>,
    /// All headers of a request together.
    pub header_bytes_max: ByteSize,
    /// How long a client may take to shake hands or to send the head of a request, and how long a connection without a request is
    /// kept.
    pub head_timeout_seconds: u64,
    /// How long the body of a request may stand still.
    pub body_idle_timeout_seconds: u64,
    /// How long a client may take nothing of its answer.
    pub write_idle_timeout_seconds: u64,
    /// What one address, and one identity, may do in a second.
    pub rates: RatesConfig,
    /// Largest file of a POST form, which is held in memory while its policy is checked.
    pub form_bytes_max: ByteSize,
    /// How long a replica may take nothing of a body before the write goes on without it, or fails where it is needed.
    pub replica_stall_seconds: NonZeroU32,
    /// How long requests may take to finish once the process is told to stop.
    pub drain_timeout_seconds: u64,
    /// How long requests are still taken after `/ready` has begun to say that relais stops.
    pub shutdown_delay_seconds: u64,
}

/// Whether clients prove by a certificate who they are.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// They are not asked.
    None,
    /// One that shows a certificate shows a good one.
    Optional,
    /// Nobody connects without.
    Required,
}

/// What may be done in a second, by whom.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RatesConfig {
    /// By one address: before anything of a request is verified.
    #[serde(default)]
    pub address: RateConfig,
    /// By one identity, wherever it comes from.
    #[serde(default)]
    pub identity: RateConfig,
}

/// What one of them may do in a second.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RateConfig {
    /// Requests; more are told to slow down.
    pub requests_per_second_max: Option<NonZeroU32>,
    /// Bytes of bodies, in both directions together; more are delayed.
    pub bytes_per_second_max: Option<ByteSize>,
}

impl Config {
    /// Where clients reach the S3 port: the first public address, or the one that it listens on.
    pub fn address(&self) -> String {
        let scheme = if self.tls_key_file.is_some() { "https" } else { "http" };
        let own = || format!("{scheme}://{}", self.listen);
        self.public_urls.first().map_or_else(own, |url| url.trim_end_matches('/').to_owned())
    }
}

/// How much may wait in the journal.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JournalConfig {
    /// Events that a bus has not taken, or keys with a replica to be settled.
    pub entries_max: u64,
    /// What happens above it.
    pub when_full: WhenFull,
}

/// What happens when more waits in the journal than may.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenFull {
    /// It grows on.
    Keep,
    /// Writes are refused until buses and stores have caught up.
    Shed,
}

/// One bucket, or with the name `*` every bucket that is not named.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    /// The name that clients use, or `*`.
    pub name: String,
    /// Where its objects are; the first is the primary.
    pub replicas: Vec<Replica>,
    /// What must have an object before the client hears 200.
    #[serde(default = "primary")]
    pub write_mode: WriteMode,
    /// Largest object; nothing: what S3 allows.
    pub object_bytes_max: Option<ByteSize>,
    /// Media types that may be stored; empty: all.
    #[serde(default)]
    pub content_types: Vec<String>,
    /// Whether, with `content_types`, the bytes of an object have to be what its type says.
    #[serde(default = "yes")]
    pub check_bytes: bool,
    /// Server-side encryption asked of S3 stores where the client asks for none: `AES256` or `aws:kms`.
    pub encryption: Option<String>,
    /// Keys that anyone may read: prefixes, or patterns with one `*`, as `audio/*.ogg`.
    #[serde(default)]
    pub public_read: Vec<String>,
    /// Whether, while no replica is known to be current, another may answer a read, which then says that it may be stale.
    #[serde(default)]
    pub stale_reads: bool,
    /// Whether a read that the primary is slow with is also asked of a replica that is known to be current.
    #[serde(default)]
    pub hedged_reads: bool,
    /// Which web pages may use the bucket.
    #[serde(default)]
    pub cors: Vec<CorsRule>,
}

/// One rule of a bucket's cross-origin sharing, as in S3.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CorsRule {
    /// Origins; one `*` in each is a wildcard.
    pub allowed_origins: Vec<String>,
    /// Methods.
    pub allowed_methods: Vec<String>,
    /// Request headers; one `*` in each is a wildcard.
    #[serde(default = "any")]
    pub allowed_headers: Vec<String>,
    /// Response headers that the page may read, beside those that relais always exposes.
    #[serde(default)]
    pub expose_headers: Vec<String>,
    /// How long a browser may keep the answer to a preflight request.
    pub max_age_seconds: Option<u32>,
    /// Name that the rule's author gave it.
    #[serde(default)]
    pub id: Option<String>,
}

fn primary() -> WriteMode {
    WriteMode::Primary
}

fn yes() -> bool {
    true
}

fn any() -> Vec<String> {
    vec!["*".to_owned()]
}
