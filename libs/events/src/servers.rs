//! Real Redis servers for one test: alone, watched by Sentinels, or a Cluster. Each has a free port and a temporary folder,
//! and is ended by its handle.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

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
        Self::launch(port, all, TempDir::new().unwrap())
    }

    /// A Redis that speaks TLS only, and the file of the authority to trust.
    pub(crate) fn start_with_tls() -> (Self, PathBuf) {
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
            ["--tls-auth-clients".to_owned(), "no".to_owned()],
        ];
        let authority = file("certificate.pem");
        (Self::launch(port, options.concat(), folder), authority)
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

fn spawn(options: &[String], folder: &Path) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
        .arg(folder)
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is on the path")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
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
    }
}
