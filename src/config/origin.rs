//! The origins: the portals behind the rooms.

use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;

use crate::config::pattern::HostPattern;
use crate::config::url::OriginUrl;

/// `[origin.<name>]`: one portal, on one or several servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its name in the configuration and in metrics.
    pub name: String,
    /// Its servers; at least one.
    pub urls: Vec<OriginUrl>,
    /// When one of several servers is passed over.
    pub eject: Eject,
    /// How its servers are asked how they are; `None` when they are not.
    pub health: Option<Health>,
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
    /// How long a connection is used at all; `None` for no limit.
    pub keep_alive_max: Option<Duration>,
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

/// When one of several servers is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eject {
    /// After so many failures in a row; 0 for never.
    pub after: u32,
    /// The longest at a time.
    pub longest: Duration,
    /// Whether an answer of 502, 503 or 504 is a failure.
    pub by_status: bool,
}

/// How servers are asked how they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is asked for.
    pub path: PathAndQuery,
    /// From one answer to the next question.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Bad ones in a row that take a server out of use.
    pub fail_after: u32,
    /// Good ones in a row that bring it back.
    pub pass_after: u32,
}
