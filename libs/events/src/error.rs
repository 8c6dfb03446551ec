//! How a bus fails.

use std::error::Error;

/// Why a bus could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// A Redis bus was asked for without an address.
    #[error("no Redis is configured: set REDIS_URL or events.redis_url")]
    NoUrl,
    /// The URL cannot be read. It is not repeated, for it may hold a password.
    #[error(
        "{key} is not the URL of a Redis: write redis://[user:password@]host[:port][/database], rediss:// for TLS, or \
         redis+unix:///path"
    )]
    InvalidUrl {
        /// The key of the configuration, and its variable.
        key: String,
    },
    /// The configuration of a bus contradicts itself, or names what is not there.
    #[error("events: {0}")]
    Misconfigured(String),
    /// Redis cannot be reached, or refuses. The same call may succeed later; events wait in the journal meanwhile.
    #[error("cannot {act} redis at {address}: {hint}")]
    Redis {
        /// What was being done, such as `publish events to`.
        act: &'static str,
        /// Host and port, or the path of the socket.
        address: String,
        /// What an operator can do about it.
        hint: String,
        /// What the client or the server said, without the password.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The log below the embedded bus failed. The same call may succeed later.
    #[error("cannot {act} the journal that serves as event bus")]
    Log {
        /// What was being done, such as `read`.
        act: &'static str,
        /// What the log said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A record that relais did not write, or a later version of it did.
    #[error("the event record has no valid {field}")]
    InvalidRecord {
        /// JSON pointer into the record.
        field: &'static str,
    },
}
