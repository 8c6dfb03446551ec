//! What `relais check --deep` looks at beside: whether replicas are equal, and whether anything waits for too long.

use chrono::{DateTime, TimeDelta, Utc};
use relais_proxy::Bucket;
use relais_proxy::replication::{Asked, Depth, INTENT_EXPECTED, OfReader, OfStore, Status};

use super::Report;
use crate::commands::replication::{counts, since};
use crate::commands::{Opened, open_gateway};
use crate::config::Config;

/// Keys of each bucket that are compared: one page of a listing, which costs a second and no more.
const SAMPLE_KEYS: usize = 1000;

/// A replica that is behind for longer is worth a look; the default of `settle.threshold_seconds`.
const SETTLED_WITHIN: TimeDelta = TimeDelta::minutes(15);

/// A reader of the log that is behind for longer is away, or its bus is.
const PUBLISHED_WITHIN: TimeDelta = TimeDelta::minutes(1);

pub(super) async fn look(config: &Config, report: &mut Report) -> anyhow::Result<()> {
    let opened = match open_gateway(config).await {
        Ok(opened) => opened,
        Err(error) => {
            report.line("a closer look", Err(format!("{error:#}")));
            return Ok(());
        }
    };
    report.line("server", server(&opened).await);
    for bucket in opened.gateway.placement().named().filter(|bucket| bucket.places.len() > 1) {
        report.line(&format!("bucket {}, sample of keys", bucket.name), sample(&opened, bucket).await);
    }
    match opened.gateway.replication_status().await {
        Ok(status) => tell(&status, report),
        Err(error) => report.line("replication", Err(error.to_string())),
    }
    opened.close().await
}

/// That none runs is nothing wrong by itself.
async fn server(opened: &Opened) -> Result<String, String> {
    let served = opened.catalog.overview().is_served().await.map_err(|error| error.to_string())?;
    let none = "none runs on this database; what waits goes on when one is started";
    Ok(if served { "one runs" } else { none }.to_owned())
}

async fn sample(opened: &Opened, bucket: &Bucket) -> Result<String, String> {
    let asked = Asked { bucket: &bucket.name, prefix: "", depth: Depth::Listed, keys_max: Some(SAMPLE_KEYS) };
    let summary = opened.gateway.diff(asked, |_, _| ()).await.map_err(|error| error.to_string())?;
    let unknown = summary.differences() - summary.known.min(summary.differences());
    if unknown == 0 {
        return Ok(counts(&summary));
    }
    let name = &bucket.name;
    Err(format!(
        "{}; to see them: relais replication diff {name}, to make them equal: relais replication repair {name} --yes",
        counts(&summary)
    ))
}

fn tell(status: &Status, report: &mut Report) {
    for (name, store) in &status.stores {
        report.line(&format!("store {name}, settling"), settling(name.as_str(), store));
    }
    let journal = &status.journal;
    let intents = match journal.old_intents {
        0 => Ok("no intent is open for longer than it should be".to_owned()),
        count => Err(format!(
            "{count} intents are open for longer than {} s{}: large uploads, or a relais that hangs or cannot reach a \
             primary; its log tells which keys cannot be recovered yet",
            INTENT_EXPECTED.as_secs(),
            since(journal.old_intents_since)
        )),
    };
    report.line("journal", intents);
    for reader in &status.readers {
        let kind = if reader.is_bus { "bus" } else { "group" };
        report.line(&format!("{kind} {}", reader.name), events(reader));
    }
}

fn settling(name: &str, store: &OfStore) -> Result<String, String> {
    let behind = format!("{} keys unsettled{}", store.unsettled, since(store.oldest));
    if store.paused.is_some() {
        return Err(format!(
            "paused{}, {behind}; to go on: relais replication resume {name}",
            since(store.paused)
        ));
    }
    if store.failed > 0 {
        return Err(format!("{behind}, {} have failed; `relais replication status` tells why", store.failed));
    }
    match store.unsettled {
        0 => Ok("every key is settled".to_owned()),
        _ if is_older(store.oldest, SETTLED_WITHIN) => Err(format!(
            "{behind}; is the store out of order, or no relais running? `relais replication status` tells more"
        )),
        _ => Ok(format!("{behind}, on their way")),
    }
}

fn events(reader: &OfReader) -> Result<String, String> {
    let owed = format!("{} events owed{}", reader.owed, since(reader.since));
    if !is_older(reader.since, PUBLISHED_WITHIN) {
        return Ok(owed);
    }
    let why = if reader.is_bus {
        "is it out of order, or not configured any more? The log of a relais that runs tells why it waits"
    } else {
        "is its sidecar not running?"
    };
    Err(format!("{owed}; {why}"))
}

fn is_older(since: Option<DateTime<Utc>>, than: TimeDelta) -> bool {
    since.is_some_and(|since| Utc::now() - since > than)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(unsettled: u64, failed: u64, minutes: i64) -> OfStore {
        let oldest = (unsettled > 0).then(|| Utc::now() - TimeDelta::minutes(minutes));
        OfStore { unsettled, failed, oldest, ..OfStore::default() }
    }

    #[test]
    fn a_store_is_fine_until_it_fails_is_paused_or_is_behind_for_long() {
        assert!(settling("b", &behind(0, 0, 0)).is_ok());
        assert!(settling("b", &behind(9, 0, 1)).unwrap().contains("9 keys unsettled"));
        assert!(settling("b", &behind(9, 0, 60)).unwrap_err().contains("9 keys unsettled, since 60 min"));
        assert!(settling("b", &behind(9, 2, 1)).unwrap_err().contains("2 have failed"));
        let paused = OfStore { paused: Some(Utc::now()), ..behind(0, 0, 0) };
        assert!(settling("b", &paused).unwrap_err().contains("relais replication resume b"));
    }

    #[test]
    fn a_reader_of_the_log_may_be_behind_for_a_moment() {
        let reader = |seconds| OfReader {
            name: "redis".to_owned(),
            is_bus: true,
            owed: 3,
            since: Some(Utc::now() - TimeDelta::seconds(seconds)),
        };
        assert!(events(&reader(1)).is_ok());
        assert!(events(&reader(600)).unwrap_err().contains("3 events owed, since 10 min"));
        let nothing = OfReader { owed: 0, since: None, ..reader(0) };
        assert_eq!(events(&nothing).unwrap(), "0 events owed");
    }
}
