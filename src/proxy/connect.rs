//! A new connection to one server of the origin: resolve, connect, TLS, HTTP.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::proxy::preamble::Preamble;
use crate::proxy::settings::OriginAddress;
use crate::proxy::tls;
use crate::proxy::tls::OriginTls;
use crate::proxy::upload::Upload;

/// Addresses of one name that are tried.
const ADDRS_MAX: usize = 8;

/// What is buffered of a response, head included, before the client takes it (bytes).
const BUFFER_MAX: usize = 64 * 1024;

/// The bytes between us and a server of the origin.
#[derive(Debug)]
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// One HTTP/1.1 connection: the sending half and what drives it.
pub(super) type Sender = http1::SendRequest<Upload>;
type Connection = http1::Connection<TokioIo<Wire>, Upload>;

/// Drives one connection; whoever waits for something from it polls it.
pub(super) struct Driver {
    connection: Connection,
    /// The bytes may be taken back when HTTP is done with them.
    may_upgrade: bool,
    is_done: bool,
}

impl Driver {
    /// From now on the connection serves one request, and may be taken apart then.
    pub(super) fn allow_upgrade(&mut self) {
        self.may_upgrade = true;
    }

    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// The bytes, and what was read of them already.
    pub(super) fn into_wire(self) -> (Wire, Bytes) {
        let parts = self.connection.into_parts();
        (parts.io.into_inner(), parts.read_buf)
    }

    /// Lets the connection do what it can. One that is done is dropped, which answers everybody who waits for it,
    /// unless its bytes may be wanted still.
    pub(super) fn drive(driver: &mut Option<Self>, cx: &mut Context<'_>) {
        let Some(running) = driver.as_mut().filter(|driver| !driver.is_done) else {
            return;
        };
        if running.may_upgrade {
            running.is_done = running.connection.poll_without_shutdown(cx).is_ready();
        } else if Pin::new(&mut running.connection).poll(cx).is_ready() {
            *driver = None;
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("is_done", &self.is_done)
            .finish_non_exhaustive()
    }
}

/// Where to connect, and as whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) address: &'a OriginAddress,
    pub(super) tls: Option<&'a OriginTls>,
    /// What the server is told first.
    pub(super) preamble: Preamble,
    /// What connecting may take altogether.
    pub(super) limit: Duration,
}

/// The protocols that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, or over TLS what the server chooses.
    Either,
}

/// A connection, by the protocol that is spoken on it.
pub(super) enum Spoken {
    Http1(Wire),
    Http2(Wire),
}

/// Connects to one server to speak HTTP/1.1. The caller sets the deadline.
pub(super) async fn connect(target: &Target<'_>) -> io::Result<(Sender, Driver)> {
    match open(target, Offer::Http1).await? {
        Spoken::Http1(wire) => speak_http1(wire).await,
        Spoken::Http2(_) => Err(io::Error::other("the server insists on http/2")),
    }
}

/// Connects to one server. The caller sets the deadline.
pub(super) async fn open(target: &Target<'_>, offer: Offer) -> io::Result<Spoken> {
    let mut stream = connect_tcp(target.address, target.limit).await?;
    stream.set_nodelay(true)?;
    target.preamble.write(&mut stream).await?;
    if !target.address.tls {
        let wire = Wire::Plain(stream);
        return Ok(match offer {
            Offer::Http1 => Spoken::Http1(wire),
            // RFC 9113 §3.3: with prior knowledge.
            Offer::Either => Spoken::Http2(wire),
        });
    }
    let tls = target
        .tls
        .ok_or_else(|| io::Error::other("no trust configured for tls"))?;
    let name = match tls.server_name() {
        Some(name) => name.clone(),
        None => ServerName::try_from(target.address.host.clone()).map_err(io::Error::other)?,
    };
    let connector = TlsConnector::from(tls.config(offer == Offer::Either));
    let stream = Box::new(connector.connect(name, stream).await?);
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::H2);
    let wire = Wire::Tls(stream);
    Ok(if is_http2 {
        Spoken::Http2(wire)
    } else {
        Spoken::Http1(wire)
    })
}

/// Begins to speak HTTP/1.1.
pub(super) async fn speak_http1(wire: Wire) -> io::Result<(Sender, Driver)> {
    let mut builder = http1::Builder::new();
    builder
        .writev(false)
        .max_buf_size(BUFFER_MAX)
        // RFC 9112 §5.1: a proxy takes such spaces out.
        .allow_spaces_after_header_name_in_responses(true);
    let (sender, connection) = builder
        .handshake(TokioIo::new(wire))
        .await
        .map_err(io::Error::other)?;
    let driver = Driver {
        connection,
        may_upgrade: false,
        is_done: false,
    };
    Ok((sender, driver))
}

/// Connects to the first address that answers; each may take its part of the time that is left.
async fn connect_tcp(address: &OriginAddress, limit: Duration) -> io::Result<TcpStream> {
    if let Ok(ip) = address.host.parse::<IpAddr>() {
        return TcpStream::connect(SocketAddr::new(ip, address.port)).await;
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let began = Instant::now();
    let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await?;
    let addrs: Vec<_> = found.take(ADDRS_MAX).collect();
    for (index, addr) in addrs.iter().enumerate() {
        let connecting = TcpStream::connect(addr);
        let left = limit.saturating_sub(began.elapsed());
        let connected = match addrs.len() - index {
            // The caller's time is its own.
            1 => connecting.await,
            more => {
                let part = left / u32::try_from(more).unwrap_or(u32::MAX);
                let in_time = tokio::time::timeout(part, connecting).await;
                in_time.unwrap_or_else(|late| Err(late.into()))
            }
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
