//! Idle connections, which are taken apart and put together again: their clients notice nothing.

use std::sync::Arc;
use std::time::Duration;

use anteroom::server::ListenSettings;
use anteroom::server::ServerSettings;
use anteroom::server::tls;
use arc_swap::ArcSwap;
use rustls::pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::protocols::certificate;
use crate::protocols::trusting;
use crate::support::Front;
use crate::support::OK;
use crate::support::Origin;
use crate::support::PATIENCE;
use crate::support::loopback;
use crate::support::one_worker;
use crate::support::origin_at;
use crate::support::soon;
use crate::support::until;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";

/// Connections parked at once.
const MANY: usize = 1_000;

async fn send(client: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    soon(client.write_all(bytes)).await.unwrap();
    soon(client.flush()).await.unwrap();
}

/// Reads an answer, which must be a whole one.
async fn answered(client: &mut (impl AsyncRead + Unpin)) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        let byte = soon(client.read_u8()).await;
        assert!(byte.is_ok(), "only {:?}", String::from_utf8_lossy(&answer));
        answer.extend(byte);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

/// A front with TLS, and how to connect to it.
struct Secure {
    front: Front,
    connector: tokio_rustls::TlsConnector,
}

impl Secure {
    fn before(origin: &Origin) -> Self {
        let made = certificate(&["a.example"]);
        let connector = trusting(&made, &[b"http/1.1"]);
        let config = tls::with_certificate(made.chain, made.key).unwrap();
        let settings = ServerSettings {
            listen: vec![ListenSettings {
                addr: loopback(),
                tls: Some(Arc::new(ArcSwap::new(config))),
            }],
            ..one_worker()
        };
        Self {
            front: Front::start(settings, origin_at(origin.addr)),
            connector,
        }
    }

    async fn client(&self) -> TlsStream<TcpStream> {
        let stream = soon(TcpStream::connect(self.front.addr)).await.unwrap();
        let name = ServerName::try_from("a.example").unwrap();
        soon(self.connector.connect(name, stream)).await.unwrap()
    }
}

/// What a client of a parked connection may do; nothing of it may make a difference.
async fn goes_on(front: &Front, client: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    until(|| front.parked() == 1).await;
    // A request that comes byte by byte, and its body in the same way.
    for byte in [POST.as_bytes(), b"hello"].concat() {
        send(client, &[byte]).await;
    }
    answered(client).await;
    until(|| front.parked() == 1).await;
    // Three that come at once, and the first half of a fourth.
    let (begun, left) = GET.split_at(GET.len() / 2);
    let pipelined = [GET, POST, "hello", GET, begun].concat();
    send(client, pipelined.as_bytes()).await;
    for _ in 0..3 {
        answered(client).await;
    }
    send(client, left.as_bytes()).await;
    answered(client).await;
    until(|| front.parked() == 1).await;
    send(client, GET.as_bytes()).await;
    answered(client).await;
}

#[tokio::test]
async fn a_parked_connection_goes_on_with_its_next_byte() {
    let (origin, heads) = Origin::recording(OK).await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await.0;
    send(&mut client, GET.as_bytes()).await;
    answered(&mut client).await;
    goes_on(&front, &mut client).await;
    assert_eq!(heads.lock().unwrap().len(), 7);
}

#[tokio::test]
async fn a_parked_connection_over_tls_goes_on_with_its_next_byte() {
    let (origin, heads) = Origin::recording(OK).await;
    let secure = Secure::before(&origin);
    // It is parked before its first request already.
    let mut client = secure.client().await;
    goes_on(&secure.front, &mut client).await;
    assert_eq!(heads.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn a_thousand_parked_connections_are_answered_and_then_end_at_once_in_a_drain() {
    let (origin, _) = Origin::recording(OK).await;
    let mut front = Front::before(origin.addr);
    let mut clients = Vec::new();
    for _ in 0..MANY {
        let mut client = front.client().await.0;
        send(&mut client, GET.as_bytes()).await;
        answered(&mut client).await;
        clients.push(client);
    }
    for round in 1..=2 {
        until(|| front.parked() == MANY).await;
        if round == 2 {
            break;
        }
        for client in &mut clients {
            send(client, GET.as_bytes()).await;
        }
        for client in &mut clients {
            answered(client).await;
        }
    }
    let running = front.running.take().unwrap();
    running.drain(PATIENCE);
    for client in &mut clients {
        let mut rest = Vec::new();
        soon(client.read_to_end(&mut rest)).await.unwrap();
        assert!(rest.is_empty());
    }
    let drained = soon(running.ended()).await;
    assert_eq!((drained.finished, drained.cut), (MANY, 0));
    assert_eq!(front.parked(), 0);
}

#[tokio::test]
async fn a_parked_connection_over_tls_is_closed_properly() {
    let (origin, _) = Origin::recording(OK).await;
    let mut secure = Secure::before(&origin);
    let mut client = secure.client().await;
    until(|| secure.front.parked() == 1).await;
    let running = secure.front.running.take().unwrap();
    running.drain(PATIENCE);
    // An end without TLS' own would be an error here.
    let mut rest = Vec::new();
    soon(client.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(soon(running.ended()).await.cut, 0);
}

#[tokio::test]
async fn a_parked_connection_ends_when_its_client_does_or_was_idle_for_too_long() {
    let (origin, _) = Origin::recording(OK).await;
    let mut settings = one_worker();
    settings.limits.idle = Duration::from_secs(4);
    let front = Front::start(settings, origin_at(origin.addr));
    let mut gone = front.client().await.0;
    let mut idle = front.client().await.0;
    for client in [&mut gone, &mut idle] {
        send(client, GET.as_bytes()).await;
        answered(client).await;
    }
    until(|| front.parked() == 2).await;
    gone.shutdown().await.unwrap();
    for client in [&mut gone, &mut idle] {
        let mut rest = Vec::new();
        soon(client.read_to_end(&mut rest)).await.unwrap();
        assert!(rest.is_empty());
    }
    until(|| front.parked() == 0).await;
}

#[tokio::test]
async fn a_body_that_came_after_its_head_is_not_taken_for_the_next_head() {
    let (origin, _) = Origin::recording(OK).await;
    let mut settings = one_worker();
    settings.limits.head = Duration::from_millis(500);
    let front = Front::start(settings, origin_at(origin.addr));
    let mut client = front.client().await.0;
    send(&mut client, POST.as_bytes()).await;
    // Its head was read before its body came: another's request, sent later, was answered.
    front.ask(GET).await;
    send(&mut client, b"hello").await;
    answered(&mut client).await;
    // What is half a head ends when its time is up.
    let mut slow = front.client().await;
    slow.send("GET / HT").await;
    slow.rest().await;
    send(&mut client, GET.as_bytes()).await;
    answered(&mut client).await;
}
