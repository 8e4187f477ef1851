//! The listeners: where visitors and operators connect, and the bounds on what a connection may do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::secret::SecretSource;
use crate::config::url::ExternalUrl;

/// `[server]`: the listener visitors reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Addresses to listen on; at least one.
    pub listen: Vec<SocketAddr>,
    /// Certificate and key; `None` serves cleartext.
    pub tls: Option<Tls>,
    /// Where cleartext requests are told to come again over TLS.
    pub redirect: Option<Redirect>,
    /// Worker threads, each with its own listener; 0 means one per core.
    pub workers: usize,
    /// What visitors type into their browser, when something in front of anteroom ends TLS.
    pub external_url: Option<ExternalUrl>,
    /// Networks whose `Forwarded` and `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Networks whose connections begin with a PROXY protocol header.
    pub proxy_protocol: Vec<IpNet>,
    /// Networks that limits per address say nothing of.
    pub exempt_networks: Vec<IpNet>,
    /// The path prefix of anteroom's own pages; begins and ends with a slash.
    pub prefix: String,
    /// How long a draining replica waits for what is in flight.
    pub drain: Duration,
    /// Longest TLS handshake.
    pub handshake_timeout: Duration,
    /// Longest wait for a request's complete header section.
    pub header_timeout: Duration,
    /// Longest pause between two pieces of a request's body.
    pub body_timeout: Duration,
    /// Bytes per second that a request's body has to come with, over time; 0 for any rate.
    pub min_body_rate: u64,
    /// Longest time in which a client takes nothing of a response.
    pub send_timeout: Duration,
    /// Bytes per second that a response has to be taken with, over time; 0 for any rate.
    pub min_send_rate: u64,
    /// How long a connection with no request on it is kept.
    pub idle_timeout: Duration,
    /// Most connections at once, over all workers.
    pub max_connections: usize,
    /// Most bytes of responses that wait in memory for clients over HTTP/2, over all workers.
    pub max_unsent_bytes: u64,
    /// Most connections at once from one client address, over all workers; 0 for any number.
    pub max_connections_per_address: usize,
    /// Most numbers of one room given at once to newcomers from one client address; 0 for any number.
    pub max_joins_per_address: u64,
    /// Most HTTP/2 streams at once on one connection.
    pub max_streams: u32,
    /// Largest header section of a request, in bytes.
    pub max_header_bytes: usize,
    /// Largest body of a request, in bytes.
    pub max_body_bytes: u64,
}

/// What the certificate of `[server.tls]` itself goes by among the others.
pub const DEFAULT_CERTIFICATE: &str = "default";

/// `[server.tls]`: certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The one shown to whoever asks for no host that another stands for.
    pub default: CertificateFiles,
    /// `[server.tls.certificate.*]`: those shown by the hosts they stand for.
    pub certificates: BTreeMap<String, CertificateFiles>,
    /// `Strict-Transport-Security` of every answer over TLS.
    pub hsts: Option<Hsts>,
}

/// How long browsers are to come over TLS only (RFC 6797).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hsts {
    /// From each answer on; zero ends it.
    pub max_age: Duration,
    /// Also to hosts below.
    pub subdomains: bool,
}

/// `[server.redirect]`: a listener that only tells to come again over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The hosts it redirects to, each with a port where that is not 443; at least one.
    pub hosts: Vec<String>,
}

/// The files of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate chain in PEM, leaf first.
    pub cert: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
    /// The authority's OCSP response in DER, if one is shown with it.
    pub ocsp: Option<PathBuf>,
}

impl Tls {
    /// Every certificate by its name, the default first.
    pub fn all(&self) -> impl Iterator<Item = (&str, &CertificateFiles)> {
        let named = self.certificates.iter();
        let named = named.map(|(name, files)| (name.as_str(), files));
        std::iter::once((DEFAULT_CERTIFICATE, &self.default)).chain(named)
    }
}

/// `[admin]`: the listener operators and monitoring reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens; `None` when switched off.
    pub listen: Option<SocketAddr>,
    /// Where the bearer token callers must show is kept; `None` only on loopback.
    pub token: Option<SecretSource>,
}

/// `[tickets]`: the keys tickets and passes are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tickets {
    /// The key file; created when missing.
    pub key_file: PathBuf,
}

/// `[log]`: what is written, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The least severe level written to standard error.
    pub level: Level,
    /// The shape of log lines and access lines.
    pub format: Format,
    /// Where one line per request goes.
    pub access: Access,
}

/// Severity of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is broken.
    Error,
    /// Something needs attention.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What explains a decision.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// The level as it is written in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Nowhere.
    Off,
    /// To standard output.
    Stdout,
    /// To a file, reopened on SIGUSR1.
    File(PathBuf),
}
