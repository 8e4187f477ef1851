//! One worker: a thread with a current-thread runtime that accepts, serves and, in the end, drains.

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::message::Ended;
use crate::message::Handler;
use crate::message::Peer;
use crate::message::Unheard;
use crate::proxy::Background;
use crate::proxy::Ticker;
use crate::server::Drained;
use crate::server::Phase;
use crate::server::Worker;
use crate::server::addresses::Addresses;
use crate::server::connection::Speaker;
use crate::server::connections::Connection;
use crate::server::connections::Connections;
use crate::server::connections::Guard;
use crate::server::connections::Order;
use crate::server::connections::Place;
use crate::server::connections::SWEEPS;
use crate::server::listen;
use crate::server::listen::Listening;
use crate::server::listen::Sockets;
use crate::server::settings::ServerSettings;
use crate::server::settings::SharedTls;
use crate::server::socket::refuse;
use crate::server::stack::stack;

/// How often all connections are looked at for having been idle, slow or stuck for too long.
const ROUND: Duration = Duration::from_secs(1);

/// How long accepting pauses when the system is out of something, doubled while it stays so.
const BACK_OFF_MIN: Duration = Duration::from_millis(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// Connections taken over from the kernel once we close: it has accepted them in our name, so as many as it may hold,
/// and as many that were on their way.
const LATE_MAX: u32 = 2 * listen::BACKLOG as u32;

/// What a worker is made of.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) index: usize,
    pub(super) workers: usize,
    pub(super) settings: Arc<ServerSettings>,
    pub(super) addresses: Arc<Addresses>,
    pub(super) sockets: Sockets,
}

/// A worker's runtime.
pub(super) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// Runs a worker until it is told to end.
pub(super) fn run<H: Handler>(
    runtime: &Runtime,
    plan: Plan,
    told: watch::Receiver<Phase>,
    make: impl FnOnce(Worker) -> Rc<H>,
) -> Drained {
    LocalSet::new().block_on(runtime, live(plan, told, make))
}

async fn live<H: Handler>(
    plan: Plan,
    mut told: watch::Receiver<Phase>,
    make: impl FnOnce(Worker) -> Rc<H>,
) -> Drained {
    let ticker = Ticker::new();
    let tasks = TaskTracker::new();
    let closing = CancellationToken::new();
    let limits = plan.settings.limits;
    tokio::task::spawn_local(Rc::clone(&ticker).run());
    let background = Background {
        tasks: tasks.clone(),
        closing: closing.clone(),
        ticker: Rc::clone(&ticker),
    };
    let handler = make(Worker {
        index: plan.index,
        workers: plan.workers,
        background,
    });
    let guard = Rc::new(Guarding(Rc::clone(&handler)));
    let connections = Connections::new(Rc::clone(&ticker), guard, plan.addresses, limits);
    tokio::task::spawn_local(sweep(Rc::clone(&connections)));
    tokio::task::spawn_local(Rc::clone(&connections).shed());
    let layers = stack(&handler, connections.in_flight(), limits.in_flight_max);
    let speaker = Rc::new(Speaker::new(
        layers,
        &handler,
        tasks.clone(),
        ticker,
        &plan.settings,
    ));
    for (listening, listen) in plan.sockets.into_iter().zip(&plan.settings.listen) {
        let Listening { socket, is_handed } = listening;
        let door = Door {
            is_handed,
            last_call: limits.last_call,
            tls: listen.tls.clone(),
            redirects: listen.redirects,
            connections: Rc::clone(&connections),
            tasks: tasks.clone(),
            closing: closing.clone(),
        };
        let speaker = Rc::clone(&speaker);
        let handler = Rc::clone(&handler);
        let asked = Rc::clone(&speaker);
        let is_introduced = move |ip| asked.is_introduced(ip);
        let serve = move |stream, peer: Peer, tls, place: Place| {
            let connection = Rc::clone(&place.connection);
            let served = Rc::clone(&speaker).serve(stream, peer, tls, place);
            tell(Rc::clone(&handler), peer, connection, served)
        };
        match TcpListener::from_std(socket) {
            Ok(listener) => {
                let accepting = door.accept(listener, is_introduced, serve);
                drop(tasks.spawn_local(accepting));
            }
            Err(error) => tracing::error!(%error, "a listening socket cannot be used"),
        }
    }
    let ending = Ending {
        tasks: &tasks,
        closing: &closing,
        connections: &connections,
        last_call: limits.last_call,
    };
    ending.drain(&mut told).await
}

/// Tells the handler how a connection ended, where that is worth telling.
async fn tell<H: Handler>(
    handler: Rc<H>,
    peer: Peer,
    connection: Rc<Connection>,
    served: impl Future<Output = Result<(), Unheard>>,
) {
    if let Err(why) = served.await {
        handler.unheard(why);
    }
    if connection.traffic.is_flood() {
        tracing::debug!(client.addr = %peer.addr, "an http2 connection was ended for flooding");
        handler.flooded();
    }
}

/// Asks the handler, and tells it.
struct Guarding<H>(Rc<H>);

impl<H> std::fmt::Debug for Guarding<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guarding")
    }
}

impl<H: Handler> Guard for Guarding<H> {
    fn connections_max_from(&self, ip: IpAddr) -> Option<usize> {
        self.0.connections_max_from(ip)
    }

    fn ended(&self, why: Ended) {
        self.0.ended(why);
    }

    fn opened(&self) {
        self.0.opened();
    }

    fn closed(&self) {
        self.0.closed();
    }

    fn holds(&self, bytes: u64) {
        self.0.holds(bytes);
    }
}

/// What ends with a worker.
struct Ending<'a> {
    tasks: &'a TaskTracker,
    closing: &'a CancellationToken,
    connections: &'a Connections,
    last_call: Duration,
}

impl Ending<'_> {
    /// Waits to be told to drain, then for what is in flight, then says what became of it.
    ///
    /// Until the last call is over nothing is closed that may still be asked something: clients that keep connections
    /// send the next request as the last answer comes, which is before they can know.
    async fn drain(self, told: &mut watch::Receiver<Phase>) -> Drained {
        // The sender gone means the same as being told to end now.
        let phase = told
            .wait_for(|phase| *phase != Phase::Serve)
            .await
            .map_or(Phase::Cut, |now| *now);
        self.closing.cancel();
        self.connections.tell_all(Order::Last);
        self.tasks.close();
        let grace = match phase {
            Phase::Drain(grace) => grace,
            Phase::Serve | Phase::Cut => Duration::ZERO,
        };
        let last_call = self.last_call.min(grace);
        self.within(last_call, told).await;
        self.connections.tell_all(Order::Finish);
        self.within(grace.saturating_sub(last_call), told).await;
        let cut = self.connections.len();
        self.connections.tell_all(Order::Cut);
        Drained {
            finished: self.connections.finished(),
            cut,
        }
    }

    /// Waits until everything has ended, this time is over, or it is to end now.
    async fn within(&self, limit: Duration, told: &mut watch::Receiver<Phase>) {
        tokio::select! {
            biased;
            () = self.tasks.wait() => {}
            () = tokio::time::sleep(limit) => {}
            _ = told.wait_for(|phase| *phase == Phase::Cut) => {}
        }
    }
}

async fn sweep(connections: Rc<Connections>) {
    let mut interval = tokio::time::interval(ROUND / SWEEPS);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        connections.sweep();
    }
}

/// What accepting on one address needs.
struct Door {
    /// Others accept on this socket, and somebody will after us.
    is_handed: bool,
    last_call: Duration,
    tls: Option<SharedTls>,
    redirects: bool,
    connections: Rc<Connections>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Door {
    /// Accepts until the worker closes, and then what the kernel has begun to accept for us by then: whatever is left
    /// in the queue of a socket of our own is reset. One that was handed over keeps its queue for who comes next.
    async fn accept<F, S>(
        self,
        listener: TcpListener,
        is_introduced: impl Fn(IpAddr) -> bool,
        serve: S,
    ) where
        S: Fn(TcpStream, Peer, Option<SharedTls>, Place) -> F,
        F: Future<Output = ()> + 'static,
    {
        let mut back_off = BACK_OFF_MIN;
        let mut late_left = LATE_MAX;
        let mut closed = pin!(self.closed(&listener));
        loop {
            if self.closing.is_cancelled() {
                late_left -= 1;
                if late_left == 0 || self.is_handed {
                    return;
                }
            }
            let accepted = tokio::select! {
                biased;
                accepted = self.next(&listener) => accepted,
                () = &mut closed => return,
            };
            match accepted {
                Ok((stream, addr)) => {
                    back_off = BACK_OFF_MIN;
                    let ip = Some(addr.ip()).filter(|&ip| !is_introduced(ip));
                    let Some(place) = self.connections.enter(ip) else {
                        refuse(&stream);
                        continue;
                    };
                    let peer = Peer {
                        addr,
                        tls: self.tls.is_some(),
                        redirected: self.redirects,
                    };
                    self.tasks
                        .spawn_local(serve(stream, peer, self.tls.clone(), place));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, back_off_ms = back_off.as_millis(), "cannot accept");
                    tokio::select! {
                        () = tokio::time::sleep(back_off) => {}
                        () = &mut closed => return,
                    }
                    back_off = (back_off * 2).min(BACK_OFF_MAX);
                }
            }
        }
    }

    /// Waits until the worker closes, and then until nothing can come any more.
    async fn closed(&self, listener: &TcpListener) {
        self.closing.cancelled().await;
        if self.is_handed {
            return;
        }
        match listen::take_no_more(listener) {
            Ok(()) => tokio::time::sleep(self.last_call).await,
            Err(error) => {
                tracing::warn!(%error, "connections that come at this moment may be reset");
            }
        }
    }

    async fn next(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        self.connections.room().await;
        listener.accept().await
    }
}

/// Whether an error of accepting is about a connection that is gone again, and not about us.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
