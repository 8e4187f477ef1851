//! One connection from its first byte to its last: TLS, which HTTP, and the requests on it.
//!
//! What only its beginning needs, and what is large, is boxed: a connection's task is as large as it ever gets, and most
//! connections are idle.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::Method;
use http::Request;
use http::Response;
use http::Version;
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use ipnet::IpNet;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::message::Asked;
use crate::message::Handler;
use crate::message::Peer;
use crate::message::Refusal;
use crate::message::Unheard;
use crate::proxy::Ticker;
use crate::server::connections::Activity;
use crate::server::connections::Connection;
use crate::server::connections::Order;
use crate::server::connections::Place;
use crate::server::frames;
use crate::server::frames::Frames;
use crate::server::log::Sent;
use crate::server::parked;
use crate::server::parked::Ended;
use crate::server::proxy_protocol;
use crate::server::proxy_protocol::Told;
use crate::server::settings::Limits;
use crate::server::settings::ServerSettings;
use crate::server::settings::SharedTls;
use crate::server::socket::refuse;
use crate::server::stack::Arrived;
use crate::server::stream::Watched;
use crate::server::strict;
use crate::server::taking::Beginning;

/// Bytes buffered of what goes out on a connection, in HTTP/2 on a stream.
const SEND_BUFFER: usize = 64 * 1024;

/// HTTP/2: what a client may send unasked, on a stream and on the connection (bytes).
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// HTTP/2: streams a client may open and reset before it is taken for an attack.
const RESETS_MAX: usize = 32;

/// HTTP/2: whether a silent client is still there.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a connection that came while we close may take to say something.
const LATE_PATIENCE: Duration = Duration::from_secs(1);

/// When a connection that has sent half a word is looked at again, doubled each time: the kernel cannot be asked to wait
/// for more than is there, and whoever sends one byte and no other must not keep us busy.
const PEEK_AGAIN_MIN: Duration = Duration::from_millis(20);
const PEEK_AGAIN_MAX: Duration = Duration::from_secs(1);

/// What became of what comes before a connection's first request.
enum First<T> {
    Done(T),
    /// It took too long.
    Late,
    /// The connection was told to end before.
    Told,
}

/// What all connections of a worker share.
#[derive(Debug)]
pub(super) struct Speaker<S, H> {
    stack: S,
    handler: Rc<H>,
    http1: http1::Builder,
    http1_once: http1::Builder,
    http2: http2::Builder<Local>,
    beginning: Rc<Beginning>,
    ticker: Rc<Ticker>,
    limits: Limits,
    /// Networks whose connections begin with a PROXY protocol header.
    introduced: Vec<IpNet>,
}

/// Runs HTTP/2 streams on the worker.
#[derive(Debug, Clone)]
struct Local {
    tasks: TaskTracker,
    beginning: Rc<Beginning>,
}

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        let task = self.tasks.spawn_local(async move {
            future.await;
        });
        self.beginning.started(task.abort_handle());
    }
}

impl<S, H> Speaker<S, H>
where
    S: Service<Arrived, Response = Response<Sent<H>>, Error = Infallible> + Clone + 'static,
    H: Handler,
{
    pub(super) fn new(
        stack: S,
        handler: &Rc<H>,
        tasks: TaskTracker,
        ticker: Rc<Ticker>,
        settings: &ServerSettings,
    ) -> Self {
        let limits = settings.limits;
        let mut http1 = http1::Builder::new();
        // Deadlines are ours (see `connections`); small answers go out in one piece.
        http1
            .header_read_timeout(None)
            .max_header_size(limits.head_bytes_max)
            .max_buf_size(SEND_BUFFER.max(limits.head_bytes_max))
            .half_close(false)
            .writev(false);
        let mut http1_once = http1.clone();
        http1_once.keep_alive(false);
        let beginning = Rc::<Beginning>::default();
        let local = Local {
            tasks,
            beginning: Rc::clone(&beginning),
        };
        let mut http2 = http2::Builder::new(local);
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams_max)
            .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
            .max_send_buf_size(SEND_BUFFER)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_pending_accept_reset_streams(RESETS_MAX)
            .max_local_error_reset_streams(RESETS_MAX)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT);
        Self {
            stack,
            handler: Rc::clone(handler),
            http1,
            http1_once,
            http2,
            beginning,
            ticker,
            limits,
            introduced: settings.proxy_protocol.clone(),
        }
    }

    /// Serves one connection to its end.
    ///
    /// # Errors
    /// When it ended before its first request could be read.
    pub(super) async fn serve(
        self: Rc<Self>,
        mut stream: TcpStream,
        mut peer: Peer,
        tls: Option<SharedTls>,
        mut place: Place,
    ) -> Result<(), Unheard> {
        if self.is_introduced(peer.addr.ip())
            && let Told::Client(addr) =
                match Box::pin(self.introduction(&mut stream, peer, &place.connection)).await? {
                    Some(told) => told,
                    None => return Ok(()),
                }
        {
            peer.addr = addr;
            if !place.sit(addr.ip()) {
                refuse(&stream);
                return Ok(());
            }
        }
        let connection = &place.connection;
        let served = match tls {
            None => {
                // What was told is dropped here: it would be part of the task for all of its life.
                let begins_http2 =
                    match Box::pin(self.first(connection, begins_http2(&stream))).await {
                        First::Done(Ok(begins_http2)) => begins_http2,
                        First::Done(Err(_)) | First::Told => return Ok(()),
                        First::Late => return Err(Unheard::Silent),
                    };
                if begins_http2 {
                    self.http2(stream, peer, connection).await
                } else {
                    self.http1(stream, peer, connection).await
                }
            }
            Some(tls) => {
                let acceptor = TlsAcceptor::from(tls.load_full());
                let handshake = Box::pin(self.first(connection, acceptor.accept(stream)));
                let stream = match handshake.await {
                    First::Done(Ok(stream)) => stream,
                    First::Done(Err(error)) => {
                        tracing::debug!(client.addr = %peer.addr, %error, "tls handshake failed");
                        return Err(Unheard::Handshake);
                    }
                    First::Late => {
                        tracing::debug!(client.addr = %peer.addr, "tls handshake took too long");
                        return Err(Unheard::HandshakeTimeout);
                    }
                    First::Told => return Ok(()),
                };
                let stream = Box::new(stream);
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    self.http2(stream, peer, connection).await
                } else {
                    self.http1(stream, peer, connection).await
                }
            }
        };
        match served {
            Err(Ended::Silent) => return Err(Unheard::Silent),
            Err(error) => {
                tracing::debug!(client.addr = %peer.addr, %error, "connection ended");
            }
            Ok(()) => {}
        }
        // HTTP is over, and the socket is not: it has its place until what took it over ends.
        if let Some(note) = place.connection.tunnelled() {
            note.kept.replace(Some(Box::new(place)));
        }
        Ok(())
    }

    /// Whether a connection from this address has to begin with a PROXY protocol header.
    pub(super) fn is_introduced(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.introduced.iter().any(|network| network.contains(&ip))
    }

    /// Reads the PROXY protocol header that a connection begins with; `None` when it is told to end before.
    async fn introduction(
        &self,
        stream: &mut TcpStream,
        peer: Peer,
        connection: &Connection,
    ) -> Result<Option<Told>, Unheard> {
        match self.first(connection, proxy_protocol::read(stream)).await {
            First::Done(Ok(told)) => return Ok(Some(told)),
            First::Told => return Ok(None),
            First::Done(Err(error)) => {
                tracing::debug!(client.addr = %peer.addr, %error, "not introduced");
            }
            First::Late => tracing::debug!(client.addr = %peer.addr, "not introduced in time"),
        }
        Err(Unheard::ProxyProtocol)
    }

    /// Awaits what comes before a connection's first request, until its time is over or it is told to end. One that was
    /// told before this began is to be answered still, and has little time.
    async fn first<F: Future>(&self, connection: &Connection, future: F) -> First<F::Output> {
        let (limit, until) = if connection.is_told() {
            (self.limits.handshake.min(LATE_PATIENCE), Order::Cut)
        } else {
            (self.limits.handshake, Order::Finish)
        };
        let mut future = pin!(future);
        let done_or_told = std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(First::Done(output)),
            Poll::Pending if connection.order(cx) >= until => Poll::Ready(First::Told),
            Poll::Pending => Poll::Pending,
        });
        let first = self.ticker.within(limit, done_or_told).await;
        first.unwrap_or(First::Late)
    }

    /// Waits for the first byte of a connection that came while we close: it goes on once that is there.
    async fn first_byte<T: AsyncRead + Unpin>(
        &self,
        mut stream: Watched<T>,
        connection: &Connection,
    ) -> Result<Option<Watched<T>>, Ended> {
        let next = std::future::poll_fn(|cx| stream.poll_next(cx));
        match self.first(connection, next).await {
            First::Done(Ok(true)) => Ok(Some(stream)),
            // Nobody is there, or there is no time left.
            First::Done(_) | First::Told => Ok(None),
            First::Late => Err(Ended::Silent),
        }
    }

    /// Serves HTTP/1.1 on a connection to its end.
    pub(super) async fn http1<T>(
        &self,
        stream: T,
        peer: Peer,
        connection: &Rc<Connection>,
    ) -> Result<(), Ended>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // One that came while we close gets its answer, and no more.
        let (builder, stream) = if connection.is_told() {
            let stream = Watched::http1(stream, Arc::clone(&connection.flow));
            let begun = Box::pin(self.first_byte(stream, connection)).await?;
            let Some(stream) = begun else { return Ok(()) };
            (&self.http1_once, stream)
        } else {
            let stream = Watched::http1(stream, Arc::clone(&connection.flow));
            (&self.http1, stream)
        };
        let speak = |builder: &http1::Builder, stream| {
            let connected = Rc::clone(connection);
            let service = service(self.stack.clone(), peer, Rc::clone(connection), move || {
                connected.begin()
            });
            let whole = builder.serve_connection(TokioIo::new(stream), service);
            Box::new(whole.with_upgrades())
        };
        let whole = speak(builder, stream);
        // One that came while we close is never parked, and so never put together again.
        let again = |stream| speak(&self.http1, stream);
        parked::attend(connection, &self.handler, whole, again).await
    }

    async fn http2<T>(
        &self,
        stream: T,
        peer: Peer,
        connection: &Rc<Connection>,
    ) -> Result<(), Ended>
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let stream = Watched::http2(stream, Arc::clone(&connection.flow));
        let traffic = Rc::clone(&connection.traffic);
        let stream = Frames::new(stream, Rc::clone(&self.ticker), traffic);
        let (connected, beginning) = (Rc::clone(connection), Rc::clone(&self.beginning));
        let service = service(self.stack.clone(), peer, Rc::clone(connection), move || {
            connected.begin_stream(&beginning)
        });
        let running = self.http2.serve_connection(TokioIo::new(stream), service);
        let mut running = Box::pin(running);
        let mut is_finishing = false;
        std::future::poll_fn(|cx| {
            let order = connection.order(cx);
            if order == Order::Cut {
                return Poll::Ready(Ok(()));
            }
            // What a client has sent by the time it hears of the end is answered: there is no need to wait for it.
            if order >= Order::Last && !is_finishing {
                is_finishing = true;
                running.as_mut().graceful_shutdown();
            }
            running.as_mut().poll(cx).map_err(|error| {
                if frames::is_calmed(&error) {
                    connection.traffic.flooded();
                }
                Ended::from(error)
            })
        })
        .await
    }
}

/// Takes a connection's requests to the stack.
fn service<S, H>(
    stack: S,
    peer: Peer,
    connection: Rc<Connection>,
    begin: impl Fn() -> Activity,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<Sent<H>>,
    Error = Infallible,
    Future = S::Future,
>
where
    S: Service<Arrived, Response = Response<Sent<H>>, Error = Infallible>,
    H: Handler,
{
    let stack = RefCell::new(stack);
    hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let activity = begin();
        let refusal = check(&mut request, &connection).err();
        let asked = Asked {
            request,
            peer,
            note: Rc::default(),
        };
        let arrived = Arrived {
            asked,
            refusal,
            activity: Some(activity),
        };
        // Every layer is ready at any time.
        stack.borrow_mut().call(arrived)
    })
}

fn check(request: &mut Request<Incoming>, connection: &Connection) -> Result<(), Refusal> {
    if request.version() == Version::HTTP_2 {
        strict::check_length(request.headers(), request.body().is_end_stream())?;
    } else if let Some(refusal) = connection.refusal() {
        return Err(refusal);
    }
    strict::check_coding(request.headers())?;
    if *request.method() == Method::TRACE && !request.body().is_end_stream() {
        return Err(Refusal::TraceBody);
    }
    strict::shape(request)
}

/// Whether a cleartext connection begins with HTTP/2's preface (RFC 9113 §3.4): no method of HTTP/1.1 begins like it.
async fn begins_http2(stream: &TcpStream) -> io::Result<bool> {
    const PREFACE: &[u8] = b"PRI ";
    let mut start = [0; PREFACE.len()];
    for pause in peek_pauses() {
        let len = stream.peek(&mut start).await?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !PREFACE.starts_with(&start[..len]) {
            return Ok(false);
        }
        if len == PREFACE.len() {
            return Ok(true);
        }
        tokio::time::sleep(pause).await;
    }
    // They do not end.
    Ok(false)
}

fn peek_pauses() -> impl Iterator<Item = Duration> {
    let doubled = |pause: &Duration| Some((*pause * 2).min(PEEK_AGAIN_MAX));
    std::iter::successors(Some(PEEK_AGAIN_MIN), doubled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_word_is_looked_at_a_few_times_until_it_is_late() {
        let mut waited = Duration::ZERO;
        let looks = peek_pauses().take_while(|pause| {
            waited += *pause;
            waited <= Limits::default().handshake
        });
        assert!(looks.count() <= 16);
    }
}
