//! `relais events tail`: watches the log of events.
//!
//! It keeps its own place in the log, so nothing is kept for it and nobody misses an event because of it.

use std::io::Write;
use std::time::Duration;

use relais_catalog::Catalog;
use relais_model::Event;
use serde_json::json;

use super::{position_before, position_of};
use crate::cli::TailArguments;
use crate::config::Config;
use crate::serve;

/// Events read at once.
const BATCH: u64 = 100;

/// How often new events are looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

pub(super) async fn run(config: &Config, arguments: &TailArguments) -> anyhow::Result<()> {
    let catalog = serve::connect(config).await?;
    let log = catalog.event_log();
    let mut position = begin(&catalog, arguments).await?;
    loop {
        let events = log.after(position, BATCH).await?;
        if events.is_empty() {
            if arguments.no_wait {
                return Ok(catalog.close().await?);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let mut out = std::io::stdout().lock();
        for (at, event) in events {
            position = at;
            writeln!(out, "{}", line(config, arguments, at, &event))?;
        }
        out.flush()?;
    }
}

async fn begin(catalog: &Catalog, arguments: &TailArguments) -> anyhow::Result<i64> {
    match (&arguments.bus, &arguments.group, arguments.from) {
        (Some(bus), _, _) => position_of(catalog, &relais_proxy::reader_of_bus(bus)).await,
        (_, Some(group), _) => position_of(catalog, group).await,
        (_, _, Some(mark)) => position_before(catalog, mark).await,
        (None, None, None) => Ok(0),
    }
}

fn line(config: &Config, arguments: &TailArguments, position: i64, event: &Event) -> serde_json::Value {
    let record = relais_events::record(event, &config.proxy.region);
    if arguments.json { json!({ "position": position, "record": record }) } else { record }
}
