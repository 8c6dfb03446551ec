//! `relais replication`: how replicas stand, how they differ, and what to do about it.
//!
//! These commands work beside a server that runs or does not, over the same catalog and stores.

use std::process::ExitCode;

use relais_proxy::replication::{Difference, Summary, What};

use crate::cli::ReplicationCommand;
use crate::config::Config;

mod diff;
mod pause;
mod repair;
mod status;

pub(super) use repair::settle;
pub(super) use status::since;

pub(crate) async fn run(config: &Config, command: ReplicationCommand) -> anyhow::Result<ExitCode> {
    match command {
        ReplicationCommand::Diff(asked) => return diff::run(config, &asked).await,
        ReplicationCommand::Repair(asked) => return repair::run(config, &asked).await,
        ReplicationCommand::Status { json } => status::run(config, json).await?,
        ReplicationCommand::Pause { store } => pause::pause(config, &store).await?,
        ReplicationCommand::Resume { store } => pause::resume(config, &store).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// One difference in words.
fn line(difference: &Difference) -> String {
    let Difference { key, replica, what, known } = difference;
    let (state, more) = match what {
        What::Missing => ("missing", String::new()),
        What::Extra => ("extra", String::new()),
        What::Different(what) => ("different", format!(": {}", what.join(", "))),
        What::Unclear => ("unclear", ": entity tags tell nothing; --deep looks at the bytes".to_owned()),
        What::Unread(reason) => ("unread", format!(": {reason}")),
    };
    let known = if *known { " (relais knows, and will settle it)" } else { "" };
    format!("{state:<9}  {replica}  {}{more}{known}", printable(key))
}

/// A key on one line, which no terminal takes for anything else.
pub(super) fn printable(key: &str) -> String {
    if key.chars().any(char::is_control) { key.escape_default().to_string() } else { key.to_owned() }
}

/// What was found, in words.
pub(super) fn counts(summary: &Summary) -> String {
    let Summary { keys, missing, extra, different, unclear, unread, known, .. } = summary;
    let mut text = format!("{keys} keys compared: {missing} missing, {extra} extra, {different} different");
    for (count, what) in [(unclear, "unclear"), (unread, "not readable"), (known, "known to relais already")]
    {
        if *count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text
}
