//! Which certificate a client is shown: the one that stands for the host it names, else the default.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use rustls::server::ClientHello;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;

/// Certificates by the names they stand for. Of several for one name the first whose key the client can check is shown,
/// so a name may have one with RSA and one with ECDSA.
#[derive(Debug)]
pub struct Certificates {
    default: Arc<CertifiedKey>,
    /// By name in lower case; names with a star begin with `*.`.
    by_name: FxHashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl Certificates {
    /// One certificate, for whoever names no host or one that no other certificate stands for.
    #[must_use]
    pub fn new(default: CertifiedKey) -> Self {
        Self {
            default: Arc::new(default),
            by_name: FxHashMap::default(),
        }
    }

    /// With the default for these names as well, before any other certificate for them.
    #[must_use]
    pub fn default_named(mut self, names: &[String]) -> Self {
        let default = Arc::clone(&self.default);
        self.add(&default, names);
        self
    }

    /// And one more certificate, for these names in lower case.
    #[must_use]
    pub fn and(mut self, certified: CertifiedKey, names: &[String]) -> Self {
        self.add(&Arc::new(certified), names);
        self
    }

    fn add(&mut self, certified: &Arc<CertifiedKey>, names: &[String]) {
        for name in names {
            let those = self.by_name.entry(name.clone()).or_default();
            those.push(Arc::clone(certified));
        }
    }

    /// Those for a host: by its own name, else by that of all hosts beside it (RFC 9525 §6.3).
    fn of(&self, host: &str) -> Option<&[Arc<CertifiedKey>]> {
        let host = host.to_ascii_lowercase();
        let by_name = |name: &str| self.by_name.get(name).map(Vec::as_slice);
        by_name(&host).or_else(|| {
            let (_, above) = host.split_once('.')?;
            by_name(&format!("*.{above}"))
        })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let those = hello.server_name().and_then(|host| self.of(host));
        let those = those.unwrap_or_default();
        let schemes = hello.signature_schemes();
        let usable = |one: &&Arc<CertifiedKey>| one.key.choose_scheme(schemes).is_some();
        let chosen = those.iter().find(usable).or(those.first());
        Some(Arc::clone(chosen.unwrap_or(&self.default)))
    }
}
