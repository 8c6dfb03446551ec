//! `relais events`: watching the log of events, and publishing again what it still has.

use std::process::ExitCode;

use anyhow::{Context, bail};
use relais_catalog::Catalog;

use crate::cli::{EventsCommand, Mark};
use crate::config::Config;

mod replay;
mod tail;

pub(crate) async fn run(config: &Config, command: EventsCommand) -> anyhow::Result<ExitCode> {
    match command {
        EventsCommand::Tail(asked) => tail::run(config, &asked).await.map(|()| ExitCode::SUCCESS),
        EventsCommand::Replay(asked) => replay::run(config, &asked).await,
    }
}

/// The place behind which to begin, so that the marked one is the first to be read.
async fn position_before(catalog: &Catalog, mark: Mark) -> anyhow::Result<i64> {
    let before = match mark {
        Mark::Position(position) => Some(position - 1),
        Mark::Time(time) => catalog.overview().position_before(time).await?,
    };
    match before {
        Some(position) => Ok(position),
        None => Ok(catalog.event_log().last().await?), // Nothing happened since.
    }
}

/// The place of a reader of the log.
async fn position_of(catalog: &Catalog, reader: &str) -> anyhow::Result<i64> {
    let readers = catalog.event_log().readers().await?;
    if let Some((_, position)) = readers.iter().find(|(name, _)| name == reader) {
        return Ok(*position);
    }
    if readers.is_empty() {
        bail!("nobody has read the log of events yet");
    }
    let names: Vec<&str> = readers.iter().map(|(name, _)| name.as_str()).collect();
    let known = names.join(", ");
    Err(anyhow::anyhow!("the log knows {known}")).with_context(|| format!("there is no reader {reader:?}"))
}
