//! Accepts connections, speaks HTTP/1.1 and HTTP/2 on them, and hands requests to a worker's handler.
//!
//! One worker per core: a thread with a current-thread runtime, its own `SO_REUSEPORT` listeners and its own handler.
//! Workers share nothing that is written on the way of a request. `stack.rs` is the table of contents of a request.
//!
//! # Handing over
//!
//! One anteroom takes over from another without a failed request. Either the sockets outlive both (`handed.rs`), or both
//! listen on the same port for a while and the first is told to drain. Then its sockets begin no new connection
//! (`listen.rs`), and for a second (`Limits::last_call`) it serves what was on its way before anybody could know:
//! handshakes that have begun, connections that have said nothing yet, and one more request on each that is kept, answered
//! with `Connection: close`; HTTP/2 says so itself (RFC 9113 §6.8). What asks for a connection meanwhile and is given to
//! a socket that takes no more hears nothing and asks again after a second, when that socket is gone. A program that
//! chooses among the sockets (`SO_ATTACH_REUSEPORT_CBPF`) would spare it that second; it cannot be set from safe code.
//! `net.ipv4.tcp_migrate_req` would make the kernel pass on what it has begun; it is off unless an administrator sets it.
//!
//! # One reading of a request
//!
//! The library parses; three looks of ours make sure that nobody after us can read a request in another way. `heads.rs`
//! and `chunks.rs` look at the bytes, for what the parser takes and does not tell; `strict.rs` looks at the parsed head,
//! whatever version it came in. What is in doubt is refused and its connection ends. `tests/conformance` has a case for
//! each rule of RFC 9110 and RFC 9112, and everything that is known to be read in two ways, over HTTP/1.1 and HTTP/2; it
//! keeps the bytes that reach the origin, and takes for a request there what the strictest reader takes for one. nginx
//! and `HAProxy` can be played through it as well (`ANTEROOM_PEERS=1`, then `-- --nocapture`); with the versions of
//! Debian 12 (1.22, 2.6):
//!
//! | | rules kept | forwarded though the strictest reader refuses | a hidden request of it | past the gate |
//! |---|---|---|---|---|
//! | anteroom | 516 of 516 | 0 of 667 | 0 | 0 |
//! | nginx | 317 of 516 | 128 of 667 | 37 | 25 |
//! | `HAProxy` | 309 of 516 | 223 of 667 | 50 | 57 |
//!
//! Some rules are choices that an intermediary may make otherwise (what it does with a path's dots, what it adds), and
//! much of what peers forwarded they had made plain first; the last two columns are what hurts: a second request that
//! reached the origin out of what should have been none, and spellings of a path that the configuration denies
//! (`/booking/`, by prefix), which some origins take for it.
//!
//! # HTTP/2
//!
//! `tests/h2` has a case for each rule of RFC 9113 and RFC 7541 that a server or a decoder can break, and what has to come
//! of it. Where the library has another code than the letter, or ends a connection instead of a stream, the case says why
//! that harms nobody; two things it lets pass are a client that tells no settings at all, and pseudo-headers in trailers,
//! which it leaves out.
//!
//! What a client can have us do for next to nothing is bounded, by the library (heads and their number of frames, what
//! they unpack to, small pieces of data, resets that we are made to send) or by `frames.rs`: one budget over all frames that
//! lead nowhere, and one amount that may be on its way to a client over all of its streams. The library alone answered
//! pings and settings for as long as they came, took any number of requests that were reset as they came, and kept some
//! 200 KiB for each stream of a client that takes nothing: with a hundred streams, 21 MB for one connection.
//!
//! Extended CONNECT (RFC 8441) is not offered: a `WebSocket` comes over HTTP/1.1, which every browser falls back to.
//!
//! # What is left as it is
//!
//! Interim answers other than `100` (as `103 Early Hints`) are not passed on: the library's client would tell us of them,
//! and its server cannot send them. A client that says it will send nothing more (half-close) is taken for gone, which is
//! what lets a request be cancelled when its browser leaves: waiting for a failed write instead would keep the origin at
//! work for people who are not there, and no browser half-closes. `OPTIONS http://host` without a path goes on as
//! `OPTIONS /`, because the library does not tell it from that.

mod addresses;
mod certificates;
mod chunks;
mod connection;
mod connections;
mod descriptors;
mod doing;
mod frames;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz_wire;
mod handed;
mod heads;
mod held;
mod in_flight;
mod listen;
mod log;
mod parked;
pub mod proxy_protocol;
mod rescue;
mod resumption;
mod settings;
mod socket;
mod stack;
mod stream;
mod strict;
mod taking;
pub mod tls;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::sync::watch;

use crate::message::Handler;
use crate::proxy::Background;
use crate::server::addresses::Addresses;

pub use descriptors::DescriptorLimit;
pub use descriptors::descriptors_max;
pub use descriptors::raise_descriptor_limit;
pub use handed::Handed;
pub use handed::HandedError;
pub use listen::is_taken;
pub use settings::Limits;
pub use settings::ListenSettings;
pub use settings::ServerSettings;
pub use settings::SharedTls;

/// What one worker has: one thread, one listener per address, one handler.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Which of the workers this is, from 0.
    pub index: usize,
    /// How many workers there are: shares of what is bounded are `1 / workers`.
    pub workers: usize,
    /// What its handlers may leave running.
    pub background: Background,
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address cannot be listened on.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A socket was handed over for an address that nothing says what to do with.
    #[error("a socket on {addr} was handed over, and no `listen` has that address")]
    HandedElsewhere {
        /// Its address.
        addr: SocketAddr,
    },
    /// A worker's thread or runtime could not be made.
    #[error("cannot start a worker")]
    Worker(#[source] io::Error),
}

/// A server that runs on its own threads.
///
/// Dropping it lets everything in flight go at once; [`Running::drain`] and [`Running::ended`] do better.
#[derive(Debug)]
pub struct Running {
    addrs: Vec<SocketAddr>,
    phase: watch::Sender<Phase>,
    workers: Vec<oneshot::Receiver<Drained>>,
}

/// What a drain came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Connections that ended by themselves once told to.
    pub finished: usize,
    /// Connections and streams cut off because their time was up.
    pub cut: usize,
}

/// What workers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serve,
    Drain(Duration),
    Cut,
}

/// Starts the workers. Every address is bound when this returns; the handler of each worker is made on its thread.
///
/// # Errors
///
/// Fails when an address cannot be bound or a thread cannot be started; nothing is left running then.
pub fn start<H, F>(settings: ServerSettings, make: F) -> Result<Running, ServerError>
where
    H: Handler,
    F: Fn(Worker) -> Rc<H> + Send + Sync + 'static,
{
    start_on(Handed::default(), settings, make)
}

/// As [`start`], on the sockets that were handed over where their addresses are asked for.
///
/// # Errors
///
/// Fails as [`start`] does, and when a socket was handed over for an address that is not listened on.
pub fn start_on<H, F>(
    handed: Handed,
    settings: ServerSettings,
    make: F,
) -> Result<Running, ServerError>
where
    H: Handler,
    F: Fn(Worker) -> Rc<H> + Send + Sync + 'static,
{
    let settings = Arc::new(settings);
    let make = Arc::new(make);
    let count = settings.workers.max(1);
    let send = settings.limits.send;
    let (addrs, mut sockets) = listen::bind_all(&settings.listen, count, send, handed)?;
    let addresses = Addresses::new();
    let (phase, told) = watch::channel(Phase::Serve);
    let mut workers = Vec::with_capacity(count);
    for index in (0..count).rev() {
        let sockets = sockets.pop().unwrap_or_default();
        let plan = worker::Plan {
            index,
            workers: count,
            settings: Arc::clone(&settings),
            addresses: Arc::clone(&addresses),
            sockets,
        };
        let (tx, ended) = oneshot::channel();
        let (make, told) = (Arc::clone(&make), told.clone());
        let runtime = worker::runtime().map_err(ServerError::Worker)?;
        std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                let drained = worker::run(&runtime, plan, told, |worker| make(worker));
                // Nobody waits when the server was dropped.
                tx.send(drained).ok();
            })
            .map_err(ServerError::Worker)?;
        workers.push(ended);
    }
    Ok(Running {
        addrs,
        phase,
        workers,
    })
}

impl Running {
    /// The addresses listened on, in the order they were asked for, with the ports that were chosen for port 0.
    #[must_use]
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Stops accepting; what is in flight may finish within `grace`, upgraded connections are closed.
    pub fn drain(&self, grace: Duration) {
        self.tell(Phase::Drain(grace));
    }

    /// Ends everything now.
    pub fn cut(&self) {
        self.tell(Phase::Cut);
    }

    /// Waits until every worker has ended, and says what became of their connections.
    pub async fn ended(self) -> Drained {
        self.ended_unless(std::future::pending()).await
    }

    /// Waits as [`Running::ended`] does; when `hurry` comes first, everything left is cut off.
    pub async fn ended_unless(mut self, hurry: impl Future<Output = ()>) -> Drained {
        let mut ended = std::pin::pin!(all_ended(std::mem::take(&mut self.workers)));
        tokio::select! {
            drained = &mut ended => return drained,
            () = hurry => self.cut(),
        }
        ended.await
    }

    fn tell(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let is_later = matches!(
                (*now, phase),
                (Phase::Serve, Phase::Drain(_) | Phase::Cut) | (Phase::Drain(_), Phase::Cut)
            );
            if is_later {
                *now = phase;
            }
            is_later
        });
    }
}

async fn all_ended(workers: Vec<oneshot::Receiver<Drained>>) -> Drained {
    let mut all = Drained::default();
    for worker in workers {
        // A worker that panicked has cut what it had; there is no count of it.
        let drained = worker.await.unwrap_or_default();
        all.finished += drained.finished;
        all.cut += drained.cut;
    }
    all
}
