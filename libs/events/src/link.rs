//! One connection to Redis that is made when it is needed and made anew after a failure, and the words for failures.
//!
//! A link is for the commands of one key. In a Cluster it follows the key from node to node; behind Sentinels it follows
//! the primary. What it delivers is written in one transaction, and a replica has it before that is believed: a primary
//! that dies right after would take it along. The crate's own managers of connections are not used: an error other than
//! of the network, such as a Redis that is still loading its data, makes the one fail for good, and the one for Clusters
//! repeats by itself what may have been done.

mod servers;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult,
    Value,
};
use tokio::sync::Mutex;
use tokio::time::timeout;

use self::servers::{Led, Servers};
use crate::config::RedisConfig;
use crate::error::BusError;

/// Where the configuration speaks of a Redis: what the operator is told to look at.
#[derive(Debug)]
pub(crate) struct Keys {
    /// Where its URL stands.
    pub(crate) url: String,
    /// Where stands what there is to say beside.
    pub(crate) options: String,
}

/// A connection, present or to be made. Nothing of it prints a password.
pub(crate) struct Link {
    servers: Arc<Servers>,
    timeouts: AsyncConnectionConfig,
    led: Mutex<Option<Led>>,
    /// It was said already that this Redis does not tell of its replicas.
    silent: AtomicBool,
}

impl Link {
    /// A link for commands that are answered at once. The URL and the options stand in the configuration under `keys`.
    pub(crate) fn open(keys: Keys, url: &str, options: &RedisConfig) -> Result<Self, BusError> {
        Ok(Self::with_timeout(Arc::new(Servers::new(keys, url, options)?), COMMAND_TIMEOUT))
    }

    /// Another connection to the same Redis, for another key.
    pub(crate) fn for_another_key(&self) -> Self {
        Self::with_timeout(Arc::clone(&self.servers), COMMAND_TIMEOUT)
    }

    /// Another connection to the same Redis, for commands that wait up to this long in the server.
    pub(crate) fn for_blocking(&self, block: Duration) -> Self {
        Self::with_timeout(Arc::clone(&self.servers), block + COMMAND_TIMEOUT)
    }

    fn with_timeout(servers: Arc<Servers>, response_timeout: Duration) -> Self {
        let timeouts = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_response_timeout(Some(response_timeout));
        Self { servers, timeouts, led: Mutex::default(), silent: AtomicBool::new(false) }
    }

    pub(crate) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        self.ask(&Request::Command(command)).await
    }

    /// Runs the commands as one transaction and waits until a replica has what they wrote, if there are any.
    pub(crate) async fn deliver<T: FromRedisValue>(&self, commands: &Pipeline) -> RedisResult<T> {
        match timeout(DELIVERY_TIMEOUT, self.ask(&Request::Delivery(commands))).await {
            Ok(outcome) => outcome,
            Err(_) => {
                *self.led.lock().await = None;
                Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())
            }
        }
    }

    async fn ask<T: FromRedisValue>(&self, request: &Request<'_>) -> RedisResult<T> {
        for _ in 0..REDIRECTIONS_MAX {
            let (mut connection, address) = self.connected().await?;
            let outcome = self.send(request, &mut connection).await;
            let Err(error) = &outcome else { return outcome };
            match redirection(error).and_then(|(once, to)| Some((once, self.servers.named(&address, &to)?))) {
                None => return self.drop_if_broken(outcome).await,
                Some((Redirection::Moved, to)) => {
                    *self.led.lock().await = None; // The old one is no longer right, even if the new one is not there.
                    let led = self.servers.connect_to(to, &self.timeouts).await?;
                    *self.led.lock().await = Some(led);
                }
                Some((Redirection::Ask, to)) => {
                    let mut led = self.servers.connect_to(to, &self.timeouts).await?;
                    let () = redis::cmd("ASKING").query_async(&mut led.connection).await?;
                    let outcome = self.send(request, &mut led.connection).await;
                    let Err(error) = &outcome else { return outcome };
                    if redirection(error).is_none() {
                        return outcome;
                    }
                }
            }
        }
        Err(RedisError::from((
            ErrorKind::ClusterConnectionNotFound,
            "the nodes of the cluster do not agree on the key",
        )))
    }

    async fn send<T: FromRedisValue>(
        &self,
        request: &Request<'_>,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<T> {
        match request {
            Request::Command(command) => command.query_async(connection).await,
            Request::Delivery(commands) => {
                let (mut beside, role) = (connection.clone(), redis::cmd("ROLE"));
                // At once: the second answer comes with the first.
                let (outcome, role) =
                    tokio::join!(commands.query_async(connection), role.query_async(&mut beside));
                let outcome = outcome?;
                self.replicated(connection, role).await?;
                Ok(outcome)
            }
        }
    }

    /// Waits until a replica has what this connection wrote, if the server, which told its role, has any.
    async fn replicated(
        &self,
        connection: &mut MultiplexedConnection,
        role: RedisResult<Value>,
    ) -> RedisResult<()> {
        match role {
            Ok(role) if replicas(&role) == 0 => return Ok(()),
            Ok(_) => {}
            Err(error) => return self.unless_refused(error),
        }
        let mut wait = redis::cmd("WAIT");
        wait.arg(REPLICAS_MIN).arg(REPLICATION_TIMEOUT.as_millis() as u64);
        match wait.query_async::<u64>(connection).await {
            Ok(0) => Err(redis::make_extension_error(NO_REPLICA.to_owned(), None)),
            Ok(_) => Ok(()),
            Err(error) => self.unless_refused(error),
        }
    }

    /// A user who may not ask for replicas may still publish; that this is less safe is said.
    fn unless_refused(&self, error: RedisError) -> RedisResult<()> {
        if code(&error).is_none() {
            return Err(error);
        }
        if !self.silent.swap(true, Ordering::Relaxed) {
            let error = self.failure("ask for the replicas of", &error);
            tracing::warn!(%error, "a failover of this redis may lose events: let its user ask ROLE and WAIT");
        }
        Ok(())
    }

    async fn connected(&self) -> RedisResult<(MultiplexedConnection, ConnectionAddr)> {
        let mut led = self.led.lock().await;
        let led = match led.as_ref() {
            Some(led) => led,
            None => led.insert(self.servers.connect(&self.timeouts).await?),
        };
        Ok((led.connection.clone(), led.address.clone()))
    }

    /// An answer of the server proves that the connection works, but after a failover another server may be the one.
    async fn drop_if_broken<T>(&self, outcome: RedisResult<T>) -> RedisResult<T> {
        if let Err(error) = &outcome
            && code(error).is_none_or(|code| NOT_THE_ONE.contains(&code.as_str()))
        {
            *self.led.lock().await = None;
        }
        outcome
    }

    /// Says what failed, where, and what to do about it.
    pub(crate) fn failure(&self, act: &'static str, error: &RedisError) -> BusError {
        // A server may repeat the command it did not understand, and that may be the one with the password.
        let said = self.servers.without_secrets(error.to_string());
        let hint = hint(error, self.servers.keys());
        BusError::Redis { act, address: self.servers.to_string(), hint, source: said.into() }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.servers)
    }
}

/// What is asked of a server.
enum Request<'a> {
    Command(&'a Cmd),
    Delivery(&'a Pipeline),
}

/// How a node of a Cluster says that it is not the one.
#[derive(Clone, Copy)]
enum Redirection {
    /// The key lives there from now on.
    Moved,
    /// The key is on its way there: this once.
    Ask,
}

fn redirection(error: &RedisError) -> Option<(Redirection, String)> {
    let refusals = error.clone().into_server_errors()?;
    refusals.iter().find_map(|(_, refusal)| {
        let kind = match refusal.code() {
            "MOVED" => Redirection::Moved,
            "ASK" => Redirection::Ask,
            _ => return None,
        };
        let (_slot, address) = refusal.details()?.split_once(' ')?;
        Some((kind, address.trim().to_owned()))
    })
}

/// How many replicas a server has that follow it now, by its answer to `ROLE`.
fn replicas(role: &Value) -> usize {
    match role {
        Value::Array(parts) => match parts.as_slice() {
            [_role, _offset, Value::Array(replicas)] => replicas.len(),
            _ => 0,
        },
        _ => 0,
    }
}

/// The code with which the server refused, if it was the server. For a transaction, that of the first refusal in it.
pub(crate) fn code(error: &RedisError) -> Option<String> {
    let refusals = error.clone().into_server_errors()?;
    refusals.first().map(|(_, refusal)| refusal.code().to_owned())
}

fn hint(error: &RedisError, keys: &Keys) -> String {
    let Keys { url, options } = keys;
    let wrong_password = || format!("check the user and the password in {url} and {options}");
    let known = match code(error).as_deref() {
        Some("OOM") => {
            "it is out of memory: raise its maxmemory or lower events.stream_length_max, or length_max of a bus"
        }
        Some("READONLY") => return format!("it is a read-only replica: let {url} name the primary"),
        Some("MISCONF") => "it cannot save to disk and so refuses writes: see its log",
        Some("LOADING" | "BUSY" | "TRYAGAIN" | "MASTERDOWN" | "CLUSTERDOWN" | "NOREPLICAS") => {
            "it is not ready yet: wait"
        }
        Some("NOAUTH" | "WRONGPASS") => return wrong_password(),
        Some("NOPERM") => "its user may not do this to this key: see what docs/OPERATIONS.md says it needs",
        Some("WRONGTYPE") => "the key of the bus holds something else: choose another",
        Some(NO_REPLICA) => "its replicas lag behind: see whether they are well",
        Some(_) => "it refused the command: relais needs Redis 6.2 or later",
        None if error.kind() == ErrorKind::AuthenticationFailed => return wrong_password(),
        None if error.kind() == ErrorKind::MasterNameNotFoundBySentinel => {
            return format!("check sentinel_master in {options}");
        }
        None if error.is_timeout() => {
            "it did not answer in time: see whether it is overloaded or out of reach"
        }
        None if error.to_string().contains("certificate") => {
            return format!("its certificate is not trusted: name its authority as ca_file in {options}");
        }
        None => return format!("see that it runs there and that {url} is right"),
    };
    known.to_owned()
}

/// Longer than a network hiccup with one retransmission, shorter than the relay's patience.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3);

/// A Redis that saves or fails over may pause for seconds; giving up too soon only publishes twice.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// A delivery with everything that may go wrong on the way must end well before the lease of the relay does: another would
/// begin to publish the same.
const DELIVERY_TIMEOUT: Duration = Duration::from_millis(5500);

/// One replica is what a failover needs; it takes the one that has most.
const REPLICAS_MIN: u32 = 1;

/// A replica that is well answers within milliseconds. One that is not holds events back, and each attempt sends them
/// again.
const REPLICATION_TIMEOUT: Duration = Duration::from_secs(2);

/// Our own code for a delivery that no replica confirmed in time.
const NO_REPLICA: &str = "NOREPLICA";

/// A key moves once, or is on its way once; more is a Cluster that has not settled, and the next attempt comes soon.
const REDIRECTIONS_MAX: u32 = 5;

/// Refusals of a server that another one, which may be the right one by now, would not give.
const NOT_THE_ONE: [&str; 5] = ["READONLY", "MASTERDOWN", "CLUSTERDOWN", "LOADING", "NOREPLICAS"];

#[cfg(test)]
mod tests;
