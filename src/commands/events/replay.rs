//! `relais events replay`: publishes again, with the same ids, what the log still has.
//!
//! Buses get the events in the order of the log, behind what they have, and in between of what is published meanwhile: so
//! subscribers must drop what they know, by the id, and old news of a key, by the sequencer. The cursors of the buses stay.

use std::process::ExitCode;

use anyhow::bail;
use relais_catalog::EventLog;
use relais_model::Event;

use super::position_before;
use crate::cli::{Mark, ReplayArguments};
use crate::commands::progress::Shown;
use crate::commands::{Opened, open_gateway};
use crate::config::Config;

/// Events read and published at once.
const BATCH: u64 = 500;

pub(super) async fn run(config: &Config, arguments: &ReplayArguments) -> anyhow::Result<ExitCode> {
    let opened = open_gateway(config).await?;
    let replayed = replay(&opened, arguments).await;
    opened.close().await?;
    replayed
}

/// The buses that are asked for.
fn chosen(all: Vec<String>, name: Option<&str>) -> anyhow::Result<Vec<String>> {
    match name {
        _ if all.is_empty() => {
            bail!(
                "no bus is configured that events are taken to; groups of the embedded bus read the log itself"
            )
        }
        Some(name) if !all.iter().any(|known| known == name) => {
            bail!("there is no bus {name:?}; configured are {}", all.join(", "))
        }
        Some(name) => Ok(vec![name.to_owned()]),
        None => Ok(all),
    }
}

async fn replay(opened: &Opened, arguments: &ReplayArguments) -> anyhow::Result<ExitCode> {
    let buses = chosen(opened.gateway.bus_names(), arguments.bus.as_deref())?;
    let log = opened.catalog.event_log();
    let from = position_before(&opened.catalog, arguments.from).await?;
    // The end is fixed before the begin, or events that come meanwhile would be published twice for certain.
    let end = log.last().await?;
    let shown = Shown::spinner(true);
    let mut count = 0;
    let mut walk = Walk { log: log.clone(), position: from, end, arguments };
    while let Some(events) = walk.next().await? {
        count += events.len() as u64;
        shown.tell(count, || format!("{count} events counted"));
    }
    shown.end();
    println!("{count} events of the log for {}, as far as their rules send them there", buses.join(", "));
    if !arguments.yes {
        println!("--yes publishes them again");
        return Ok(ExitCode::SUCCESS);
    }
    let shown = Shown::bar(count);
    let (mut done, mut published) = (0, 0);
    let mut walk = Walk { log, position: from, end, arguments };
    while let Some(events) = walk.next().await? {
        done += events.len() as u64;
        for bus in &buses {
            let sent = opened.gateway.publish_again(bus, events.clone()).await;
            published += sent.map_err(|error| anyhow::anyhow!("cannot publish to {bus}: {error}"))?;
        }
        shown.tell(done, || format!("{done} of {count} events done"));
    }
    shown.end();
    println!("published {published} times");
    Ok(ExitCode::SUCCESS)
}

/// The log from one place to another, in batches.
struct Walk<'a> {
    log: EventLog,
    position: i64,
    end: i64,
    arguments: &'a ReplayArguments,
}

impl Walk<'_> {
    /// The next events that are asked for, perhaps none; nothing at the end.
    async fn next(&mut self) -> anyhow::Result<Option<Vec<Event>>> {
        if self.position >= self.end {
            return Ok(None);
        }
        let entries = self.log.after(self.position, BATCH).await?;
        self.position = entries.last().map_or(self.end, |(position, _)| *position);
        let end = self.end;
        let in_time = entries.into_iter().filter(|(position, _)| *position <= end);
        let wanted = in_time.filter(|(position, event)| is_wanted(self.arguments, *position, event));
        Ok(Some(wanted.map(|(_, event)| event).collect()))
    }
}

fn is_wanted(arguments: &ReplayArguments, position: i64, event: &Event) -> bool {
    let in_time = match arguments.to {
        None => true,
        Some(Mark::Position(last)) => position <= last,
        Some(Mark::Time(end)) => event.time < end,
    };
    in_time
        && arguments.bucket.as_ref().is_none_or(|bucket| event.bucket == *bucket)
        && arguments.prefix.as_ref().is_none_or(|prefix| event.key.as_str().starts_with(prefix.as_str()))
}
