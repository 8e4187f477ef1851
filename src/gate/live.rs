//! Everything a request needs that a reload replaces, in one piece: a request uses the same one from start to end.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;

use crate::config::Config;
use crate::gate::cookies::CookieNames;
use crate::gate::joins::Joins;
use crate::gate::limits::VisitorLimits;
use crate::gate::redirect::Redirects;
use crate::gate::routes::Routes;
use crate::message::TrustedProxies;
use crate::page::Pages;
use crate::page::Texts;
use crate::proxy::OriginSettings;
use crate::room::Room;
use crate::seal::KeyRing;

/// One configuration in force.
#[derive(Debug)]
pub struct Live {
    /// One more at each reload; tells workers when to rebuild what is theirs.
    pub generation: u64,
    /// The configuration it was made from.
    pub config: Arc<Config>,
    /// What signs and verifies.
    pub keys: Arc<KeyRing>,
    /// The renderer.
    pub pages: Arc<Pages>,
    /// The rooms, in the order of their names.
    pub sites: Vec<Arc<Site>>,
    /// The origins, by the order of their names, with a worker's share of every bound.
    pub origins: Vec<OriginSettings>,
    /// Which request belongs where.
    pub routes: Routes,
    /// Whose forwarding headers are believed.
    pub trusted: TrustedProxies,
    /// What newcomers took of late; a reload leaves it as it is.
    pub joins: Arc<Joins>,
    /// Whether visitors come over TLS that something in front of us ends.
    pub external_https: bool,
    /// Where cleartext requests are told to come again.
    pub redirects: Redirects,
    /// `Strict-Transport-Security` of answers over TLS, if they have one of ours.
    pub hsts: Option<HeaderValue>,
    /// What pages say where no room is concerned.
    pub texts: Texts,
}

impl Live {
    /// Whether limits that go by address say nothing of this one: it is one of ours, or stands for many.
    #[must_use]
    pub fn is_exempt(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let exempt = &self.config.server.exempt_networks;
        self.trusted.contains(ip) || exempt.iter().any(|network| network.contains(&ip))
    }

    /// How many connections there may be at once from this address; `None` where there is no limit.
    #[must_use]
    pub fn connections_max_from(&self, ip: IpAddr) -> Option<usize> {
        let max = self.config.server.max_connections_per_address;
        (max > 0 && !self.is_exempt(ip)).then_some(max)
    }
}

/// A room as this replica serves it.
#[derive(Debug)]
pub struct Site {
    /// Its configuration.
    pub config: Arc<crate::config::Room>,
    /// Its words.
    pub texts: Texts,
    /// Its line.
    pub room: Arc<Room>,
    /// Where its own addresses begin, as `/.anteroom/vaccination`.
    pub base: String,
    /// What one visitor may ask of the origin, where the room limits that.
    pub limits: Option<Arc<VisitorLimits>>,
    /// What its cookies are called.
    pub cookies: CookieNames,
    /// Index of its origin in [`Live::origins`].
    pub origin: usize,
}

impl Site {
    /// The room's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }
}
