//! Connections that begin with a PROXY protocol header, and those that begin and do not go on.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use anteroom::message::Ended;
use anteroom::message::Unheard;
use anteroom::server::ListenSettings;
use anteroom::server::ServerSettings;
use anteroom::server::tls;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

use crate::protocols::certificate;
use crate::protocols::trusting;
use crate::support::CROWDED;
use crate::support::Front;
use crate::support::OK;
use crate::support::Origin;
use crate::support::header;
use crate::support::loopback;
use crate::support::one_worker;
use crate::support::origin_at;
use crate::support::soon;

const V1: &[u8] = b"PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\r\n";
const GET: &str = "GET /x HTTP/1.1\r\nhost: a.example\r\n\r\n";

/// A header of version 2: this command, IPv6 addresses, and a field nobody here knows.
fn v2(command: u8) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, 0x21, 0, 36 + 5]);
    header.extend(
        "2001:db8::17"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets(),
    );
    header.extend([0; 16]);
    header.extend([0x12, 0x34, 1, 0xbb]);
    header.extend([0xe0, 0, 2, 7, 7]);
    header
}

fn settings() -> ServerSettings {
    ServerSettings {
        proxy_protocol: vec!["127.0.0.0/8".parse().unwrap()],
        ..one_worker()
    }
}

/// Who the client is, as the origin was told with each request.
fn told(heads: &Mutex<Vec<String>>) -> Vec<String> {
    let heads = heads.lock().unwrap();
    let told = |head: &String| header(head, "x-forwarded-for").unwrap().to_owned();
    heads.iter().map(told).collect()
}

#[tokio::test]
async fn a_header_tells_who_the_client_is_however_it_is_cut() {
    let (origin, heads) = Origin::recording(OK).await;
    let front = Front::start(settings(), origin_at(origin.addr));
    for (header, ip) in [
        (V1.to_vec(), "203.0.113.9"),
        (v2(0x21), "2001:db8::17"),
        (v2(0x20), "127.0.0.1"),
        (b"PROXY UNKNOWN whatever\r\n".to_vec(), "127.0.0.1"),
    ] {
        let mut client = front.client().await;
        client.send([&header, GET.as_bytes()].concat()).await;
        assert!(client.message().await.ends_with("ok"));

        let mut client = front.client().await;
        client.0.set_nodelay(true).unwrap();
        for byte in header.iter().chain(GET.as_bytes()) {
            client.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        assert!(client.message().await.ends_with("ok"));
        assert_eq!(told(&heads), [ip, ip]);
        heads.lock().unwrap().clear();
    }
}

#[tokio::test]
async fn a_connection_that_should_begin_with_a_header_and_does_not_is_closed_and_counted() {
    let (origin, heads) = Origin::recording(OK).await;
    let front = Front::start(settings(), origin_at(origin.addr));
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    let mut vast = v2(0x21);
    vast[14] = 0x80;
    let begun = [
        GET.as_bytes(),
        b"PROXY TCP4 203.0.113.9 10.0.0.1 +1 443\r\n",
        long.as_bytes(),
        &vast,
        &v2(0x23),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for begins in begun {
        let mut client = front.client().await;
        client.send([begins, GET.as_bytes()].concat()).await;
        assert_eq!(client.rest().await, b"", "{begins:?}");
    }
    // One that leaves within it.
    let mut client = front.client().await;
    client.send(&V1[..20]).await;
    drop(client);
    let unheard = front.unheard(begun.len() + 1).await;
    assert!(unheard.iter().all(|why| *why == Unheard::ProxyProtocol));
    assert!(heads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn connections_count_by_the_address_that_is_told_and_not_by_the_balancers() {
    let (origin, _heads) = Origin::recording(OK).await;
    let front = Front::start(settings(), origin_at(origin.addr));
    let asking = |ip: IpAddr| format!("PROXY TCP4 {ip} 10.0.0.1 4711 443\r\n{GET}");
    let mut first = front.client().await;
    first.send(asking(CROWDED)).await;
    assert!(first.message().await.ends_with("ok"));
    let mut second = front.client().await;
    second.send(asking(CROWDED)).await;
    let end = soon(second.0.read(&mut [0])).await;
    assert!(!matches!(end, Ok(1..)), "{end:?}");
    assert_eq!(front.ended(), [Ended::Address]);
    let mut other = front.client().await;
    other.send(asking([203, 0, 113, 2].into())).await;
    assert!(other.message().await.ends_with("ok"));
}

#[tokio::test]
async fn from_elsewhere_a_header_is_no_http() {
    let (origin, heads) = Origin::recording(OK).await;
    let settings = ServerSettings {
        proxy_protocol: vec!["10.0.0.0/8".parse().unwrap()],
        ..one_worker()
    };
    let front = Front::start(settings, origin_at(origin.addr));
    for header in [V1.to_vec(), v2(0x21)] {
        let mut client = front.client().await;
        client.send([&header, GET.as_bytes()].concat()).await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    assert!(front.ask(GET).await.ends_with("ok"));
    assert_eq!(told(&heads), ["127.0.0.1"]);
}

#[tokio::test]
async fn a_header_comes_before_tls_and_before_http2() {
    let (origin, heads) = Origin::recording(OK).await;
    let certificate = certificate(&["a.example"]);
    let client = trusting(&certificate, &[b"http/1.1"]);
    let tls = tls::with_certificate(certificate.chain, certificate.key).unwrap();
    let tls = Some(Arc::new(ArcSwap::new(tls)));
    let addr = loopback();
    let settings = ServerSettings {
        listen: vec![
            ListenSettings {
                addr,
                tls,
                redirects: false,
            },
            ListenSettings {
                addr,
                tls: None,
                redirects: false,
            },
        ],
        ..settings()
    };
    let front = Front::start(settings, origin_at(origin.addr));
    let addrs = front.running.as_ref().unwrap().addrs().to_vec();
    let connect = async |at: usize, header: &[u8]| {
        let mut stream = soon(tokio::net::TcpStream::connect(addrs[at]))
            .await
            .unwrap();
        stream.write_all(header).await.unwrap();
        stream
    };

    let name = ServerName::try_from("a.example").unwrap();
    let stream = connect(0, V1).await;
    let mut stream = soon(client.connect(name, stream)).await.unwrap();
    soon(stream.write_all(GET.as_bytes())).await.unwrap();
    let mut start = [0; 15];
    soon(stream.read_exact(&mut start)).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");

    let stream = TokioIo::new(connect(1, &v2(0x21)).await);
    let handshake = http2::handshake(TokioExecutor::new(), stream);
    let (mut sender, connection) = soon(handshake).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://a.example/x").body(Empty::<Bytes>::new());
    let answer = soon(sender.send_request(request.unwrap())).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(told(&heads), ["203.0.113.9", "2001:db8::17"]);
}

#[tokio::test]
async fn who_stops_within_a_header_or_a_handshake_is_let_go_in_time() {
    let origin = Origin::silent().await;
    let certificate = certificate(&["a.example"]);
    let tls = tls::with_certificate(certificate.chain, certificate.key).unwrap();
    let tls = Some(Arc::new(ArcSwap::new(tls)));
    let addr = loopback();
    let mut settings = ServerSettings {
        listen: vec![ListenSettings {
            addr,
            tls,
            redirects: false,
        }],
        ..one_worker()
    };
    settings.limits.handshake = Duration::from_millis(100);
    let begins: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for (networks, begins, why) in [
        (vec![], begins, Unheard::HandshakeTimeout),
        (vec![], b"", Unheard::HandshakeTimeout),
        (vec![], GET.as_bytes(), Unheard::Handshake),
        (vec!["127.0.0.0/8"], &V1[..9], Unheard::ProxyProtocol),
        (vec!["127.0.0.0/8"], V1, Unheard::HandshakeTimeout),
    ] {
        settings.proxy_protocol = networks.iter().map(|net| net.parse().unwrap()).collect();
        let front = Front::start(settings.clone(), origin_at(origin.addr));
        let mut client = front.client().await;
        client.send(begins).await;
        client.rest().await;
        assert_eq!(front.unheard(1).await, [why]);
    }
}
