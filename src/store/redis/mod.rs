//! The shared store: a room's line in a Redis server, moved by one script.
//!
//! One connection per room, one exchange at a time, a deadline on everything. An exchange whose answer got lost is sent
//! again under its sequence number; the script keeps each replica's last answer, so nothing is applied twice.

mod backoff;
mod connection;
mod find;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod link;
mod named;
mod script;
mod trouble;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::RedisConnectionInfo;
use rustls::ClientConfig;

use crate::config::secret::Secret;
use crate::config::url::Node;
use crate::config::url::RedisUrl;
use crate::config::url::Topology;
use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
use crate::store::StoreError;
use crate::store::redis::backoff::Backoff;
use crate::store::redis::connection::Connection;
use crate::store::redis::link::Access;
use crate::store::redis::link::Place;
use crate::store::redis::named::Named;
use crate::store::redis::script::Script;
pub use crate::store::redis::trouble::Trouble;

/// How often one exchange follows its line to another server before it backs off.
const MOVES_MAX: u32 = 2;

/// Which Redis to use, and how long to wait for it.
#[derive(Clone)]
pub struct Settings {
    /// Where it is, and the user to log in as.
    pub url: RedisUrl,
    /// The user's password, where one is asked for.
    pub password: Option<Secret>,
    /// The sentinels' own password, where they ask for one.
    pub sentinel_password: Option<Secret>,
    /// Whom to trust where the URL asks for TLS.
    pub tls: Option<Arc<ClientConfig>>,
    /// What the names of all keys begin with.
    pub prefix: String,
    /// How long connecting may take: finding the server and its first answers included.
    pub connect_deadline: Duration,
    /// How long an exchange may take.
    pub answer_deadline: Duration,
}

impl Settings {
    /// What is usual with a Redis at this address that asks for no password.
    #[must_use]
    pub fn new(url: RedisUrl) -> Self {
        Self {
            url,
            password: None,
            sentinel_password: None,
            tls: None,
            prefix: "anteroom".to_owned(),
            connect_deadline: Duration::from_secs(1),
            answer_deadline: Duration::from_secs(1),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &self.url)
            .field("prefix", &self.prefix)
            .field("connect_deadline", &self.connect_deadline)
            .field("answer_deadline", &self.answer_deadline)
            .finish_non_exhaustive()
    }
}

/// A line in a Redis server.
pub struct Redis {
    plan: Arc<Plan>,
    connection: Option<Connection>,
    /// Whether that is still the server whom the sentinels name, where there are any.
    named: Named,
    /// The node that is said to have the line now.
    moved_to: Option<Node>,
    /// The server that was found last, of several.
    found: Option<Place>,
    /// What the server was last seen to do when its memory is full.
    policy: String,
    backoff: Backoff,
}

/// What every connection to this room's line needs to know.
#[derive(Debug)]
struct Plan {
    room: String,
    topology: Topology,
    /// To a server that may have the line.
    server: Access,
    /// To a sentinel.
    sentinel: Access,
    keys: Vec<String>,
    script: Script,
    connect_deadline: Duration,
    /// For one step of connecting, where there are several.
    step_deadline: Duration,
    answer_deadline: Duration,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("room", &self.plan.room)
            .field("topology", &self.plan.topology)
            .field("connected", &self.connection.is_some())
            .finish_non_exhaustive()
    }
}

impl Redis {
    /// Prepares for the line of this room; the first exchange connects.
    #[must_use]
    pub fn new(settings: &Settings, room: &str) -> Self {
        let url = &settings.url;
        let tls = settings.tls.clone().filter(|_| url.tls);
        let user = login(url.username.as_deref(), settings.password.as_ref());
        let sentinel = login(None, settings.sentinel_password.as_ref());
        let is_found = matches!(
            url.topology,
            Topology::Sentinel { .. } | Topology::Cluster(_)
        );
        let plan = Plan {
            room: room.to_owned(),
            topology: url.topology.clone(),
            server: Access {
                login: user.set_db(i64::from(url.database)),
                tls: tls.clone(),
            },
            sentinel: Access {
                login: sentinel,
                tls,
            },
            keys: script::keys(&settings.prefix, room),
            script: Script::new(),
            connect_deadline: settings.connect_deadline,
            step_deadline: settings.connect_deadline / if is_found { 2 } else { 1 },
            answer_deadline: settings.answer_deadline,
        };
        Self {
            plan: Arc::new(plan),
            connection: None,
            named: Named::new(),
            moved_to: None,
            found: None,
            policy: String::new(),
            backoff: Backoff::default(),
        }
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

    /// Sends the exchange; once more on a new connection if the one there was turns out to be broken, and to another
    /// server if the line turns out to have moved there. What a server that was replaced answers is not believed.
    async fn attempt(
        &mut self,
        exchange: &Exchange,
        clock_us: Option<u64>,
    ) -> Result<Answer, StoreError> {
        let mut moves = 0;
        loop {
            let (mut connection, is_new) = match self.take_connection().await {
                Some(connection) => (connection, false),
                None => (self.connect().await?, true),
            };
            let mut answer = connection.send(&self.plan, exchange, clock_us).await;
            if answer.is_ok()
                && self.named.is_late()
                && named::is_replaced(connection.place(), &self.plan).await
            {
                answer = Err(replaced(connection.place()));
            }
            match answer {
                Err(StoreError::Unreachable { .. }) if !is_new => {}
                Err(StoreError::Failed { trouble, .. })
                    if moves < MOVES_MAX && self.is_elsewhere(&trouble) =>
                {
                    moves += 1;
                    if let Trouble::Moved(node) = trouble {
                        self.moved_to = Some(node);
                    }
                }
                result => return self.keep(connection, result),
            }
        }
    }

    /// The connection there is, unless its server was replaced meanwhile.
    async fn take_connection(&mut self) -> Option<Connection> {
        let connection = self.connection.take()?;
        let is_another = self.named.is_another(connection.place(), &self.plan);
        (!is_another.await).then_some(connection)
    }

    /// Whether the line can be followed to where it is now.
    fn is_elsewhere(&self, trouble: &Trouble) -> bool {
        match self.plan.topology {
            Topology::Server(_) | Topology::Socket(_) => false,
            Topology::Sentinel { .. } | Topology::Cluster(_) => trouble.is_elsewhere(),
        }
    }

    /// Finds the server that has the line and connects to it, within the deadline.
    async fn connect(&mut self) -> Result<Connection, StoreError> {
        let plan = &self.plan;
        let named = self.moved_to.take().map(Place::Node);
        let connecting = async {
            let places = match named {
                Some(place) => vec![place],
                None => find::candidates(plan).await?,
            };
            let mut failed = StoreError::Unreadable("no server is named");
            for place in places {
                match Connection::open(place, plan).await {
                    // It may have been silent for long before it answered.
                    Ok(connection) if named::is_replaced(connection.place(), plan).await => {
                        failed = replaced(connection.place());
                    }
                    Ok(connection) => return Ok(connection),
                    Err(error) => failed = error,
                }
            }
            Err(failed)
        };
        let deadline = plan.connect_deadline;
        let connected = tokio::time::timeout(deadline, connecting).await;
        let connection = connected.unwrap_or_else(|_elapsed| {
            Err(StoreError::Timeout {
                addr: plan.addr(),
                after: deadline,
            })
        })?;
        self.named.begin();
        self.note_place(&connection);
        self.note_policy(&connection);
        Ok(connection)
    }

    /// Tells which of several servers has the line, whenever it is another one.
    fn note_place(&mut self, connection: &Connection) {
        let is_known = match self.plan.topology {
            Topology::Server(_) | Topology::Socket(_) => true,
            Topology::Sentinel { .. } | Topology::Cluster(_) => {
                self.found.as_ref() == Some(connection.place())
            }
        };
        if !is_known {
            self.found = Some(connection.place().clone());
            tracing::info!(
                room.name = %self.plan.room, store.addr = %connection.place(), "found the server that has the line",
            );
        }
    }

    /// Warns of a server that may throw a line away, once.
    fn note_policy(&mut self, connection: &Connection) {
        if self.policy == connection.policy {
            return;
        }
        self.policy.clone_from(&connection.policy);
        if !self.policy.is_empty() && self.policy != "noeviction" {
            tracing::warn!(
                room.name = %self.plan.room, store.addr = %connection.place(), store.maxmemory_policy = self.policy,
                "the store may throw keys away when its memory is full: set maxmemory-policy to noeviction",
            );
        }
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

impl Plan {
    /// Where the store is, for messages.
    fn addr(&self) -> String {
        let all = |nodes: &[Node]| {
            let nodes: Vec<_> = nodes.iter().map(Node::to_string).collect();
            nodes.join(",")
        };
        match &self.topology {
            Topology::Server(node) => node.to_string(),
            Topology::Socket(path) => path.display().to_string(),
            Topology::Sentinel { sentinels, name } => format!("{name} of {}", all(sentinels)),
            Topology::Cluster(nodes) => all(nodes),
        }
    }
}

/// The error of a server in whose place the sentinels have put another one.
fn replaced(place: &Place) -> StoreError {
    StoreError::Failed {
        addr: place.to_string(),
        trouble: Trouble::Replaced,
    }
}

/// How to log in, without the crate's own greeting, which not every user may send.
fn login(username: Option<&str>, password: Option<&Secret>) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
    if username.is_some() || password.is_some() {
        // To a user without a password, any is right.
        login = login.set_password(password.map_or("", Secret::expose));
    }
    if let Some(username) = username {
        login = login.set_username(username);
    }
    login
}
