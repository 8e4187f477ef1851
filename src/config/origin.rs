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
    /// A PEM file of authorities to trust instead of the platform's.
    pub ca_file: Option<PathBuf>,
    /// Whether the origin sees the host the visitor asked for; otherwise its own.
    pub pass_host: bool,
}
