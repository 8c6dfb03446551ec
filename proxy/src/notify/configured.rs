//! The rules of the configuration.
//!
//! A bus that no rule names gets everything, unless `events.only_by_rules` names it; one that a rule names gets what any of
//! its rules selects.

use std::collections::{BTreeMap, BTreeSet};

use relais_events::{Config, RuleConfig};
use relais_model::{BucketName, Event};

use super::keys::KeyFilter;
use super::names::{self, EventNames, UnknownName};

/// What is wrong with the rules of the configuration, key first.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// A bus that is not configured.
    #[error("{key}: there is no bus {bus:?}; {there}")]
    NoSuchBus {
        /// The key.
        key: String,
        /// What it says.
        bus: String,
        /// What it could say.
        there: String,
    },
    /// An event that S3 does not know.
    #[error("events.rules, {id:?}: `events`: there is no event {event:?}; there are {known}")]
    NoSuchEvent {
        /// The rule.
        id: String,
        /// What it says.
        event: String,
        /// What it could say.
        known: String,
    },
    /// A bucket that cannot be.
    #[error("events.rules, {id:?}: `buckets`: {bucket:?} is not usable as a bucket's name")]
    InvalidBucket {
        /// The rule.
        id: String,
        /// What it says.
        bucket: String,
    },
    /// Two rules of one name, or one without.
    #[error("events.rules: `id`: {0:?} is empty or another rule's; each has its own")]
    Id(String),
}

/// What the configuration sends to each bus.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules(BTreeMap<String, Sends>);

/// What the configuration sends to one bus.
#[derive(Clone, Debug)]
enum Sends {
    Everything,
    Selected(Vec<Rule>),
}

#[derive(Clone, Debug)]
struct Rule {
    id: String,
    /// Empty: all of them.
    buckets: BTreeSet<BucketName>,
    names: EventNames,
    keys: KeyFilter,
}

impl Rules {
    pub(super) fn new(config: &Config, buses: &[&str]) -> Result<Self, RuleError> {
        let mut sends: BTreeMap<String, Sends> =
            buses.iter().map(|bus| ((*bus).to_owned(), Sends::Everything)).collect();
        for bus in &config.only_by_rules {
            *found(&mut sends, "events.only_by_rules", bus)? = Sends::Selected(Vec::new());
        }
        let mut ids = BTreeSet::new();
        for rule in &config.rules {
            if rule.id.is_empty() || !ids.insert(&rule.id) {
                return Err(RuleError::Id(rule.id.clone()));
            }
            let to = found(&mut sends, &format!("events.rules, {:?}: `bus`", rule.id), &rule.bus)?;
            let rule = Rule::new(rule)?;
            match to {
                Sends::Selected(rules) => rules.push(rule),
                Sends::Everything => *to = Sends::Selected(vec![rule]),
            }
        }
        Ok(Self(sends))
    }

    /// Whether the configuration sends an event to a bus; if so, by which rule, where it is one.
    pub(super) fn matching(&self, bus: &str, event: &Event) -> Option<Option<String>> {
        match self.0.get(bus)? {
            Sends::Everything => Some(None),
            Sends::Selected(rules) => {
                rules.iter().find(|rule| rule.selects(event)).map(|rule| Some(rule.id.clone()))
            }
        }
    }
}

impl Rule {
    fn new(config: &RuleConfig) -> Result<Self, RuleError> {
        let id = config.id.clone();
        let invalid = |bucket: &String| RuleError::InvalidBucket { id: id.clone(), bucket: bucket.clone() };
        let name = |bucket: &String| bucket.parse().map_err(|_| invalid(bucket));
        let buckets = config.buckets.iter().map(name).collect::<Result<_, _>>()?;
        let unknown = |UnknownName(event)| {
            let id = id.clone();
            RuleError::NoSuchEvent { id, event, known: names::known() }
        };
        let names = match config.events[..] {
            [] => EventNames::ALL,
            _ => EventNames::parse(&config.events).map_err(unknown)?,
        };
        let keys = KeyFilter { prefix: config.prefix.clone(), suffix: config.suffix.clone() };
        Ok(Self { buckets, names, keys, id })
    }

    fn selects(&self, event: &Event) -> bool {
        (self.buckets.is_empty() || self.buckets.contains(&event.bucket))
            && self.names.contains(event.kind)
            && self.keys.matches(event.key.as_str())
    }
}

fn found<'a>(
    sends: &'a mut BTreeMap<String, Sends>,
    key: &str,
    bus: &str,
) -> Result<&'a mut Sends, RuleError> {
    let there = if sends.is_empty() {
        "there is none at all: set events.redis_url (REDIS_URL)".to_owned()
    } else {
        format!("there are {}", sends.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
    };
    let missing = || RuleError::NoSuchBus { key: key.to_owned(), bus: bus.to_owned(), there };
    sends.get_mut(bus).ok_or_else(missing)
}
