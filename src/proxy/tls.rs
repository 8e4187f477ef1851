//! TLS to the origin: whom we trust and who we say we are, decided once and shared by all workers.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::sign::SingleCertAndKey;
use rustls_platform_verifier::BuilderVerifierExt;

use crate::config::certificate::Print;

/// HTTP/1.1 and HTTP/2 as TLS calls them (RFC 7301 §6, RFC 9113 §3.2).
const HTTP11: &[u8] = b"http/1.1";
pub(super) const H2: &[u8] = b"h2";

/// TLS to one origin: shared by all workers, and replaced by a reload. Connections that are open stay what they are.
pub struct OriginTls {
    configs: ArcSwap<Configs>,
    server_name: Option<ServerName<'static>>,
}

/// The same with one protocol on offer, and with both; they resume each other's sessions.
struct Configs {
    /// Of the files it was made from, where it was.
    print: Option<Print>,
    http1: Arc<ClientConfig>,
    either: Arc<ClientConfig>,
}

impl OriginTls {
    /// TLS like this; the server's certificate must be for `server_name`, which is also what it is asked for (RFC 6066
    /// §3), or else for the host of its address.
    #[must_use]
    pub fn new(config: &ClientConfig, server_name: Option<ServerName<'static>>) -> Arc<Self> {
        Self::of_files(config, server_name, None)
    }

    /// The same, made from files of which this is the print.
    #[must_use]
    pub fn of_files(
        config: &ClientConfig,
        server_name: Option<ServerName<'static>>,
        print: Option<Print>,
    ) -> Arc<Self> {
        let configs = ArcSwap::from_pointee(Configs::of(config, print));
        Arc::new(Self {
            configs,
            server_name,
        })
    }

    /// From now on as `other` is, but for the name; whether that was made from other files.
    pub fn follow(&self, other: &Self) -> bool {
        let other = other.configs.load_full();
        let print = other.print;
        self.configs.swap(other).print != print
    }

    /// Whether it expects servers of the same name.
    #[must_use]
    pub fn has_name_of(&self, other: &Self) -> bool {
        self.server_name == other.server_name
    }

    pub(super) fn config(&self, with_http2: bool) -> Arc<ClientConfig> {
        let configs = self.configs.load();
        Arc::clone(if with_http2 {
            &configs.either
        } else {
            &configs.http1
        })
    }

    pub(super) fn server_name(&self) -> Option<&ServerName<'static>> {
        self.server_name.as_ref()
    }
}

impl Configs {
    fn of(config: &ClientConfig, print: Option<Print>) -> Self {
        let offering = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Arc::new(config)
        };
        Self {
            print,
            http1: offering(&[HTTP11]),
            either: offering(&[H2, HTTP11]),
        }
    }
}

impl fmt::Debug for OriginTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OriginTls")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// Has us show this certificate where the other side asks for one.
///
/// # Errors
///
/// Fails when the key is unusable or does not belong to the certificate.
pub fn identify(
    config: &mut ClientConfig,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<(), rustls::Error> {
    let certified = CertifiedKey::from_der(chain, key, config.crypto_provider())?;
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    Ok(())
}

/// TLS that trusts whom this machine trusts.
///
/// # Errors
///
/// Fails when the platform's trusted certificates cannot be loaded.
pub fn platform() -> Result<Arc<ClientConfig>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?;
    Ok(finish(builder.with_no_client_auth()))
}

/// TLS that trusts these authorities and nobody else.
///
/// # Errors
///
/// Fails when one of them is not a certificate, or there is none.
pub fn with_authorities(
    authorities: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority)?;
    }
    if roots.is_empty() {
        return Err(rustls::Error::General("no authority given".to_owned()));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(finish(builder.with_no_client_auth()))
}

fn finish(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![HTTP11.to_vec()];
    Arc::new(config)
}
