//! `relais replication status`: how far each store is behind, why, and what waits in the journal.

use chrono::{DateTime, Utc};
use relais_proxy::replication::{OfStore, Status};

use super::printable;
use crate::commands::open_gateway;
use crate::config::Config;

pub(super) async fn run(config: &Config, json: bool) -> anyhow::Result<()> {
    let opened = open_gateway(config).await?;
    let status = opened.gateway.replication_status().await;
    opened.close().await?;
    let status = status?;
    if json {
        println!("{}", serde_json::to_string(&status)?);
    } else {
        print(&status);
    }
    Ok(())
}

fn print(status: &Status) {
    for (name, store) in &status.stores {
        println!("store {name}: {}", in_words(store));
        for (bucket, part) in &store.buckets {
            let failed = if part.failed > 0 { format!(", {} failed", part.failed) } else { String::new() };
            println!("  {bucket}: {} keys unsettled{failed}{}", part.unsettled, since(part.oldest));
        }
        for one in &store.reasons {
            let (bucket, key, attempts) = (&one.bucket, printable(&one.key), one.attempts);
            println!("  cannot settle {bucket}/{key} ({attempts} attempts): {}", printable(&one.reason));
        }
    }
    let journal = &status.journal;
    println!("journal: {} rows", journal.rows);
    if journal.old_intents > 0 {
        println!("  {} intents are open{}", journal.old_intents, since(journal.old_intents_since));
    }
    for reader in &status.readers {
        let kind = if reader.is_bus { "bus" } else { "group" };
        println!("{kind} {}: {} events owed{}", reader.name, reader.owed, since(reader.since));
    }
}

fn in_words(store: &OfStore) -> String {
    let mut text = match store.unsettled {
        0 => "settled".to_owned(),
        keys => format!("{keys} keys unsettled, {} failed{}", store.failed, since(store.oldest)),
    };
    if let Some(at) = store.paused {
        text.push_str(&format!(", paused{}", since(Some(at))));
    }
    text
}

/// For how long something lasts, in words; nothing where nobody knows.
pub(in crate::commands) fn since(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(String::new, |time| format!(", since {}", lasting(Utc::now() - time)))
}

/// A duration by its largest unit.
fn lasting(time: chrono::TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_by_its_largest_unit() {
        let told = |seconds| lasting(chrono::TimeDelta::seconds(seconds));
        assert_eq!([-5, 0, 119].map(told), ["0 s", "0 s", "119 s"]);
        assert_eq!([120, 7199, 7200].map(told), ["2 min", "119 min", "2 h"]);
        assert_eq!([172_799, 172_800, 864_000].map(told), ["47 h", "2 days", "10 days"]);
    }
}
