//! `relais serve`: builds what the targets need, runs it, and stops it in order.
//!
//! The first part that fails stops the process with a failure. How it ends is in [`stop`].

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use relais_catalog::{Catalog, CatalogError};
use relais_events::{Bus, EmbeddedBus, Publisher, RedisStream};
use relais_kit::{Kit, Sidecar};
use relais_proxy::api::{Auth, Prefixes, Transcribe, UploadProfiles, Uploads};
use relais_proxy::audit::Audit;
use relais_proxy::{Gateway, Parts, Routes, Server};
use relais_stores::{RemoteConfig, Store, StoreConfig, Stores};
use relais_thumbnail::Thumbnails;
use relais_transcription::Transcriptions;
use s3s::S3;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, FORGOTTEN_DATABASE, Misconfigured};
use crate::event_log::JournalLog;
use crate::keys::Keys;
use crate::target::{Target, Targets};

mod banner;
mod readiness;
mod stop;

use stop::{Part, Patience, Stages};

/// Runs the targets until told to stop.
pub(crate) async fn run(config: Config, targets: Targets) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.data_dir).map_err(|error| {
        Misconfigured(format!("data_dir: cannot make {}: {error}", config.data_dir.display()))
    })?;
    warn_of_shared_roles(&config);
    let keys = Keys::load(&config, targets.has(Target::Proxy))?;
    let metrics = relais_proxy::install_metrics()?;
    forget(&config)?;
    let catalog = connect(&config).await?;
    catalog.migrate().await?;
    let (bus, publishers) = (bus(&config, &catalog)?, publishers(&config)?);
    let events = Routes::new(&config.events, publishers.clone()).map_err(Misconfigured::from_error)?;
    let (audit, audit_writer) =
        Audit::open(&config.audit, &config.data_dir).await.map_err(Misconfigured::from_error)?;
    let stages = Stages::default();
    let mut parts = stop::Parts::default();

    let mut server = None;
    let mut gateway = None;
    let mut routes = Router::new();
    if targets.has(Target::Proxy) {
        let stores =
            Stores::open(&config.stores, &config.data_dir).await.map_err(Misconfigured::from_error)?;
        let own = gateway.insert(new_gateway(&config, &stores, &catalog, &keys, &audit, &events)?);
        own.look_at_revocations().await?; // Before the first request.
        own.register_buses().await?;
        let bound = Server::bind(&config.proxy, own.clone(), keys.root.clone());
        server = Some(bound.await?);
        routes = proxy_routes(&config, own, &catalog).await?;
    }
    let sidecars = sidecars(&config, &targets)?;
    let api = listen(&config).await?;
    let api_address = api.local_addr()?;
    let needed = gateway.is_none().then(|| Arc::clone(&bus));
    let ready = readiness::readiness(catalog.clone(), needed, publishers.clone(), stages.announced.clone());
    let router = relais_proxy::api::router(&config.api, metrics, ready, routes);
    let router = router.map_err(Misconfigured::from_error)?;

    let client: Arc<dyn S3> = match &gateway {
        Some(gateway) => Arc::new(gateway.clone()),
        None => proxy_client(&config, &keys).await?.s3,
    };
    let kit = Kit {
        gateway: client,
        catalog: catalog.clone(),
        bus: Arc::clone(&bus),
        worker: std::env::current_exe()?,
    };
    spawn_sidecars(&mut parts.requests, &kit, sidecars, &stages.requests);
    let s3_address = server.as_ref().map(Server::address).transpose()?;
    spawn_proxy(&mut parts, &stages, server, gateway.clone());
    spawn_api(&mut parts, &stages, (api, router), &config, gateway);
    banner::print(&config, &keys, s3_address, api_address);
    let patience = Patience {
        delay: Duration::from_secs(config.proxy.shutdown_delay_seconds),
        drain: Duration::from_secs(config.proxy.drain_timeout_seconds),
    };
    let last = async {
        audit_writer.close().await;
        Ok(catalog.close().await?)
    };
    parts.until_stopped(&stages, patience, last).await
}

async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    let address = config.api.listen;
    let taken = || format!("api.listen: cannot listen on {address}; is another server running there?");
    TcpListener::bind(address).await.with_context(taken)
}

fn spawn_proxy(parts: &mut stop::Parts, stages: &Stages, server: Option<Server>, gateway: Option<Gateway>) {
    if let Some(server) = server {
        let stop = stages.requests.clone();
        parts.requests.spawn(async move {
            server.serve(stop).await;
            ("proxy", Ok(()))
        });
    }
    if let Some(gateway) = gateway {
        let stop = stages.background.clone();
        parts.background.spawn(async move {
            gateway.run_background(stop).await;
            ("background", Ok(()))
        });
    }
}

fn spawn_api(
    parts: &mut stop::Parts,
    stages: &Stages,
    (api, router): (TcpListener, Router),
    config: &Config,
    gateway: Option<Gateway>,
) {
    let (stop, config) = (stages.api.clone(), config.proxy.clone());
    parts.api.spawn(async move {
        relais_proxy::serve_api(api, router, &config, stop).await;
        if let Some(gateway) = gateway {
            gateway.drain().await; // What requests of this port began.
        }
        ("api", Ok(()))
    });
}

/// Users of relais are numbered, and anybody may become the next one. What a role gives them, it gives to the same subject of another
/// issuer, unless it names its own.
fn warn_of_shared_roles(config: &Config) {
    let shared = config.access.roles.iter().find(|role| role.issuer.is_none());
    if let Some(role) = shared.filter(|_| config.accounts.registration && !config.access.issuers.is_empty()) {
        tracing::warn!(
            role = role.name,
            "access.roles: the role is of every issuer, also of users who register here: name its `issuer`, or set accounts.registration = false"
        );
    }
}

/// A sidecar, with the limits of its jobs.
type Limited = (Arc<dyn Sidecar>, relais_kit::Config);

fn spawn_sidecars(parts: &mut JoinSet<Part>, kit: &Kit, sidecars: Vec<Limited>, stop: &CancellationToken) {
    for (sidecar, limits) in sidecars {
        let (kit, stop) = (kit.clone(), stop.clone());
        parts.spawn(async move {
            let kind = sidecar.kind();
            (kind, kit.run(sidecar, limits, stop).await.map_err(anyhow::Error::from))
        });
    }
}

/// Removes what an earlier process was asked to forget.
fn forget(config: &Config) -> anyhow::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let path = config.data_dir.join(format!("{FORGOTTEN_DATABASE}{suffix}"));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Connects to the database; a url that is none is a wrong configuration, a server that is down is not.
pub(crate) async fn connect(config: &Config) -> anyhow::Result<Catalog> {
    Catalog::connect(&config.database).await.map_err(|error| match error {
        CatalogError::InvalidConfig { .. } => {
            Misconfigured(format!("database.url (DATABASE_URL): {error}")).into()
        }
        error => error.into(),
    })
}

/// The bus that sidecars read; it is not contacted yet. Where no Redis is configured they read the log itself.
fn bus(config: &Config, catalog: &Catalog) -> anyhow::Result<Arc<dyn Bus>> {
    if config.events.redis_url.is_none() {
        return Ok(Arc::new(EmbeddedBus::new(Arc::new(JournalLog(catalog.event_log())))));
    }
    let consumer = format!("relais-{}", uuid::Uuid::new_v4().simple()); // In containers every process has the same id.
    Ok(Arc::new(RedisStream::connect(&config.events, &consumer).map_err(Misconfigured::from_error)?))
}

/// Where events are taken to; none is contacted yet.
pub(crate) fn publishers(config: &Config) -> anyhow::Result<Vec<Arc<dyn Publisher>>> {
    relais_events::publishers(&config.events, &config.proxy.region).map_err(Misconfigured::from_error)
}

/// The prefixes that are a user's, by the layouts of the configuration.
pub(crate) fn prefixes(config: &Config) -> Prefixes {
    let profiles = UploadProfiles::new(&config.uploads).unwrap_or_default(); // Checked when the configuration was read.
    Arc::new(move |subject| profiles.prefixes_of(subject))
}

/// The gateway; nothing is contacted.
pub(crate) fn new_gateway(
    config: &Config,
    stores: &Stores,
    catalog: &Catalog,
    keys: &Keys,
    audit: &Audit,
    routes: &Routes,
) -> anyhow::Result<Gateway> {
    let parts = Parts {
        audit,
        routes,
        config: &config.proxy,
        journal: config.journal,
        buckets: &config.buckets,
        access: &config.access,
        settle: &config.settle,
        stores,
        catalog,
        keyring: &keys.keyring,
    };
    Gateway::new(&parts).map_err(Misconfigured::from_error)
}

/// What the JSON port answers where the proxy is, with the buckets that it needs.
async fn proxy_routes(config: &Config, gateway: &Gateway, catalog: &Catalog) -> anyhow::Result<Router> {
    let transcribe = Transcribe::new(&config.api, gateway.clone(), catalog.jobs(), catalog.users())
        .map_err(Misconfigured::from_error)?;
    let uploads = Uploads::new(&config.uploads, &config.proxy, gateway.clone());
    let uploads = uploads.map_err(Misconfigured::from_error)?;
    gateway.make_configured_buckets(Some(transcribe.bucket())).await;
    Ok(Router::new()
        .merge(relais_proxy::api::transcription(transcribe))
        .merge(relais_proxy::api::credentials(gateway.clone()))
        .merge(relais_proxy::api::erasure(gateway.clone(), prefixes(config)))
        .merge(relais_proxy::api::accounts(Auth::new(&config.accounts, gateway.clone(), catalog.users())))
        .merge(relais_proxy::api::uploads(uploads)))
}

/// The sidecars that run here, with the limits of their jobs.
fn sidecars(config: &Config, targets: &Targets) -> anyhow::Result<Vec<Limited>> {
    let mut sidecars: Vec<Limited> = Vec::new();
    if targets.has(Target::Thumbnail) && config.thumbnail.enabled {
        let limits = config.thumbnail.kit.clone();
        sidecars.push((Arc::new(Thumbnails(config.thumbnail.clone())), limits));
    }
    if targets.has(Target::Transcription) && config.transcription.enabled {
        match Transcriptions::new(config.transcription.clone()) {
            Ok(sidecar) => sidecars.push((Arc::new(sidecar), config.transcription.kit.clone())),
            // A laptop without a model still stores and makes thumbnails; asked for by name it is an error.
            Err(error) if targets.has(Target::Proxy) => {
                tracing::warn!("recordings are not transcribed: {:#}", anyhow::Error::new(error));
            }
            Err(error) => return Err(Misconfigured::from_error(error)),
        }
    }
    Ok(sidecars)
}

/// The proxy seen from a sidecar in another process: an S3 store like any other.
async fn proxy_client(config: &Config, keys: &Keys) -> anyhow::Result<Store> {
    let remote = RemoteConfig {
        endpoint: Some(config.sidecars.proxy_url.clone()),
        access_key_id: Some(keys.root.access_key.clone()),
        secret_access_key: Some(keys.root.secret_key.clone()),
        path_style: Some(true),
        ca_file: config.sidecars.ca_file.clone(),
        ..RemoteConfig::in_region(config.proxy.region.clone())
    };
    let name = "proxy".parse()?;
    Store::open(&name, &StoreConfig::S3(remote), &config.data_dir).await.map_err(Misconfigured::from_error)
}
