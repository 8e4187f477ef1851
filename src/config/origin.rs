//! The origins: the portals behind the rooms.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::pattern::HostPattern;
use crate::config::url::OriginUrl;

/// `[origin.<name>]`: one portal, on one or several servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its name in the configuration and in metrics.
    pub name: String,
    /// Its servers; at least one.
    pub urls: Vec<OriginUrl>,
    /// Hosts whose requests outside every room go here; empty means any host.
    pub hosts: Vec<HostPattern>,
    /// Most requests in flight to it, over all replicas.
    pub max_in_flight: u64,
    /// Longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Longest wait from the request's end to the response's header.
    pub first_byte_timeout: Duration,
    /// Longest pause between two pieces of a response's body.
    pub idle_timeout: Duration,
    /// Longest response as a whole; `None` for no limit.
    pub total_timeout: Option<Duration>,
    /// How long an unused connection is kept.
    pub keep_alive: Duration,
    /// Whether it is spoken to in HTTP/2.
    pub http2: bool,
    /// How often a silent HTTP/2 connection with requests on it is asked whether it is alive; zero never.
    pub http2_ping: Duration,
    /// Whether connections begin with whom they are for (PROXY protocol, version 2).
    pub proxy_protocol: bool,
    /// The name its certificate is for, where that is not the host of its address.
    pub server_name: Option<String>,
    /// What it is shown of us where it asks for a certificate: the chain's file and the key's.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// A PEM file of authorities to trust instead of the platform's.
    pub ca_file: Option<PathBuf>,
    /// Whether the origin sees the host the visitor asked for; otherwise its own.
    pub pass_host: bool,
    /// The host it sees instead, whatever the visitor asked for.
    pub host: Option<String>,
}
