//! What is measured, and how long.

use std::time::Duration;

/// What a load does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Operation {
    Get,
    Put,
}

impl Operation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
        }
    }
}

/// Requests for objects of one size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) object_bytes: usize,
    /// Requests under way at once, each on a connection of its own.
    pub(crate) connections: usize,
    /// A connection has its own keys, so no two requests ever write one key at once.
    pub(crate) keys_per_connection: usize,
}

/// Small objects cost a proxy requests, large ones bytes; 64 MiB also shows whether a body is ever held whole.
pub(crate) const LOADS: [Load; 3] = [
    Load { name: "4 KiB", object_bytes: 4 << 10, connections: 16, keys_per_connection: 64 },
    Load { name: "1 MiB", object_bytes: 1 << 20, connections: 8, keys_per_connection: 4 },
    Load { name: "64 MiB", object_bytes: 64 << 20, connections: 4, keys_per_connection: 1 },
];

/// The bucket of every object here.
pub(crate) const BUCKET: &str = "bench";

impl Load {
    pub(crate) fn keys(&self) -> impl Iterator<Item = String> {
        let bytes = self.object_bytes;
        (0..self.connections * self.keys_per_connection).map(move |index| format!("{bytes}/{index}"))
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How often each peer has its turn with each load. Odd, so that the median is a round that was.
    pub(crate) rounds: usize,
    /// How long a turn is; requests that are under way at its end are finished and counted.
    pub(crate) turn: Duration,
    /// Bounds a turn where requests cost next to nothing.
    pub(crate) requests_per_connection_max: usize,
}

impl Plan {
    pub(crate) const FULL: Self =
        Self { rounds: 11, turn: Duration::from_millis(1500), requests_per_connection_max: 100_000 };
    pub(crate) const QUICK: Self =
        Self { rounds: 1, turn: Duration::from_millis(200), requests_per_connection_max: 50 };
}
