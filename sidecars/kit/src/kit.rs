//! Runs one sidecar until it is told to stop.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use relais_catalog::Catalog;
use relais_events::{Bus, BusError, InvalidGroupName};
use s3s::S3;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::inbox::Inbox;
use crate::runner::Runner;
use crate::sidecar::Sidecar;

/// What sidecars work with.
#[derive(Clone)]
pub struct Kit {
    /// Where sources are read and derived objects are written: the proxy in this process or a store that points to one.
    pub gateway: Arc<dyn S3>,
    /// Where the jobs are.
    pub catalog: Catalog,
    /// Where the events come from.
    pub bus: Arc<dyn Bus>,
    /// The program that is started as `worker KIND`: our own executable.
    pub worker: PathBuf,
}

/// A sidecar that cannot run.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// The kind of the sidecar cannot name a group of subscribers.
    #[error("a sidecar cannot be of this kind")]
    Kind(#[from] InvalidGroupName),
    /// The bus does not let the sidecar subscribe.
    #[error("cannot subscribe {kind} to the events")]
    Subscribe {
        /// The sidecar.
        kind: &'static str,
        /// What the bus said.
        #[source]
        source: BusError,
    },
}

impl Kit {
    /// Turns events into derived objects until `stop` is cancelled. Outages are waited out; when this returns no worker
    /// process is left.
    pub async fn run(
        &self,
        sidecar: Arc<dyn Sidecar>,
        config: Config,
        stop: CancellationToken,
    ) -> Result<(), KitError> {
        let kind = sidecar.kind();
        let group = kind.parse()?;
        let subscription =
            self.bus.subscribe(&group).await.map_err(|source| KitError::Subscribe { kind, source })?;
        let arrived = Arc::new(Notify::new());
        let inbox = Inbox { jobs: self.catalog.jobs(), sidecar: sidecar.clone(), arrived: arrived.clone() };
        let runner = Runner {
            jobs: self.catalog.jobs(),
            gateway: Gateway::new(self.gateway.clone(), kind),
            sidecar,
            config,
            program: self.worker.clone(),
            arrived,
        };
        tokio::join!(inbox.run(subscription, &stop), runner.run(&stop));
        Ok(())
    }
}

impl fmt::Debug for Kit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit").field("catalog", &self.catalog).field("bus", &self.bus).finish_non_exhaustive()
    }
}
