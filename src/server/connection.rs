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

/// How often a connection that has sent half a word is looked at again.
const PEEK_AGAIN: Duration = Duration::from_millis(20);

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
            && let Told::Client(addr) = Box::pin(self.introduction(&mut stream, peer)).await?
        {
            peer.addr = addr;
            if !place.sit(addr.ip()) {
                refuse(&stream);
                return Ok(());
            }
        }
        let connection = &place.connection;
        let limit = self.limits.handshake;
        let served = match tls {
            None => match Box::pin(self.begins_http2(&stream, connection)).await {
                Some(true) => self.http2(stream, peer, connection).await,
                Some(false) => self.http1(stream, peer, connection).await,
                None => return Ok(()),
            },
            Some(tls) => {
                let acceptor = TlsAcceptor::from(tls.load_full());
                let handshake = Box::pin(self.ticker.within(limit, acceptor.accept(stream)));
                let stream = match handshake.await {
                    Some(Ok(stream)) => stream,
                    Some(Err(error)) => {
                        tracing::debug!(client.addr = %peer.addr, %error, "tls handshake failed");
                        return Err(Unheard::Handshake);
                    }
                    None => {
                        tracing::debug!(client.addr = %peer.addr, "tls handshake took too long");
                        return Err(Unheard::HandshakeTimeout);
                    }
                };
                let stream = Box::new(stream);
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    self.http2(stream, peer, connection).await
                } else {
                    self.http1(stream, peer, connection).await
                }
            }
        };
        if let Err(error) = served {
            tracing::debug!(client.addr = %peer.addr, %error, "connection ended");
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

    /// Reads the PROXY protocol header that a connection begins with.
    async fn introduction(&self, stream: &mut TcpStream, peer: Peer) -> Result<Told, Unheard> {
        let limit = self.limits.handshake;
        match self
            .ticker
            .within(limit, proxy_protocol::read(stream))
            .await
        {
            Some(Ok(told)) => return Ok(told),
            Some(Err(error)) => tracing::debug!(client.addr = %peer.addr, %error, "not introduced"),
            None => tracing::debug!(client.addr = %peer.addr, "not introduced in time"),
        }
        Err(Unheard::ProxyProtocol)
    }

    /// Whether a cleartext connection speaks HTTP/2; `None` when it says nothing in time, or before it is told to end.
    async fn begins_http2(&self, stream: &TcpStream, connection: &Connection) -> Option<bool> {
        let is_late = connection.is_told();
        let limit = if is_late {
            LATE_PATIENCE
        } else {
            self.limits.handshake
        };
        let mut begins = pin!(begins_http2(stream));
        let told_or_begun = std::future::poll_fn(|cx| {
            if connection.order(cx) >= Order::Finish && !is_late {
                return Poll::Ready(None);
            }
            begins.as_mut().poll(cx).map(Result::ok)
        });
        self.ticker.within(limit, told_or_begun).await.flatten()
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
        let builder = if connection.is_told() {
            &self.http1_once
        } else {
            &self.http1
        };
        let speak = |stream| {
            let connected = Rc::clone(connection);
            let service = service(self.stack.clone(), peer, Rc::clone(connection), move || {
                connected.begin()
            });
            let whole = builder.serve_connection(TokioIo::new(stream), service);
            Box::new(whole.with_upgrades())
        };
        let whole = speak(Watched::http1(stream, Arc::clone(&connection.flow)));
        parked::attend(connection, &self.handler, whole, speak).await
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
    loop {
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
        tokio::time::sleep(PEEK_AGAIN).await;
    }
}
