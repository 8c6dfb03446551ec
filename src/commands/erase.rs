//! `relais erase`: everything that belongs to one user, on every replica.
//!
//! It works beside a server that runs or does not: over the same catalog and stores. Events wait in the journal for a server.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use relais_proxy::Routes;
use relais_proxy::audit::Audit;
use relais_proxy::erase::{Belongings, Counts, Mode, Progress, Report};
use relais_stores::Stores;

use crate::config::{Config, Misconfigured};
use crate::keys::Keys;
use crate::serve;

/// How often the bar moves while nothing is told.
const TICK: Duration = Duration::from_millis(120);

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
    let keys = Keys::load(config, true)?;
    let catalog = serve::connect(config).await?;
    catalog.migrate().await?;
    let stores = Stores::open(&config.stores, &config.data_dir).await.map_err(Misconfigured::from_error)?;
    let gateway =
        serve::new_gateway(config, &stores, &catalog, &keys, &Audit::default(), &Routes::default())?;
    let mode = if asked.dry_run { Mode::Count } else { Mode::Erase };
    let shown = Shown::new(!asked.json);
    let erased = gateway.erase(&belongings, mode, |progress| shown.tell(progress)).await;
    gateway.drain().await;
    catalog.close().await?;
    shown.end();
    let report = erased?;
    if asked.json {
        println!("{}", report.to_json());
    } else {
        print(&report);
    }
    Ok(if report.complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Progress: a bar on a terminal, lines where there is none, nothing where only the report is wanted.
enum Shown {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Shown {
    fn new(wanted: bool) -> Self {
        if !std::io::stderr().is_terminal() {
            return if wanted { Self::Lines } else { Self::Nothing };
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self::Bar(bar)
    }

    fn tell(&self, progress: &Progress) {
        let text = format!("round {}: {}, {} left", progress.round, counts(&progress.counts), progress.left);
        match self {
            Self::Bar(bar) => bar.set_message(text),
            Self::Lines => eprintln!("{text}"),
            Self::Nothing => {}
        }
    }

    fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
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
