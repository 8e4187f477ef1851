//! Turns a checked configuration into what the parts below are made of.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use crate::app::certificates::Ending;
use crate::app::origin_tls;
use crate::app::origin_tls::ByName;
use crate::config;
use crate::config::Config;
use crate::config::certificate;
use crate::config::certificate::Certificate;
use crate::config::certificate::CertificateError;
use crate::config::secret::SecretError;
use crate::config::secret::SecretSource;
use crate::config::server::Access;
use crate::config::server::DEFAULT_CERTIFICATE;
use crate::config::server::Tls;
use crate::config::url::OriginUrl;
use crate::config::url::StoreUrl;
use crate::gate::Redirects;
use crate::line::exchange::Proposal;
use crate::message::ForwardingHeader;
use crate::message::TrustedProxies;
use crate::page;
use crate::page::Lang;
use crate::page::Localized;
use crate::proxy;
use crate::proxy::EjectionRule;
use crate::proxy::HealthCheck;
use crate::proxy::HostHeader;
use crate::proxy::OriginAddress;
use crate::proxy::OriginSettings;
use crate::proxy::OriginTimeouts;
use crate::room::Plan;
use crate::seal::KeyRing;
use crate::server;
use crate::server::Limits;
use crate::store;
use crate::telemetry::access_log::AccessTarget;

/// Something the configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// A certificate or key file.
    #[error("{} cannot be used: {cause}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// A certificate towards visitors.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// TLS could not be set up.
    #[error("tls cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The store's password.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// The threads that serve visitors.
pub(crate) fn workers(config: &Config) -> usize {
    match config.server.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

/// Files that are open besides connections of visitors and origins: the log, the keys, the stores, operators.
const OTHER_FILES: usize = 64;

/// Connections of visitors that there may be where the system lets us have so many files open. What the origins may have
/// in flight is kept back, or those inside would be failed by those who come; but never more than half.
pub(crate) fn connections_max(config: &Config, files_max: Option<u64>) -> usize {
    let max = config.server.max_connections;
    let Some(files) = files_max.and_then(|files| usize::try_from(files).ok()) else {
        return max;
    };
    let files = files.saturating_sub(OTHER_FILES);
    // As many may be upgraded as may be in flight.
    let is_upgraded = |origin: &config::Origin| {
        let mut rooms = config.rooms.values();
        rooms.any(|room| room.origin == origin.name && !room.upgrades.is_empty())
    };
    let in_flight = config.origins.values().map(|origin| {
        let times = 1 + u64::from(is_upgraded(origin));
        origin.max_in_flight.saturating_mul(times)
    });
    let in_flight = usize::try_from(in_flight.sum::<u64>()).unwrap_or(usize::MAX);
    max.min(files - in_flight.min(files / 2))
}

/// The bounds of one worker, where the system lets us have so many files open.
pub(crate) fn limits(config: &Config, files_max: Option<u64>) -> Limits {
    let server = &config.server;
    Limits {
        connections_max: (connections_max(config, files_max) / workers(config)).max(1),
        head_bytes_max: server.max_header_bytes,
        streams_max: server.max_streams,
        handshake: server.handshake_timeout,
        head: server.header_timeout,
        idle: server.idle_timeout,
        send: server.send_timeout,
        send_rate_min: server.min_send_rate,
        held_max: server.max_unsent_bytes / workers(config) as u64,
        ..Limits::default()
    }
}

/// TLS towards visitors, and when its certificates end.
pub(crate) struct ServerTls {
    pub(crate) config: Arc<rustls::ServerConfig>,
    pub(crate) endings: Vec<Ending>,
}

/// TLS towards visitors, read from its files, with the sessions of this ring's keys.
pub(crate) fn server_tls(tls: &Tls, keys: &KeyRing) -> Result<ServerTls, BuildError> {
    let provider = server::tls::provider();
    let default = Certificate::load(&tls.default, &provider)?;
    let mut endings = vec![Ending::new(DEFAULT_CERTIFICATE, &tls.default, &default)];
    let mut certificates =
        server::tls::Certificates::new(default.certified).default_named(&default.names);
    for (name, files) in &tls.certificates {
        let certificate = Certificate::load(files, &provider)?;
        endings.push(Ending::new(name, files, &certificate));
        certificates = certificates.and(certificate.certified, &certificate.names);
    }
    let config = server::tls::with_certificates(certificates, keys.sessions())?;
    Ok(ServerTls { config, endings })
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BuildError> {
    certificate::chain(path).map_err(|cause| pem(path, &cause))
}

pub(crate) fn pem(path: &Path, cause: &dyn std::fmt::Display) -> BuildError {
    BuildError::Pem {
        path: path.to_owned(),
        cause: cause.to_string(),
    }
}

/// The origins, each with one worker's share of its bounds.
pub(crate) fn origins(config: &Config) -> Result<Vec<OriginSettings>, BuildError> {
    let tls = origin_tls::all(config)?;
    let origins = config.origins.values();
    Ok(origins
        .map(|origin| self::origin(config, origin, &tls))
        .collect())
}

fn origin(config: &Config, origin: &config::Origin, tls: &ByName) -> OriginSettings {
    let address = |url: &OriginUrl| OriginAddress {
        host: url.host.clone(),
        port: url.port,
        tls: url.tls,
    };
    let own = origin.urls.first().map(OriginUrl::authority);
    let fixed = origin.host.clone().or(own);
    let fixed = fixed.and_then(|host| http::HeaderValue::try_from(host).ok());
    let mut upgrades: Vec<String> = Vec::new();
    for room in config
        .rooms
        .values()
        .filter(|room| room.origin == origin.name)
    {
        upgrades.extend(room.upgrades.iter().cloned());
    }
    upgrades.sort_unstable();
    upgrades.dedup();
    let share = usize::try_from(origin.max_in_flight)
        .unwrap_or(usize::MAX)
        .div_ceil(workers(config))
        .max(1);
    OriginSettings {
        name: origin.name.clone(),
        servers: origin.urls.iter().map(address).collect(),
        // Those of an origin that is served already stay: see `control::assemble`.
        standings: Arc::default(),
        ejection: EjectionRule {
            after: origin.eject.after,
            longest: origin.eject.longest,
            by_status: origin.eject.by_status,
        },
        check: origin.health.as_ref().map(|health| HealthCheck {
            path: health.path.clone(),
            interval: health.interval,
            timeout: health.timeout,
            fail_after: health.fail_after,
            pass_after: health.pass_after,
        }),
        tls: tls.get(&origin.name).cloned(),
        http2: origin.http2,
        proxy_protocol: origin.proxy_protocol,
        host: if origin.pass_host && origin.host.is_none() {
            HostHeader::Client
        } else {
            fixed.map_or(HostHeader::Client, HostHeader::Fixed)
        },
        forwarding: crate::message::Forwarding::default(),
        // Until it is known how many replicas share it.
        in_flight_max: 1,
        pot: Arc::default(),
        waiting_max: share.saturating_mul(4).clamp(64, 16_384),
        idle_max: share.min(1_024),
        upgrades,
        tunnels_max: share,
        body_max: config.server.max_body_bytes,
        body_rate_min: config.server.min_body_rate,
        timeouts: OriginTimeouts {
            connect: origin.connect_timeout,
            body: config.server.body_timeout,
            response: origin.first_byte_timeout,
            idle: origin.idle_timeout,
            total: origin.total_timeout,
            keep: origin.keep_alive,
            ping: Some(origin.http2_ping).filter(|ping| !ping.is_zero()),
            renew: origin.keep_alive_max,
            ..OriginTimeouts::default()
        },
    }
}

/// Where rooms' lines live.
pub(crate) fn store(config: &Config) -> Result<store::Settings, BuildError> {
    Ok(match &config.store.url {
        StoreUrl::Memory => store::Settings::Memory(store::memory::Settings {
            directory: Some(config.store.path.clone()),
        }),
        StoreUrl::Redis(url) => {
            let store = &config.store;
            let read =
                |source: &Option<SecretSource>| source.as_ref().map(SecretSource::read).transpose();
            store::Settings::Redis(Box::new(store::redis::Settings {
                url: url.clone(),
                password: read(&store.password)?,
                sentinel_password: read(&store.sentinel_password)?,
                tls: url.tls.then(|| store_tls(store)).transpose()?,
                prefix: store.prefix.clone(),
                connect_deadline: store.connect_timeout,
                answer_deadline: store.command_timeout,
            }))
        }
    })
}

/// TLS to the store: what is agreed on with an origin, but for the protocol spoken inside.
fn store_tls(store: &config::Store) -> Result<Arc<ClientConfig>, BuildError> {
    let trust = match &store.ca_file {
        Some(path) => proxy::tls::with_authorities(certificates(path)?)?,
        None => proxy::tls::platform()?,
    };
    let mut tls = ClientConfig::clone(&trust);
    tls.alpn_protocols.clear();
    if let Some((cert, key)) = &store.certificate {
        let chain = certificates(cert)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| pem(key, &error))?;
        proxy::tls::identify(&mut tls, chain, key)?;
    }
    Ok(Arc::new(tls))
}

/// Whose forwarding headers are believed.
pub(crate) fn trusted(config: &Config) -> TrustedProxies {
    TrustedProxies::new(
        config.server.trusted_proxies.clone(),
        ForwardingHeader::default(),
    )
}

/// Where cleartext requests are told to come again.
pub(crate) fn redirects(config: &Config) -> Redirects {
    let redirect = config.server.redirect.as_ref();
    redirect.map_or_else(Redirects::default, |redirect| {
        Redirects::new(&redirect.hosts)
    })
}

/// `Strict-Transport-Security` of answers over TLS (RFC 6797 §6.1).
pub(crate) fn hsts(config: &Config) -> Option<http::HeaderValue> {
    let hsts = config.server.tls.as_ref()?.hsts?;
    let below = if hsts.subdomains {
        "; includeSubDomains"
    } else {
        ""
    };
    let text = format!("max-age={}{below}", hsts.max_age.as_secs());
    http::HeaderValue::try_from(text).ok()
}

/// Where the access log goes, if anywhere.
pub(crate) fn access(config: &Config) -> Option<AccessTarget> {
    match &config.log.access {
        Access::Off => None,
        Access::Stdout => Some(AccessTarget::Stdout),
        Access::File(path) => Some(AccessTarget::File(path.clone())),
    }
}

/// What a room's file proposes to its line, now and when its scheduled events come.
pub(crate) fn plan(room: &config::Room) -> Plan {
    let proposal = |settings, content| Proposal {
        content,
        changed: false,
        settings,
    };
    let first = Plan::new(proposal(room.settings(), room.content()));
    let events = room.settings_by_time().skip(1);
    events.fold(first, |plan, (at_us, settings, content)| {
        plan.then(at_us, proposal(settings, content))
    })
}

/// A room's words for its pages.
pub(crate) fn texts(room: &config::Room) -> page::Texts {
    let languages: Vec<Lang> = room
        .texts
        .languages
        .iter()
        .filter_map(|tag| Lang::parse(tag))
        .collect();
    let own = languages.first().copied().unwrap_or(Lang::En);
    let mut texts = page::Texts::new(Localized::new(own, room.texts.name.clone()));
    if !languages.is_empty() {
        texts.languages = languages;
    }
    texts.time_zone = room.texts.time_zone.clone();
    texts.phone = room.texts.phone.clone().unwrap_or_default();
    texts.idle_min = room.pass_idle.as_secs() / 60;
    texts
}

/// An error and what caused it, in one line.
pub(crate) fn cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

/// An I/O error in words.
pub(crate) fn io_cause(error: &io::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Surroundings;

    fn config(text: &str) -> Arc<Config> {
        let folder = std::env::temp_dir();
        let loaded = config::parse(Path::new("test"), &folder, text, &Surroundings::elsewhere());
        loaded.unwrap().config
    }

    #[test]
    fn a_worker_gets_its_share_of_every_bound_and_the_times_as_they_are() {
        let config = config(
            r#"
[server]
workers = 4
max_connections = 1000
max_body_bytes = "1 MiB"
body_timeout = "7s"
[origin.portal]
url = "http://127.0.0.1:8000"
max_in_flight = 10
first_byte_timeout = "9s"
[room.a]
origin = "portal"
paths = ["/a/*"]
rate = "1/s"
upgrades = ["websocket"]
[room.b]
origin = "portal"
paths = ["/b/*"]
rate = "1/s"
upgrades = ["chat", "websocket"]
"#,
        );
        assert_eq!(limits(&config, None).connections_max, 250);
        assert_eq!(limits(&config, Some(2_000)).connections_max, 250);
        // Ten are for the requests to the origin, ten for what was upgraded, and some for everything else.
        let of_few = |files| limits(&config, Some(files)).connections_max * 4;
        assert_eq!((of_few(484), of_few(68), of_few(0)), (400, 4, 4));
        let origins = origins(&config).unwrap();
        let portal = origins.first().unwrap();
        assert_eq!((portal.body_max, portal.body_rate_min), (1 << 20, 500));
        assert_eq!(portal.timeouts.body.as_secs(), 7);
        assert_eq!(portal.timeouts.response.as_secs(), 9);
        assert_eq!(portal.upgrades, ["chat", "websocket"]);
    }
}
