//! TLS in front: what is offered, and how certificates are taken into use.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;

use crate::seal::SessionKeys;
use crate::server::resumption::Resumption;

pub use crate::server::certificates::Certificates;

/// HTTP/2 first, for those who speak it.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The cryptography that everything here goes by.
#[must_use]
pub fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// TLS with one certificate for every name, and sessions that are resumed as long as this lives.
///
/// # Errors
///
/// Fails when the key is unusable or does not belong to the certificate.
pub fn with_certificate(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let certified = CertifiedKey::from_der(chain, key, &provider())?;
    let mut config = with_resolver(Arc::new(Certificates::new(certified)))?;
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(Arc::new(config))
}

/// TLS with certificates chosen by name, and sessions that are resumed wherever these keys are known.
///
/// # Errors
///
/// Never with the cryptography we are built with: when it had none of TLS 1.2 and 1.3.
pub fn with_certificates(
    certificates: Certificates,
    sessions: SessionKeys,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = with_resolver(Arc::new(certificates))?;
    config.ticketer = Arc::new(Resumption(sessions));
    Ok(Arc::new(config))
}

fn with_resolver(resolver: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
    // Early data stays off: it can be replayed.
    config.max_early_data_size = 0;
    Ok(config)
}
