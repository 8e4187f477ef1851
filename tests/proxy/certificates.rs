//! Certificates by the host a client names, and sessions that are resumed wherever their keys are known.

use std::sync::Arc;

use anteroom::seal::KeyId;
use anteroom::seal::KeyRing;
use anteroom::seal::SecretKey;
use anteroom::server::ListenSettings;
use anteroom::server::ServerSettings;
use anteroom::server::tls;
use anteroom::server::tls::Certificates;
use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls::HandshakeKind;
use rustls::SupportedProtocolVersion;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use rustls::sign::CertifiedKey;
use rustls::version::TLS12;
use rustls::version::TLS13;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::Front;
use crate::support::loopback;
use crate::support::one_worker;
use crate::support::origin_at;
use crate::support::soon;

/// Takes whatever certificate it is shown: these tests look at which one it is. Keeps the answer stapled to it.
#[derive(Debug, Default)]
struct Anything(std::sync::Mutex<Vec<u8>>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap() = ocsp.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        let provider = tls::provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A client that keeps its sessions, and what it was last shown.
struct Client {
    config: Arc<ClientConfig>,
    shown: Arc<Anything>,
}

/// What became of a handshake.
struct Met {
    leaf: CertificateDer<'static>,
    kind: HandshakeKind,
}

impl Client {
    fn new(version: &'static SupportedProtocolVersion, sends_host: bool) -> Self {
        let shown = Arc::<Anything>::default();
        let mut config = ClientConfig::builder_with_provider(Arc::new(tls::provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&shown) as _)
            .with_no_client_auth();
        config.enable_sni = sends_host;
        Self {
            config: Arc::new(config),
            shown,
        }
    }

    /// A handshake, and a request so that what follows the handshake has come in as well.
    async fn meets(&self, front: &Front, host: &str) -> Met {
        let stream = soon(TcpStream::connect(front.addr)).await.unwrap();
        let host = ServerName::try_from(host.to_owned()).unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.config));
        let mut stream = soon(connector.connect(host, stream)).await.unwrap();
        let request = b"GET /at-once HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        soon(stream.write_all(request)).await.unwrap();
        let mut answer = String::new();
        soon(stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.ends_with("at once"), "{answer}");
        let session = stream.get_ref().1;
        Met {
            leaf: session.peer_certificates().unwrap()[0].clone(),
            kind: session.handshake_kind().unwrap(),
        }
    }
}

fn certified(names: &[&str], algorithm: &'static rcgen::SignatureAlgorithm) -> CertifiedKey {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let certificate = rcgen::CertificateParams::new(names)
        .unwrap()
        .self_signed(&key);
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let chain = vec![certificate.unwrap().der().clone()];
    CertifiedKey::from_der(chain, key, &tls::provider()).unwrap()
}

fn ecdsa(names: &[&str]) -> CertifiedKey {
    certified(names, &rcgen::PKCS_ECDSA_P256_SHA256)
}

fn ring(ids: &[u8]) -> KeyRing {
    let key = |id: &u8| SecretKey::new(KeyId(u32::from(*id)), [*id; 32]);
    let keys: Vec<_> = ids.iter().map(key).collect();
    KeyRing::try_new(&keys).unwrap()
}

/// A replica with these certificates and the keys with these ids.
fn replica(certificates: Certificates, ids: &[u8]) -> Front {
    let tls = tls::with_certificates(certificates, ring(ids).sessions()).unwrap();
    let settings = ServerSettings {
        listen: vec![ListenSettings {
            addr: loopback(),
            tls: Some(Arc::new(ArcSwap::new(tls))),
            redirects: false,
        }],
        ..one_worker()
    };
    Front::start(settings, origin_at(loopback()))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_of_the_host_it_names_else_the_default() {
    let default = ecdsa(&["a.example"]);
    let (exact, starred) = (ecdsa(&["x.b.example"]), ecdsa(&["*.b.example"]));
    let leaves = [&default, &exact, &starred].map(|one| one.cert[0].clone());
    let certificates = Certificates::new(default)
        .default_named(&names(&["a.example"]))
        .and(starred, &names(&["*.b.example"]))
        .and(exact, &names(&["x.b.example"]));
    let front = replica(certificates, &[1]);
    for version in [&TLS12, &TLS13] {
        let client = Client::new(version, true);
        for (host, leaf) in [
            ("a.example", 0),
            ("x.b.example", 1),
            ("X.B.Example", 1),
            ("y.b.example", 2),
            ("b.example", 0),
            ("z.y.b.example", 0),
            ("c.example", 0),
            ("127.0.0.1", 0),
        ] {
            assert_eq!(
                client.meets(&front, host).await.leaf,
                leaves[leaf],
                "{host}"
            );
        }
        let silent = Client::new(version, false);
        assert_eq!(silent.meets(&front, "x.b.example").await.leaf, leaves[0]);
    }
}

#[tokio::test]
async fn of_two_certificates_for_a_host_a_client_is_shown_one_it_can_check() {
    let default = ecdsa(&["a.example"]);
    let one = certified(&["b.example"], &rcgen::PKCS_ED25519);
    let other = ecdsa(&["b.example"]);
    let leaves = [&one, &other].map(|one| one.cert[0].clone());
    let certificates = Certificates::new(default)
        .and(one, &names(&["b.example"]))
        .and(other, &names(&["b.example"]));
    let front = replica(certificates, &[1]);
    let client = Client::new(&TLS13, true);
    assert_eq!(client.meets(&front, "b.example").await.leaf, leaves[0]);

    let mut provider = tls::provider();
    let schemes = provider.signature_verification_algorithms.mapping;
    let without = schemes.iter().copied();
    let without = without.filter(|(scheme, _)| *scheme != rustls::SignatureScheme::ED25519);
    let without: Vec<_> = without.collect();
    provider.signature_verification_algorithms.mapping = Box::leak(without.into_boxed_slice());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(leaves[1].clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let old = Client {
        config: Arc::new(config),
        shown: Arc::default(),
    };
    assert_eq!(old.meets(&front, "b.example").await.leaf, leaves[1]);
}

#[tokio::test]
async fn what_an_authority_says_of_a_certificate_is_shown_with_it() {
    let mut default = ecdsa(&["a.example"]);
    default.ocsp = Some(b"\x30\x00".to_vec());
    let front = replica(Certificates::new(default), &[1]);
    for version in [&TLS12, &TLS13] {
        let client = Client::new(version, true);
        client.meets(&front, "a.example").await;
        assert_eq!(*client.shown.0.lock().unwrap(), b"\x30\x00");
    }
}

#[tokio::test]
async fn a_session_is_resumed_at_every_replica_that_knows_its_key_and_at_no_other() {
    let certificates = || Certificates::new(ecdsa(&["a.example"]));
    for version in [&TLS12, &TLS13] {
        let begin = async |ids: &[u8]| {
            let client = Client::new(version, true);
            let first = replica(certificates(), ids);
            let met = client.meets(&first, "a.example").await;
            assert_eq!(met.kind, HandshakeKind::Full);
            client
        };
        for (at, then, kind) in [
            (&[1][..], &[1][..], HandshakeKind::Resumed),
            // Rotated, and not yet everywhere.
            (&[1], &[1, 2], HandshakeKind::Resumed),
            (&[1, 2], &[1, 2], HandshakeKind::Resumed),
            (&[1, 2], &[2], HandshakeKind::Resumed),
            (&[1, 2], &[1], HandshakeKind::Full),
            // Pruned.
            (&[1], &[2], HandshakeKind::Full),
        ] {
            let client = begin(at).await;
            let other = replica(certificates(), then);
            let met = client.meets(&other, "a.example").await;
            assert_eq!(met.kind, kind, "{version:?} {at:?} {then:?}");
        }
    }
}
