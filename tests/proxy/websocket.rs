//! WebSocket to the letter of RFC 6455, as far as it concerns whoever stands between: nothing is changed, nothing is
//! kept, and what happens on one side happens on the other.
//!
//! The cases are those that a client or a server is usually tested with (lengths, pieces, control frames, codes, and
//! everything that is wrong); here both ends are ours, so that each byte can be compared.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::StreamExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::Front;
use crate::support::Origin;
use crate::support::Raw;
use crate::support::one_worker;
use crate::support::origin_at;
use crate::support::settles;
use crate::support::soon;

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const CONTINUED: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FIN: u8 = 0x80;

/// More than all buffers on the way hold together.
const LARGE: usize = 64 * 1024 * 1024;

/// A frame of a client, which is masked (RFC 6455 §5.2 and §5.3).
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | u8::try_from(len).unwrap()),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend(u64::try_from(len).unwrap().to_be_bytes());
        }
    }
    frame.extend(MASK);
    let bytes = payload.iter().enumerate();
    frame.extend(bytes.map(|(at, byte)| byte ^ MASK[at % 4]));
    frame
}

/// A message in frames of this size (RFC 6455 §5.4).
fn pieces(kind: u8, payload: &[u8], size: usize) -> Vec<u8> {
    let count = payload.len().div_ceil(size);
    let frames = payload.chunks(size).enumerate().map(|(at, piece)| {
        let first = if at == 0 { kind } else { CONTINUED };
        let fin = if at + 1 == count { FIN } else { 0 };
        masked(fin | first, piece)
    });
    frames.collect::<Vec<_>>().concat()
}

/// What a connection may carry, good or bad; its name, and its bytes.
fn cases() -> Vec<(String, Vec<u8>)> {
    let mut cases = Vec::new();
    for (kind, name) in [(TEXT, "text"), (BINARY, "binary")] {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20] {
            let payload = vec![b'x'; len];
            cases.push((format!("{name} of {len}"), masked(FIN | kind, &payload)));
        }
        for size in [1, 3, 1_000, 65_536] {
            let payload = vec![b'y'; size.min(3_000) * 3 + 1];
            cases.push((
                format!("{name} in pieces of {size}"),
                pieces(kind, &payload, size),
            ));
        }
    }
    for len in [0, 125] {
        let payload = vec![b'p'; len];
        cases.push((format!("ping of {len}"), masked(FIN | PING, &payload)));
        cases.push((format!("pong of {len}"), masked(FIN | PONG, &payload)));
    }
    let amid = [
        masked(TEXT, b"one"),
        masked(FIN | PING, b"now"),
        masked(CONTINUED, b"two"),
        masked(FIN | PONG, b""),
        masked(FIN | CONTINUED, b"three"),
    ];
    cases.push(("pings amid pieces".to_owned(), amid.concat()));
    for code in [
        1_000_u16, 1_001, 1_002, 1_003, 1_007, 1_011, 3_000, 3_999, 4_000, 4_999, 0, 999, 1_005,
        1_006, 1_015, 5_000,
    ] {
        let payload = [&code.to_be_bytes()[..], b"bye"].concat();
        cases.push((format!("close with {code}"), masked(FIN | CLOSE, &payload)));
    }
    cases.extend(
        wrong()
            .into_iter()
            .map(|(name, bytes)| (name.to_owned(), bytes)),
    );
    cases
}

/// What an endpoint has to refuse, and whoever stands between has to pass on.
fn wrong() -> Vec<(&'static str, Vec<u8>)> {
    let mut unmasked = masked(FIN | TEXT, b"hello");
    unmasked[1] &= 0x7f;
    vec![
        ("reserved bits", masked(FIN | 0x70 | TEXT, b"hello")),
        ("a reserved kind", masked(FIN | 3, b"hello")),
        ("a reserved control frame", masked(FIN | 11, b"")),
        ("a frame without a mask", unmasked),
        ("a ping in pieces", pieces(PING, b"hello", 2)),
        ("a ping that is too long", masked(FIN | PING, &[0; 126])),
        (
            "text that is none",
            masked(FIN | TEXT, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80edited"),
        ),
        (
            "text broken amid a letter",
            pieces(TEXT, "κόσμε".as_bytes(), 1),
        ),
        ("a piece of nothing", masked(FIN | CONTINUED, b"hello")),
        (
            "a message amid another",
            [masked(TEXT, b"a"), masked(FIN | TEXT, b"b")].concat(),
        ),
        ("a close of one byte", masked(FIN | CLOSE, b"\x03")),
        (
            "a close whose reason is no text",
            masked(FIN | CLOSE, b"\x03\xe8\xed\xa0\x80"),
        ),
        (
            "more after a close",
            [masked(FIN | CLOSE, b""), masked(FIN | TEXT, b"x")].concat(),
        ),
        (
            "a length of many bytes for few",
            [&[0x82, 0xfe, 0, 1, 0, 0, 0, 0], &b"x"[..]].concat(),
        ),
        (
            "no frame at all",
            b"\r\n\r\nGET / HTTP/1.1\r\n\0\xff\xff".to_vec(),
        ),
    ]
}

/// An origin that agrees, and does this with the bytes that follow.
async fn agreeing<F, T>(then: F) -> Origin
where
    F: Fn(Raw) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    Origin::start(move |mut connection, _| {
        let then = then.clone();
        async move {
            connection.head().await;
            connection.send(AGREED).await;
            then(connection).await;
        }
    })
    .await
}

async fn upgraded(front: &Front) -> Raw {
    let mut client = front.client().await;
    client.send(HANDSHAKE).await;
    assert!(client.head().await.starts_with("HTTP/1.1 101"));
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_frame_goes_through_unchanged_good_or_bad() {
    // Whatever comes is sent back, byte for byte.
    let origin = agreeing(|connection| async move {
        let (mut reader, mut writer) = connection.0.into_split();
        tokio::io::copy(&mut reader, &mut writer).await.ok();
    })
    .await;
    let front = Front::before(origin.addr);
    let cases = cases();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let mut one_after_the_other = upgraded(&front).await;
    for (name, bytes) in &cases {
        for client in [&mut upgraded(&front).await, &mut one_after_the_other] {
            let (mut reader, mut writer) = client.0.split();
            let mut back = vec![0; bytes.len()];
            let (sent, read) =
                soon(async { tokio::join!(writer.write_all(bytes), reader.read_exact(&mut back)) })
                    .await;
            sent.unwrap();
            read.unwrap();
            assert!(back == *bytes, "{name}");
        }
    }
}

#[tokio::test]
async fn frames_cut_anywhere_are_passed_on_as_they_come() {
    let origin = agreeing(|mut connection| async move {
        loop {
            let byte = connection.bytes(1).await;
            connection.send(byte).await;
        }
    })
    .await;
    let front = Front::before(origin.addr);
    let mut client = upgraded(&front).await;
    for byte in masked(FIN | TEXT, b"cut anywhere") {
        client.send([byte]).await;
        assert_eq!(client.bytes(1).await, [byte]);
    }
}

#[tokio::test]
async fn whoever_closes_is_heard_on_the_other_side_with_code_and_reason() {
    let closed = |code: u16| CloseFrame {
        code: CloseCode::from(code),
        reason: "enough".into(),
    };
    // The origin closes when it is told to, and tells how it was closed.
    let (told, mut telling) = tokio::sync::mpsc::channel(1);
    let origin = Origin::start(move |connection, _| {
        let told = told.clone();
        async move {
            let mut socket = tokio_tungstenite::accept_async(connection.0).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                match message {
                    Message::Close(frame) => told.send(frame).await.unwrap(),
                    Message::Text(_) => socket.close(Some(closed(4_001))).await.unwrap(),
                    Message::Binary(_)
                    | Message::Ping(_)
                    | Message::Pong(_)
                    | Message::Frame(_) => {}
                }
            }
        }
    })
    .await;
    let front = Front::before(origin.addr);
    let url = format!("ws://{}/chat", front.addr);
    let (mut socket, _) = soon(tokio_tungstenite::connect_async(&url)).await.unwrap();
    soon(socket.close(Some(closed(4_000)))).await.unwrap();
    assert_eq!(soon(telling.recv()).await.unwrap(), Some(closed(4_000)));

    let (mut socket, _) = soon(tokio_tungstenite::connect_async(&url)).await.unwrap();
    soon(socket.send(Message::text("close"))).await.unwrap();
    let heard = soon(socket.next()).await.unwrap().unwrap();
    assert_eq!(heard, Message::Close(Some(closed(4_001))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_side_that_takes_nothing_stops_the_other() {
    for downwards in [true, false] {
        let sent = Arc::<AtomicUsize>::default();
        let (counted, go) = (Arc::clone(&sent), Arc::new(tokio::sync::Notify::new()));
        let pour = move |mut connection: Raw| {
            let counted = Arc::clone(&counted);
            async move {
                let chunk = vec![7; 64 * 1024];
                for _ in 0..LARGE / chunk.len() {
                    connection.0.write_all(&chunk).await.unwrap();
                    counted.fetch_add(chunk.len(), SeqCst);
                }
                connection
            }
        };
        let take = |mut connection: Raw| async move {
            assert!(connection.bytes(LARGE).await.iter().all(|byte| *byte == 7));
        };
        let (pours, waits) = (pour.clone(), Arc::clone(&go));
        let origin = agreeing(move |connection| {
            let (pours, waits) = (pours.clone(), Arc::clone(&waits));
            async move {
                if downwards {
                    // It stays open until the client has taken everything.
                    pours(connection).await.rest().await;
                } else {
                    waits.notified().await;
                    take(connection).await;
                    waits.notify_one();
                }
            }
        })
        .await;
        let front = Front::before(origin.addr);
        let client = upgraded(&front).await;
        if downwards {
            let held = settles(&sent).await;
            assert!(
                held < LARGE / 2,
                "{held} bytes were taken for a client that takes none"
            );
            take(client).await;
        } else {
            let pouring = tokio::spawn(pour(client));
            let held = settles(&sent).await;
            assert!(
                held < LARGE / 2,
                "{held} bytes were taken for an origin that takes none"
            );
            go.notify_one();
            let _client = soon(pouring).await.unwrap();
            soon(go.notified()).await;
        }
    }
}

#[tokio::test]
async fn a_side_that_has_said_everything_may_still_listen() {
    // The origin says its part once the client has said all of its own, and the other way round.
    let origin = agreeing(|mut connection| async move {
        if connection.bytes(1).await == b"1" {
            assert_eq!(connection.rest().await, b"done");
            connection.send("heard").await;
        } else {
            connection.send("done").await;
            connection.0.shutdown().await.unwrap();
            assert_eq!(connection.rest().await, b"heard");
        }
    })
    .await;
    let front = Front::before(origin.addr);
    let mut client = upgraded(&front).await;
    client.send("1done").await;
    client.0.shutdown().await.unwrap();
    assert_eq!(client.rest().await, b"heard");

    let mut client = upgraded(&front).await;
    client.send("2").await;
    assert_eq!(client.rest().await, b"done");
    client.send("heard").await;
}

#[tokio::test]
async fn a_side_that_breaks_off_takes_the_other_with_it() {
    let (ended, mut ending) = tokio::sync::mpsc::channel(1);
    let origin = agreeing(move |mut connection| {
        let ended = ended.clone();
        async move {
            if connection.bytes(1).await == b"1" {
                connection.rest().await;
                ended.send(()).await.unwrap();
            } else {
                // Dropped with a reset.
                connection.0.set_zero_linger().unwrap();
            }
        }
    })
    .await;
    let front = Front::before(origin.addr);
    let mut client = upgraded(&front).await;
    client.send("1").await;
    client.0.set_zero_linger().unwrap();
    drop(client);
    soon(ending.recv()).await.unwrap();

    let mut client = upgraded(&front).await;
    client.send("2").await;
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn one_that_speaks_now_and_then_is_kept_and_one_that_falls_silent_is_not() {
    let origin = agreeing(|mut connection| async move {
        loop {
            let bytes = connection.bytes(1).await;
            connection.send(bytes).await;
        }
    })
    .await;
    let mut settings = origin_at(origin.addr);
    settings.timeouts.upgrade_idle = Duration::from_secs(1);
    let front = Front::start(one_worker(), settings);
    let mut client = upgraded(&front).await;
    let began = anteroom::clock::monotonic();
    // Pings keep it, from one side alone, for longer than it may be silent.
    while began.elapsed() < Duration::from_secs(2) {
        client.send("p").await;
        assert_eq!(client.bytes(1).await, b"p");
    }
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn there_are_no_more_than_may_be_and_a_place_is_free_again_once_one_ends() {
    let origin = agreeing(|mut connection| async move {
        connection.rest().await;
    })
    .await;
    let mut settings = origin_at(origin.addr);
    settings.tunnels_max = 1;
    let front = Front::start(one_worker(), settings);
    let first = upgraded(&front).await;
    assert!(front.ask(HANDSHAKE).await.starts_with("HTTP/1.1 503"));
    drop(first);
    soon(async { while !front.ask_head(HANDSHAKE).await.starts_with("HTTP/1.1 101") {} }).await;
}
