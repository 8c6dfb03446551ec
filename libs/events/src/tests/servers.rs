//! Real Redis servers for one test: alone, watched by Sentinels, or a Cluster. Each has a free port and a temporary folder,
//! and is ended by its handle.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::{FromRedisValue, RedisResult};
use tempfile::TempDir;

use crate::config::{Config, RedisConfig};

pub(crate) struct Server {
    pub(crate) port: u16,
    options: Vec<String>,
    folder: TempDir,
    process: Option<Child>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(options: &[&str]) -> Self {
        let port = free_port();
        let mut all = vec!["--port".to_owned(), port.to_string()];
        all.extend(options.iter().map(|option| (*option).to_owned()));
        Self::launch(port, plain(all), TempDir::new().unwrap())
    }

    /// A Redis that speaks TLS only, and the file of the authority to trust.
    pub(crate) fn start_with_tls() -> (Self, PathBuf) {
        Self::start_with_tls_for("no")
    }

    /// The same, which may ask clients for a certificate. Its own, beside its key in `key.pem`, is good for that too.
    pub(crate) fn start_with_tls_for(clients: &str) -> (Self, PathBuf) {
        let (port, folder) = (free_port(), TempDir::new().unwrap());
        let file = |name: &str| folder.path().join(name);
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(file("certificate.pem"), certified.cert.pem()).unwrap();
        std::fs::write(file("key.pem"), certified.signing_key.serialize_pem()).unwrap();
        let path = |name: &str| file(name).to_str().unwrap().to_owned();
        let options = [
            ["--port".to_owned(), "0".to_owned()],
            ["--tls-port".to_owned(), port.to_string()],
            ["--tls-cert-file".to_owned(), path("certificate.pem")],
            ["--tls-key-file".to_owned(), path("key.pem")],
            ["--tls-ca-cert-file".to_owned(), path("certificate.pem")],
            ["--tls-auth-clients".to_owned(), clients.to_owned()],
        ];
        let authority = file("certificate.pem");
        (Self::launch(port, plain(options.concat()), folder), authority)
    }

    fn launch(port: u16, options: Vec<String>, folder: TempDir) -> Self {
        let mut server = Self { port, options, folder, process: None };
        server.resume();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Takes away the folder it saves to.
    pub(crate) fn lose_folder(&self) {
        std::fs::remove_dir_all(self.folder.path()).unwrap();
    }

    /// Asks it as nobody else's client.
    pub(crate) fn ask<T: FromRedisValue>(&self, words: &str) -> RedisResult<T> {
        self.ask_as("", words)
    }

    /// The same with a password.
    pub(crate) fn ask_as<T: FromRedisValue>(&self, password: &str, words: &str) -> RedisResult<T> {
        let url = match password {
            "" => self.url(),
            password => format!("redis://:{password}@127.0.0.1:{}", self.port),
        };
        let mut words = words.split(' ');
        redis::cmd(words.next().unwrap())
            .arg(words.collect::<Vec<_>>())
            .query(&mut redis::Client::open(url)?.get_connection()?)
    }

    /// Stops or continues it as a debugger would.
    pub(crate) fn signal(&self, signal: &str) {
        let process = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts it (again) on the same port, without the data it had.
    pub(crate) fn resume(&mut self) {
        self.process = Some(spawn(&self.options, self.folder.path()));
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "redis-server does not come up");
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The options with those that every server but a Sentinel has.
fn plain(options: Vec<String>) -> Vec<String> {
    let mut all: Vec<String> =
        ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"].map(str::to_owned).into();
    all.extend(options);
    all
}

fn spawn(options: &[String], folder: &Path) -> Child {
    Command::new("redis-server")
        .args(options)
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is on the path")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A primary with a replica or two, and three Sentinels that watch it. Both kinds ask for a password.
pub(crate) struct Watched {
    pub(crate) data: Vec<Server>,
    pub(crate) sentinels: Vec<Server>,
}

impl Watched {
    pub(crate) const PASSWORD: &str = "swordfish";
    pub(crate) const SENTINEL_PASSWORD: &str = "mackerel";

    pub(crate) fn start() -> Self {
        let secrets = ["--requirepass", Self::PASSWORD, "--masterauth", Self::PASSWORD];
        let primary = Server::start_with(&secrets);
        let of = format!("127.0.0.1 {}", primary.port);
        let replica = || Server::start_with(&[&secrets[..], &["--replicaof", &of]].concat());
        let data = vec![primary, replica(), replica()];
        until("the replicas follow", || {
            let told: RedisResult<String> = data[0].ask_as(Self::PASSWORD, "INFO replication");
            told.is_ok_and(|told| told.matches("state=online").count() == 2)
        });
        let sentinels = (0..3).map(|_| Self::sentinel(data[0].port)).collect();
        let watched = Self { data, sentinels };
        until("the sentinels know all", || watched.sentinels.iter().all(Self::knows_all));
        watched
    }

    fn sentinel(primary: u16) -> Server {
        let (port, folder) = (free_port(), TempDir::new().unwrap());
        let (password, own) = (Self::PASSWORD, Self::SENTINEL_PASSWORD);
        let text = format!(
            "port {port}\nbind 127.0.0.1\nrequirepass {own}\nsentinel sentinel-pass {own}\n\
             sentinel monitor mymaster 127.0.0.1 {primary} 2\nsentinel auth-pass mymaster {password}\n\
             sentinel down-after-milliseconds mymaster 2000\nsentinel failover-timeout mymaster 10000\n"
        );
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, text).unwrap();
        let options = vec![file.to_str().unwrap().to_owned(), "--sentinel".to_owned()];
        Server::launch(port, options, folder)
    }

    fn knows_all(sentinel: &Server) -> bool {
        let told: RedisResult<String> = sentinel.ask_as(Self::SENTINEL_PASSWORD, "INFO sentinel");
        told.is_ok_and(|told| told.contains("status=ok") && told.contains("slaves=2,sentinels=3"))
    }
}

/// A Cluster of three nodes that share the slots.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let nodes: Vec<(Server, u16)> = (0..3).map(|_| Self::node()).collect();
        let (first, shares) = (nodes[0].0.port, ["0 5460", "5461 10922", "10923 16383"]);
        for (number, ((node, bus), share)) in nodes.iter().zip(shares).enumerate() {
            node.ask::<()>(&format!("CLUSTER ADDSLOTSRANGE {share}")).unwrap();
            node.ask::<()>(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1)).unwrap();
            if node.port != first {
                nodes[0].0.ask::<()>(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port)).unwrap();
            }
        }
        let cluster = Self { nodes: nodes.into_iter().map(|(node, _)| node).collect() };
        until("the cluster is one", || {
            cluster.nodes.iter().all(|node| {
                let told: String = node.ask("CLUSTER INFO").unwrap();
                told.contains("cluster_state:ok") && told.contains("cluster_known_nodes:3")
            })
        });
        cluster
    }

    fn node() -> (Server, u16) {
        let bus = free_port();
        let options = ["--cluster-enabled", "yes", "--cluster-port", &bus.to_string()].map(str::to_owned);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        (Server::start_with(&options), bus)
    }

    /// The node that has the slot of a key, and the slot.
    pub(crate) fn holder(&self, key: &str) -> (usize, u64) {
        let slot: u64 = self.nodes[0].ask(&format!("CLUSTER KEYSLOT {key}")).unwrap();
        let answers = |node: &Server| node.ask::<redis::Value>(&format!("TYPE {key}")).is_ok();
        (self.nodes.iter().position(answers).unwrap(), slot)
    }
}

pub(crate) fn until(what: &str, reached: impl Fn() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < Duration::from_secs(60), "not reached: {what}");
        sleep(Duration::from_millis(50));
    }
}

/// The configuration of the default stream at this URL.
pub(crate) fn plain_config(url: &str, stream_length_max: u64) -> Config {
    Config {
        redis_url: Some(url.to_owned()),
        redis: RedisConfig::default(),
        stream: "relais:events".to_owned(),
        stream_length_max,
        partitions: 1,
        buses: Vec::new(),
        rules: Vec::new(),
        only_by_rules: Vec::new(),
    }
}
