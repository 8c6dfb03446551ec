//! `relais check`: looks at everything that the configuration names and says in words what is wrong and what to do.

use std::path::Path;
use std::process::ExitCode;

use relais_catalog::Catalog;
use relais_proxy::Placement;
use relais_stores::{Stores, probe};

use crate::config::{Config, Misconfigured};
use crate::serve;

/// How far the clock may be off before signatures fail: SigV4 allows 15 minutes.
const CLOCK_EARLIEST: &str = "2025-01-01";

/// Prints a line for each thing that was looked at.
struct Report {
    failures: usize,
}

impl Report {
    fn line(&mut self, what: &str, outcome: Result<String, String>) {
        match outcome {
            Ok(found) => println!("ok      {what}: {found}"),
            Err(wrong) => {
                self.failures += 1;
                println!("FAILED  {what}: {wrong}");
            }
        }
    }
}

pub(crate) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&config.data_dir)
        .map_err(|error| Misconfigured(format!("data_dir: cannot make {}: {error}", config.data_dir.display())))?;
    let stores = Stores::open(&config.stores, &config.data_dir).await.map_err(Misconfigured::from_error)?;
    let placement = Placement::new(&config.buckets, &stores).map_err(Misconfigured::from_error)?;
    let mut report = Report { failures: 0 };
    report.line("configuration", Ok("every key is understood".to_owned()));
    report.line("clock", clock());
    for bucket in placement.named() {
        for place in &bucket.places {
            let what = format!("bucket {}, replica {}", bucket.name, place.replica);
            let _ = relais_proxy::make_missing_bucket(place).await; // The probe says it if this cannot be.
            let probed = probe::run(&place.store, &place.bucket).await;
            let done = "put, get, range, multipart and delete work".to_owned();
            report.line(&what, probed.map(|()| done).map_err(|failed| failed.to_string()));
        }
    }
    if let Some(store) = placement.primary_of_any() {
        let listed = store.s3.list_buckets(relais_stores::request(Default::default())).await;
        let count = |listed: s3s::S3Response<s3s::dto::ListBucketsOutput>| {
            format!("{} buckets", listed.output.buckets.map_or(0, |buckets| buckets.len()))
        };
        let refused = |error: s3s::S3Error| format!("cannot list its buckets: {}", error.code().as_str());
        report.line(&format!("every other bucket, store {}", store.name), listed.map(count).map_err(refused));
    }
    catalog_and_bus(config, &mut report).await;
    if config.transcription.enabled {
        report.line("model", model(&config.transcription));
    }
    match report.failures {
        0 => println!("all is well"),
        failures => println!("{failures} of the above failed"),
    }
    Ok(if report.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn catalog_and_bus(config: &Config, report: &mut Report) {
    let catalog = match Catalog::connect(&config.database).await {
        Ok(catalog) => catalog,
        Err(error) => return report.line("database", Err(said(&error))),
    };
    let pending = catalog.pending_migrations().await;
    let pending = pending.map(|pending| match pending {
        0 => "connected, tables up to date".to_owned(),
        pending => format!("connected; {pending} migrations to come at the next start, or with `relais migrate`"),
    });
    report.line("database", pending.map_err(|error| said(&error)));
    if config.events.redis_url.is_some() {
        let answered = match serve::bus(config, &catalog) {
            Ok(bus) => bus.ping().await.map_err(|error| said(&error)),
            Err(error) => Err(format!("{error:#}")),
        };
        report.line("redis", answered.map(|()| format!("events go to the stream {}", config.events.stream)));
    }
    let _ = catalog.close().await; // Nothing was written.
}

fn model(config: &relais_transcription::Config) -> Result<String, String> {
    let opened = relais_transcription::Model::open(Path::new(&config.model));
    opened.map(|_| config.model.display().to_string()).map_err(|error| said(&error))
}

/// A clock that stands in the past makes every signature wrong.
fn clock() -> Result<String, String> {
    let today = chrono::Utc::now().format("%Y-%m-%d").to_string();
    if today.as_str() < CLOCK_EARLIEST {
        return Err(format!("it is not {today}; set the clock, or every signature will be refused"));
    }
    Ok(today)
}

/// An error with its sources, on one line.
fn said(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
