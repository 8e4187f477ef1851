//! Addresses of Redis as people run it: one server, a socket, a primary that sentinels know, a cluster.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::config::url::REDIS_REMEDY;
use crate::config::url::authority;
use crate::config::url::server;

/// The port of a server where none is written.
const PORT: u16 = 6_379;
/// The port of a sentinel where none is written.
const SENTINEL_PORT: u16 = 26_379;
/// Most sentinels or nodes an address may name.
const NODES_MAX: usize = 16;

/// A Redis that several replicas can share, written `"redis://redis.internal:6379/0"` in its simplest form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedisUrl {
    /// Who has the line, or knows who has it.
    pub topology: Topology,
    /// Whether all of them are spoken to over TLS: `rediss`.
    pub tls: bool,
    /// The user to log in as; the password is kept elsewhere.
    pub username: Option<String>,
    /// The database's number; a cluster has only 0.
    pub database: u16,
}

/// How a Redis is put together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topology {
    /// `redis://host:6379/0`: one server.
    Server(Node),
    /// `redis+unix:///run/redis.sock?db=0`: one server on this machine.
    Socket(PathBuf),
    /// `redis+sentinel://host1:26379,host2:26379/name/0`: the primary these sentinels know under this name.
    Sentinel {
        /// The sentinels; at least one, at most 16.
        sentinels: Vec<Node>,
        /// What they call the primary.
        name: String,
    },
    /// `redis+cluster://host1:6379,host2:6379`: the cluster that these nodes belong to.
    Cluster(
        /// Some of its nodes; at least one, at most 16.
        Vec<Node>,
    ),
}

/// One server of a network.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// A name or address in lower case; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for RedisUrl {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let remedy = remedy(text);
        let fault = |reason: &str| Fault::invalid("not a store's address", reason, remedy);
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| fault("there is no ://"))?;
        let (tls, kind) = kind(scheme)
            .ok_or_else(|| fault("the scheme is neither memory nor one of the redis schemes"))?;
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) if kind == "unix" => (place, Some(query)),
            Some(_) => return Err(fault("it has no ? and no #")),
            None => (rest, None),
        };
        if rest.contains('#') {
            return Err(fault("it has no ? and no #"));
        }
        let (names, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        let (username, names) = login(names)?;
        let path = path.strip_prefix('/').unwrap_or_default();
        let (topology, database) = match kind {
            "unix" => {
                if !names.is_empty() {
                    return Err(fault(
                        "a socket's path begins with a slash: redis+unix:///run/…",
                    ));
                }
                let number = match query {
                    None => "",
                    Some(query) => query
                        .strip_prefix("db=")
                        .ok_or_else(|| fault("after the ? there is nothing but db=…"))?,
                };
                (Topology::Socket(socket(path, &fault)?), number)
            }
            "sentinel" => {
                let (name, number) = path.split_once('/').unwrap_or((path, ""));
                if !is_name(name) {
                    return Err(fault("after the sentinels comes /, and the primary's name"));
                }
                let topology = Topology::Sentinel {
                    sentinels: nodes(names, SENTINEL_PORT, &fault)?,
                    name: name.to_owned(),
                };
                (topology, number)
            }
            "cluster" => {
                if !matches!(path, "" | "0") {
                    return Err(fault(
                        "a cluster has one database, and nothing follows its nodes",
                    ));
                }
                (Topology::Cluster(nodes(names, PORT, &fault)?), path)
            }
            _ => (Topology::Server(node(names, PORT, &fault)?), path),
        };
        Ok(Self {
            topology,
            tls,
            username,
            database: database_number(database, &fault)?,
        })
    }
}

/// Whether a scheme asks for TLS, and what follows its `+`.
fn kind(scheme: &str) -> Option<(bool, &'static str)> {
    Some(match scheme {
        "redis" => (false, ""),
        "rediss" => (true, ""),
        "redis+unix" => (false, "unix"),
        "redis+sentinel" => (false, "sentinel"),
        "rediss+sentinel" => (true, "sentinel"),
        "redis+cluster" => (false, "cluster"),
        "rediss+cluster" => (true, "cluster"),
        _ => return None,
    })
}

/// What to write instead.
fn remedy(text: &str) -> &'static str {
    match text.split_once("://").map(|(scheme, _)| scheme) {
        Some("redis+unix") => "write it like \"redis+unix:///run/redis/redis.sock\"",
        Some("redis+sentinel" | "rediss+sentinel") => {
            "write it like \"redis+sentinel://10.0.0.1:26379,10.0.0.2:26379/mymaster/0\""
        }
        Some("redis+cluster" | "rediss+cluster") => {
            "write it like \"redis+cluster://10.0.0.1:6379,10.0.0.2:6379\""
        }
        Some(_) | None => REDIS_REMEDY,
    }
}

/// The user's name, and what stands behind the @.
fn login(names: &str) -> Result<(Option<String>, &str), Fault> {
    match names.rsplit_once('@') {
        Some((userinfo, _)) if userinfo.contains(':') => Err(Fault::new(
            Code::SecretInFile,
            "a password in the configuration",
            "configuration is shown, compared and logged; secrets are not",
            "put it in a file named by `password_file`, or in ANTEROOM_STORE_PASSWORD",
        )),
        Some(("", names)) => Ok((None, names)),
        Some((name, names)) => Ok((Some(name.to_owned()), names)),
        None => Ok((None, names)),
    }
}

fn database_number(text: &str, fault: &dyn Fn(&str) -> Fault) -> Result<u16, Fault> {
    match text {
        "" => Ok(0),
        number if number.bytes().all(|b| b.is_ascii_digit()) => number
            .parse()
            .map_err(|_| fault("a database's number is below 65536")),
        _ => Err(fault("what follows the slash is a database's number")),
    }
}

fn socket(path: &str, fault: &dyn Fn(&str) -> Fault) -> Result<PathBuf, Fault> {
    if path.is_empty() || path.ends_with('/') || path.contains(['\0', '%']) {
        return Err(fault("there is no path of a socket"));
    }
    Ok(PathBuf::from(format!("/{path}")))
}

/// The name of a primary, as sentinels' own configuration allows it.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn node(text: &str, port: u16, fault: &dyn Fn(&str) -> Fault) -> Result<Node, Fault> {
    let (host, given) = server(text, fault)?;
    Ok(Node {
        host,
        port: given.unwrap_or(port),
    })
}

fn nodes(text: &str, port: u16, fault: &dyn Fn(&str) -> Fault) -> Result<Vec<Node>, Fault> {
    let nodes: Vec<_> = text
        .split(',')
        .take(NODES_MAX + 1)
        .map(|text| node(text, port, fault))
        .collect::<Result<_, _>>()?;
    if nodes.len() > NODES_MAX {
        return Err(fault("at most 16 of them are named"));
    }
    Ok(nodes)
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&authority(&self.host, self.port, 0))
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "rediss" } else { "redis" })?;
        f.write_str(match self.topology {
            Topology::Server(_) => "://",
            Topology::Socket(_) => "+unix://",
            Topology::Sentinel { .. } => "+sentinel://",
            Topology::Cluster(_) => "+cluster://",
        })?;
        if let Some(username) = &self.username {
            write!(f, "{username}@")?;
        }
        match &self.topology {
            Topology::Server(node) => write!(f, "{node}/{}", self.database),
            Topology::Socket(path) => {
                write!(f, "{}", path.display())?;
                match self.database {
                    0 => Ok(()),
                    database => write!(f, "?db={database}"),
                }
            }
            Topology::Sentinel { sentinels, name } => {
                write!(f, "{}/{name}/{}", joined(sentinels), self.database)
            }
            Topology::Cluster(nodes) => f.write_str(&joined(nodes)),
        }
    }
}

fn joined(nodes: &[Node]) -> String {
    let nodes: Vec<_> = nodes.iter().map(Node::to_string).collect();
    nodes.join(",")
}
