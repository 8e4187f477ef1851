//! HTTP/2 with and without TLS, and TLS to the origin.

use std::sync::Arc;

use anteroom::proxy;
use anteroom::proxy::OriginTls;
use anteroom::server::ListenSettings;
use anteroom::server::tls;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use http_body_util::Empty;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use crate::support::Front;
use crate::support::OK;
use crate::support::Origin;
use crate::support::header;
use crate::support::loopback;
use crate::support::one_worker;
use crate::support::origin_at;
use crate::support::soon;

pub(crate) struct Certificate {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

pub(crate) fn certificate(names: &[&str]) -> Certificate {
    let names = names
        .iter()
        .map(|name| (*name).to_owned())
        .collect::<Vec<_>>();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    Certificate {
        chain: vec![made.cert.der().clone()],
        key,
    }
}

pub(crate) fn trusting(certificate: &Certificate, alpn: &[&[u8]]) -> tokio_rustls::TlsConnector {
    let config = proxy::tls::with_authorities(certificate.chain.clone()).unwrap();
    let mut config = Arc::unwrap_or_clone(config);
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config).into()
}

#[tokio::test]
async fn http2_with_prior_knowledge_goes_to_the_origin_as_http1() {
    let (origin, heads) = Origin::recording(OK).await;
    let front = Front::before(origin.addr);
    let stream = TokioIo::new(TcpStream::connect(front.addr).await.unwrap());
    let (mut sender, connection) = soon(http2::handshake(TokioExecutor::new(), stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    for body in [Bytes::new(), Bytes::from_static(b"hello")] {
        let request = Request::builder()
            .method(if body.is_empty() { "GET" } else { "POST" })
            .uri("http://a.example/x?y")
            .header("cookie", "a=1")
            .header("cookie", "anteroom-main=t")
            .header("cookie", "b=2")
            .body(Full::new(body))
            .unwrap();
        let answer = soon(sender.send_request(request)).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(
            soon(answer.into_body().collect()).await.unwrap().to_bytes(),
            "ok"
        );
    }
    let seen = heads.lock().unwrap().clone();
    assert!(seen[0].starts_with("GET /x?y HTTP/1.1\r\n"), "{seen:?}");
    assert_eq!(header(&seen[0], "host"), Some("a.example"));
    assert_eq!(header(&seen[0], "cookie"), Some("a=1; b=2"));
    assert_eq!(header(&seen[0], "via"), Some("2.0 anteroom"));
    assert!(seen[1].ends_with("hello"), "{seen:?}");
}

#[tokio::test]
async fn tls_offers_http2_and_http1_and_takes_a_new_certificate_while_it_runs() {
    let (origin, heads) = Origin::recording(OK).await;
    let first = certificate(&["a.example"]);
    let second = certificate(&["a.example"]);
    let trust = [
        trusting(&first, &[b"h2"]),
        trusting(&second, &[b"http/1.1"]),
    ];
    let config = |certificate: Certificate| {
        tls::with_certificate(certificate.chain, certificate.key).unwrap()
    };
    let shared = Arc::new(ArcSwap::new(config(first)));
    let mut settings = one_worker();
    settings.listen = vec![ListenSettings {
        addr: loopback(),
        tls: Some(Arc::clone(&shared)),
    }];
    let front = Front::start(settings, origin_at(origin.addr));
    let name = ServerName::try_from("a.example").unwrap();

    let stream = TcpStream::connect(front.addr).await.unwrap();
    let stream = soon(trust[0].connect(name.clone(), stream)).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream)))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = || {
        Request::builder()
            .uri("https://a.example/x")
            .body(Empty::<Bytes>::new())
            .unwrap()
    };
    assert_eq!(
        soon(sender.send_request(request())).await.unwrap().status(),
        200
    );

    shared.store(config(second));
    let stream = TcpStream::connect(front.addr).await.unwrap();
    let stream = soon(trust[1].connect(name.clone(), stream)).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let (mut http1, connection) = soon(hyper::client::conn::http1::handshake(TokioIo::new(stream)))
        .await
        .unwrap();
    tokio::spawn(connection);
    let plain = Request::builder()
        .uri("/y")
        .header("host", "a.example")
        .body(Empty::<Bytes>::new())
        .unwrap();
    assert_eq!(soon(http1.send_request(plain)).await.unwrap().status(), 200);
    // The old connection goes on.
    assert_eq!(
        soon(sender.send_request(request())).await.unwrap().status(),
        200
    );

    let seen = heads.lock().unwrap().clone();
    assert_eq!(header(&seen[0], "x-forwarded-proto"), Some("https"));
    assert_eq!(header(&seen[1], "x-forwarded-proto"), Some("https"));
}

#[tokio::test]
async fn an_origin_behind_tls_is_reached_when_its_authority_is_trusted_and_only_then() {
    let portal = certificate(&["127.0.0.1"]);
    let stranger = certificate(&["127.0.0.1"]);
    let trusted = proxy::tls::with_authorities(portal.chain.clone()).unwrap();
    let other = proxy::tls::with_authorities(stranger.chain).unwrap();
    let mut config = Arc::unwrap_or_clone(tls::with_certificate(portal.chain, portal.key).unwrap());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let origin = Origin::start(move |connection, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(connection.0).await else {
                return;
            };
            let service = hyper::service::service_fn(|_| async {
                let body = Full::new(Bytes::from_static(b"secret"));
                Ok::<_, std::convert::Infallible>(http::Response::new(body))
            });
            let builder = hyper::server::conn::http1::Builder::new();
            builder
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        }
    })
    .await;
    let with = |config: Arc<rustls::ClientConfig>| {
        let mut settings = origin_at(origin.addr);
        settings.servers[0].tls = true;
        settings.tls = Some(OriginTls::new(&config, None));
        Front::start(one_worker(), settings)
    };
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let front = with(trusted);
    assert!(front.ask(request).await.ends_with("secret"));
    assert!(front.ask(request).await.ends_with("secret"));
    assert_eq!(origin.connections(), 1);
    assert!(with(other).ask(request).await.starts_with("HTTP/1.1 502 "));
}
