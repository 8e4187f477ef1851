//! TLS as visitors meet it: certificates and keys change while they come and go, and nobody notices.

use std::cell::Cell;
use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;

use ::anteroom::seal;
use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::HandshakeKind;
use rustls::StreamOwned;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;

use crate::stage::MANY;
use crate::stage::Over;
use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::support::anteroom::Anteroom;
use crate::support::free_addr;
use crate::support::origin::Answer;
use crate::support::origin::Origin;
use crate::support::wait_for;

const HOST: &str = "a.example";

const TLS: Toml<'_> = Toml {
    rate: MANY,
    room: "",
    server: "[server.tls]\ncert = \"tls.pem\"\nkey = \"tls.key\"",
    origin: "",
    more: "",
};

/// An authority, and certificates of it.
struct Authority(rcgen::CertifiedIssuer<'static, rcgen::KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        Self(rcgen::CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Puts a new certificate in the place of the one there.
    fn issue(&self, folder: &Path) -> CertificateDer<'static> {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        for (name, text) in [
            ("tls.key", key.serialize_pem()),
            ("tls.pem", certificate.pem()),
        ] {
            fs::write(folder.join("new"), text).unwrap();
            fs::rename(folder.join("new"), folder.join(name)).unwrap();
        }
        certificate.der().clone()
    }

    /// A client that trusts it, and remembers its sessions if it is to.
    fn client(&self, remembers: bool) -> Arc<ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        if !remembers {
            config.resumption = rustls::client::Resumption::disabled();
        }
        Arc::new(config)
    }
}

/// A stage whose front speaks TLS, with a certificate of this authority.
fn stage(authority: &Authority) -> Stage {
    let origin = Origin::start();
    let portal = origin.addr();
    let anteroom = Anteroom::start(|place| {
        authority.issue(&place.dir);
        TLS.text(place, portal)
    });
    Stage { anteroom, origin }
}

/// A connection, once its handshake is through.
struct Line(StreamOwned<ClientConnection, TcpStream>);

impl Line {
    fn connect(stage: &Stage, client: &Arc<ClientConfig>) -> io::Result<Self> {
        let stream = TcpStream::connect(stage.addr())?;
        stream.set_read_timeout(Some(SOON))?;
        let host = ServerName::try_from(HOST).unwrap();
        let session = ClientConnection::new(Arc::clone(client), host).map_err(io::Error::other)?;
        let mut line = Self(StreamOwned::new(session, stream));
        line.0.conn.complete_io(&mut line.0.sock)?;
        Ok(line)
    }

    /// Asks how the room stands; fails when the answer is not 200 and whole.
    fn ask(&mut self) -> io::Result<()> {
        self.head_of("/.anteroom/main/public").map(drop)
    }

    /// Asks for something, and reads the answer; its head in lower case. Fails when it is not 200 and whole.
    fn head_of(&mut self, path: &str) -> io::Result<String> {
        write!(self.0, "GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n")?;
        self.0.flush()?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.and_then(|text| text.parse().ok());
        let mut body = vec![0; length.ok_or_else(|| io::Error::other(head.clone()))?];
        self.0.read_exact(&mut body)?;
        let is_good = head.starts_with("http/1.1 200 ");
        if is_good {
            Ok(head)
        } else {
            Err(io::Error::other(head))
        }
    }

    fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.0.conn.peer_certificates()?.first()
    }
}

/// How a handshake went, with a request after it.
fn meets(stage: &Stage, client: &Arc<ClientConfig>) -> HandshakeKind {
    let mut line = Line::connect(stage, client).unwrap();
    line.ask().unwrap();
    line.0.conn.handshake_kind().unwrap()
}

#[test]
fn certificates_change_under_load_and_no_handshake_or_request_fails() {
    let authority = Authority::new();
    let stage = stage(&authority);
    let folder = &stage.anteroom.place().dir;
    let (over, met) = (AtomicBool::new(false), AtomicU64::new(0));
    let plain = authority.client(false);
    thread::scope(|scope| {
        let ending = Over(&over);
        let mut comers = Vec::new();
        for at in 0..6 {
            let client = authority.client(at % 2 == 0);
            let (stage, over, met) = (&stage, &over, &met);
            comers.push(scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    Line::connect(stage, &client)?.ask()?;
                    met.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, io::Error>(())
            }));
        }
        let mut kept = Line::connect(&stage, &plain).unwrap();
        let first = kept.leaf().cloned();
        for _ in 0..8 {
            let before = met.load(Ordering::Relaxed);
            let renewed = authority.issue(folder);
            stage.anteroom.signal("HUP");
            wait_for("the new certificate is shown", SOON, || {
                let line = Line::connect(&stage, &plain).unwrap();
                (line.leaf() == Some(&renewed)).then_some(())
            });
            wait_for("others have come since", SOON, || {
                (met.load(Ordering::Relaxed) > before + 6).then_some(())
            });
            kept.ask().unwrap();
        }
        assert_eq!(kept.leaf().cloned(), first);
        let log = stage.anteroom.log_all();
        assert!(log.contains("server.tls: a certificate until "), "{log}");
        assert!(!log.contains("nothing has changed"), "{log}");
        drop(ending);
        for comer in comers {
            comer.join().unwrap().unwrap();
        }
    });
}

#[test]
fn a_session_outlives_reloads_rotations_and_restarts_but_not_its_key() {
    let authority = Authority::new();
    let mut stage = stage(&authority);
    let keys = stage.anteroom.place().dir.join("ticket.keys");
    let applied = |stage: &Stage| {
        let before = stage.anteroom.metric("anteroom_config_revision").unwrap();
        stage.anteroom.signal("HUP");
        wait_for("the keys are in use", SOON, || {
            let now = stage.anteroom.metric("anteroom_config_revision")?;
            (now > before).then_some(())
        });
    };
    let begun = authority.client(true);
    assert_eq!(meets(&stage, &begun), HandshakeKind::Full);
    assert_eq!(meets(&stage, &begun), HandshakeKind::Resumed);

    seal::rotate(&keys, 1).unwrap();
    authority.issue(&stage.anteroom.place().dir);
    applied(&stage);
    assert_eq!(meets(&stage, &begun), HandshakeKind::Resumed);
    let newer = authority.client(true);
    assert_eq!(meets(&stage, &newer), HandshakeKind::Full);

    stage.anteroom.restart();
    assert_eq!(meets(&stage, &newer), HandshakeKind::Resumed);

    seal::rotate(&keys, 2).unwrap();
    seal::prune(&keys, 1).unwrap();
    applied(&stage);
    assert_eq!(meets(&stage, &newer), HandshakeKind::Full);
    assert_eq!(meets(&stage, &newer), HandshakeKind::Resumed);
    let ends = "anteroom_certificate_ends_timestamp_seconds{certificate=\"default\"}";
    assert!(stage.anteroom.metric(ends).unwrap() > 4e9);
}

/// A request to the address for cleartext; the answer's head.
fn cleartext(addr: SocketAddr, line: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(
        stream,
        "{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The configuration with TLS told to browsers, at this address for cleartext.
fn told(redirect: SocketAddr, hosts: &str, hsts: &str) -> String {
    format!(
        "[server.tls]\ncert = \"tls.pem\"\nkey = \"tls.key\"\n{hsts}\n\
         [server.redirect]\nlisten = \"{redirect}\"\nhosts = {hosts}"
    )
}

#[test]
fn browsers_are_told_to_come_over_tls_and_only_to_hosts_on_the_list() {
    let authority = Authority::new();
    let page = || Answer::page("the portal").with("strict-transport-security", "max-age=7");
    let origin = Origin::answering(move |_| page());
    let (portal, redirect) = (origin.addr(), Cell::new(free_addr()));
    let server = |hosts, hsts| told(redirect.get(), hosts, hsts);
    let anteroom = Anteroom::start(|place| {
        authority.issue(&place.dir);
        redirect.set(free_addr());
        let server = &server(
            r#"["a.example"]"#,
            "hsts = \"365d\"\nhsts_subdomains = true",
        );
        let toml = Toml { server, ..TLS };
        toml.text(place, portal)
    });
    let stage = Stage { anteroom, origin };
    for line in ["GET /x?y=z", "POST /x?y=z", "HEAD /x?y=z"] {
        let answer = cleartext(redirect.get(), line, "A.example:80").to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 308 "), "{answer}");
        assert!(
            answer.contains("location: https://a.example/x?y=z\r\n"),
            "{answer}"
        );
        assert!(!answer.contains("strict-transport-security"), "{answer}");
    }
    for path in [
        "/x",
        "/booking/",
        "/.anteroom/main/public",
        "/.anteroom/main/status",
    ] {
        let answer = cleartext(redirect.get(), &format!("GET {path}"), "evil.example");
        assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
        assert!(
            !answer.to_ascii_lowercase().contains("location:"),
            "{answer}"
        );
    }
    assert_eq!(stage.origin.count(), 0);

    let client = authority.client(false);
    let mut line = Line::connect(&stage, &client).unwrap();
    for path in ["/x", "/.anteroom/main/public"] {
        let head = line.head_of(path).unwrap();
        let told: Vec<_> = head
            .lines()
            .filter(|line| line.starts_with("strict-"))
            .collect();
        let expected = "strict-transport-security: max-age=31536000; includesubdomains";
        assert_eq!(told, [expected], "{path}");
    }

    // Hosts and times change with a reload, on connections that are open as well.
    let server = &server(r#"["b.example:8443"]"#, "hsts = \"0s\"");
    stage.rewrite(&Toml { server, ..TLS });
    stage.anteroom.signal("HUP");
    wait_for("the new list is in force", SOON, || {
        let answer = cleartext(redirect.get(), "GET /", "b.example");
        answer.contains("https://b.example:8443/").then_some(())
    });
    assert!(cleartext(redirect.get(), "GET /", "a.example").starts_with("HTTP/1.1 421 "));
    let head = line.head_of("/x").unwrap();
    assert!(
        head.contains("strict-transport-security: max-age=0\r\n"),
        "{head}"
    );
    let counted = "anteroom_requests_total{decision=\"redirect\",room=\"\"}";
    wait_for("redirects are counted", SOON, || {
        (stage.anteroom.metric(counted)? >= 4.0).then_some(())
    });
}
