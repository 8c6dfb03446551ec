//! A gateway with its background, over folders that can be switched off.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use relais_catalog::{Catalog, EventLog};
use relais_events::{Bus, BusError, EmbeddedBus, Subscription};
use relais_model::{ByteSize, Event, ReplicaState, Secret, WriteMode};
use relais_proxy::{
    AccessConfig, BucketConfig, ClientAuth, Config, Gateway, Keyring, Parts, RateConfig, RatesConfig, Routes,
    SettleConfig,
};
use relais_stores::{Config as StoresConfig, FolderConfig, Store, StoreConfig, Stores, request};
use s3s::dto::{
    CopyObjectInput, CopySource, CreateMultipartUploadInput, DeleteObjectInput, GetObjectInput,
    GetObjectTaggingInput, ListObjectVersionsInput, PutObjectInput, StreamingBlob, Tag, UploadPartInput,
};
use s3s::{S3, S3ErrorCode, S3Request, StdError};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

mod switch;

pub(crate) use switch::Switch;

pub(crate) const BUCKET: &str = "media";

/// A bucket that takes at most ten bytes.
pub(crate) const SMALL_BUCKET: &str = "small";

/// A bucket that answers with something old rather than with nothing.
pub(crate) const STALE_BUCKET: &str = "stale";

/// A bucket whose slow reads are asked twice.
pub(crate) const HEDGED_BUCKET: &str = "hedged";

/// Longest that anything in the background may take here.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Node {
    pub(crate) gateway: Gateway,
    pub(crate) catalog: Catalog,
    switches: Vec<(&'static str, Arc<Switch>)>,
    folder: tempfile::TempDir,
    events: Mutex<Box<dyn Subscription>>,
    background: JoinHandle<()>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Log(EventLog);

impl Node {
    pub(crate) async fn start(write_mode: WriteMode) -> Self {
        Self::start_with(write_mode, true).await
    }

    /// The same over stores that may not honour conditions of writes.
    pub(crate) async fn start_with(write_mode: WriteMode, conditional: bool) -> Self {
        Self::start_over(&["first", "second"], write_mode, conditional).await
    }

    /// The same over these stores; the first is the primary.
    pub(crate) async fn start_over(names: &[&'static str], write_mode: WriteMode, conditional: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config: StoresConfig = names
            .iter()
            .map(|name| {
                (name.parse().unwrap(), StoreConfig::Folder(FolderConfig { path: PathBuf::from(name) }))
            })
            .collect();
        let folders = Stores::open(&config, folder.path()).await.unwrap();
        let switch = |name: &&'static str| {
            let store = folders.find(&name.parse().unwrap()).unwrap();
            (*name, Arc::new(Switch::over(Arc::clone(&store.s3))))
        };
        let switches: Vec<_> = names.iter().map(switch).collect();
        let store = |(name, switch): &(&str, Arc<Switch>)| {
            let mut store = Store::over(name.parse().unwrap(), switch.clone());
            store.features.conditional_writes = conditional;
            store.features.conditional_deletes = conditional;
            store
        };
        let stores: Stores = switches.iter().map(store).collect();

        let url = format!("sqlite://{}/catalog.db?mode=rwc", folder.path().display());
        let catalog = Catalog::connect(&relais_catalog::Config { url, connections_max: 4 }).await.unwrap();
        catalog.migrate().await.unwrap();
        let small =
            BucketConfig { object_bytes_max: Some(ByteSize(10)), ..bucket(SMALL_BUCKET, names, write_mode) };
        let stale = BucketConfig { stale_reads: true, ..bucket(STALE_BUCKET, names, write_mode) };
        let hedged = BucketConfig { hedged_reads: true, ..bucket(HEDGED_BUCKET, names, write_mode) };
        let parts = Parts {
            journal: relais_proxy::JournalConfig {
                entries_max: 1_000_000,
                when_full: relais_proxy::WhenFull::Keep,
            },
            audit: &relais_proxy::audit::Audit::default(),
            routes: &Routes::default(),
            config: &proxy_config(),
            access: &AccessConfig::default(),
            settle: &settle_config(),
            buckets: &[
                bucket(BUCKET, names, write_mode),
                small,
                stale,
                hedged,
                bucket("*", names, write_mode),
            ],
            stores: &stores,
            catalog: &catalog,
            keyring: &Keyring::new(Secret::from("a secret of thirty-two bytes or more".to_owned()), []),
        };
        let gateway = Gateway::new(&parts).unwrap();
        gateway.make_configured_buckets(None).await;
        let bus: Arc<dyn Bus> = Arc::new(EmbeddedBus::new(Arc::new(Log(catalog.event_log()))));
        let events = Mutex::new(bus.subscribe(&"test".parse().unwrap()).await.unwrap());
        let stop = CancellationToken::new();
        let background = tokio::spawn(gateway.clone().run_background(stop.clone()));
        Self { gateway, catalog, switches, folder, events, background, stop }
    }

    pub(crate) fn switch(&self, name: &str) -> &Switch {
        &self.switches.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// Where a store has its files.
    pub(crate) fn path(&self, store: &str) -> PathBuf {
        self.folder.path().join(store)
    }

    /// What a store really holds, read from its files.
    pub(crate) fn bytes(&self, store: &str, key: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join(store).join(BUCKET).join(key)).ok()
    }

    /// How many versions of a key a store has.
    pub(crate) async fn versions(&self, store: &str, key: &str) -> usize {
        let input =
            ListObjectVersionsInput { bucket: BUCKET.into(), prefix: Some(key.into()), ..Default::default() };
        let listed = self.switch(store).list_object_versions(request(input)).await.unwrap().output;
        listed.versions.unwrap_or_default().len()
    }

    /// The tags of a key in a store.
    pub(crate) async fn tags(&self, store: &str, key: &str) -> Vec<Tag> {
        let input = GetObjectTaggingInput { bucket: BUCKET.into(), key: key.into(), ..Default::default() };
        self.switch(store).get_object_tagging(request(input)).await.unwrap().output.tag_set
    }

    pub(crate) async fn next_event(&self) -> Event {
        let mut events = self.events.lock().await;
        let deliveries =
            tokio::time::timeout(PATIENCE, events.next(1)).await.expect("an event comes").unwrap();
        events.acknowledge(&deliveries).await.unwrap();
        deliveries.into_iter().next().unwrap().event
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        self.wait(what, || std::future::ready(condition())).await;
    }

    pub(crate) async fn until_settled(&self, key: &str) {
        let (bucket, key) = (BUCKET.parse().unwrap(), key.parse().unwrap());
        let is_current = || async {
            let row = self.catalog.objects().find(&bucket, &key).await.unwrap();
            row.is_some_and(|row| row.replicas.values().all(|state| *state == ReplicaState::Current))
        };
        self.wait("every replica is current", is_current).await;
    }

    pub(crate) async fn wait<F: Future<Output = bool>>(&self, what: &str, condition: impl Fn() -> F) {
        let waited = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waited).await.is_ok(), "not within {PATIENCE:?}: {what}");
    }

    /// Ends everything; fails if a task of the background does not end.
    pub(crate) async fn stop(self) {
        self.gateway.drain().await;
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.background).await.expect("the background ends").unwrap();
        self.catalog.close().await.unwrap();
    }
}

#[async_trait]
impl relais_events::EventLog for Log {
    fn news(&self) -> tokio::sync::watch::Receiver<()> {
        self.0.news()
    }

    async fn ping(&self) -> Result<(), BusError> {
        self.0.ping().await.map_err(|error| BusError::Log { act: "reach", source: Box::new(error) })
    }

    async fn read(&self, group: &str, max: u64) -> Result<Vec<(i64, Event)>, BusError> {
        self.0.read(group, max).await.map_err(|error| BusError::Log { act: "read", source: Box::new(error) })
    }

    async fn commit(&self, group: &str, position: i64) -> Result<(), BusError> {
        self.0
            .commit(group, position)
            .await
            .map_err(|error| BusError::Log { act: "move", source: Box::new(error) })
    }
}

fn proxy_config() -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls_certificate_file: None,
        tls_key_file: None,
        tls_client_ca_file: None,
        tls_client_auth: ClientAuth::None,
        hsts_max_age_seconds: None,
        domains: Vec::new(),
        region: "us-east-1".to_owned(),
        signature_v2: false,
        public_urls: Vec::new(),
        requests_in_flight_max: 100,
        connections_max: 100,
        connections_per_address_max: None,
        header_bytes_max: ByteSize(64 << 10),
        head_timeout_seconds: 5,
        body_idle_timeout_seconds: 5,
        write_idle_timeout_seconds: 5,
        rates: RatesConfig { address: RateConfig::default(), identity: RateConfig::default() },
        form_bytes_max: ByteSize(1 << 20),
        replica_stall_seconds: 2.try_into().unwrap(),
        drain_timeout_seconds: 5,
        shutdown_delay_seconds: 0,
    }
}

fn settle_config() -> SettleConfig {
    SettleConfig {
        concurrency: 8.try_into().unwrap(),
        requests_per_second_max: None,
        rewrite_seconds: 0,
        threshold_seconds: 900,
        failed_after_seconds: 86_400,
        failed_retry_seconds: 86_400,
    }
}

fn bucket(name: &str, stores: &[&str], write_mode: WriteMode) -> BucketConfig {
    BucketConfig {
        name: name.to_owned(),
        replicas: stores.iter().map(|store| store.parse().unwrap()).collect(),
        write_mode,
        object_bytes_max: None,
        content_types: Vec::new(),
        check_bytes: true,
        encryption: None,
        public_read: Vec::new(),
        stale_reads: false,
        hedged_reads: false,
        cors: Vec::new(),
    }
}

/// A body and the length that is declared for it.
pub(crate) type Body = (StreamingBlob, usize);

pub(crate) fn body_of(text: &str) -> Body {
    (StreamingBlob::from_bytes(Bytes::copy_from_slice(text.as_bytes())), text.len())
}

/// A body that ends with an error before it is whole.
pub(crate) fn body_that_breaks(text: &'static str, declared: usize) -> Body {
    let cut = std::io::Error::other("the client went away");
    let chunks = [Ok(Bytes::from_static(text.as_bytes())), Err(cut)];
    (StreamingBlob::wrap(futures::stream::iter(chunks)), declared)
}

pub(crate) fn put(key: &str, (body, length): Body) -> S3Request<PutObjectInput> {
    request(PutObjectInput {
        bucket: BUCKET.into(),
        key: key.into(),
        content_length: i64::try_from(length).ok(),
        body: Some(body),
        ..Default::default()
    })
}

pub(crate) fn delete(key: &str) -> S3Request<DeleteObjectInput> {
    request(DeleteObjectInput { bucket: BUCKET.into(), key: key.into(), ..Default::default() })
}

pub(crate) fn copy(key: &str, to: &str) -> S3Request<CopyObjectInput> {
    let source = CopySource::Bucket { bucket: BUCKET.into(), key: key.into(), version_id: None };
    let input = CopyObjectInput::builder().bucket(to.into()).key(key.into()).copy_source(source).build();
    request(input.unwrap())
}

pub(crate) fn create_upload(key: &str) -> S3Request<CreateMultipartUploadInput> {
    request(CreateMultipartUploadInput { bucket: BUCKET.into(), key: key.into(), ..Default::default() })
}

pub(crate) fn part(key: &str, upload_id: &str) -> S3Request<UploadPartInput> {
    let (body, length) = body_of("part");
    request(UploadPartInput {
        bucket: BUCKET.into(),
        key: key.into(),
        upload_id: upload_id.into(),
        part_number: 1,
        content_length: i64::try_from(length).ok(),
        body: Some(body),
        ..Default::default()
    })
}

pub(crate) async fn get(gateway: &Gateway, key: &str) -> Result<String, S3ErrorCode> {
    let input = GetObjectInput { bucket: BUCKET.into(), key: key.into(), ..Default::default() };
    let answer = gateway.get_object(request(input)).await.map_err(|error| error.code().clone())?;
    let chunks: Result<Vec<Bytes>, StdError> = answer.output.body.unwrap().try_collect().await;
    Ok(String::from_utf8(chunks.unwrap().concat()).unwrap())
}
