//! `relais check`: looks at everything that the configuration names and says in words what is wrong and what to do.

use std::path::Path;
use std::process::ExitCode;

use relais_catalog::Catalog;
use relais_events::Publisher;
use relais_model::BucketName;
use relais_proxy::{Bucket, Place, Placement, Routes};
use relais_stores::{Store, Stores, probe};
use s3s::dto::DeleteBucketInput;

use crate::config::{Config, Misconfigured};
use crate::serve;

mod deep;

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

pub(crate) async fn run(config: &Config, deep: bool) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&config.data_dir).map_err(|error| {
        Misconfigured(format!("data_dir: cannot make {}: {error}", config.data_dir.display()))
    })?;
    let stores = Stores::open(&config.stores, &config.data_dir).await.map_err(Misconfigured::from_error)?;
    let placement = Placement::new(&config.buckets, &stores).map_err(Misconfigured::from_error)?;
    let mut report = Report { failures: 0 };
    report.line("configuration", Ok("every key is understood".to_owned()));
    report.line("clock", clock());
    for bucket in placement.named() {
        for place in &bucket.places {
            let _ = relais_proxy::make_missing_bucket(place).await; // The probe says it if this cannot be.
            let what = format!("bucket {}, replica {}", bucket.name, place.replica);
            report.line(&what, probed(&place.store, &place.bucket).await);
        }
        if bucket.places.len() > 1 {
            report.line(&format!("bucket {}, settings", bucket.name), settings(bucket).await);
        }
    }
    for store in stores.iter().filter(|store| !has_named_bucket(&placement, store)) {
        report.line(&format!("store {}", store.name), probe_in_own_bucket(store).await);
    }
    report.line("database", database(config).await);
    let buses = serve::publishers(config)?;
    Routes::new(&config.events, buses.clone()).map_err(Misconfigured::from_error)?;
    for bus in buses {
        report.line(&format!("bus {}", bus.name()), reached(&*bus).await);
    }
    if config.transcription.enabled {
        report.line("model", model(&config.transcription));
    }
    if deep {
        deep::look(config, &mut report).await?;
    }
    match report.failures {
        0 => println!("all is well"),
        failures => println!("{failures} of the above failed"),
    }
    Ok(if report.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn has_named_bucket(placement: &Placement, store: &Store) -> bool {
    placement.named().flat_map(|bucket| &bucket.places).any(|place| place.store.name == store.name)
}

async fn probed(store: &Store, bucket: &BucketName) -> Result<String, String> {
    let done = "put, get, range, multipart and delete work".to_owned();
    probe::run(store, bucket).await.map(|()| done).map_err(|failed| failed.to_string())
}

/// Settings that a replica has otherwise than the primary: a replica was out of order when they were put, or cannot do it.
async fn settings(bucket: &Bucket) -> Result<String, String> {
    let differences = relais_proxy::differences(bucket).await.map_err(said)?;
    if differences.is_empty() {
        return Ok("the same on every replica".to_owned());
    }
    let told = differences.iter().map(|one| {
        let (setting, replica, found, primary) = (one.setting, &one.replica, &one.found, &one.primary);
        format!("{setting} on {replica} is {found}, on the primary {primary}")
    });
    Err(format!("{}; put them again, or change the store by hand", told.collect::<Vec<_>>().join("; ")))
}

/// A store that no named bucket is in is probed in a bucket that is made for it and removed.
async fn probe_in_own_bucket(store: &Store) -> Result<String, String> {
    let bucket: BucketName = format!("relais-check-{}", uuid::Uuid::new_v4().simple())
        .parse()
        .expect("hexadecimal digits and hyphens make a bucket name");
    let place = Place {
        replica: store.name.as_str().parse().expect("a store name is a replica"),
        store: store.clone(),
        bucket,
    };
    let _ = relais_proxy::make_missing_bucket(&place).await; // The probe says it if this cannot be.
    let outcome = probed(store, &place.bucket).await;
    let input = DeleteBucketInput { bucket: place.bucket.to_string(), ..Default::default() };
    if store.s3.delete_bucket(relais_stores::request(input)).await.is_err() && outcome.is_ok() {
        return Err(format!("the bucket {} could not be removed again; remove it by hand", place.bucket));
    }
    outcome
}

async fn database(config: &Config) -> Result<String, String> {
    let catalog = Catalog::connect(&config.database).await.map_err(said)?;
    let found = tables(&catalog).await;
    let _ = catalog.close().await; // Nothing was written.
    found
}

/// Tables that no migration made yet come with the next start; those that somebody dropped do not.
async fn tables(catalog: &Catalog) -> Result<String, String> {
    let pending = catalog.pending_migrations().await.map_err(said)?;
    if !pending.is_empty() {
        let names = pending.join(", ");
        return Ok(format!(
            "connected; tables are missing that come at the next start, or with `relais migrate`: {names}"
        ));
    }
    let missing = catalog.missing_tables().await.map_err(said)?;
    match missing[..] {
        [] => Ok("connected, tables up to date".to_owned()),
        _ => Err(format!(
            "connected, but tables are missing that were there: {}; restore them from a backup, or name an empty database",
            missing.join(", ")
        )),
    }
}

async fn reached(bus: &dyn Publisher) -> Result<String, String> {
    bus.ping().await.map_err(said)?;
    Ok("events go there".to_owned())
}

fn model(config: &relais_transcription::Config) -> Result<String, String> {
    let opened = relais_transcription::Model::open(Path::new(&config.model));
    opened.map(|_| config.model.display().to_string()).map_err(said)
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
fn said(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::new(error))
}
