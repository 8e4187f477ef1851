//! The shared store: a room's line in a Redis server, moved by one script.
//!
//! One connection per room, one exchange at a time, a deadline on everything. An exchange whose answer got lost is sent
//! again as it was; the script keeps each replica's last answer, so nothing is applied twice.

mod backoff;
mod connection;
mod script;
mod wire;

use std::fmt;
use std::time::Duration;

use redis::Client;

use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
use crate::store::StoreError;
use crate::store::redis::backoff::Backoff;
use crate::store::redis::connection::Connection;
use crate::store::redis::script::Script;

/// Which Redis server to use, and how long to wait for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `redis://`, `rediss://` or `redis+unix://`, with credentials where the server wants them. Never logged.
    pub url: String,
    /// What the names of all keys begin with.
    pub prefix: String,
    /// How long connecting may take, the first commands on the connection included.
    pub connect_deadline: Duration,
    /// How long an exchange may take.
    pub answer_deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            prefix: "anteroom".to_owned(),
            connect_deadline: Duration::from_secs(1),
            answer_deadline: Duration::from_secs(1),
        }
    }
}

impl fmt::Debug for Settings {
    /// Shows everything but the URL, which may carry a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("prefix", &self.prefix)
            .field("connect_deadline", &self.connect_deadline)
            .field("answer_deadline", &self.answer_deadline)
            .finish_non_exhaustive()
    }
}

/// A line in a Redis server.
pub struct Redis {
    client: Client,
    plan: Plan,
    connection: Option<Connection>,
    backoff: Backoff,
}

/// What every connection to this room's line needs to know.
#[derive(Debug)]
struct Plan {
    room: String,
    /// Host and port or path, without credentials: for messages.
    addr: String,
    keys: Vec<String>,
    script: Script,
    connect_deadline: Duration,
    answer_deadline: Duration,
}

impl fmt::Debug for Redis {
    /// Shows no URL: it may carry a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("room", &self.plan.room)
            .field("addr", &self.plan.addr)
            .field("connected", &self.connection.is_some())
            .finish_non_exhaustive()
    }
}

impl Redis {
    /// Prepares for the line of this room; the first exchange connects.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn new(settings: &Settings, room: &str) -> Result<Self, StoreError> {
        let client = Client::open(settings.url.as_str())
            .map_err(|error| StoreError::Url(connection::cause(&error)))?;
        let plan = Plan {
            room: room.to_owned(),
            addr: client.get_connection_info().addr().to_string(),
            keys: script::keys(&settings.prefix, room),
            script: Script::new(),
            connect_deadline: settings.connect_deadline,
            answer_deadline: settings.answer_deadline,
        };
        Ok(Self {
            client,
            plan,
            connection: None,
            backoff: Backoff::default(),
        })
    }

    /// See [`crate::store::Store::exchange_at`]; without a time, the server's clock.
    pub(crate) async fn exchange(
        &mut self,
        exchange: &Exchange,
        clock_us: Option<u64>,
    ) -> Result<Answer, StoreError> {
        exchange.validate()?;
        self.backoff.wait().await;
        let result = self.attempt(exchange, clock_us).await;
        match &result {
            Err(error) if error.is_away() => self.backoff.failed(),
            Ok(_) | Err(_) => self.backoff.reset(),
        }
        result
    }

    /// Sends the exchange, once more on a new connection if the one there was turns out to be broken.
    async fn attempt(
        &mut self,
        exchange: &Exchange,
        clock_us: Option<u64>,
    ) -> Result<Answer, StoreError> {
        if let Some(mut connection) = self.connection.take() {
            match connection.send(&self.plan, exchange, clock_us).await {
                Err(StoreError::Unreachable { .. }) => {}
                other => return self.keep(connection, other),
            }
        }
        let mut connection = Connection::open(&self.client, &self.plan).await?;
        let result = connection.send(&self.plan, exchange, clock_us).await;
        self.keep(connection, result)
    }

    /// Keeps a connection for the next exchange, unless this one failed on it.
    fn keep(
        &mut self,
        connection: Connection,
        result: Result<Answer, StoreError>,
    ) -> Result<Answer, StoreError> {
        if !matches!(&result, Err(error) if error.is_away()) {
            self.connection = Some(connection);
        }
        result
    }
}
