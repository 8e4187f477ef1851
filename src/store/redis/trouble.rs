//! What a Redis that can be reached says is wrong with it, in words for the person who runs it.

use redis::ErrorKind;
use redis::RedisError;

use crate::config::url::Node;

/// Longest name of a host that a server may name, in bytes (RFC 1035 §2.3.4).
pub(super) const HOST_MAX: usize = 253;
/// Longest text of a server's own that is passed on, in characters.
const TEXT_MAX: usize = 200;

/// Why a Redis that answers cannot be used now. No text of it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It does not believe who we are.
    #[error(
        "it refuses the user or the password: compare the user in `url` and what is in `password_file` with its own"
    )]
    Login,
    /// It wants to know who we are.
    #[error("it asks for a password: put it in a file and name that as `password_file`")]
    NoPassword,
    /// A sentinel does not believe who we are, or wants to know.
    #[error("this sentinel asks for another password than `sentinel_password_file` has")]
    SentinelLogin,
    /// The user lacks a right.
    #[error("its user may not do what a line needs: {0}")]
    Permission(String),
    /// It only reads.
    #[error(
        "it is a replica, which takes no writes: name the primary in `url`, or the sentinels that know it"
    )]
    Replica,
    /// It is a replica, and has no data to show.
    #[error("it is a replica that has lost its primary")]
    PrimaryGone,
    /// The sentinels have put another server in its place, and it has not noticed.
    #[error("its sentinels have put another server in its place")]
    Replaced,
    /// The sentinels know nobody by that name.
    #[error("it knows no primary named {0}: compare the name in `url` with the sentinels' own")]
    NoPrimary(String),
    /// It reads its data from disk.
    #[error("it is loading its data after a start")]
    Loading,
    /// It has no memory left.
    #[error("its memory is full: raise its `maxmemory`, or free some")]
    Memory,
    /// It cannot save, and refuses writes for that.
    #[error("it refuses writes because it cannot save to its disk")]
    Disk,
    /// It refuses writes that too few others would have.
    #[error("it refuses writes because too few replicas follow it (`min-replicas-to-write`)")]
    FewReplicas,
    /// It runs a script, ours or another's, for too long.
    #[error("it is busy with a script")]
    Busy,
    /// The cluster does not serve the room's slot.
    #[error("its cluster is down: {0}")]
    ClusterDown(String),
    /// The room's slot is being handed over.
    #[error("the room's hash slot is moving to another node")]
    Moving,
    /// Another node has the room's slot.
    #[error("it belongs to a cluster where {0} has this room: write redis+cluster:// in `url`")]
    Moved(Node),
    /// It lacks commands a line needs.
    #[error("it is Redis {0}, and a line needs 6.2 or newer")]
    TooOld(String),
    /// Anything else, in its own words.
    #[error("{0}")]
    Other(String),
}

impl Trouble {
    /// What the server said, or nothing when it was not the server who spoke.
    pub(super) fn of(error: &RedisError) -> Option<Self> {
        let kind = error.kind();
        if kind == ErrorKind::AuthenticationFailed {
            return Some(Self::Login);
        }
        if !matches!(kind, ErrorKind::Server(_) | ErrorKind::Extension) {
            return None;
        }
        let code = error.code().unwrap_or_default();
        let detail = error.detail().unwrap_or_default();
        let other = || Self::Other(short(&format!("{code} {detail}")));
        Some(Self::coded(code, detail).unwrap_or_else(other))
    }

    fn coded(code: &str, detail: &str) -> Option<Self> {
        Some(match code {
            "WRONGPASS" => Self::Login,
            "NOAUTH" => Self::NoPassword,
            "NOPERM" => Self::Permission(short(detail)),
            "READONLY" => Self::Replica,
            "MASTERDOWN" => Self::PrimaryGone,
            "LOADING" => Self::Loading,
            "OOM" => Self::Memory,
            "MISCONF" => Self::Disk,
            "NOREPLICAS" => Self::FewReplicas,
            "BUSY" => Self::Busy,
            "CLUSTERDOWN" => Self::ClusterDown(short(detail)),
            "ASK" | "TRYAGAIN" => Self::Moving,
            "MOVED" => Self::Moved(moved_to(detail)?),
            "ERR" if detail.starts_with("Authentication required") => Self::NoPassword,
            // Before Redis 7, an error inside a script stands in the text of the script's own.
            "ERR" => Self::nested(detail)?,
            _ => return None,
        })
    }

    fn nested(detail: &str) -> Option<Self> {
        let (_, inner) = detail.rsplit_once(": -")?;
        let (code, detail) = inner.split_once(' ')?;
        (code != "ERR").then(|| Self::coded(code, detail)).flatten()
    }

    /// Whether another server than this one may have the line by now.
    pub(super) fn is_elsewhere(&self) -> bool {
        matches!(
            self,
            Self::Replica | Self::PrimaryGone | Self::Replaced | Self::Moved(_)
        )
    }

    /// One word for each kind of trouble.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Login | Self::NoPassword | Self::SentinelLogin => "login",
            Self::Permission(_) => "permission",
            Self::Replica | Self::PrimaryGone | Self::Replaced => "replica",
            Self::NoPrimary(_) => "no-primary",
            Self::Loading => "loading",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::FewReplicas => "few-replicas",
            Self::Busy => "busy",
            Self::ClusterDown(_) => "cluster-down",
            Self::Moving | Self::Moved(_) => "moving",
            Self::TooOld(_) => "too-old",
            Self::Other(_) => "other",
        }
    }
}

/// The node in `3999 127.0.0.1:6381`; its host is empty where the server does not know how it is reached itself.
fn moved_to(detail: &str) -> Option<Node> {
    let (_slot, addr) = detail.split_once(' ')?;
    let (host, port) = addr.trim().rsplit_once(':')?;
    let host = if host == "?" { "" } else { host };
    if host.len() > HOST_MAX {
        return None;
    }
    Some(Node {
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}

/// The first line of a text, cut where it is too long.
pub(super) fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<Trouble> {
        let parsed =
            redis::parse_redis_value(line.as_bytes()).and_then(redis::Value::extract_error);
        Trouble::of(&parsed.expect_err("an error"))
    }

    #[test]
    fn what_a_server_says_is_understood() {
        for (line, trouble) in [
            ("-NOAUTH Authentication required.\r\n", Trouble::NoPassword),
            (
                "-LOADING Redis is loading the dataset in memory\r\n",
                Trouble::Loading,
            ),
            (
                "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
                Trouble::Memory,
            ),
            (
                "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
                Trouble::Moving,
            ),
            ("-ASK 3999 127.0.0.1:6381\r\n", Trouble::Moving),
            (
                "-MASTERDOWN Link with MASTER is down\r\n",
                Trouble::PrimaryGone,
            ),
            (
                "-NOREPLICAS Not enough good replicas to write.\r\n",
                Trouble::FewReplicas,
            ),
            (
                "-NEW what is it\r\n",
                Trouble::Other("NEW what is it".to_owned()),
            ),
        ] {
            assert_eq!(of(line), Some(trouble), "{line}");
        }
    }

    #[test]
    fn what_a_script_of_an_older_server_met_is_understood() {
        let line = "-ERR Error running script (call to f_ab): @user_script:9: @user_script: 9: -OOM command not \
                    allowed when used memory > 'maxmemory'.\r\n";
        assert_eq!(of(line), Some(Trouble::Memory));
        let line = "-ERR Error running script (call to f_ab): @user_script:9: -ERR unknown\r\n";
        assert!(matches!(of(line), Some(Trouble::Other(_))));
    }

    #[test]
    fn a_node_is_read_whatever_its_address_looks_like() {
        for (line, host) in [
            ("-MOVED 3999 10.0.0.1:6381\r\n", "10.0.0.1"),
            ("-MOVED 3999 fd00::1:6381\r\n", "fd00::1"),
            ("-MOVED 3999 :6381\r\n", ""),
            ("-MOVED 3999 ?:6381\r\n", ""),
        ] {
            let host = host.to_owned();
            assert_eq!(of(line), Some(Trouble::Moved(Node { host, port: 6381 })));
        }
    }

    #[test]
    fn a_long_text_of_a_server_is_cut() {
        let Some(Trouble::Other(text)) = of(&format!("-NEW {}\r\n", "é".repeat(4_000))) else {
            panic!("another trouble");
        };
        assert_eq!(text.chars().count(), TEXT_MAX);
    }
}
