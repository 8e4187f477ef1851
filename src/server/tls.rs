//! TLS in front: what is offered, and how a certificate is taken into use.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;

/// HTTP/2 first, for those who speak it.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// TLS with one certificate for every name.
///
/// # Errors
///
/// Fails when the key is unusable or does not belong to the certificate.
pub fn with_certificate(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = aws_lc_rs::default_provider();
    let certified = CertifiedKey::from_der(chain, key, &provider)?;
    with_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)))
}

/// TLS with a certificate chosen by name.
///
/// # Errors
///
/// Fails when the machine has no randomness to make resumption keys of.
pub fn with_resolver(
    resolver: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
    // Resumption without state: keys rotate by themselves. Early data stays off: it can be replayed.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}
