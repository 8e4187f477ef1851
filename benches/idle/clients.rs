//! Many connections of one client, each of which has made a request and stays open.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Kind;
use crate::contenders::Certificate;
use crate::contenders::NAME;
use crate::contenders::PATH;

/// Connections opened at the same time.
const AT_ONCE: usize = 64;

/// Open connections.
pub(crate) struct Clients {
    runtime: Runtime,
    open: Vec<Client>,
}

enum Client {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Its connection runs by itself.
    Http2(SendRequest<Empty<Bytes>>),
}

impl Clients {
    /// Opens so many, and has each answered once.
    pub(crate) fn open(
        addr: SocketAddr,
        kind: Kind,
        certificate: &Certificate,
        count: usize,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let config = anteroom::proxy::tls::with_authorities(vec![certificate.der.clone()]);
        let mut config = Arc::unwrap_or_clone(config.expect("a certificate"));
        config.resumption = rustls::client::Resumption::disabled();
        if kind == Kind::Http2 {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        let tls = TlsConnector::from(Arc::new(config));
        let mut open = Vec::with_capacity(count);
        while open.len() < count {
            let now = AT_ONCE.min(count - open.len());
            let opening: Vec<_> = (0..now)
                .map(|_| runtime.spawn(open_one(addr, kind, tls.clone())))
                .collect();
            for client in opening {
                open.push(runtime.block_on(client).expect("a connection"));
            }
        }
        Self { runtime, open }
    }

    /// Has each answered once more.
    pub(crate) fn ask(&mut self) {
        for client in &mut self.open {
            self.runtime.block_on(client.send());
        }
        for client in &mut self.open {
            self.runtime.block_on(client.receive());
        }
    }
}

async fn open_one(addr: SocketAddr, kind: Kind, tls: TlsConnector) -> Client {
    let socket = TcpSocket::new_v4().expect("a socket");
    let stream = socket.connect(addr).await.expect("a connection");
    stream.set_nodelay(true).expect("a TCP socket");
    let name = ServerName::try_from(NAME).expect("a name");
    let mut client = match kind {
        Kind::Plain => Client::Plain(stream),
        Kind::Tls => Client::Tls(Box::new(
            tls.connect(name, stream).await.expect("a handshake"),
        )),
        Kind::Http2 => {
            let stream = TokioIo::new(tls.connect(name, stream).await.expect("a handshake"));
            let (sender, connection) = http2::handshake(TokioExecutor::new(), stream)
                .await
                .expect("a handshake");
            tokio::spawn(connection);
            Client::Http2(sender)
        }
    };
    client.send().await;
    client.receive().await;
    client
}

impl Client {
    async fn send(&mut self) {
        let request =
            format!("GET {PATH} HTTP/1.1\r\nhost: {NAME}\r\naccept: application/json\r\n\r\n");
        match self {
            Self::Plain(stream) => stream.write_all(request.as_bytes()).await.expect("sent"),
            Self::Tls(stream) => stream.write_all(request.as_bytes()).await.expect("sent"),
            Self::Http2(sender) => {
                let request = Request::get(format!("https://{NAME}{PATH}"));
                let request = request.body(Empty::new()).expect("a request");
                let answer = sender.send_request(request).await.expect("an answer");
                answer.into_body().collect().await.expect("all of it");
            }
        }
    }

    async fn receive(&mut self) {
        match self {
            Self::Plain(stream) => receive(stream).await,
            Self::Tls(stream) => receive(stream).await,
            // Sent and received at once.
            Self::Http2(_) => {}
        }
    }
}

async fn receive(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let mut answer = Vec::with_capacity(2_048);
    loop {
        let read = stream.read_buf(&mut answer).await.expect("an answer");
        assert!(read > 0, "it closed the connection");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else { continue };
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length:"));
        let length: usize = length.map_or(0, |length| length.trim().parse().expect("a length"));
        if answer.len() >= end + 4 + length {
            return;
        }
    }
}
