//! Which bus the ARN of a destination means.
//!
//! relais's buses have names like `arn:relais:sqs::any:BUS`. Tools that know AWS alone may write `aws` for `relais`, and
//! what was written for MinIO names a bus as `arn:minio:sqs::BUS:redis`.

use serde::{Deserialize, Serialize};

/// What kind of destination a client names. To relais all are buses.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Destination {
    Queue,
    Topic,
    Lambda,
}

impl Destination {
    fn service(self) -> &'static str {
        match self {
            Self::Queue => "sqs",
            Self::Topic => "sns",
            Self::Lambda => "lambda",
        }
    }

    /// The name of the bus; nothing where the ARN is none of such a destination.
    pub(crate) fn bus(self, arn: &str) -> Option<&str> {
        let parts: Vec<&str> = arn.split(':').collect();
        let bus = match parts[..] {
            ["arn", "minio", "sqs", _, bus, "redis"] if self == Self::Queue => bus,
            ["arn", "relais" | "aws", "lambda", _, _, "function", bus] if self == Self::Lambda => bus,
            ["arn", "relais" | "aws", service, _, _, bus] if service == self.service() => bus,
            _ => return None,
        };
        Some(bus).filter(|bus| !bus.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::Destination::{self, Lambda, Queue, Topic};

    #[test]
    fn the_bus_is_the_last_part_save_for_minio() {
        let table = [
            (Queue, "arn:relais:sqs::any:audit", Some("audit")),
            (Queue, "arn:relais:sqs:::audit", Some("audit")),
            (Queue, "arn:relais:sqs:us-east-1:000000000000:audit", Some("audit")),
            (Queue, "arn:aws:sqs:us-east-1:123456789012:audit.log-1_a", Some("audit.log-1_a")),
            (Queue, "arn:minio:sqs::audit:redis", Some("audit")),
            (Queue, "arn:minio:sqs:us-east-1:audit:redis", Some("audit")),
            (Topic, "arn:aws:sns:us-east-1:123456789012:audit", Some("audit")),
            (Topic, "arn:relais:sns:::audit", Some("audit")),
            (Lambda, "arn:aws:lambda:us-east-1:123456789012:function:audit", Some("audit")),
            (Lambda, "arn:relais:lambda:::audit", Some("audit")),
            (Queue, "arn:aws:sns:us-east-1:123456789012:audit", None),
            (Topic, "arn:aws:sqs:us-east-1:123456789012:audit", None),
            (Topic, "arn:minio:sqs::audit:redis", None),
            (Queue, "arn:minio:sqs::audit:kafka", None),
            (Queue, "arn:other:sqs:::audit", None),
            (Queue, "arn:relais:sqs:::", None),
            (Queue, "arn:relais:sqs::audit", None),
            (Queue, "arn:relais:sqs:::audit:more", None),
            (Queue, "audit", None),
            (Queue, "", None),
        ];
        for (destination, arn, expected) in table {
            assert_eq!(Destination::bus(destination, arn), expected, "{destination:?} {arn}");
        }
    }
}
