//! One connection to a Redis server: made, asked who it is, and used until the first failure.

use std::time::Duration;

use aws_lc_rs::digest;
use redis::Cmd;
use redis::ErrorKind;
use redis::RedisError;
use redis::ServerErrorKind;
use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::time::timeout;

use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
use crate::line::exchange::Refused;
use crate::line::ids::KeyHash;
use crate::store::StoreError;
use crate::store::redis::Plan;
use crate::store::redis::find::reached_from;
use crate::store::redis::link::Link;
use crate::store::redis::link::Place;
use crate::store::redis::trouble::Trouble;
use crate::store::redis::trouble::short;
use crate::store::redis::wire;

/// The oldest Redis whose commands a line can do with.
const OLDEST: (u32, u32) = (6, 2);

/// A connection that has not failed yet.
pub(super) struct Connection {
    link: Link,
    place: Place,
    /// Which process answers: a hash of its run id.
    store: KeyHash,
    /// What the server does when its memory is full.
    pub(super) policy: String,
}

impl Connection {
    /// Connects to this server and asks it who it is, within the deadline.
    pub(super) async fn open(place: Place, plan: &Plan) -> Result<Self, StoreError> {
        let introduced = async {
            let mut link = Link::open(&place, &plan.server).await?;
            let info: String = redis::cmd("INFO").query_async(&mut link.commands).await?;
            Ok((link, info))
        };
        let (link, info) = within(&place, plan.step_deadline, introduced).await?;
        if let Some(trouble) = unfit(&info) {
            return Err(StoreError::Failed {
                addr: place.to_string(),
                trouble,
            });
        }
        Ok(Self {
            link,
            place,
            store: hash(field(&info, "run_id").unwrap_or_default()),
            policy: field(&info, "maxmemory_policy")
                .unwrap_or_default()
                .to_owned(),
        })
    }

    /// Which server this is, for messages.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Sends one exchange and reads its answer, within the deadline.
    pub(super) async fn send(
        &mut self,
        plan: &Plan,
        exchange: &Exchange,
        clock_us: Option<u64>,
    ) -> Result<Answer, StoreError> {
        // A history that is played brings its own time and its own store.
        let store = clock_us.map_or(self.store, |_| exchange.store);
        let command = |name: &str, script: &str| {
            let mut cmd = redis::cmd(name);
            cmd.arg(script).arg(plan.keys.len()).arg(&plan.keys);
            wire::add_exchange(&mut cmd, clock_us, store, exchange);
            cmd
        };
        let known = command("EVALSHA", &plan.script.sha);
        let reply = run(&mut self.link.commands, known, || {
            command("EVAL", &plan.script.text)
        });
        let reply = within(&self.place, plan.answer_deadline, reply).await?;
        if let Value::BulkString(bytes) = reply {
            wire::answer(&bytes)
        } else if let Value::Int(last) = reply {
            Err(StoreError::Refused(Refused::Stale {
                given: exchange.sequence,
                last: u64::try_from(last).unwrap_or(0),
            }))
        } else {
            Err(StoreError::Unreadable(
                "it is not of the kind the script returns",
            ))
        }
    }
}

/// Runs the script by its name, and by its text where the server does not know it yet.
async fn run(
    commands: &mut MultiplexedConnection,
    known: Cmd,
    whole: impl FnOnce() -> Cmd,
) -> Result<Value, RedisError> {
    match known.query_async(commands).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            whole().query_async(commands).await
        }
        other => other,
    }
}

/// Awaits an answer of this server's until the deadline.
pub(super) async fn within<T>(
    place: &Place,
    deadline: Duration,
    answer: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, StoreError> {
    let error = match timeout(deadline, answer).await {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error,
        Err(_elapsed) => {
            return Err(StoreError::Timeout {
                addr: place.to_string(),
                after: deadline,
            });
        }
    };
    let addr = place.to_string();
    Err(match (Trouble::of(&error), place) {
        (Some(Trouble::Moved(node)), Place::Node(asked)) => StoreError::Failed {
            addr,
            trouble: Trouble::Moved(reached_from(asked, node)),
        },
        (Some(trouble), _) => StoreError::Failed { addr, trouble },
        (None, _) => StoreError::Unreachable {
            addr,
            cause: short(&error.to_string()),
        },
    })
}

/// Why a line cannot live in a server that says this of itself.
fn unfit(info: &str) -> Option<Trouble> {
    let version = field(info, "redis_version").unwrap_or_default();
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    // One that does not tell, or calls itself something else, is taken at its commands.
    if let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next())
        && (major, minor) < OLDEST
        && field(info, "valkey_version").is_none()
    {
        return Some(Trouble::TooOld(short(version)));
    }
    if field(info, "loading") == Some("1") {
        return Some(Trouble::Loading);
    }
    (field(info, "role") == Some("slave")).then_some(Trouble::Replica)
}

/// One field of what `INFO` tells.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let of_line = |line: &'a str| line.split_once(':').filter(|(field, _)| *field == name);
    info.lines()
        .find_map(of_line)
        .map(|(_, value)| value.trim())
}

/// 128 bits that stand for a server's process.
fn hash(run_id: &str) -> KeyHash {
    let hash = digest::digest(&digest::SHA256, run_id.as_bytes());
    let first = hash.as_ref().first_chunk::<16>();
    KeyHash(first.map_or(0, |bytes| u128::from_be_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_lacks_commands_is_refused_and_one_that_only_counts_otherwise_is_not() {
        let info = |text: &str| unfit(&format!("# Server\r\n{text}\r\nrole:master\r\n"));
        for old in [
            "redis_version:6.0.16",
            "redis_version:5.0.7",
            "redis_version:2.8",
        ] {
            assert!(matches!(info(old), Some(Trouble::TooOld(_))), "{old}");
        }
        for new in [
            "redis_version:6.2.0",
            "redis_version:7.2.4\r\nvalkey_version:9.0.0",
            "redis_version:10.0.0",
            "redis_version:1.0\r\nvalkey_version:8.1.0",
            "redis_version:unstable",
            "uptime:1",
        ] {
            assert_eq!(info(new), None, "{new}");
        }
    }

    #[test]
    fn a_server_that_cannot_take_writes_now_says_so_before_it_is_used() {
        let info = |text: &str| unfit(&format!("redis_version:7.0.15\r\n{text}\r\n"));
        assert_eq!(info("role:slave"), Some(Trouble::Replica));
        assert_eq!(info("loading:1\r\nrole:master"), Some(Trouble::Loading));
        assert_eq!(info("loading:0\r\nrole:master"), None);
    }
}
