//! `relais erase`: everything that belongs to one user, on every replica.
//!
//! It works beside a server that runs or does not: over the same catalog and stores. Events wait in the journal for a server.

use std::process::ExitCode;

use relais_proxy::erase::{Belongings, Counts, Mode, Progress, Report};

use crate::commands::open_gateway;
use crate::commands::progress::Shown;
use crate::config::Config;
use crate::serve;

/// What was asked for on the command line.
pub(crate) struct Asked<'a> {
    pub(crate) user: &'a str,
    pub(crate) dry_run: bool,
    pub(crate) json: bool,
}

/// Erases, and fails if something is left.
pub(crate) async fn run(config: &Config, asked: Asked<'_>) -> anyhow::Result<ExitCode> {
    let belongings = Belongings::new(asked.user, serve::prefixes(config)(asked.user))
        .map_err(|error| anyhow::anyhow!("cannot erase: {error}"))?;
    let opened = open_gateway(config).await?;
    let mode = if asked.dry_run { Mode::Count } else { Mode::Erase };
    let shown = Shown::spinner(!asked.json);
    let erased = opened.gateway.erase(&belongings, mode, |progress| tell(&shown, progress)).await;
    opened.close().await?;
    shown.end();
    let report = erased?;
    if asked.json {
        println!("{}", report.to_json());
    } else {
        print(&report);
    }
    Ok(if report.complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(shown: &Shown, progress: &Progress) {
    let Progress { round, counts: found, left } = progress;
    shown.tell(0, || format!("round {round}: {}, {left} left", counts(found)));
}

fn counts(counts: &Counts) -> String {
    let Counts { objects, versions, delete_markers, uploads, replica_leftovers, bytes } = counts;
    format!(
        "{objects} objects, {versions} older versions, {delete_markers} delete markers, {uploads} uploads, \
         {replica_leftovers} leftovers on replicas, {bytes} bytes"
    )
}

fn print(report: &Report) {
    let done = if report.dry_run { "found" } else { "erased" };
    for place in &report.by_prefix {
        let prefix = place.prefix.as_deref().unwrap_or("(elsewhere)");
        println!("{}/{prefix}: {}", place.bucket, counts(&place.counts));
    }
    println!("{done} of user {}: {} ({} rounds)", report.user, counts(&report.counts), report.rounds);
    for left in &report.left {
        let what = &left.what;
        let version = what.version.as_ref().map(|id| format!(" version {id}")).unwrap_or_default();
        let upload = what.upload.as_ref().map_or("", |_| " (a multipart upload)");
        let replica = what.replica.as_ref().map(|name| format!(" on {name}")).unwrap_or_default();
        println!("left: {}/{}{version}{upload}{replica}: {}", what.bucket, what.key, left.reason);
    }
    if report.left_count > 0 {
        println!("{} left; run the command again when the reasons are gone", report.left_count);
    }
}
