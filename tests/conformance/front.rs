//! What is under test, in front of the recording origin: anteroom, or one of its peers for comparison.

use std::net::SocketAddr;

use crate::origin::Origin;
use crate::support::anteroom::Anteroom;
use crate::support::anteroom::Place;

/// A proxy in front of an origin that keeps every byte.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) name: &'static str,
    pub(crate) addr: SocketAddr,
    pub(crate) origin: Origin,
    _running: Box<dyn std::fmt::Debug + Send + Sync>,
}

impl Front {
    pub(crate) fn new(
        name: &'static str,
        addr: SocketAddr,
        origin: Origin,
        running: Box<dyn std::fmt::Debug + Send + Sync>,
    ) -> Self {
        Self {
            name,
            addr,
            origin,
            _running: running,
        }
    }

    /// Everything goes through but `/booking/…`, which nobody may enter.
    pub(crate) fn anteroom() -> Self {
        let origin = Origin::start();
        let portal = origin.addr;
        let toml = |place: &Place| {
            format!(
                "[server]\nlisten = \"{}\"\nworkers = 2\n[admin]\nlisten = \"{}\"\n\
                 [origin.portal]\nurl = \"http://{portal}\"\n\
                 [room.main]\norigin = \"portal\"\npaths = [\"/booking/*\"]\nrate = \"1/h\"\n\
                 mode = \"closed\"\nphone = \"800 123 456\"\n",
                place.server, place.admin
            )
        };
        let anteroom = Anteroom::start(toml);
        Self::new("anteroom", anteroom.addr(), origin, Box::new(anteroom))
    }
}
