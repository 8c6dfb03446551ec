//! `relais events replay`: publishes again, with the same ids, what the log still has.
//!
//! Buses get the events in the order of the log, behind what they have, and in between of what is published meanwhile: so
//! subscribers must drop what they know, by the id, and old news of a key, by the sequencer. The cursors of the buses stay.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use relais_catalog::{Catalog, EventLog};
use relais_events::{Notice, Publisher};
use relais_model::Event;

use super::position_before;
use crate::cli::{Mark, ReplayArguments};
use crate::commands::progress::Shown;
use crate::config::Config;
use crate::serve;

/// Events read and published at once.
const BATCH: u64 = 500;

pub(super) async fn run(config: &Config, arguments: &ReplayArguments) -> anyhow::Result<ExitCode> {
    let catalog = serve::connect(config).await?;
    let publishers = chosen(serve::publishers(config)?, arguments.bus.as_deref())?;
    let replayed = replay(&catalog, &publishers, arguments).await;
    catalog.close().await?;
    replayed
}

/// The buses that are asked for.
fn chosen(all: Vec<Arc<dyn Publisher>>, name: Option<&str>) -> anyhow::Result<Vec<Arc<dyn Publisher>>> {
    if all.is_empty() {
        bail!(
            "no bus is configured that events are taken to; groups of the embedded bus read the log itself"
        );
    }
    let names: Vec<String> = all.iter().map(|one| one.name().to_owned()).collect();
    let Some(name) = name else { return Ok(all) };
    let chosen: Vec<_> = all.into_iter().filter(|one| one.name() == name).collect();
    if chosen.is_empty() {
        bail!("there is no bus {name:?}; configured are {}", names.join(", "));
    }
    Ok(chosen)
}

async fn replay(
    catalog: &Catalog,
    publishers: &[Arc<dyn Publisher>],
    arguments: &ReplayArguments,
) -> anyhow::Result<ExitCode> {
    let (log, from) = (catalog.event_log(), position_before(catalog, arguments.from).await?);
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
    let names: Vec<&str> = publishers.iter().map(|one| one.name()).collect();
    println!("{count} events of the log for {}", names.join(", "));
    if !arguments.yes {
        println!("--yes publishes them again");
        return Ok(ExitCode::SUCCESS);
    }
    let shown = Shown::bar(count);
    let mut published = 0;
    let mut walk = Walk { log, position: from, end, arguments };
    while let Some(events) = walk.next().await? {
        let notices: Vec<Notice> = events.into_iter().map(Notice::from).collect();
        for publisher in publishers {
            publisher.publish(&notices).await?;
        }
        published += notices.len() as u64;
        shown.tell(published, || format!("{published} of {count} events published"));
    }
    shown.end();
    println!("published {published} events again");
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
