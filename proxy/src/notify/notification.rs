//! What clients put on a bucket: the notification configuration of S3, which names a bus where S3 names a queue, a topic or a
//! function.
//!
//! It is kept as it was sent, so that it is given back like that, and read into what matching needs when it comes out of the
//! catalog. Checked when it is put: see [`Notifications::of_client`]. Whether its buses are there is not known here.

use std::collections::BTreeMap;

use relais_model::Event;
use s3s::S3ErrorCode;
use s3s::dto::{
    FilterRule, GetBucketNotificationConfigurationOutput, LambdaFunctionConfiguration,
    NotificationConfiguration, NotificationConfigurationFilter, QueueConfiguration, S3KeyFilter,
    TopicConfiguration,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::arn::Destination;
use super::keys::{KeyFilter, decoded};
use super::names::{EventNames, UnknownName};

/// Notifications of one bucket, as S3 has it.
const NOTIFICATIONS_MAX: usize = 100;

/// Length of the value of a filter, as S3 has it; no key is longer.
const FILTER_BYTES_MAX: usize = 1024;

/// Length of an id, as S3 has it.
const ID_CHARACTERS_MAX: usize = 255;

/// Why notifications are not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotificationError {
    #[error("relais sends nothing to Amazon EventBridge; name a bus in a queue configuration")]
    EventBridge,
    #[error("a bucket has at most {NOTIFICATIONS_MAX} notifications")]
    TooMany,
    #[error("the id of a notification has at most {ID_CHARACTERS_MAX} characters")]
    IdTooLong,
    #[error("Same ID used for multiple configurations. IDs must be unique: {0}")]
    SameId(String),
    #[error(
        "The ARN is not well formed: {0}. It is arn:relais:sqs:::BUS in a queue configuration, arn:relais:sns:::BUS in that of a topic, arn:relais:lambda:::BUS in that of a function"
    )]
    Arn(String),
    #[error("a notification names at least one event")]
    NoEvents,
    #[error("The event is not supported for notifications: {0}")]
    NoSuchEvent(String),
    #[error("filter rule name must be either prefix or suffix")]
    FilterName,
    #[error("Cannot specify more than one {0} rule in a filter.")]
    FilterTwice(&'static str),
    #[error(
        "Size of filter rule value cannot exceed {FILTER_BYTES_MAX} bytes in UTF-8 representation, and it is text"
    )]
    FilterValue,
    #[error(
        "Configurations overlap. Configurations on the same bucket cannot share a common event type. ({0}, {1})"
    )]
    OverlappingEvents(String, String),
    #[error(
        "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type. ({0}, {1})"
    )]
    OverlappingKeys(String, String),
    #[error("Unable to validate the following destination configurations: {arn}: there is no such bus")]
    NoSuchBus { arn: String },
    #[error(
        "Unable to validate the following destination configurations: the bus {bus} takes no events now; try again, or skip the validation"
    )]
    BusAway { bus: String },
}

impl NotificationError {
    pub(crate) fn code(&self) -> S3ErrorCode {
        match self {
            Self::EventBridge => S3ErrorCode::NotImplemented,
            Self::NoEvents => S3ErrorCode::MalformedXML,
            Self::BusAway { .. } => S3ErrorCode::ServiceUnavailable,
            _ => S3ErrorCode::InvalidArgument,
        }
    }
}

/// The notifications of one bucket, in the order in which they were sent.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct Notifications(Vec<Notification>);

/// One of them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "Sent", into = "Sent")]
struct Notification {
    sent: Sent,
    bus: String,
    names: EventNames,
    keys: KeyFilter,
}

/// What a client has sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Sent {
    destination: Destination,
    id: String,
    arn: String,
    events: Vec<String>,
    /// Nothing where there was no filter.
    filter: Option<Vec<Filter>>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Filter {
    name: String,
    value: String,
}

impl Notifications {
    /// What a client wants, if S3 would take it.
    pub(crate) fn of_client(asked: NotificationConfiguration) -> Result<Self, NotificationError> {
        if asked.event_bridge_configuration.is_some() {
            return Err(NotificationError::EventBridge);
        }
        let queues = asked.queue_configurations.unwrap_or_default().into_iter();
        let topics = asked.topic_configurations.unwrap_or_default().into_iter();
        let lambdas = asked.lambda_function_configurations.unwrap_or_default().into_iter();
        let queues = queues.map(|one| (Destination::Queue, one.id, one.queue_arn, one.events, one.filter));
        let topics = topics.map(|one| (Destination::Topic, one.id, one.topic_arn, one.events, one.filter));
        let lambdas =
            lambdas.map(|one| (Destination::Lambda, one.id, one.lambda_function_arn, one.events, one.filter));
        let sent = queues.chain(topics).chain(lambdas).map(|(destination, id, arn, events, filter)| Sent {
            destination,
            id: id.filter(|id| !id.is_empty()).unwrap_or_else(|| Uuid::new_v4().to_string()),
            arn,
            events: events.into_iter().map(String::from).collect(),
            filter: filter.map(filters),
        });
        let all = Self(sent.map(Notification::try_from).collect::<Result<_, _>>()?);
        all.check()?;
        Ok(all)
    }

    /// What concerns several of them.
    fn check(&self) -> Result<(), NotificationError> {
        if self.0.len() > NOTIFICATIONS_MAX {
            return Err(NotificationError::TooMany);
        }
        for (place, one) in self.0.iter().enumerate() {
            self.0.iter().take(place).try_for_each(|other| other.check_beside(one))?;
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The buses that they name, each once, with an ARN that means it.
    pub(crate) fn destinations(&self) -> BTreeMap<&str, &str> {
        self.0.iter().map(|one| (one.bus.as_str(), one.sent.arn.as_str())).collect()
    }

    /// The id of the one that sends this event to this bus. No two do, as they do not overlap.
    pub(super) fn matching(&self, bus: &str, event: &Event) -> Option<&str> {
        let matches = |one: &&Notification| {
            one.bus == bus && one.names.contains(event.kind) && one.keys.matches(event.key.as_str())
        };
        self.0.iter().find(matches).map(|one| one.sent.id.as_str())
    }

    /// As clients get it.
    pub(crate) fn into_output(self) -> GetBucketNotificationConfigurationOutput {
        let (mut queues, mut topics, mut lambdas) = (Vec::new(), Vec::new(), Vec::new());
        for Notification { sent, .. } in self.0 {
            let (id, filter) = (Some(sent.id), sent.filter.map(filter_to_dto));
            let events = sent.events.into_iter().map(Into::into).collect();
            match sent.destination {
                Destination::Queue => {
                    queues.push(QueueConfiguration { id, filter, events, queue_arn: sent.arn })
                }
                Destination::Topic => {
                    topics.push(TopicConfiguration { id, filter, events, topic_arn: sent.arn })
                }
                Destination::Lambda => {
                    let lambda_function_arn = sent.arn;
                    lambdas.push(LambdaFunctionConfiguration { id, filter, events, lambda_function_arn });
                }
            }
        }
        GetBucketNotificationConfigurationOutput {
            event_bridge_configuration: None,
            queue_configurations: Some(queues).filter(|queues| !queues.is_empty()),
            topic_configurations: Some(topics).filter(|topics| !topics.is_empty()),
            lambda_function_configurations: Some(lambdas).filter(|lambdas| !lambdas.is_empty()),
        }
    }
}

impl Notification {
    /// Whether the two can be on one bucket.
    fn check_beside(&self, other: &Self) -> Result<(), NotificationError> {
        let (one, another) = (self.sent.id.clone(), other.sent.id.clone());
        if one == another {
            return Err(NotificationError::SameId(one));
        }
        if !self.names.overlaps(other.names) || !self.keys.overlaps(&other.keys) {
            return Ok(());
        }
        Err(if self.keys.is_empty() && other.keys.is_empty() {
            NotificationError::OverlappingEvents(one, another)
        } else {
            NotificationError::OverlappingKeys(one, another)
        })
    }
}

impl TryFrom<Sent> for Notification {
    type Error = NotificationError;

    fn try_from(sent: Sent) -> Result<Self, NotificationError> {
        if sent.id.chars().count() > ID_CHARACTERS_MAX {
            return Err(NotificationError::IdTooLong);
        }
        if sent.events.is_empty() {
            return Err(NotificationError::NoEvents);
        }
        let bus = sent.destination.bus(&sent.arn).map(str::to_owned);
        let bus = bus.ok_or_else(|| NotificationError::Arn(sent.arn.clone()))?;
        let names = EventNames::parse(&sent.events);
        let names = names.map_err(|UnknownName(name)| NotificationError::NoSuchEvent(name))?;
        let keys = keys(sent.filter.as_deref().unwrap_or_default())?;
        Ok(Self { sent, bus, names, keys })
    }
}

impl From<Notification> for Sent {
    fn from(notification: Notification) -> Self {
        notification.sent
    }
}

/// What filters say of keys: each name once, whether it is written large or small.
fn keys(filters: &[Filter]) -> Result<KeyFilter, NotificationError> {
    let (mut prefix, mut suffix) = (None, None);
    for Filter { name, value } in filters {
        let (name, place) = match name.to_ascii_lowercase().as_str() {
            "prefix" => ("prefix", &mut prefix),
            "suffix" => ("suffix", &mut suffix),
            _ => return Err(NotificationError::FilterName),
        };
        let value = decoded(value).filter(|_| value.len() <= FILTER_BYTES_MAX);
        if place.replace(value.ok_or(NotificationError::FilterValue)?).is_some() {
            return Err(NotificationError::FilterTwice(name));
        }
    }
    Ok(KeyFilter { prefix: prefix.unwrap_or_default(), suffix: suffix.unwrap_or_default() })
}

fn filters(filter: NotificationConfigurationFilter) -> Vec<Filter> {
    let rules = filter.key.and_then(|key| key.filter_rules).unwrap_or_default();
    let filter = |rule: FilterRule| Filter {
        name: rule.name.map(|name| name.as_str().to_owned()).unwrap_or_default(),
        value: rule.value.unwrap_or_default(),
    };
    rules.into_iter().map(filter).collect()
}

fn filter_to_dto(filters: Vec<Filter>) -> NotificationConfigurationFilter {
    let rule = |filter: Filter| FilterRule { name: Some(filter.name.into()), value: Some(filter.value) };
    let filter_rules = Some(filters.into_iter().map(rule).collect());
    NotificationConfigurationFilter { key: Some(S3KeyFilter { filter_rules }) }
}

#[cfg(test)]
mod tests;
