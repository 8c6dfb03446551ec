//! One connection to Redis that is made when it is needed and made anew after a failure, and the words for failures.
//!
//! The crate's own connection manager is not used: an error other than of the network, such as a Redis that is still
//! loading its data, makes it fail for good.

use std::fmt;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, Pipeline, RedisError,
    RedisResult,
};
use tokio::sync::Mutex;

use crate::error::BusError;

/// A connection, present or to be made. Nothing of it prints the password.
pub(super) struct Link {
    client: Client,
    settings: AsyncConnectionConfig,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Link {
    /// A link for commands that are answered at once.
    pub(super) fn open(url: &str) -> Result<Self, BusError> {
        // The crate's error could only say less than ours, and ours cannot repeat a password.
        let client = Client::open(url).map_err(|_| BusError::InvalidUrl)?;
        if let ConnectionAddr::TcpTls { .. } = client.get_connection_info().addr() {
            choose_cryptography();
        }
        Ok(Self::with_timeout(client, COMMAND_TIMEOUT))
    }

    /// Another connection to the same Redis, for commands that wait up to this long in the server.
    pub(super) fn for_blocking(&self, block: Duration) -> Self {
        Self::with_timeout(self.client.clone(), block + COMMAND_TIMEOUT)
    }

    fn with_timeout(client: Client, response_timeout: Duration) -> Self {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_response_timeout(Some(response_timeout));
        Self { client, settings, connection: Mutex::default() }
    }

    pub(super) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let outcome = command.query_async(&mut self.connected().await?).await;
        self.drop_if_broken(outcome).await
    }

    pub(super) async fn transaction<T: FromRedisValue>(&self, commands: &Pipeline) -> RedisResult<T> {
        let outcome = commands.query_async(&mut self.connected().await?).await;
        self.drop_if_broken(outcome).await
    }

    async fn connected(&self) -> RedisResult<MultiplexedConnection> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = connection.as_ref() {
            return Ok(connection.clone());
        }
        let fresh = self.client.get_multiplexed_async_connection_with_config(&self.settings).await?;
        Ok(connection.insert(fresh).clone())
    }

    /// An answer of the server proves that the connection works, but after a failover the name may lead to another
    /// server than the one that is now read-only.
    async fn drop_if_broken<T>(&self, outcome: RedisResult<T>) -> RedisResult<T> {
        if let Err(error) = &outcome
            && code(error).is_none_or(|code| code == "READONLY")
        {
            *self.connection.lock().await = None;
        }
        outcome
    }

    /// Says what failed, where, and what to do about it.
    pub(super) fn failure(&self, act: &'static str, error: &RedisError) -> BusError {
        let info = self.client.get_connection_info();
        let mut said = error.to_string();
        // A server may repeat the command it did not understand, and that may be the one with the password.
        if let Some(password) = info.redis_settings().password().filter(|password| !password.is_empty()) {
            said = said.replace(password, "***");
        }
        BusError::Redis { act, address: info.addr().to_string(), hint: hint(error), source: said.into() }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.client.get_connection_info().addr())
    }
}

/// The code with which the server refused, if it was the server. For a transaction, that of the first refusal in it.
pub(super) fn code(error: &RedisError) -> Option<String> {
    let refusals = error.clone().into_server_errors()?;
    refusals.first().map(|(_, refusal)| refusal.code().to_owned())
}

fn hint(error: &RedisError) -> &'static str {
    match code(error).as_deref() {
        Some("OOM") => "it is out of memory: raise its maxmemory or lower events.stream_length_max",
        Some("READONLY") => "it is a read-only replica: let events.redis_url name the primary",
        Some("MISCONF") => "it cannot save to disk and so refuses writes: see its log",
        Some("LOADING" | "BUSY" | "TRYAGAIN" | "MASTERDOWN" | "CLUSTERDOWN") => "it is not ready yet: wait",
        Some("NOAUTH" | "WRONGPASS") => WRONG_PASSWORD,
        Some("NOPERM") => "its user needs the commands of streams, MULTI and PING, on the key events.stream",
        Some("WRONGTYPE") => "the key events.stream holds something else: choose another",
        Some(_) => "it refused the command: relais needs Redis 6.2 or later",
        None if error.kind() == ErrorKind::AuthenticationFailed => WRONG_PASSWORD,
        None if error.is_timeout() => {
            "it did not answer in time: see whether it is overloaded or out of reach"
        }
        None if error.to_string().contains("certificate") => {
            "its certificate is not trusted: add the authority to the system's, or name its file in SSL_CERT_FILE"
        }
        None => "see that it runs there and that events.redis_url is right",
    }
}

/// The crate takes the process's default cryptography and panics where two are compiled in and none was chosen.
fn choose_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails only if another thread was faster, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

const WRONG_PASSWORD: &str = "check the user and the password in events.redis_url";

/// Longer than a network hiccup with one retransmission, shorter than the relay's patience.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3);

/// A Redis that saves or fails over may pause for seconds; giving up too soon only publishes twice.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
