//! TLS to the origin: which name and which certificate, ours and its own, and the protocol that is chosen.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::Mutex;

use anteroom::proxy;
use anteroom::proxy::OriginErrorKind;
use anteroom::proxy::OriginSettings;
use anteroom::proxy::OriginTls;
use bytes::Bytes;
use http::Response;
use http::Version;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::HandshakeKind;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::ServerName;
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::support::Front;
use crate::support::Origin;
use crate::support::one_worker;
use crate::support::origin_at;
use crate::support::until;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A certificate that signs itself, and its key.
struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn identity(name: &str) -> Identity {
    let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    signed(&params)
}

fn signed(params: &rcgen::CertificateParams) -> Identity {
    let key = rcgen::KeyPair::generate().unwrap();
    Identity {
        certificate: params.self_signed(&key).unwrap().der().clone(),
        key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    }
}

fn trusting(identity: &Identity) -> ClientConfig {
    let trusted = proxy::tls::with_authorities([identity.certificate.clone()]).unwrap();
    ClientConfig::clone(&trusted)
}

fn identified(portal: &Identity, own: &Identity) -> ClientConfig {
    let mut config = trusting(portal);
    let chain = vec![own.certificate.clone()];
    proxy::tls::identify(&mut config, chain, own.key.clone_key()).unwrap();
    config
}

/// A server's side of TLS: what it speaks, and whose certificates it demands.
fn server(
    portal: &Identity,
    versions: &[&'static rustls::SupportedProtocolVersion],
    alpn: &[&str],
    demanded: &[&Identity],
) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .unwrap();
    let builder = if demanded.is_empty() {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for identity in demanded {
            roots.add(identity.certificate.clone()).unwrap();
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    };
    let chain = vec![portal.certificate.clone()];
    let mut config = builder
        .with_single_cert(chain, portal.key.clone_key())
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// What an origin saw of one connection.
#[derive(Debug, Clone, PartialEq)]
struct Met {
    name: Option<String>,
    certificate: Option<CertificateDer<'static>>,
    resumed: bool,
    http2: bool,
}

impl Met {
    fn on(stream: &TlsStream<TcpStream>) -> Self {
        let tls = stream.get_ref().1;
        let certificates = tls.peer_certificates();
        Self {
            name: tls.server_name().map(str::to_owned),
            certificate: certificates.and_then(|chain| chain.first().cloned()),
            resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
            http2: tls.alpn_protocol() == Some(b"h2"),
        }
    }
}

/// Answers with the version it was asked in; an upgrade is agreed to, and nothing comes of it.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (text, status) = match request.version() {
        _ if request.headers().contains_key("upgrade") => ("", 101),
        Version::HTTP_2 => ("in two", 200),
        _ => ("in one", 200),
    };
    let mut answer = Response::builder().status(status);
    if status == 101 {
        answer = answer
            .header("connection", "upgrade")
            .header("upgrade", "websocket");
    } else if request.uri().path() == "/close" {
        answer = answer.header("connection", "close");
    }
    Ok(answer.body(Full::new(Bytes::from(text))).unwrap())
}

/// An origin behind this side of TLS, and what it saw.
async fn origin(config: ServerConfig) -> (Origin, Arc<Mutex<Vec<Met>>>) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let met = Arc::<Mutex<Vec<Met>>>::default();
    let meeting = Arc::clone(&met);
    let origin = Origin::start(move |connection, _| {
        let (acceptor, meeting) = (acceptor.clone(), Arc::clone(&meeting));
        async move {
            let Ok(stream) = acceptor.accept(connection.0).await else {
                return;
            };
            let seen = Met::on(&stream);
            let is_http2 = seen.http2;
            meeting.lock().unwrap().push(seen);
            let service = hyper::service::service_fn(answer);
            let stream = TokioIo::new(stream);
            if is_http2 {
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                builder.serve_connection(stream, service).await.ok();
            } else {
                let builder = hyper::server::conn::http1::Builder::new();
                let serving = builder.serve_connection(stream, service).with_upgrades();
                serving.await.ok();
            }
        }
    });
    (origin.await, met)
}

fn settings(origin: &Origin, tls: Arc<OriginTls>) -> OriginSettings {
    let mut settings = origin_at(origin.addr);
    settings.servers[0].tls = true;
    settings.tls = Some(tls);
    settings
}

fn front(origin: &Origin, config: &ClientConfig) -> Front {
    let tls = OriginTls::new(config, None);
    Front::start(one_worker(), settings(origin, tls))
}

const BOTH: &[&rustls::SupportedProtocolVersion] = rustls::ALL_VERSIONS;

#[tokio::test]
async fn an_origin_that_demands_a_certificate_is_shown_ours_and_a_renewed_one_from_then_on() {
    let portal = identity("127.0.0.1");
    let [old, new] = ["old.example", "new.example"].map(identity);
    let (origin, met) = origin(server(&portal, BOTH, &[], &[&old, &new])).await;
    let tls = OriginTls::new(&identified(&portal, &old), None);
    let front = Front::start(one_worker(), settings(&origin, Arc::clone(&tls)));
    let close = "GET /close HTTP/1.1\r\nHost: a\r\n\r\n";
    assert!(front.ask(GET).await.ends_with("in one"));
    tls.follow(&OriginTls::new(&identified(&portal, &new), None));
    // The connection that is open goes on.
    assert!(front.ask(close).await.ends_with("in one"));
    assert_eq!(met.lock().unwrap().len(), 1);
    assert!(front.ask(GET).await.ends_with("in one"));
    let shown: Vec<_> = met.lock().unwrap().clone();
    let shown: Vec<_> = shown.into_iter().map(|met| met.certificate).collect();
    assert_eq!(shown, [Some(old.certificate), Some(new.certificate)]);
}

#[tokio::test]
async fn an_origin_that_demands_a_certificate_and_gets_none_is_an_error_that_says_so() {
    let portal = identity("127.0.0.1");
    let stranger = identity("stranger.example");
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let (origin, _) = origin(server(&portal, versions, &[], &[&stranger])).await;
        let front = front(&origin, &trusting(&portal));
        assert!(front.ask(GET).await.starts_with("HTTP/1.1 502 "));
        let causes = front.seen.lock().unwrap().causes.clone();
        assert!(
            causes[0].contains("CertificateRequired") || causes[0].contains("HandshakeFailure"),
            "{causes:?}"
        );
    }
}

#[tokio::test]
async fn the_name_given_is_asked_for_and_verified_instead_of_the_address() {
    let portal = identity("portal.internal");
    let (origin, met) = origin(server(&portal, BOTH, &[], &[])).await;
    let name = ServerName::try_from("portal.internal").unwrap();
    let tls = OriginTls::new(&trusting(&portal), Some(name));
    let named = Front::start(one_worker(), settings(&origin, tls));
    assert!(named.ask(GET).await.ends_with("in one"));
    let seen = met.lock().unwrap()[0].name.clone();
    assert_eq!(seen.as_deref(), Some("portal.internal"));

    let unnamed = front(&origin, &trusting(&portal));
    assert!(unnamed.ask(GET).await.starts_with("HTTP/1.1 502 "));
    assert_eq!(unnamed.errors(), [(OriginErrorKind::Connect, false)]);
    let causes = unnamed.seen.lock().unwrap().causes.clone();
    assert!(causes[0].contains("not valid for name"), "{causes:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said() {
    let [portal, stranger] = ["127.0.0.1", "stranger.example"].map(identity);
    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    let expired = signed(&params);
    for (shown, trusted, said) in [
        (&portal, &stranger, "UnknownIssuer"),
        (&expired, &expired, "expired"),
    ] {
        let (origin, _) = origin(server(shown, BOTH, &[], &[])).await;
        let front = front(&origin, &trusting(trusted));
        assert!(front.ask(GET).await.starts_with("HTTP/1.1 502 "));
        let causes = front.seen.lock().unwrap().causes.clone();
        assert!(causes[0].contains(said), "{causes:?}");
    }
}

#[tokio::test]
async fn sessions_are_resumed_in_both_versions() {
    let portal = identity("127.0.0.1");
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let (origin, met) = origin(server(&portal, versions, &[], &[])).await;
        let front = front(&origin, &trusting(&portal));
        let close = "GET /close HTTP/1.1\r\nHost: a\r\n\r\n";
        for _ in 0..3 {
            assert!(front.ask(close).await.ends_with("in one"));
        }
        let resumed: Vec<_> = met.lock().unwrap().iter().map(|met| met.resumed).collect();
        assert_eq!(resumed, [false, true, true]);
    }
}

#[tokio::test]
async fn the_origin_chooses_between_both_protocols_where_http2_is_wanted() {
    let portal = identity("127.0.0.1");
    for (alpn, said) in [
        (&["h2", "http/1.1"][..], "in two"),
        (&["http/1.1", "h2"], "in one"),
        (&["http/1.1"], "in one"),
        (&[], "in one"),
        (&["h2"], "in two"),
    ] {
        let (origin, _) = origin(server(&portal, BOTH, alpn, &[])).await;
        let tls = OriginTls::new(&trusting(&portal), None);
        let mut settings = settings(&origin, tls);
        settings.http2 = true;
        let front = Front::start(one_worker(), settings);
        for _ in 0..3 {
            let answer = front.ask(GET).await;
            assert!(answer.ends_with(said), "{alpn:?}: {answer}");
        }
        assert_eq!(origin.connections(), 1, "{alpn:?}");
    }
}

#[tokio::test]
async fn an_upgrade_has_a_connection_of_its_own_in_http1() {
    let portal = identity("127.0.0.1");
    let (origin, met) = origin(server(&portal, BOTH, &["h2", "http/1.1"], &[])).await;
    let tls = OriginTls::new(&trusting(&portal), None);
    let mut settings = settings(&origin, tls);
    settings.http2 = true;
    let front = Front::start(one_worker(), settings);
    assert!(front.ask(GET).await.ends_with("in two"));
    let answer = front
        .ask("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(front.ask(GET).await.ends_with("in two"));
    until(|| met.lock().unwrap().len() == 2).await;
    let http2: Vec<_> = met.lock().unwrap().iter().map(|met| met.http2).collect();
    assert_eq!(http2, [true, false]);
}

#[tokio::test]
async fn an_upgrade_that_no_server_offers_is_refused_and_no_server_pays_for_it() {
    let portal = identity("127.0.0.1");
    let (one, _) = origin(server(&portal, BOTH, &["h2"], &[])).await;
    let (other, _) = origin(server(&portal, BOTH, &["h2"], &[])).await;
    let tls = OriginTls::new(&trusting(&portal), None);
    let mut settings = settings(&one, Arc::clone(&tls));
    let more = self::settings(&other, tls).servers;
    settings.servers.extend(more);
    settings.http2 = true;
    let front = Front::start(one_worker(), settings);
    for count in 1..=4 {
        let answer = front
            .ask("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await;
        assert!(answer.contains("upgrades are not offered"), "{answer}");
        // Nobody else was asked for it, and who was asked is asked again.
        assert_eq!(one.connections() + other.connections(), count);
    }
    let refused = (OriginErrorKind::Upgrade, false);
    assert_eq!(front.errors(), [refused; 4]);
    assert!(front.ask(GET).await.ends_with("in two"));
}
