//! Where a Redis is and how it wants to be spoken to: one server, a Cluster, or what Sentinels watch.
//!
//! A Cluster needs no word of its own: whoever is asked names the node that has a key. Sentinels are asked anew for
//! each connection, the others when one does not answer; so a failover is noticed with the connection that it breaks.

use std::fmt;
use std::path::Path;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult, TlsCertificates,
};

use super::Keys;
use crate::config::RedisConfig;
use crate::error::BusError;

/// The addresses to begin with, and the credentials. Nothing of it prints a password.
pub(super) struct Servers {
    keys: Keys,
    /// Of a server that holds data; the address in it is the first of `addresses`.
    data: ConnectionInfo,
    addresses: Vec<ConnectionAddr>,
    sentinels: Option<Sentinels>,
}

struct Sentinels {
    master: String,
    settings: RedisConnectionInfo,
}

impl Servers {
    /// Reads the URL and the files that the options name; the configuration has both under `keys`.
    pub(super) fn new(keys: Keys, url: &str, options: &RedisConfig) -> Result<Self, BusError> {
        // The crate's error could only say less than ours, and ours cannot repeat a password.
        let invalid = |_| BusError::InvalidUrl { key: keys.url.clone() };
        let mut data = url.into_connection_info().map_err(invalid)?;
        let settings = data.redis_settings().clone();
        let settings =
            with_credentials(settings, options.username.as_ref(), options.password_file.as_deref());
        data = data.set_redis_settings(settings?);
        if let ConnectionAddr::TcpTls { .. } = data.addr() {
            choose_cryptography();
            data = with_certificates(data, options)?;
        } else if options.ca_file.is_some() || options.certificate_file.is_some() {
            return Err(BusError::Misconfigured(
                "a Redis with a ca_file or a certificate_file has a rediss:// URL".into(),
            ));
        }
        let mut addresses = vec![data.addr().clone()];
        for node in &options.nodes {
            addresses.push(address(data.addr(), node).ok_or_else(|| {
                BusError::Misconfigured(format!("nodes: {node:?} is not the host:port of a Redis over TCP"))
            })?);
        }
        let sentinels = match &options.sentinel_master {
            None => None,
            Some(master) => {
                let (user, file) =
                    (options.sentinel_username.as_ref(), options.sentinel_password_file.as_deref());
                let settings = with_credentials(RedisConnectionInfo::default(), user, file)?;
                Some(Sentinels { master: master.clone(), settings })
            }
        };
        Ok(Self { keys, data, addresses, sentinels })
    }

    /// Where the configuration speaks of them.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Connects to the server that has the data, or to any of those that know which has.
    pub(super) async fn connect(&self, timeouts: &AsyncConnectionConfig) -> RedisResult<Led> {
        let mut last = None;
        for address in &self.addresses {
            let led = match &self.sentinels {
                None => self.connect_to(address.clone(), timeouts).await,
                Some(sentinels) => self.connect_to_master(sentinels, address, timeouts).await,
            };
            match led {
                Ok(led) => return Ok(led),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| RedisError::from((ErrorKind::EmptySentinelList, "no address is known"))))
    }

    /// Connects to a server that another one has named.
    pub(super) async fn connect_to(
        &self,
        address: ConnectionAddr,
        timeouts: &AsyncConnectionConfig,
    ) -> RedisResult<Led> {
        let client = Client::open(self.data.clone().set_addr(address.clone()))?;
        let connection = client.get_multiplexed_async_connection_with_config(timeouts).await?;
        Ok(Led { address, connection })
    }

    async fn connect_to_master(
        &self,
        sentinels: &Sentinels,
        sentinel: &ConnectionAddr,
        timeouts: &AsyncConnectionConfig,
    ) -> RedisResult<Led> {
        let info =
            self.data.clone().set_addr(sentinel.clone()).set_redis_settings(sentinels.settings.clone());
        let mut asked = Client::open(info)?.get_multiplexed_async_connection_with_config(timeouts).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(&sentinels.master);
        let answer: Option<(String, u16)> = question.query_async(&mut asked).await?;
        let unknown = || {
            RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "the Sentinel knows no such master"))
        };
        let (host, port) = answer.ok_or_else(unknown)?;
        self.connect_to(at(&self.data, host, port), timeouts).await
    }

    /// The address that a redirection names; one without a host means the server that gives it.
    pub(super) fn named(&self, by: &ConnectionAddr, text: &str) -> Option<ConnectionAddr> {
        let (host, port) = text.rsplit_once(':')?;
        let here = match by {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.as_str(),
            _ => return None,
        };
        let host = if host.is_empty() || host == "?" { here } else { host };
        Some(at(&self.data, host.to_owned(), port.parse().ok()?))
    }

    /// The text without any password in it.
    pub(super) fn without_secrets(&self, mut text: String) -> String {
        let sentinel = self.sentinels.as_ref().and_then(|sentinels| sentinels.settings.password());
        let secrets = self.data.redis_settings().password().into_iter().chain(sentinel);
        for secret in secrets.filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "***");
        }
        text
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(sentinels) = &self.sentinels {
            write!(f, "{} of ", sentinels.master)?;
        }
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        f.write_str(&addresses.join(", "))
    }
}

/// The server that is spoken to, until it no longer answers or names another.
pub(super) struct Led {
    pub(super) address: ConnectionAddr,
    pub(super) connection: MultiplexedConnection,
}

fn with_credentials(
    mut settings: RedisConnectionInfo,
    username: Option<&String>,
    password_file: Option<&Path>,
) -> Result<RedisConnectionInfo, BusError> {
    if let Some(username) = username {
        settings = settings.set_username(username);
    }
    if let Some(path) = password_file {
        let password = String::from_utf8(read(path)?)
            .map_err(|_| BusError::Misconfigured(format!("{} holds no text", path.display())))?;
        settings = settings.set_password(password.trim_end_matches(['\r', '\n']));
    }
    Ok(settings)
}

fn with_certificates(info: ConnectionInfo, options: &RedisConfig) -> Result<ConnectionInfo, BusError> {
    let client_tls = match (&options.certificate_file, &options.key_file) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
        }
        _ => {
            let rule = "certificate_file and key_file of a Redis: set both, or neither";
            return Err(BusError::Misconfigured(rule.into()));
        }
    };
    let root_cert = options.ca_file.as_deref().map(read).transpose()?;
    let unreadable = |error: RedisError| {
        BusError::Misconfigured(format!("cannot use the certificates of a Redis: {error}"))
    };
    let client =
        Client::build_with_tls(info, TlsCertificates { client_tls, root_cert }).map_err(unreadable)?;
    Ok(client.get_connection_info().clone())
}

fn read(path: &Path) -> Result<Vec<u8>, BusError> {
    std::fs::read(path)
        .map_err(|error| BusError::Misconfigured(format!("cannot read {}: {error}", path.display())))
}

/// An address like the one given, with another `host:port`.
fn address(like: &ConnectionAddr, text: &str) -> Option<ConnectionAddr> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = port.parse().ok()?;
    match like {
        ConnectionAddr::Unix(_) => None,
        _ if host.is_empty() => None,
        like => Some(relocated(like, host.to_owned(), port)),
    }
}

fn at(data: &ConnectionInfo, host: String, port: u16) -> ConnectionAddr {
    relocated(data.addr(), host, port)
}

fn relocated(like: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match like {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    }
}

/// The crate takes the process's default cryptography and panics where two are compiled in and none was chosen.
fn choose_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails only if another thread was faster, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}
