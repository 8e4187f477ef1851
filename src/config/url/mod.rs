//! Addresses of other servers: origins, stores, and anteroom itself as visitors see it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::config::fault::Code;
use crate::config::fault::Fault;
pub use crate::config::url::redis::Node;
pub use crate::config::url::redis::RedisUrl;
pub use crate::config::url::redis::Topology;

mod redis;

/// What to write instead of an address that is none.
const REDIS_REMEDY: &str =
    "write \"memory:\", or \"redis://redis.internal:6379\" (rediss:// for TLS)";

/// One server of an origin, written `"http://127.0.0.1:8000"` or `"https://portal.internal"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OriginUrl {
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// A name or address in lower case; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// What visitors type into their browser: scheme and authority.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExternalUrl {
    /// Whether visitors come over TLS.
    pub tls: bool,
    /// A name or address in lower case; an IPv6 address without brackets.
    pub host: String,
    /// The port; 443 or 80 when none is written.
    pub port: u16,
}

/// Where the rooms' lines live.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StoreUrl {
    /// In this process, with a snapshot on disk.
    Memory,
    /// In Redis.
    Redis(RedisUrl),
}

/// A URL in its parts.
struct Parts<'a> {
    scheme: &'a str,
    userinfo: Option<&'a str>,
    host: String,
    port: Option<u16>,
    path: &'a str,
}

impl OriginUrl {
    /// Host and port as they stand in a URL or a `Host` header, the port left out where it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        authority(&self.host, self.port, if self.tls { 443 } else { 80 })
    }
}

impl ExternalUrl {
    /// Host and port as they stand in a URL or a `Host` header, the port left out where it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        authority(&self.host, self.port, if self.tls { 443 } else { 80 })
    }
}

impl FromStr for OriginUrl {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let (tls, parts) = web_parts(text, "an origin's address", "http://127.0.0.1:8000")?;
        let port = parts.port.unwrap_or(if tls { 443 } else { 80 });
        Ok(Self {
            tls,
            host: parts.host,
            port,
        })
    }
}

impl FromStr for ExternalUrl {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let (tls, parts) = web_parts(text, "an external address", "https://booking.example.org")?;
        let port = parts.port.unwrap_or(if tls { 443 } else { 80 });
        Ok(Self {
            tls,
            host: parts.host,
            port,
        })
    }
}

impl FromStr for StoreUrl {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        if text == "memory:" {
            return Ok(Self::Memory);
        }
        if text.starts_with("memory:") {
            return Err(Fault::invalid(
                "not a store's address",
                "nothing follows \"memory:\"; `path` names its folder",
                REDIS_REMEDY,
            ));
        }
        text.parse().map(Self::Redis)
    }
}

impl fmt::Display for OriginUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}",
            if self.tls { "https" } else { "http" },
            self.authority()
        )
    }
}

impl fmt::Display for ExternalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}",
            if self.tls { "https" } else { "http" },
            self.authority()
        )
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Redis(redis) => redis.fmt(f),
        }
    }
}

/// The parts of an `http` or `https` address that names a server and nothing below it.
fn web_parts<'a>(text: &'a str, what: &str, example: &str) -> Result<(bool, Parts<'a>), Fault> {
    let remedy = format!("write it like \"{example}\"");
    let fault = |reason: &str| Fault::invalid(&format!("not {what}"), reason, &remedy);
    let parts = parts(text, &fault)?;
    let tls = match parts.scheme {
        "http" => false,
        "https" => true,
        _ => return Err(fault("it begins with http:// or https://")),
    };
    if parts.userinfo.is_some() {
        return Err(Fault::new(
            Code::SecretInFile,
            format!("a login in {what}"),
            "configuration is shown, compared and logged; secrets are not",
            "leave out what stands before the @",
        ));
    }
    if !matches!(parts.path, "" | "/") {
        return Err(fault(
            "it names a server, without a path: requests keep theirs",
        ));
    }
    Ok((tls, parts))
}

/// Splits `scheme://[userinfo@]host[:port][/path]`.
fn parts<'a>(text: &'a str, fault: &dyn Fn(&str) -> Fault) -> Result<Parts<'a>, Fault> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or_else(|| fault("there is no ://"))?;
    if rest.contains(['?', '#']) {
        return Err(fault("it has no ? and no #"));
    }
    let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (userinfo, server) = server
        .rsplit_once('@')
        .map_or((None, server), |(user, server)| (Some(user), server));
    let (host, port) = self::server(server, fault)?;
    Ok(Parts {
        scheme,
        userinfo,
        host,
        port,
        path,
    })
}

/// Splits `host[:port]`.
fn server(text: &str, fault: &dyn Fn(&str) -> Fault) -> Result<(String, Option<u16>), Fault> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest
                .split_once(']')
                .ok_or_else(|| fault("the bracket is not closed"))?;
            let address: Ipv6Addr = host
                .parse()
                .map_err(|_| fault("no IPv6 address in the brackets"))?;
            (address.to_string(), port)
        }
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            if !is_host(host) {
                return Err(fault("the host is neither a name nor an address"));
            }
            (host.to_ascii_lowercase(), port)
        }
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        None => return Err(fault("what follows the host is a colon and a port")),
        Some(port) => {
            let digits = port.bytes().all(|b| b.is_ascii_digit());
            let port = port.parse().ok().filter(|port| digits && *port != 0);
            Some(port.ok_or_else(|| fault("a port is a number from 1 to 65535"))?)
        }
    };
    Ok((host, port))
}

/// A host name or IPv4 address; underscores are allowed since container networks use them.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// Host and port; the port is left out where it is the usual one, and IPv6 addresses are in brackets.
fn authority(host: &str, port: u16, usual: u16) -> String {
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    if port == usual {
        host
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests;
