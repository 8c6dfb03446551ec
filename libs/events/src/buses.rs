//! Builds the buses that the configuration names. None of them is contacted yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::bus::{GroupName, Publisher};
use crate::config::{BusConfig, Config, Kind, RedisConfig};
use crate::error::BusError;
use crate::link::{Keys, Link};
use crate::redis_key::{Format, RedisKey};
use crate::redis_stream::{DEFAULT_BUS, RedisStream, StreamOptions, default_keys};

/// The places that events are taken to: the default stream, where `events.redis_url` is set, then those of `events.buses`.
///
/// `region` is what records name.
pub fn publishers(config: &Config, region: &str) -> Result<Vec<Arc<dyn Publisher>>, BusError> {
    let mut publishers: Vec<Arc<dyn Publisher>> = Vec::new();
    if config.redis_url.is_some() {
        publishers.push(Arc::new(RedisStream::connect(config, NO_CONSUMER)?.in_region(region)));
    }
    let mut names = BTreeSet::from([DEFAULT_BUS]);
    for bus in &config.buses {
        let name = &bus.name;
        if name.parse::<GroupName>().is_err() {
            let rule = "must have 1 to 64 letters, digits, hyphens, underscores or dots";
            return Err(BusError::Misconfigured(format!("buses: the name {name:?} {rule}")));
        }
        if !names.insert(name) {
            return Err(BusError::Misconfigured(format!(
                "buses: there is another bus {name}; each has its own name"
            )));
        }
        publishers.push(publisher(config, bus, region)?);
    }
    no_key_twice(config)?;
    Ok(publishers)
}

fn publisher(config: &Config, bus: &BusConfig, region: &str) -> Result<Arc<dyn Publisher>, BusError> {
    if bus.key.is_empty() {
        return Err(BusError::Misconfigured(format!("bus {}: `key` must not be empty", bus.name)));
    }
    let link = link(config, bus)?;
    let format = match bus.kind {
        Kind::Stream => {
            let options = StreamOptions {
                name: &bus.name,
                key: &bus.key,
                length_max: bus.length_max.unwrap_or(config.stream_length_max),
                partitions: bus.partitions.unwrap_or(1),
            };
            return Ok(Arc::new(RedisStream::new(&link, &options, NO_CONSUMER)?.in_region(region)));
        }
        Kind::Channel => Format::Channel,
        Kind::Namespace => Format::Namespace,
        Kind::Access => Format::Access,
    };
    if bus.length_max.is_some() || bus.partitions.is_some() {
        let rule = format!("bus {}: `length_max` and `partitions` are for a stream", bus.name);
        return Err(BusError::Misconfigured(rule));
    }
    let (name, key, region) = (bus.name.clone(), bus.key.clone(), region.to_owned());
    Ok(Arc::new(RedisKey { name, format, key, region, link }))
}

fn link(config: &Config, bus: &BusConfig) -> Result<Link, BusError> {
    let own_options = || format!("[events.buses.redis] of bus {}", bus.name);
    match (&bus.redis_url, &config.redis_url) {
        (Some(url), _) => {
            let keys = Keys { url: format!("redis_url of bus {}", bus.name), options: own_options() };
            let none = RedisConfig::default();
            Link::open(keys, url, bus.redis.as_ref().unwrap_or(&none))
        }
        (None, Some(url)) => match &bus.redis {
            Some(options) => Link::open(Keys { options: own_options(), ..default_keys() }, url, options),
            None => Link::open(default_keys(), url, &config.redis),
        },
        (None, None) => {
            let rule = format!("bus {}: set its redis_url, or events.redis_url (REDIS_URL)", bus.name);
            Err(BusError::Misconfigured(rule))
        }
    }
}

/// Two buses on one key would each write there what the other has written. Channels have names of their own.
fn no_key_twice(config: &Config) -> Result<(), BusError> {
    let default = config.redis_url.iter().map(|url| (url, &config.stream, false));
    let further = config.buses.iter().filter_map(|bus| {
        let url = bus.redis_url.as_ref().or(config.redis_url.as_ref())?;
        Some((url, &bus.key, bus.kind == Kind::Channel))
    });
    let mut seen = BTreeSet::new();
    for (url, key, is_channel) in default.chain(further) {
        if !seen.insert((url, key, is_channel)) {
            return Err(BusError::Misconfigured(format!("buses: two of them write to {key:?} of one redis")));
        }
    }
    Ok(())
}

/// Who only publishes is in no group.
const NO_CONSUMER: &str = "relais";

#[cfg(test)]
mod tests;
