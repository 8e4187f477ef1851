//! TLS to the origin: whom we trust, decided once and shared by all workers.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::BuilderVerifierExt;

/// What an origin may speak after the handshake.
const ALPN: &[u8] = b"http/1.1";

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
    config.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(config)
}
