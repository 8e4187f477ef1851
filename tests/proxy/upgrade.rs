//! Upgraded connections: WebSocket through the proxy.

use std::time::Duration;

use anteroom::message::Ended;
use anteroom::server::ServerSettings;
use futures_util::SinkExt;
use futures_util::StreamExt;
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;

use crate::support::CROWDED;
use crate::support::Front;
use crate::support::OK;
use crate::support::Origin;
use crate::support::header;
use crate::support::one_worker;
use crate::support::origin_at;
use crate::support::soon;
use crate::support::until;

/// An origin that says everything back.
async fn echo() -> Origin {
    Origin::start(|connection, _| async move {
        let mut socket = tokio_tungstenite::accept_async(connection.0).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                socket.send(message).await.unwrap();
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_websocket_talks_through_the_proxy() {
    let origin = echo().await;
    let front = Front::before(origin.addr);
    let url = format!("ws://{}/chat", front.addr);
    let (mut socket, _) = soon(tokio_tungstenite::connect_async(url)).await.unwrap();
    for message in [Message::text("hello"), Message::binary(vec![5; 300_000])] {
        soon(socket.send(message.clone())).await.unwrap();
        assert_eq!(soon(socket.next()).await.unwrap().unwrap(), message);
    }
    soon(socket.close(None)).await.unwrap();
}

#[tokio::test]
async fn a_drain_closes_upgraded_connections_and_ends_in_time() {
    let origin = echo().await;
    let mut front = Front::before(origin.addr);
    let url = format!("ws://{}/chat", front.addr);
    let (mut socket, _) = soon(tokio_tungstenite::connect_async(url)).await.unwrap();
    soon(socket.send(Message::text("hello"))).await.unwrap();
    soon(socket.next()).await.unwrap().unwrap();
    let running = front.running.take().unwrap();
    running.drain(Duration::from_secs(3_600));
    assert_eq!(soon(running.ended()).await.cut, 0);
    assert!(soon(socket.next()).await.unwrap().is_err());
}

#[tokio::test]
async fn a_silent_upgraded_connection_is_closed_in_time() {
    let origin = echo().await;
    let mut settings = origin_at(origin.addr);
    settings.timeouts.upgrade_idle = Duration::from_millis(50);
    let front = Front::start(one_worker(), settings);
    let url = format!("ws://{}/chat", front.addr);
    let (mut socket, _) = soon(tokio_tungstenite::connect_async(url)).await.unwrap();
    assert!(soon(socket.next()).await.unwrap().is_err());
}

const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[tokio::test]
async fn what_looks_like_bad_http_passes_through_an_upgraded_connection() {
    const LIKE_HTTP: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\n\n#";
    let origin = Origin::start(|mut connection, _| async move {
        connection.head().await;
        connection
            .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            .await;
        loop {
            let heard = connection.bytes(LIKE_HTTP.len()).await;
            connection.send(heard).await;
        }
    })
    .await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    client.send(HANDSHAKE).await;
    assert!(client.head().await.starts_with("HTTP/1.1 101"));
    for _ in 0..3 {
        client.send(LIKE_HTTP).await;
        let echoed = client.bytes(LIKE_HTTP.len()).await;
        assert_eq!(String::from_utf8(echoed).unwrap(), LIKE_HTTP);
    }
}

#[tokio::test]
async fn an_origin_that_declines_answers_like_any_other() {
    let (origin, heads) = Origin::recording(OK).await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    client.send(HANDSHAKE).await;
    assert!(client.message().await.ends_with("ok"));
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.message().await.ends_with("ok"));
    let seen = heads.lock().unwrap()[0].clone();
    assert_eq!(header(&seen, "upgrade"), Some("websocket"), "{seen}");
    assert_eq!(header(&seen, "connection"), Some("upgrade"), "{seen}");
}

#[tokio::test]
async fn a_protocol_that_is_not_configured_is_not_passed_on() {
    let (origin, heads) = Origin::recording(OK).await;
    let mut settings = origin_at(origin.addr);
    settings.upgrades.clear();
    let front = Front::start(one_worker(), settings);
    assert!(front.ask(HANDSHAKE).await.ends_with("ok"));
    assert_eq!(header(&heads.lock().unwrap()[0], "upgrade"), None);
}

#[tokio::test]
async fn an_upgrade_nobody_asked_for_is_an_error_of_the_origin() {
    let (origin, _) = Origin::recording(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    )
    .await;
    let front = Front::before(origin.addr);
    let answer = front.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[tokio::test]
async fn an_upgraded_connection_counts_for_its_address_and_among_all_until_it_ends() {
    let origin = echo().await;
    let server = ServerSettings {
        proxy_protocol: vec!["127.0.0.0/8".parse().unwrap()],
        ..one_worker()
    };
    let front = Front::start(server, origin_at(origin.addr));
    let come = async || {
        let mut client = front.client().await;
        let header = format!("PROXY TCP4 {CROWDED} 10.0.0.1 1 80\r\n");
        client.send([&header, HANDSHAKE].concat()).await;
        client
    };
    let mut first = come().await;
    assert!(first.head().await.starts_with("HTTP/1.1 101"));
    // What is said on it comes back, so HTTP has let go of it. "hello", masked with zeros (RFC 6455 §5.3).
    first.send(b"\x81\x85\0\0\0\0hello").await;
    assert_eq!(first.bytes(7).await, b"\x81\x05hello");
    assert_eq!(front.open(), 1);
    let mut second = come().await;
    let end = soon(second.0.read(&mut [0])).await;
    assert!(!matches!(end, Ok(1..)), "{end:?}");
    assert_eq!(front.ended(), [Ended::Address]);
    until(|| front.open() == 1).await;
    drop(first);
    until(|| front.open() == 0).await;
    let mut third = come().await;
    assert!(third.head().await.starts_with("HTTP/1.1 101"));
}
