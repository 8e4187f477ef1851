//! A new connection to one server of the origin: resolve, connect, TLS, HTTP.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::proxy::settings::OriginAddress;
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

/// Connects to one server. The caller sets the deadline.
pub(super) async fn connect(
    address: &OriginAddress,
    tls: Option<&Arc<ClientConfig>>,
) -> io::Result<(Sender, Driver)> {
    let stream = connect_tcp(address).await?;
    stream.set_nodelay(true)?;
    let wire = match (address.tls, tls) {
        (false, _) => Wire::Plain(stream),
        (true, Some(config)) => {
            let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
            let connector = TlsConnector::from(Arc::clone(config));
            Wire::Tls(Box::new(connector.connect(name, stream).await?))
        }
        (true, None) => return Err(io::Error::other("no trust configured for tls")),
    };
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
    Ok((
        sender,
        Driver {
            connection,
            may_upgrade: false,
            is_done: false,
        },
    ))
}

/// Connects to the first address that answers.
async fn connect_tcp(address: &OriginAddress) -> io::Result<TcpStream> {
    if let Ok(ip) = address.host.parse::<IpAddr>() {
        return TcpStream::connect(SocketAddr::new(ip, address.port)).await;
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let addrs = tokio::net::lookup_host((address.host.as_str(), address.port)).await?;
    for addr in addrs.take(ADDRS_MAX) {
        match TcpStream::connect(addr).await {
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
