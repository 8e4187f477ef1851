//! What an operator sets about one origin, as plain data.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::message::Forwarding;
use crate::proxy::check::HealthCheck;
use crate::proxy::ejection::EjectionRule;
use crate::proxy::patience::Pace;
use crate::proxy::share::Pot;
use crate::proxy::standing::Standings;
use crate::proxy::tls::OriginTls;

/// One origin as one worker sees it.
#[derive(Debug, Clone)]
pub struct OriginSettings {
    /// Its name in logs and metrics.
    pub name: String,
    /// Its servers; at least one.
    pub servers: Vec<OriginAddress>,
    /// How they stand, shared by the workers of this replica.
    pub standings: Arc<Standings>,
    /// When one of several is passed over.
    pub ejection: EjectionRule,
    /// How they are asked how they are, if they are.
    pub check: Option<HealthCheck>,
    /// TLS for servers with `tls`.
    pub tls: Option<Arc<OriginTls>>,
    /// Whether to speak HTTP/2: over TLS if the server chooses it, in cleartext in any case.
    pub http2: bool,
    /// Whether each connection begins with who it is for, by the PROXY protocol. Not together with `http2`.
    pub proxy_protocol: bool,
    /// The `Host` the origin gets.
    pub host: HostHeader,
    /// Which headers tell the origin about the client.
    pub forwarding: Forwarding,
    /// Requests in flight to all servers together, from this worker (1 or more).
    pub in_flight_max: usize,
    /// What the workers of this replica take from together where a share is too small to be divided among them.
    pub pot: Arc<Pot>,
    /// Requests of this worker that may wait for one in flight to end.
    pub waiting_max: usize,
    /// Idle connections kept for each server, by this worker.
    pub idle_max: usize,
    /// The protocols a connection may be upgraded to, in lower case (`websocket`).
    pub upgrades: Vec<String>,
    /// Upgraded connections open at once, from this worker.
    pub tunnels_max: usize,
    /// Largest body of a request, in bytes.
    pub body_max: u64,
    /// Bytes per second that a request's body has to come with, over time; 0 for any rate (see [`super::Patience`]).
    pub body_rate_min: u64,
    /// How long things may take.
    pub timeouts: OriginTimeouts,
}

/// One server of an origin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OriginAddress {
    /// Host name or address (IPv6 without brackets).
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether to speak TLS.
    pub tls: bool,
}

/// The `Host` header the origin gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostHeader {
    /// The one the client sent.
    #[default]
    Client,
    /// Always this one.
    Fixed(HeaderValue),
}

/// How long things may take; each is kept within a quarter of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginTimeouts {
    /// Waiting for one of the requests in flight to end, when there are too many.
    pub room: Duration,
    /// Connecting, TLS included.
    pub connect: Duration,
    /// Between two pieces of a request's body, while the origin waits for them; less where they came too slowly.
    pub body: Duration,
    /// From the last byte sent until the response begins.
    pub response: Duration,
    /// Without a byte in either direction of a body.
    pub idle: Duration,
    /// The whole request, response body included. Not for upgraded connections.
    pub total: Option<Duration>,
    /// Without a byte in either direction of an upgraded connection.
    pub upgrade_idle: Duration,
    /// How long an idle connection is kept.
    pub keep: Duration,
    /// How long a connection is used at most, less up to a quarter; `None` for as long as it lasts.
    pub renew: Option<Duration>,
    /// How often an HTTP/2 connection with requests on it and nothing to hear is asked whether it is alive; `None` never.
    pub ping: Option<Duration>,
    /// How long an idle connection is sure to be open. One idle for longer may be closing just as it is used, so that
    /// a safe request sent on it is kept to be repeated; copying every request would cost all of them.
    pub fresh: Duration,
}

impl Default for OriginTimeouts {
    fn default() -> Self {
        Self {
            room: Duration::from_secs(1),
            connect: Duration::from_secs(3),
            body: Duration::from_secs(60),
            response: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            total: None,
            upgrade_idle: Duration::from_secs(600),
            keep: Duration::from_secs(60),
            renew: None,
            ping: Some(Duration::from_secs(30)),
            fresh: Duration::from_millis(500),
        }
    }
}

impl OriginSettings {
    /// An origin with these servers and everything else at its default.
    pub fn new(name: impl Into<String>, servers: Vec<OriginAddress>) -> Self {
        Self {
            name: name.into(),
            servers,
            standings: Arc::default(),
            ejection: EjectionRule {
                after: 3,
                longest: Duration::from_secs(30),
                by_status: false,
            },
            check: None,
            tls: None,
            http2: false,
            proxy_protocol: false,
            host: HostHeader::default(),
            forwarding: Forwarding::default(),
            in_flight_max: 1_024,
            pot: Arc::default(),
            waiting_max: 1_024,
            idle_max: 512,
            upgrades: vec!["websocket".to_owned()],
            tunnels_max: 4_096,
            body_max: u64::MAX,
            body_rate_min: 0,
            timeouts: OriginTimeouts::default(),
        }
    }

    /// What a client has to keep up while the origin waits for its body.
    pub(super) fn body_pace(&self) -> Pace {
        Pace {
            pause: self.timeouts.body,
            bytes_per_s: self.body_rate_min,
        }
    }

    /// The `Host` for a request that came without one.
    pub(super) fn default_host(&self) -> HeaderValue {
        let host = self.servers.first().and_then(OriginAddress::authority);
        host.unwrap_or_else(|| HeaderValue::from_static("localhost"))
    }

    /// The `Host` of a request of our own to one of the servers.
    pub(super) fn host_of(&self, server: &OriginAddress) -> HeaderValue {
        match &self.host {
            HostHeader::Fixed(host) => host.clone(),
            HostHeader::Client => server.authority().unwrap_or_else(|| self.default_host()),
        }
    }
}

impl OriginAddress {
    /// As a `Host` names it: without the port where it is the scheme's own.
    fn authority(&self) -> Option<HeaderValue> {
        let is_default = self.port == if self.tls { 443 } else { 80 };
        let whole = self.to_string();
        let host = whole.rsplit_once(':').map_or("", |(host, _)| host);
        HeaderValue::try_from(if is_default { host } else { whole.as_str() }).ok()
    }
}

/// Host and port, as in metrics and logs.
impl fmt::Display for OriginAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}
