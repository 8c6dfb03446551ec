//! One instance of the kit at work over a folder, SQLite and the embedded bus.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt;
use relais_catalog::{Applied, Catalog, Intent, Job, JobState};
use relais_events::{BusError, EmbeddedBus, EventLog};
use relais_kit::{Config, Kit, KitError, Sidecar};
use relais_model::{ByteSize, DerivedFrom, Event, EventKind, ObjectFacts, ReplicaState, Requester};
use relais_stores::{FolderConfig, Store, StoreConfig};
use s3s::dto::{CreateBucketInput, ETag, GetObjectInput, Metadata, PutObjectInput, StreamingBlob};
use s3s::{S3, S3Request};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const BUCKET: &str = "media";

/// A sidecar that takes `.txt`; what its worker does is in `examples/worker.rs`, by kind.
#[derive(Clone, Debug)]
pub(crate) struct Testing {
    pub(crate) kind: &'static str,
    pub(crate) task: serde_json::Value,
}

impl Sidecar for Testing {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn recipe(&self) -> String {
        "testing/1".to_owned()
    }

    fn wants(&self, event: &Event) -> bool {
        event.key.stem_and_extension().1 == "txt"
    }

    fn source_bytes_max(&self) -> u64 {
        1_000_000
    }

    fn task(&self, _event: &Event) -> serde_json::Value {
        self.task.clone()
    }
}

pub(crate) struct Node {
    kind: &'static str,
    s3: Arc<dyn S3>,
    catalog: Catalog,
    stop: CancellationToken,
    running: JoinHandle<Result<(), KitError>>,
    _folder: tempfile::TempDir,
}

pub(crate) struct Derived {
    pub(crate) bytes: Vec<u8>,
    pub(crate) content_type: Option<String>,
    pub(crate) metadata: Metadata,
}

/// Two attempts, two crashes, five seconds, 256 MiB.
pub(crate) fn config() -> Config {
    Config {
        slots: 2.try_into().unwrap(),
        attempts_max: 2,
        crashes_max: 2,
        lease: Duration::from_secs(2),
        timeout: Duration::from_secs(5),
        memory_bytes_max: ByteSize(256 << 20),
    }
}

/// The example of the same name, which cargo builds together with the tests.
pub(crate) fn worker() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let worker = test.parent().unwrap().parent().unwrap().join("examples/worker");
    assert!(worker.exists(), "{} is not built: cargo test -p relais-kit builds it", worker.display());
    worker
}

impl Node {
    pub(crate) async fn start(kind: &'static str) -> Self {
        Self::start_with(Testing { kind, task: serde_json::Value::Null }, config(), worker()).await
    }

    pub(crate) async fn start_with(sidecar: Testing, config: Config, worker: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let objects = folder.path().join("objects");
        std::fs::create_dir(&objects).unwrap();
        let store = StoreConfig::Folder(FolderConfig { path: objects.clone() });
        let s3 = Store::open(&"objects".parse().unwrap(), &store, folder.path()).await.unwrap().s3;
        let bucket = CreateBucketInput { bucket: BUCKET.to_owned(), ..Default::default() };
        s3.create_bucket(request(bucket)).await.unwrap();

        let url = format!("sqlite://{}?mode=rwc", folder.path().join("catalog.db").display());
        let catalog = Catalog::connect(&relais_catalog::Config { url, connections_max: 4 }).await.unwrap();
        catalog.migrate().await.unwrap();
        let bus = Arc::new(EmbeddedBus::new(Arc::new(Log(catalog.event_log()))));

        let kind = sidecar.kind;
        let kit = Kit { gateway: s3.clone(), catalog: catalog.clone(), bus, worker };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = tokio::spawn(async move { kit.run(Arc::new(sidecar), config, stopped).await });
        Self { kind, s3, catalog, stop, running, _folder: folder }
    }

    /// Stores an object and announces it, as the proxy does.
    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) {
        let etag = self.store(key, bytes).await;
        self.announce(key, &etag, None).await;
    }

    /// Stores an object, and tells nobody.
    pub(crate) async fn store(&self, key: &str, bytes: &[u8]) -> String {
        let input = PutObjectInput {
            bucket: BUCKET.to_owned(),
            key: key.to_owned(),
            content_length: Some(bytes.len() as i64),
            body: Some(StreamingBlob::from(bytes::Bytes::copy_from_slice(bytes))),
            ..Default::default()
        };
        let stored = self.s3.put_object(request(input)).await.unwrap().output;
        stored.e_tag.as_ref().map(ETag::value).unwrap().to_owned()
    }

    /// Announces an object.
    pub(crate) async fn announce(&self, key: &str, etag: &str, derived_from: Option<DerivedFrom>) {
        let intent =
            Intent { bucket: BUCKET.parse().unwrap(), key: key.parse().unwrap(), kind: EventKind::Put };
        let journal = self.catalog.journal();
        let id = journal.open(intent).await.unwrap();
        let applied = Applied {
            kind: None,
            version_id: None,
            object: Some(ObjectFacts {
                size: 0,
                etag: etag.to_owned(),
                content_type: None,
                owner: "root".to_owned(),
            }),
            public_url: None,
            acl: None,
            replicas: BTreeMap::from([("disk".to_owned(), ReplicaState::Current)]),
            derived_from,
            requester: Requester {
                principal: "root".to_owned(),
                source_ip: None,
                request_id: "1".to_owned(),
                traceparent: None,
            },
        };
        journal.apply(id, applied).await.unwrap();
    }

    /// Waits until the last job of a key is in a state.
    pub(crate) async fn job(&self, key: &str, state: JobState) -> Job {
        let (bucket, key) = (BUCKET.parse().unwrap(), key.parse().unwrap());
        let mut last = None;
        for _ in 0..600 {
            last = self.catalog.jobs().latest(self.kind, &bucket, &key).await.unwrap();
            if let Some(job) = last.as_ref().filter(|job| job.state == state) {
                return job.clone();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not {state:?} after half a minute: {last:?}");
    }

    pub(crate) async fn jobs_done(&self) -> u64 {
        self.catalog.jobs().count(self.kind, JobState::Done).await.unwrap()
    }

    pub(crate) async fn read(&self, key: &str) -> Option<Derived> {
        let input = GetObjectInput { bucket: BUCKET.to_owned(), key: key.to_owned(), ..Default::default() };
        let found = self.s3.get_object(request(input)).await.ok()?.output;
        let chunks: Vec<bytes::Bytes> = found.body.unwrap().try_collect().await.unwrap();
        let metadata = found.metadata.unwrap_or_default();
        Some(Derived { bytes: chunks.concat(), content_type: found.content_type, metadata })
    }

    /// Stops and waits for the end, which comes soon and without an error.
    pub(crate) async fn stop(self) -> Catalog {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.running).await.unwrap().unwrap().unwrap();
        self.catalog
    }
}

fn request<T>(input: T) -> S3Request<T> {
    S3Request {
        input,
        method: http::Method::GET,
        uri: http::Uri::default(),
        headers: http::HeaderMap::new(),
        extensions: http::Extensions::new(),
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}

/// The catalog's log as the bus wants it; the two crates do not know each other.
#[derive(Debug)]
struct Log(relais_catalog::EventLog);

fn log_failed(act: &'static str) -> impl Fn(relais_catalog::CatalogError) -> BusError {
    move |error| BusError::Log { act, source: Box::new(error) }
}

#[async_trait]
impl EventLog for Log {
    fn news(&self) -> tokio::sync::watch::Receiver<()> {
        self.0.news()
    }

    async fn ping(&self) -> Result<(), BusError> {
        self.0.ping().await.map_err(|error| BusError::Log { act: "reach", source: Box::new(error) })
    }

    async fn read(&self, group: &str, max: u64) -> Result<Vec<(i64, Event)>, BusError> {
        self.0.read(group, max).await.map_err(log_failed("read"))
    }

    async fn commit(&self, group: &str, position: i64) -> Result<(), BusError> {
        self.0.commit(group, position).await.map_err(log_failed("move the cursor in"))
    }
}
