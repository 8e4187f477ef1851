//! The PROXY protocol towards the origin: the bytes it begins with, and whose a connection is.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use anteroom::proxy::HealthCheck;
use anteroom::proxy::OriginSettings;

use crate::support::Front;
use crate::support::OK;
use crate::support::Origin;
use crate::support::one_worker;
use crate::support::origin_at;
use crate::support::soon;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// The header of version 2 for TCP over IPv4 (`proxy-protocol.txt`, §2.2).
fn expected(client: SocketAddr, origin: SocketAddr) -> Vec<u8> {
    let octets = |addr: SocketAddr| match addr.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    bytes.extend(octets(client));
    bytes.extend(octets(origin));
    bytes.extend(client.port().to_be_bytes());
    bytes.extend(origin.port().to_be_bytes());
    bytes
}

#[tokio::test]
async fn every_connection_begins_with_its_client_and_serves_nobody_else() {
    let headers = Arc::<Mutex<Vec<Vec<u8>>>>::default();
    let hearing = Arc::clone(&headers);
    let origin = Origin::start(move |mut connection, _| {
        let hearing = Arc::clone(&hearing);
        async move {
            let header = connection.bytes(28).await;
            hearing.lock().unwrap().push(header);
            while !connection.message().await.is_empty() {
                connection.send(OK).await;
            }
        }
    })
    .await;
    let settings = OriginSettings {
        proxy_protocol: true,
        ..origin_at(origin.addr)
    };
    let front = Front::start(one_worker(), settings);
    let mut clients = [front.client().await, front.client().await];
    for _ in 0..2 {
        for client in &mut clients {
            client.send(GET).await;
            assert!(client.message().await.ends_with("ok"));
        }
    }
    let wanted = clients.map(|client| expected(client.0.local_addr().unwrap(), origin.addr));
    assert_eq!(*headers.lock().unwrap(), wanted);
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn an_upgraded_connection_begins_with_its_client_too() {
    let origin = Origin::start(|mut connection, _| async move {
        let header = connection.bytes(28).await;
        connection.head().await;
        connection
            .send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await;
        connection.send(header).await;
    })
    .await;
    let settings = OriginSettings {
        proxy_protocol: true,
        ..origin_at(origin.addr)
    };
    let front = Front::start(one_worker(), settings);
    let mut client = front.client().await;
    client
        .send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    let wanted = expected(client.0.local_addr().unwrap(), origin.addr);
    assert_eq!(client.bytes(28).await, wanted);
}

#[tokio::test]
async fn a_check_of_health_says_that_its_connection_is_our_own() {
    let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel();
    let origin = Origin::start(move |mut connection, _| {
        let heard = heard.clone();
        async move {
            let header = connection.bytes(16).await;
            let head = connection.head().await;
            connection.send(OK).await;
            // Who listens has heard enough.
            heard.send((header, head)).ok();
        }
    })
    .await;
    let settings = OriginSettings {
        proxy_protocol: true,
        check: Some(every_second()),
        ..origin_at(origin.addr)
    };
    let _front = Front::start(one_worker(), settings);
    let (header, head) = soon(hearing.recv()).await.unwrap();
    assert_eq!(header, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    assert!(head.starts_with("GET /health HTTP/1.1\r\n"), "{head}");
}

fn every_second() -> HealthCheck {
    HealthCheck {
        path: "/health".parse().unwrap(),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(60),
        fail_after: 1,
        pass_after: 1,
    }
}

#[tokio::test]
async fn a_connection_of_a_client_that_has_gone_makes_way_for_one_that_is_needed() {
    let origin = Origin::start(|mut connection, _| async move {
        connection.bytes(28).await;
        while !connection.message().await.is_empty() {
            connection.send(OK).await;
        }
    })
    .await;
    let settings = OriginSettings {
        proxy_protocol: true,
        idle_max: 1,
        ..origin_at(origin.addr)
    };
    let front = Front::start(one_worker(), settings);
    for count in 1..=2 {
        let mut client = front.client().await;
        for _ in 0..3 {
            client.send(GET).await;
            assert!(client.message().await.ends_with("ok"));
        }
        assert_eq!(origin.connections(), count);
    }
}
