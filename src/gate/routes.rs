//! Which request belongs where: to a room's own addresses, into a room, or straight to an origin.

use std::sync::Arc;

use http::Method;

use crate::config::Config;
use crate::config::pattern::HostPattern;

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// To a room's own address: the room's index, and what comes after `/.anteroom/{room}/`.
    Reserved {
        /// Index of the room.
        room: usize,
        /// The rest of the path.
        call: &'a str,
    },
    /// Below the reserved prefix, where nothing is.
    Unknown,
    /// Into this room.
    Protected {
        /// Index of the room.
        room: usize,
    },
    /// Straight to this origin.
    Open {
        /// Index of the origin.
        origin: usize,
    },
    /// To nobody: no origin takes requests for this host.
    Nowhere,
}

/// The routes of one configuration; indexes are by the order of names.
#[derive(Debug)]
pub struct Routes {
    prefix: String,
    rooms: Vec<(Arc<crate::config::Room>, usize)>,
    origins: Vec<Arc<crate::config::Origin>>,
}

impl Routes {
    /// The routes of this configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let index_of = |name: &str| {
            config
                .origins
                .keys()
                .position(|key| key == name)
                .unwrap_or(0)
        };
        Self {
            prefix: config.server.prefix.clone(),
            rooms: config
                .rooms
                .values()
                .map(|room| (Arc::clone(room), index_of(&room.origin)))
                .collect(),
            origins: config.origins.values().cloned().collect(),
        }
    }

    /// Where a request of this method goes, for this host (without port) and this normal path.
    #[must_use]
    pub fn find<'a>(&self, method: &Method, host: &str, path: &'a str) -> Route<'a> {
        if let Some(rest) = path.strip_prefix(self.prefix.as_str()) {
            return self.reserved(rest);
        }
        let matching = (0..)
            .zip(&self.rooms)
            .filter_map(|(index, (room, origin))| {
                let takes = room.methods.is_empty() || room.methods.contains(method);
                let path = room
                    .paths
                    .iter()
                    .filter(|pattern| pattern.matches(path))
                    .map(|p| p.closeness())
                    .max()?;
                let host = closest_host(&room.hosts, host)?;
                takes.then_some(((host, path), index, room, *origin))
            });
        // The closest host, then the closest path; of equals the first by name.
        let best = matching.reduce(|best, next| if next.0 > best.0 { next } else { best });
        if let Some((_, room, config, origin)) = best {
            let bypassed = config.bypass.iter().any(|pattern| pattern.matches(path));
            return if bypassed {
                Route::Open { origin }
            } else {
                Route::Protected { room }
            };
        }
        self.open(host)
    }

    /// The room's own address that this path is, if it is one as it stands.
    #[must_use]
    pub fn own<'a>(&self, path: &'a str) -> Option<(usize, &'a str)> {
        let rest = path.strip_prefix(self.prefix.as_str())?;
        match self.reserved(rest) {
            Route::Reserved { room, call } => Some((room, call)),
            Route::Unknown | Route::Protected { .. } | Route::Open { .. } | Route::Nowhere => None,
        }
    }

    fn reserved<'a>(&self, rest: &'a str) -> Route<'a> {
        let Some((name, call)) = rest.split_once('/') else {
            return Route::Unknown;
        };
        let room = self.rooms.iter().position(|(room, _)| room.name == name);
        room.map_or(Route::Unknown, |room| Route::Reserved { room, call })
    }

    /// Outside every room: the origin that names this host, or takes any.
    fn open(&self, host: &str) -> Route<'static> {
        let origins = self.origins.iter().enumerate();
        let matching = origins
            .filter_map(|(origin, config)| closest_host(&config.hosts, host).map(|c| (c, origin)));
        let best = matching.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map_or(Route::Nowhere, |(_, origin)| Route::Open { origin })
    }
}

/// How closely the closest of these patterns fits; no patterns fit every host, loosely.
fn closest_host(
    hosts: &[HostPattern],
    host: &str,
) -> Option<Option<crate::config::pattern::Closeness>> {
    if hosts.is_empty() {
        return Some(None);
    }
    let closest = hosts
        .iter()
        .filter(|pattern| pattern.matches(host))
        .map(HostPattern::closeness)
        .max();
    closest.map(Some)
}
