//! Which request belongs where: to a room's own addresses, into a room, or straight to an origin.

use http::Method;

use crate::config::Config;
use crate::config::routes;
use crate::config::routes::Found;

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
    rooms: Vec<String>,
    origins: Vec<String>,
    table: routes::Routes,
}

impl Routes {
    /// The routes of this configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            prefix: config.server.prefix.clone(),
            rooms: config.rooms.keys().cloned().collect(),
            origins: config.origins.keys().cloned().collect(),
            table: routes::Routes::new(config),
        }
    }

    /// Where a request of this method goes, for this host (without port) and this normal path.
    #[must_use]
    pub fn find<'a>(&self, method: &Method, host: &str, path: &'a str) -> Route<'a> {
        if let Some(rest) = path.strip_prefix(self.prefix.as_str()) {
            return self.reserved(rest);
        }
        match self.table.find(method, host, path) {
            Found::Room { room, .. } => index(&self.rooms, &room.name).map_or(Route::Nowhere, |room| Route::Protected { room }),
            Found::Bypass { origin, .. } | Found::Outside { origin, .. } => {
                index(&self.origins, &origin.name).map_or(Route::Nowhere, |origin| Route::Open { origin })
            }
            Found::Nowhere => Route::Nowhere,
        }
    }

    fn reserved<'a>(&self, rest: &'a str) -> Route<'a> {
        let Some((name, call)) = rest.split_once('/') else { return Route::Unknown };
        index(&self.rooms, name).map_or(Route::Unknown, |room| Route::Reserved { room, call })
    }
}

fn index(names: &[String], name: &str) -> Option<usize> {
    names.binary_search_by(|known| known.as_str().cmp(name)).ok()
}
