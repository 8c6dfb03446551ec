//! `relais replication pause` and `resume`: a store that nothing is settled to or from, by any instance.

use anyhow::bail;
use relais_model::StoreName;

use crate::commands::open_gateway;
use crate::config::Config;

pub(super) async fn pause(config: &Config, store: &StoreName) -> anyhow::Result<()> {
    if !config.stores.contains_key(store) {
        let known: Vec<&str> = config.stores.keys().map(StoreName::as_str).collect();
        bail!("there is no store {store}; configured are {}", known.join(", "));
    }
    let opened = open_gateway(config).await?;
    let paused = opened.gateway.pause_store(store).await;
    opened.close().await?;
    paused?;
    println!(
        "store {store} is paused: every instance leaves it alone within seconds. Clients are served as before"
    );
    println!("to go on: relais replication resume {store}");
    Ok(())
}

/// A store that left the configuration may still be paused, so any name will do.
pub(super) async fn resume(config: &Config, store: &StoreName) -> anyhow::Result<()> {
    let opened = open_gateway(config).await?;
    let resumed = opened.gateway.resume_store(store).await;
    opened.close().await?;
    if resumed? {
        println!("store {store} is settled again");
    } else {
        println!("store {store} was not paused");
    }
    Ok(())
}
