//! Names of the proxy's metrics, with unit and meaning. `docs/METRICS.md` lists the same.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Requests answered, by operation's method and status.
pub(crate) const REQUESTS: &str = "relais_requests_total";

/// Seconds from the head of a request to the head of its answer, by method.
pub(crate) const REQUEST_SECONDS: &str = "relais_request_seconds";

/// Requests being worked on.
pub(crate) const REQUESTS_IN_FLIGHT: &str = "relais_requests_in_flight";

/// Bytes of objects that clients stored.
pub(crate) const BYTES_STORED: &str = "relais_stored_bytes_total";

/// Events taken from the journal to a bus, by bus.
pub(crate) const EVENTS_PUBLISHED: &str = "relais_events_published_total";

/// Events that a bus has not taken yet, by bus.
pub(crate) const JOURNAL_EVENTS: &str = "relais_journal_events";

/// Seconds since the first of them was applied, by bus.
pub(crate) const JOURNAL_OLDEST: &str = "relais_journal_oldest_seconds";

/// What the journal was asked to write down.
pub(crate) const JOURNAL_REQUESTS: &str = "relais_journal_requests_total";

/// Transactions that this took: requests divided by them is the size of a group commit.
pub(crate) const JOURNAL_BATCHES: &str = "relais_journal_batches_total";

/// Replicas that were made equal to the primary after the write, by replica and by cause: missing, different, deleted, tags, acl.
pub(crate) const REPLICAS_SETTLED: &str = "relais_replicas_settled_total";

/// Keys that are not known to be equal on a store, by store. Every instance counts the whole catalog.
pub(crate) const UNSETTLED: &str = "relais_unsettled";

/// Seconds for which the one of them is behind that is so for longest, by store; 0 where none is.
pub(crate) const UNSETTLED_OLDEST_SECONDS: &str = "relais_unsettled_oldest_seconds";

/// Whether a store is taken to be out of order (1) or not (0), by store.
pub(crate) const BREAKER_OPEN: &str = "relais_breaker_open";

/// Entries of the audit log that were not written.
pub(crate) const AUDIT_LOST: &str = "relais_audit_lost_total";

/// Upper bounds of the latency histogram, in seconds: a memory hit to a multipart completion.
const SECONDS_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Installs the recorder of this process; the handle renders what `/metrics` answers.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(REQUEST_SECONDS.to_owned()), &SECONDS_BUCKETS)?
        .install_recorder()
}
