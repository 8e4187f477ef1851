//! One connection to a Redis server: made, asked who it is, and used until the first failure.

use std::time::Duration;

use aws_lc_rs::digest;
use redis::AsyncConnectionConfig;
use redis::Client;
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
use crate::store::redis::wire;

/// A connection that has not failed yet.
pub(super) struct Connection {
    link: MultiplexedConnection,
    /// Which process answers: a hash of its run id.
    store: KeyHash,
}

impl Connection {
    /// Connects and asks the server who it is, within the deadline.
    pub(super) async fn open(client: &Client, plan: &Plan) -> Result<Self, StoreError> {
        within(plan, plan.connect_deadline, Self::introduce(client, plan)).await
    }

    async fn introduce(client: &Client, plan: &Plan) -> Result<Self, RedisError> {
        // The deadlines are ours: they cover whole steps, and nothing goes on behind them.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let mut link = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let server: String = redis::cmd("INFO")
            .arg("server")
            .query_async(&mut link)
            .await?;
        let run_id = field(&server, "run_id").unwrap_or_default();
        let memory: String = redis::cmd("INFO")
            .arg("memory")
            .query_async(&mut link)
            .await?;
        let policy = field(&memory, "maxmemory_policy").unwrap_or_default();
        if !policy.is_empty() && policy != "noeviction" {
            tracing::warn!(
                room.name = %plan.room, store.addr = %plan.addr, store.maxmemory_policy = policy,
                "the store may throw keys away when its memory is full: set maxmemory-policy to noeviction",
            );
        }
        Ok(Self {
            link,
            store: hash(run_id),
        })
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
        let reply = within(
            plan,
            plan.answer_deadline,
            run(&mut self.link, known, || command("EVAL", &plan.script.text)),
        );
        let reply = reply.await?;
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
    link: &mut MultiplexedConnection,
    known: Cmd,
    whole: impl FnOnce() -> Cmd,
) -> Result<Value, RedisError> {
    match known.query_async(link).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            whole().query_async(link).await
        }
        other => other,
    }
}

/// Awaits an answer of the server's until the deadline.
async fn within<T>(
    plan: &Plan,
    deadline: Duration,
    answer: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, StoreError> {
    match timeout(deadline, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let (addr, cause) = (plan.addr.clone(), cause(&error));
            let answered = matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension);
            Err(if answered {
                StoreError::Failed { addr, cause }
            } else {
                StoreError::Unreachable { addr, cause }
            })
        }
        Err(_elapsed) => Err(StoreError::Timeout {
            addr: plan.addr.clone(),
            after: deadline,
        }),
    }
}

/// What went wrong, in one line.
pub(super) fn cause(error: &RedisError) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
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
