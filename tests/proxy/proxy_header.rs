//! The PROXY protocol towards the origin: the bytes it begins with, and whose a connection is.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;

use anteroom::proxy::OriginSettings;

use crate::support::Front;
use crate::support::OK;
use crate::support::Origin;
use crate::support::one_worker;
use crate::support::origin_at;

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
