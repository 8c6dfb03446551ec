//! Who asks.

use serde::{Deserialize, Serialize};

/// Who makes a request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Identity {
    /// Holder of the root keys: may do everything.
    Root,
    /// A part of relais itself, such as a sidecar: acts for the objects' owners.
    Service(String),
    /// An account, by its id: owns what it makes.
    Account(String),
    /// Nobody: sees what is public.
    Anonymous,
}

impl Identity {
    /// The name that events and rows carry as owner or principal.
    pub fn principal(&self) -> &str {
        match self {
            Self::Root => "root",
            Self::Service(name) => name,
            Self::Account(id) => id,
            Self::Anonymous => "anonymous",
        }
    }
}

/// What a mutation remembers of the request that made it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Requester {
    /// Principal of the identity.
    pub principal: String,
    /// Address of the client; nothing for requests made inside the process.
    pub source_ip: Option<String>,
    /// The request id that the answer carries.
    pub request_id: String,
    /// W3C trace context of the request, where it had one.
    pub traceparent: Option<String>,
}
