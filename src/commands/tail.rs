//! `relais events tail`: watches the embedded bus.
//!
//! It keeps its own place in the log, so nothing is kept for it and nobody misses an event because of it. Redis has better
//! tools of its own.

use std::io::Write;
use std::time::Duration;

use anyhow::bail;

use crate::config::Config;
use crate::serve;

/// Events read at once.
const BATCH: u64 = 100;

/// How often new events are looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

pub(crate) async fn run(config: &Config, no_wait: bool) -> anyhow::Result<()> {
    if config.events.redis_url.is_some() {
        bail!(
            "events go to Redis; watch them with: redis-cli XREAD BLOCK 0 STREAMS {} '$'",
            config.events.stream
        );
    }
    let log = serve::connect(config).await?.event_log();
    let mut position = 0;
    loop {
        let events = log.after(position, BATCH).await?;
        if events.is_empty() {
            if no_wait {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let mut out = std::io::stdout().lock();
        for (at, event) in events {
            position = at;
            writeln!(out, "{}", relais_events::record(&event, &config.proxy.region))?;
        }
        out.flush()?;
    }
}
