//! How an origin is spoken to, from the file to the wire: TLS with a certificate of ours, HTTP/2, the PROXY protocol.

use std::convert::Infallible;
use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::ServerConnection;
use rustls::StreamOwned;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;

use crate::stage::SOON;
use crate::stage::Toml;
use crate::stage::replace;
use crate::support::anteroom::Anteroom;
use crate::support::http as client;
use crate::support::wait_for;

/// A certificate that signs itself, and its key.
struct Identity {
    certificate: CertificateDer<'static>,
    pem: String,
    key: rcgen::KeyPair,
}

fn identity(name: &str) -> Identity {
    let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Identity {
        certificate: certificate.der().clone(),
        pem: certificate.pem(),
        key,
    }
}

fn write(folder: &Path, name: &str, text: &str, mode: u32) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

fn show(folder: &Path, own: &Identity, mode: u32) {
    write(folder, "own.pem", &own.pem, 0o644);
    write(folder, "own.key", &own.key.serialize_pem(), mode);
}

/// An origin that demands one of these certificates and answers with the number of the one it was shown.
fn demanding(portal: &Identity, demanded: &[&Identity]) -> SocketAddr {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let known: Vec<_> = demanded.iter().map(|own| own.certificate.clone()).collect();
    let mut roots = RootCertStore::empty();
    for certificate in &known {
        roots.add(certificate.clone()).unwrap();
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let key = PrivateKeyDer::try_from(portal.key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![portal.certificate.clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // Whom it does not know it does not serve.
            drop(serve(stream.unwrap(), &config, &known));
        }
    });
    addr
}

fn serve(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
    known: &[CertificateDer<'_>],
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SOON))?;
    let tls = ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(tls, stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let shown = stream.conn.peer_certificates().unwrap_or_default();
    let number = known
        .iter()
        .position(|known| shown.first() == Some(known))
        .unwrap();
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n{number}");
    stream.write_all(answer.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn open(anteroom: &Anteroom) -> client::Reply {
    client::get(anteroom.addr(), "/open", &[]).unwrap()
}

#[test]
fn a_reload_shows_the_origin_renewed_certificates_and_trusts_what_is_named_now() {
    let portal = identity("127.0.0.1");
    let [old, new, stranger] = ["old", "new", "stranger"].map(identity);
    let addr = demanding(&portal, &[&old, &new]);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "ca.pem", &portal.pem, 0o644);
    show(folder.path(), &old, 0o600);
    let dir = folder.path().display();
    let origin = format!(
        "ca_file = \"{dir}/ca.pem\"\ncert_file = \"{dir}/own.pem\"\nkey_file = \"{dir}/own.key\""
    );
    let toml = Toml {
        origin: &origin,
        ..Toml::default()
    };
    let anteroom = Anteroom::start(|place| toml.text(place, addr).replace("http://", "https://"));
    assert_eq!(open(&anteroom).text(), "0");

    // The file that names them has not changed.
    show(folder.path(), &new, 0o600);
    anteroom.signal("HUP");
    wait_for("the renewed certificate is shown", SOON, || {
        (open(&anteroom).text() == "1").then_some(())
    });

    // A key that others can read changes nothing, and is told.
    show(folder.path(), &old, 0o644);
    anteroom.signal("HUP");
    wait_for("the reload is refused", SOON, || {
        anteroom.log_all().contains("chmod 600").then_some(())
    });
    assert_eq!(open(&anteroom).text(), "1");

    show(folder.path(), &new, 0o600);
    write(folder.path(), "ca.pem", &stranger.pem, 0o644);
    anteroom.signal("HUP");
    wait_for("the origin is trusted no more", SOON, || {
        (open(&anteroom).status == 502).then_some(())
    });
    let log = anteroom.log_all();
    let said = log.lines().find(|line| line.contains("at the origin"));
    let said = said.unwrap();
    assert!(
        said.contains("invalid peer certificate: UnknownIssuer"),
        "{said}"
    );
}

/// An origin that speaks what it is spoken to in, and says what that was, and which host it was asked for.
fn speaking() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper::service::service_fn(
                    |request: http::Request<hyper::body::Incoming>| async move {
                        let named = request.headers().get("host");
                        let host = match request.uri().authority() {
                            Some(authority) => authority.to_string(),
                            None => named.unwrap().to_str().unwrap().to_owned(),
                        };
                        let text = format!("{:?} {host}", request.version());
                        let body = Full::new(Bytes::from(text));
                        Ok::<_, Infallible>(http::Response::new(body))
                    },
                );
                tokio::spawn(async move {
                    let builder =
                        hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let serving = builder.serve_connection(TokioIo::new(stream), service);
                    // It ends when anteroom does.
                    drop(serving.await);
                });
            }
        });
    });
    addr
}

#[test]
fn the_protocol_and_the_host_an_origin_gets_are_as_the_file_says_now() {
    let addr = speaking();
    let toml = |origin| Toml {
        origin,
        ..Toml::default()
    };
    let both = toml("http2 = true\nhost = \"portal.internal\"");
    let anteroom = Anteroom::start(|place| both.text(place, addr));
    assert_eq!(open(&anteroom).text(), "HTTP/2.0 portal.internal");
    for (origin, said) in [
        ("host = \"portal.internal\"", "HTTP/1.1 portal.internal"),
        ("pass_host = false", &format!("HTTP/1.1 {addr}")),
        ("http2 = true", &format!("HTTP/2.0 {}", anteroom.addr())),
    ] {
        let text = toml(origin).text(anteroom.place(), addr);
        replace(&anteroom, &text);
        anteroom.signal("HUP");
        wait_for(said, SOON, || {
            (open(&anteroom).text() == said).then_some(())
        });
    }
}

#[test]
fn an_origin_that_expects_it_gets_the_proxy_header_first() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let origin = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut bytes = [0; 31];
        stream.read_exact(&mut bytes).unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(answer).unwrap();
        bytes
    });
    let toml = Toml {
        origin: "proxy_protocol = true",
        ..Toml::default()
    };
    let anteroom = Anteroom::start(|place| toml.text(place, addr));
    assert_eq!(open(&anteroom).status, 200);
    let bytes = origin.join().unwrap();
    assert_eq!(&bytes[..16], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
    assert_eq!(&bytes[28..], b"GET");
}
