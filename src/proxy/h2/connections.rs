//! One worker's HTTP/2 connections to one server: a stream of one with room, or one more connection.

use std::cell::Cell;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::pin::pin;
use std::rc::Rc;
use std::rc::Weak;
use std::task::Poll;
use std::time::Duration;

use http::Request;
use http::request::Parts;
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::proxy::Background;
use crate::proxy::balance::Next;
use crate::proxy::carrier::Carrier;
use crate::proxy::connect;
use crate::proxy::connect::Offer;
use crate::proxy::connect::Spoken;
use crate::proxy::connect::Wire;
use crate::proxy::ejection::Mishap;
use crate::proxy::error::OriginError;
use crate::proxy::error::OriginErrorKind;
use crate::proxy::exchange::Answer;
use crate::proxy::h2::listened::Listened;
use crate::proxy::h2::replay::Replay;
use crate::proxy::h2::replay::Source;
use crate::proxy::pool::InUse;
use crate::proxy::pool::Lease;
use crate::proxy::pool::Link;
use crate::proxy::pool::OriginPool;
use crate::proxy::upload::Upload;

/// Connections of one worker to one server.
pub(crate) const CONNECTIONS_MAX: usize = 8;

/// Streams at once on one connection, if the server allows as many (RFC 9113 §6.5.2).
const STREAMS_MAX: usize = 100;

/// What one response may send ahead of its client (bytes).
const STREAM_WINDOW: u32 = 256 * 1024;

/// As much as all streams together: a client that takes nothing holds nobody else up.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 100;

/// What one request's body may wait for the origin with (bytes).
const SEND_BUFFER: usize = 64 * 1024;

/// Largest header section of a response (bytes), as in HTTP/1.1.
const HEAD_MAX: u32 = 64 * 1024;

/// How long a ping may go unanswered.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server that took no further connection is left with those it has.
const TAKES_NO_MORE: Duration = Duration::from_secs(1);

/// How long a server that chose HTTP/1.1 is spoken to in it before it is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(60);

type Running = http2::Connection<TokioIo<Listened>, Replay, Local>;

/// Runs what a connection does on the worker.
#[derive(Debug, Clone)]
pub(crate) struct Local(TaskTracker);

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        self.0.spawn_local(async move {
            future.await;
        });
    }
}

/// The connections to one server.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: RefCell<Vec<Rc<Connection>>>,
    is_connecting: Cell<bool>,
    /// How many attempts to connect have failed, and how the last did.
    failed: Cell<(u64, Option<OriginErrorKind>)>,
    /// A stream ended, or an attempt to connect did.
    changed: Notify,
    /// Until when there is no further attempt while connections are open: the last one failed.
    enough_until_ms: Cell<u64>,
    /// Until when it is taken for one that speaks HTTP/1.1 only.
    http1_until_ms: Cell<u64>,
}

struct Connection {
    sender: RefCell<http2::SendRequest<Replay>>,
    /// Its task has it as well; asked how many streams the server allows.
    running: Rc<RefCell<Option<Running>>>,
    streams: Cell<usize>,
    idle_since_ms: Cell<u64>,
    /// No request begins on it from then on.
    renew_at_ms: u64,
}

/// One request's stream. Dropped, the stream is over: reset, if it has not ended.
#[derive(Debug)]
pub(crate) struct Stream {
    connection: Rc<Connection>,
    source: Option<Rc<Source>>,
    in_use: InUse,
}

/// A stream, or where else to go. Another server is tried when this one takes no connection; whether it was comes back.
pub(crate) async fn lease(
    pool: &Rc<OriginPool>,
    next: Next,
) -> Result<(Carrier, bool), OriginError> {
    let in_use = pool.choose(next);
    let server = in_use.server;
    let error = match lease_within(pool, in_use).await {
        Ok(carrier) => return Ok((carrier, false)),
        Err(error) => error,
    };
    let is_unreached = matches!(
        error.kind,
        OriginErrorKind::Connect | OriginErrorKind::ConnectTimeout
    );
    if !is_unreached || !pool.has_several() || matches!(next, Next::Instead(_)) {
        return Err(error);
    }
    pool.repeats.count(|counts| counts.unsent += 1);
    let in_use = pool.choose(Next::Instead(server));
    lease_within(pool, in_use)
        .await
        .map(|carrier| (carrier, true))
}

async fn lease_within(pool: &Rc<OriginPool>, in_use: InUse) -> Result<Carrier, OriginError> {
    let limit = pool.settings.timeouts.connect + pool.settings.timeouts.room;
    let leased = pool.ticker().within(limit, lease_at(pool, in_use)).await;
    leased.unwrap_or_else(|| Err(OriginErrorKind::Busy.into()))
}

/// A connection that nobody else uses, for one request.
pub(crate) async fn lease_apart(
    pool: &Rc<OriginPool>,
    in_use: InUse,
) -> Result<Carrier, OriginError> {
    let opened = in_use.attempt(opened(pool, &in_use)).await?;
    Ok(match opened {
        Opened::Http2(connection) => {
            connection.attend(in_use.connections(), &pool.background);
            Carrier::Stream(Stream::of(connection, in_use))
        }
        Opened::Http1(link) => Carrier::Own(Lease { link, in_use }),
    })
}

/// A stream to this server.
async fn lease_at(pool: &Rc<OriginPool>, mut in_use: InUse) -> Result<Carrier, OriginError> {
    loop {
        let connections = Rc::clone(in_use.connections());
        if let Some(connection) = connections.with_room(in_use.now_ms()) {
            return Ok(Carrier::Stream(Stream::of(connection, in_use)));
        }
        if connections.http1_until_ms.get() > pool.ticker().now_ms() {
            return pool.lease_own(in_use).await.map(Carrier::Own);
        }
        if connections.may_connect(in_use.now_ms()) {
            in_use = match open(pool, in_use).await? {
                Ok(carrier) => return Ok(carrier),
                Err(in_use) => in_use,
            };
            continue;
        }
        let (failures, _) = connections.failed.get();
        connections.changed.notified().await;
        if let (count, Some(kind)) = connections.failed.get()
            && count != failures
        {
            return Err(kind.into());
        }
    }
}

/// One more connection. Others that want one wait for it. When there is none while others are open, nobody has failed:
/// a stream of those is waited for.
async fn open(pool: &Rc<OriginPool>, in_use: InUse) -> Result<Result<Carrier, InUse>, OriginError> {
    let connections = Rc::clone(in_use.connections());
    let _connecting = Connecting::begin(&connections);
    let ask_again_ms = pool.ticker().in_ms(ASK_AGAIN);
    if connections.http1_until_ms.get() > 0 {
        // It is likely to choose the same again: the others need not wait for that.
        connections.http1_until_ms.set(ask_again_ms);
    }
    let opened = match in_use.attempt_unjudged(opened(pool, &in_use)).await {
        Err(_) if connections.has_open() => {
            let until_ms = pool.ticker().in_ms(TAKES_NO_MORE);
            connections.enough_until_ms.set(until_ms);
            return Ok(Err(in_use));
        }
        opened => opened,
    };
    match opened {
        Ok(Opened::Http2(connection)) => {
            connections.http1_until_ms.set(0);
            connections.open.borrow_mut().push(Rc::clone(&connection));
            connection.attend(&connections, &pool.background);
            Ok(Ok(Carrier::Stream(Stream::of(connection, in_use))))
        }
        Ok(Opened::Http1(link)) => {
            connections.http1_until_ms.set(ask_again_ms);
            Ok(Ok(Carrier::Own(Lease { link, in_use })))
        }
        Err(error) => {
            in_use.failed(Mishap::Unreached);
            let (count, _) = connections.failed.get();
            connections.failed.set((count + 1, Some(error.kind)));
            Err(error)
        }
    }
}

async fn opened(pool: &OriginPool, in_use: &InUse) -> io::Result<Opened> {
    match connect::open(&in_use.target(), Offer::Either).await? {
        Spoken::Http2(wire) => Connection::begin(wire, pool).await.map(Opened::Http2),
        Spoken::Http1(wire) => {
            let (sender, driver) = connect::speak_http1(wire).await?;
            Ok(Opened::Http1(Link::new(sender, driver, in_use)))
        }
    }
}

/// What an attempt to connect came to.
enum Opened {
    Http2(Rc<Connection>),
    Http1(Box<Link>),
}

/// An attempt to connect that others wait for.
struct Connecting(Rc<Connections>);

impl Connecting {
    fn begin(connections: &Rc<Connections>) -> Self {
        connections.is_connecting.set(true);
        Self(Rc::clone(connections))
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        self.0.is_connecting.set(false);
        self.0.changed.notify_waiters();
    }
}

impl Connections {
    /// The first connection that has a stream left: the others are let go of when they are not needed.
    fn with_room(&self, now_ms: u64) -> Option<Rc<Connection>> {
        let mut open = self.open.borrow_mut();
        open.retain(|connection| !connection.is_closed() && now_ms < connection.renew_at_ms);
        let has_room =
            |connection: &&Rc<Connection>| connection.streams.get() < connection.streams_max();
        open.iter().find(has_room).cloned()
    }

    /// Whether there may be one more.
    fn may_connect(&self, now_ms: u64) -> bool {
        let open = self.open.borrow().len();
        let is_enough = open > 0 && now_ms < self.enough_until_ms.get();
        !is_enough && open < CONNECTIONS_MAX && !self.is_connecting.get()
    }

    /// Whether there is one that streams can be waited for on.
    fn has_open(&self) -> bool {
        let open = self.open.borrow();
        open.iter().any(|connection| !connection.is_closed())
    }

    /// Lets go of connections that nothing has used for this long.
    pub(crate) fn sweep(&self, now_ms: u64, keep_ms: u64) {
        self.open.borrow_mut().retain(|connection| {
            let idle_ms = now_ms.saturating_sub(connection.idle_since_ms.get());
            let is_wanted = connection.streams.get() > 0 || idle_ms < keep_ms;
            is_wanted && !connection.is_closed() && now_ms < connection.renew_at_ms
        });
    }

    /// Connections without a request.
    pub(crate) fn idle(&self) -> usize {
        let open = self.open.borrow();
        let is_idle = |connection: &&Rc<Connection>| connection.streams.get() == 0;
        open.iter().filter(is_idle).count()
    }

    fn forget(&self, gone: &Weak<Connection>) {
        let is_other = |held: &Rc<Connection>| !std::ptr::eq(Rc::as_ptr(held), gone.as_ptr());
        self.open.borrow_mut().retain(is_other);
        self.changed.notify_waiters();
    }
}

impl Connection {
    async fn begin(wire: Wire, pool: &OriginPool) -> io::Result<Rc<Self>> {
        let background = &pool.background;
        let mut builder = http2::Builder::new(Local(background.tasks.clone()));
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(HEAD_MAX)
            .initial_max_send_streams(STREAMS_MAX)
            .keep_alive_interval(pool.settings.timeouts.ping)
            .keep_alive_timeout(PING_TIMEOUT);
        let (wire, heard) = Listened::to(wire);
        let handshake = builder.handshake(TokioIo::new(wire));
        let (sender, mut running) = handshake.await.map_err(io::Error::other)?;
        // Until then nobody knows how many streams there may be, nor whether the server speaks HTTP/2.
        std::future::poll_fn(|cx| match Pin::new(&mut running).poll(cx) {
            Poll::Ready(ended) => {
                let cause = ended.err().map(|error| format!(": {error}"));
                let cause = cause.unwrap_or_default();
                let error = format!("the server speaks no http/2{cause}");
                Poll::Ready(Err(io::Error::other(error)))
            }
            Poll::Pending => heard.poll(cx).map(Ok),
        })
        .await?;
        Ok(Rc::new(Self {
            sender: RefCell::new(sender),
            running: Rc::new(RefCell::new(Some(running))),
            streams: Cell::new(0),
            idle_since_ms: Cell::new(background.ticker.now_ms()),
            renew_at_ms: pool.renew_at_ms(),
        }))
    }

    /// Drives the connection to its end. It ends when nobody has it any more; a worker that drains lets it end with
    /// the requests that are out on it.
    fn attend(self: &Rc<Self>, connections: &Rc<Connections>, background: &Background) {
        let (held, listed) = (Rc::downgrade(self), Rc::downgrade(connections));
        let running = Rc::clone(&self.running);
        let closing = background.closing.clone();
        let forget = move || {
            if let Some(connections) = listed.upgrade() {
                connections.forget(&held);
            }
        };
        background.tasks.spawn_local(async move {
            let mut ending = pin!(std::future::poll_fn(|cx| {
                let mut running = running.borrow_mut();
                let Some(connection) = running.as_mut() else {
                    return Poll::Ready(Ok(()));
                };
                let polled = Pin::new(connection).poll(cx);
                if polled.is_ready() {
                    // What was handed over and not sent comes back.
                    *running = None;
                }
                polled
            }));
            let ended = tokio::select! {
                ended = &mut ending => ended,
                () = closing.cancelled() => {
                    forget();
                    ending.await
                }
            };
            forget();
            if let Err(error) = ended {
                tracing::debug!(%error, "an http/2 connection to the origin broke off");
            }
        });
    }

    fn is_closed(&self) -> bool {
        self.sender.borrow().is_closed()
    }

    /// Streams it may have at once, as far as the server has said.
    fn streams_max(&self) -> usize {
        let running = self.running.borrow();
        let allowed = running
            .as_ref()
            .map_or(0, http2::Connection::current_max_send_streams);
        allowed.min(STREAMS_MAX)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("streams", &self.streams)
            .finish_non_exhaustive()
    }
}

impl Stream {
    fn of(connection: Rc<Connection>, in_use: InUse) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self {
            connection,
            source: None,
            in_use,
        }
    }

    /// The server it goes to.
    pub(crate) fn in_use(&self) -> &InUse {
        &self.in_use
    }

    /// Whether it goes over TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.in_use.target().address.tls
    }

    /// Hands the request to the connection.
    pub(crate) fn send(
        &mut self,
        head: Parts,
        body: Upload,
    ) -> (Rc<Source>, impl Answer<Body = Replay> + use<>) {
        let (replay, source) = Source::new(body);
        self.source = Some(Rc::clone(&source));
        let request = Request::from_parts(head, replay);
        let answer = self
            .connection
            .sender
            .borrow_mut()
            .try_send_request(request);
        (source, answer)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(source) = &self.source {
            source.cut();
        }
        let connection = &self.connection;
        connection.streams.set(connection.streams.get() - 1);
        connection.idle_since_ms.set(self.in_use.now_ms());
        self.in_use.connections().changed.notify_one();
    }
}
