//! The gateway: the S3 that clients reach, over the stores of each bucket.
//!
//! It holds what every operation needs and nothing of a single one; those live in [`crate::s3`], a file each. Mutations run
//! in tasks of their own, so that a client that goes away in the middle cannot leave one half done.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use relais_catalog::{
    AccessKeys, Adoption, Buckets, Catalog, CatalogError, EventLog, Journal, KeyLocks, Objects, Overview,
    Revocations, Settling, Uploads, Users, Versions,
};
use relais_model::{BucketName, Identity, ObjectKey, Requester};
use relais_stores::Stores;
use s3s::{S3Request, S3Result};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::access::accounts::{Accounts, KeyError};
use crate::access::config::AccessConfig;
use crate::access::issuers::{IssuerError, Issuers};
use crate::access::keys::{KEY_SECRETS, RememberedKeys};
use crate::access::revoked::Revoked;
use crate::access::roles::{RoleError, Roles};
use crate::access::temporary::TemporaryKeys;
use crate::audit::Audit;
use crate::background::settle::{Desk, SettleConfig};
use crate::background::{self, backlog::Backlog};
use crate::config::{BucketConfig, Config, JournalConfig};
use crate::error::GatewayError;
use crate::keyring::Keyring;
use crate::notify::{Remembered, Routes};
use crate::observe::{Connection, RequestId};
use crate::placement::{Bucket, Placement, PlacementError};
use crate::s3::failover::WholeReplicas;
use crate::s3::hedge::Hedges;
use crate::s3::write::Terms;
use crate::seal::Sealer;

/// What a gateway is made of.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The `[proxy]` section.
    pub config: &'a Config,
    /// The `[[buckets]]`.
    pub buckets: &'a [BucketConfig],
    /// The `[journal]` section.
    pub journal: JournalConfig,
    /// The `[access]` section.
    pub access: &'a AccessConfig,
    /// The `[settle]` section.
    pub settle: &'a SettleConfig,
    /// Every store.
    pub stores: &'a Stores,
    /// The database.
    pub catalog: &'a Catalog,
    /// From which all other keys are derived.
    pub keyring: &'a Keyring,
    /// Where decisions are written down.
    pub audit: &'a Audit,
    /// Where events go.
    pub routes: &'a Routes,
}

/// Why a gateway cannot be built from its configuration.
#[derive(Debug, thiserror::Error)]
pub enum GatewayConfigError {
    /// A bucket.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// An access key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Somebody whose tokens shall be taken.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// A role.
    #[error(transparent)]
    Role(#[from] RoleError),
}

/// The S3 that clients reach. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Shared>);

/// What the clones of a gateway share. Public only as the target of `Deref`.
#[expect(missing_debug_implementations, reason = "the gateway prints what matters of it")]
pub struct Shared {
    pub(crate) placement: Placement,
    pub(crate) journal: Journal,
    pub(crate) log: EventLog,
    pub(crate) routes: Routes,
    /// What clients have put on buckets about events.
    pub(crate) notifications: Remembered,
    pub(crate) backlog: Backlog,
    pub(crate) objects: Objects,
    pub(crate) overview: Overview,
    pub(crate) adoption: Adoption,
    pub(crate) settling: Settling,
    /// The bounds of settling.
    pub(crate) desk: Desk,
    pub(crate) buckets: Buckets,
    pub(crate) uploads: Uploads,
    pub(crate) versions: Versions,
    pub(crate) key_locks: KeyLocks,
    pub(crate) accounts: Accounts,
    pub(crate) access_keys: AccessKeys,
    pub(crate) remembered_keys: RememberedKeys,
    /// Opens the secrets of keys in the catalog.
    pub(crate) key_secrets: Sealer,
    /// Issues and knows temporary credentials.
    pub(crate) temporary: TemporaryKeys,
    pub(crate) issuers: Issuers,
    pub(crate) roles: Roles,
    pub(crate) users: Users,
    pub(crate) revocations: Revocations,
    pub(crate) revoked: Revoked,
    /// Seals upload ids.
    pub(crate) sealer: Sealer,
    /// Seals where a listing goes on.
    pub(crate) tokens: Sealer,
    /// How long stores take to answer reads.
    pub(crate) hedges: Hedges,
    /// Replicas that listings may be asked of.
    pub(crate) whole: WholeReplicas,
    pub(crate) audit: Audit,
    pub(crate) region: String,
    /// How long a replica may take nothing of a body.
    stall_budget: Duration,
    public_url: Option<String>,
    /// Below which a host names a bucket.
    pub(crate) domains: Vec<String>,
    /// Told when a replica waits to be settled.
    pub(crate) settled_soon: Notify,
    /// Told when an intent is in doubt.
    pub(crate) recovered_soon: Notify,
    /// Mutations and what follows them.
    tasks: TaskTracker,
}

impl std::ops::Deref for Gateway {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("placement", &self.placement).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Builds the gateway; nothing is contacted.
    pub fn new(parts: &Parts<'_>) -> Result<Self, GatewayConfigError> {
        Ok(Self(Arc::new(Shared {
            placement: Placement::new(parts.buckets, parts.stores)?,
            journal: parts.catalog.journal(),
            log: parts.catalog.event_log(),
            routes: parts.routes.clone(),
            notifications: Remembered::default(),
            backlog: Backlog::new(parts.journal),
            objects: parts.catalog.objects(),
            overview: parts.catalog.overview(),
            adoption: parts.catalog.adoption(),
            settling: parts.catalog.settling(),
            desk: Desk::new(parts.settle, parts.stores),
            buckets: parts.catalog.buckets(),
            uploads: parts.catalog.uploads(),
            versions: parts.catalog.versions(),
            key_locks: parts.catalog.key_locks(),
            accounts: Accounts::new(parts.access)?,
            issuers: Issuers::new(&parts.access.issuers, parts.keyring)?,
            roles: Roles::new(&parts.access.roles)?,
            temporary: TemporaryKeys::new(parts.keyring),
            access_keys: parts.catalog.access_keys(),
            remembered_keys: RememberedKeys::default(),
            key_secrets: parts.keyring.sealer(KEY_SECRETS),
            users: parts.catalog.users(),
            revocations: parts.catalog.revocations(),
            revoked: Revoked::default(),
            sealer: parts.keyring.sealer("multipart upload id"),
            tokens: parts.keyring.sealer("continuation token"),
            hedges: Hedges::default(),
            whole: WholeReplicas::default(),
            audit: parts.audit.clone(),
            region: parts.config.region.clone(),
            stall_budget: Duration::from_secs(parts.config.replica_stall_seconds.get().into()),
            domains: parts.config.domains.clone(),
            public_url: parts.config.public_urls.first().map(|url| url.trim_end_matches('/').to_owned()),
            settled_soon: Notify::new(),
            recovered_soon: Notify::new(),
            tasks: TaskTracker::new(),
        })))
    }

    /// Every bucket and where it is.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Runs what goes on behind the requests until told to stop: events to the buses, settling, recovery, upkeep.
    pub async fn run_background(self, stop: CancellationToken) {
        background::run(self, stop).await;
    }

    /// Has the log keep from now on what the buses are owed. Before the first request, or a bus that is new would not hear of
    /// its event.
    pub async fn register_buses(&self) -> Result<(), CatalogError> {
        for bus in &self.routes.buses {
            self.log.register(&background::relay::reader(bus.name())).await?;
        }
        Ok(())
    }

    /// Waits until no mutation is under way; none may be begun meanwhile.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    pub(crate) fn bucket(&self, name: &str) -> Result<Arc<Bucket>, GatewayError> {
        let name: BucketName = name.parse().map_err(GatewayError::BucketName)?;
        self.placement.bucket(&name).ok_or_else(|| GatewayError::NoSuchBucket(name.to_string()))
    }

    /// Where an object is for clients of relais itself: below the first public address, or just its path.
    pub(crate) fn location(&self, bucket: &Bucket, key: &str) -> String {
        format!("{}/{}/{key}", self.public_url.as_deref().unwrap_or_default(), bucket.name)
    }

    pub(crate) fn public_url(&self, bucket: &Bucket, key: &ObjectKey) -> Option<String> {
        bucket.public_url(key, self.public_url.as_deref())
    }

    /// Runs a mutation to its end even if the client is gone by then.
    pub(crate) async fn to_its_end<T: Send + 'static>(
        &self,
        mutation: impl Future<Output = S3Result<T>> + Send + 'static,
    ) -> S3Result<T> {
        self.tasks.spawn(mutation.in_current_span()).await.map_err(GatewayError::from)?
    }

    /// Starts what follows a mutation and nobody waits for.
    pub(crate) fn afterwards(&self, follow_up: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(follow_up.in_current_span());
    }

    /// What holds of a write that so many places must have.
    pub(crate) fn terms(&self, required: usize) -> Terms {
        Terms { required, stall_budget: self.stall_budget }
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }
}

pub(crate) fn key(text: &str) -> Result<ObjectKey, GatewayError> {
    text.parse().map_err(GatewayError::Key)
}

/// What the journal remembers of who made a request.
pub(crate) fn requester<T>(request: &S3Request<T>) -> Requester {
    let extensions = &request.extensions;
    let identity = extensions.get::<Identity>().cloned();
    // Without access in between, as within the process, there is only the root key.
    let signed = request.credentials.is_some();
    let identity = identity.unwrap_or(if signed { Identity::Root } else { Identity::Anonymous });
    let traceparent = request.headers.get("traceparent").and_then(|value| value.to_str().ok());
    Requester {
        principal: identity.principal().to_owned(),
        source_ip: extensions.get::<Connection>().map(|connection| connection.client.ip().to_string()),
        request_id: extensions.get::<RequestId>().map(ToString::to_string).unwrap_or_default(),
        traceparent: traceparent.map(str::to_owned),
    }
}
