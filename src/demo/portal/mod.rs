//! A small booking portal that really breaks when it is overrun, as the ones this product exists for did.
//!
//! It serves real pages over HTTP/1.1 on its own thread and keeps a record of what came when. It knows nothing of
//! anteroom but the two headers it answers with: `Anteroom-Command: finish` with the confirmation, and
//! `Anteroom-Stock`.

mod answer;
mod capacity;
mod pages;
mod record;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use crate::demo::portal::capacity::Capacity;
pub use crate::demo::portal::capacity::Health;
pub use crate::demo::portal::pages::CODE;
pub use crate::demo::portal::pages::NOTHING_LEFT;
pub use crate::demo::portal::record::Figures;
pub use crate::demo::portal::record::Second;

use crate::clock;
use crate::demo::portal::capacity::Desk;
use crate::demo::portal::record::Record;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4_096;
/// Pause after a failed accept, as when descriptors run out.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// A running portal; it stops when dropped.
#[derive(Debug)]
pub struct Portal {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Portal {
    /// Starts a portal on its own thread.
    ///
    /// # Errors
    /// The address cannot be bound, or no thread can be had.
    pub fn start(listen: SocketAddr, capacity: Capacity) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = bind(listen)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            began: clock::monotonic(),
            capacity,
            desk: Desk::new(capacity),
            record: Mutex::new(Record::new(capacity.appointments)),
        });
        let stop = CancellationToken::new();
        let serve = serve_all(listener, Arc::clone(&shared), stop.clone());
        let thread = thread::Builder::new()
            .name("portal".to_owned())
            .spawn(move || runtime.block_on(serve))?;
        Ok(Self {
            addr,
            shared,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How it is doing and what has come so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let (health, waiting, falls) = self.shared.desk.look();
        Figures {
            health,
            waiting,
            falls,
            ..self.shared.record().figures(self.shared.began.elapsed())
        }
    }

    /// The most visitors who came for the first time within any window of this length, wherever it begins.
    #[must_use]
    pub fn most_entries_within(&self, window: Duration) -> usize {
        self.shared.record().most_entries_within(window)
    }

    /// When each visitor came for the first time, since the portal's start, in order.
    #[must_use]
    pub fn entry_times(&self) -> Vec<Duration> {
        self.shared.record().entry_times()
    }

    /// How long ago it was started.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// Opens more appointments.
    pub fn open_more(&self, appointments: u64) {
        let mut record = self.shared.record();
        record.left = record.left.saturating_add(appointments);
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic of the portal's thread was printed by that thread already.
            drop(thread.join());
        }
    }
}

/// What the connections of one portal share with its handle.
#[derive(Debug)]
struct Shared {
    began: Instant,
    capacity: Capacity,
    desk: Desk,
    record: Mutex<Record>,
}

impl Shared {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open connection, counted until it is dropped.
struct Counted {
    shared: Arc<Shared>,
    within_limit: bool,
}

impl Counted {
    fn new(shared: Arc<Shared>) -> Self {
        let within_limit = shared.record().connected(shared.capacity.connections_max);
        Self {
            shared,
            within_limit,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.record().connections -= 1;
    }
}

/// A listener with room for a rush of connections; [`std`] keeps 128 waiting at most.
fn bind(listen: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(listen), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

async fn serve_all(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    stop: CancellationToken,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    accept(listener, shared, stop).await;
    Ok(())
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let counted = Counted::new(Arc::clone(&shared));
                connections.spawn(serve(stream, counted));
            }
            Err(_) => time::sleep(ACCEPT_BACKOFF).await,
        }
    }
}

async fn serve(stream: TcpStream, counted: Counted) {
    // Only delay is at stake: a socket without the option still works.
    drop(stream.set_nodelay(true));
    let counted = &counted;
    let service =
        service_fn(|req| async move { Ok::<_, Infallible>(answer::answer(counted, req).await) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    // A visitor that hangs up is nothing to report.
    drop(connection.await);
}
