//! What one worker has of a configuration: its ends of the rooms, its connections to the origins, its counters.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tracing::warn;

use crate::config::Origin;
use crate::gate::divide;
use crate::gate::divide::Part;
use crate::gate::divide::Place;
use crate::gate::divide::Replicas;
use crate::gate::live::Live;
use crate::gate::visit::Here;
use crate::message::Client;
use crate::proxy::Background;
use crate::proxy::OriginPool;
use crate::proxy::OriginSettings;
use crate::room::Port;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::metrics::WorkerOrigin;
use crate::telemetry::metrics::WorkerRoom;

/// One configuration as one worker serves it.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) live: Arc<Live>,
    pub(crate) rooms: Vec<LocalRoom>,
    pub(crate) origins: Vec<LocalOrigin>,
    /// Counts what belongs to no room.
    pub(crate) outside: Arc<WorkerRoom>,
}

/// A room's parts that belong to this worker.
#[derive(Debug)]
pub(crate) struct LocalRoom {
    pub(crate) name: Rc<str>,
    pub(crate) port: Rc<Port>,
    pub(crate) counts: Arc<WorkerRoom>,
}

/// An origin's parts that belong to this worker.
#[derive(Debug)]
pub(crate) struct LocalOrigin {
    pub(crate) pool: Rc<OriginPool>,
    pub(crate) counts: Arc<WorkerOrigin>,
    replicas: Replicas,
    /// There are more replicas than requests the origin may have in flight.
    is_exceeded: Cell<bool>,
}

impl Local {
    /// Builds what is new and takes over what stays the same.
    pub(crate) fn new(
        live: Arc<Live>,
        before: Option<&Self>,
        background: &Background,
        metrics: &WorkerMetrics,
    ) -> Self {
        let rooms = live.sites.iter().map(|site| {
            let kept = before.and_then(|before| before.port_of(&site.room));
            LocalRoom {
                name: Rc::from(site.name()),
                port: kept.unwrap_or_else(|| Rc::new(Port::new(Arc::clone(&site.room)))),
                counts: metrics.room(site.name()),
            }
        });
        let origins = live.origins.iter().map(|settings| {
            let kept = before.and_then(|before| before.pool_of(settings, &live));
            LocalOrigin {
                pool: kept.unwrap_or_else(|| OriginPool::new(settings.clone(), background.clone())),
                counts: metrics.origin(&settings.name),
                replicas: Replicas::default(),
                is_exceeded: Cell::new(false),
            }
        });
        let (rooms, origins) = (rooms.collect(), origins.collect());
        Self {
            rooms,
            origins,
            outside: metrics.room(""),
            live,
        }
    }

    /// Gives this worker its part of what each origin may have in flight, by how many replicas there are now.
    pub(crate) fn divide(&self, place: Place, now: Instant) {
        for (index, origin) in self.origins.iter().enumerate() {
            let name = self.live.origins[index].name.as_str();
            let Some(config) = self.live.config.origins.get(name) else {
                continue;
            };
            let total = config.max_in_flight;
            let counted = divide::live_replicas(&self.live, index);
            let replicas = origin.replicas.count(counted, now);
            let share = divide::of_replica(total, replicas);
            match divide::of_worker(share, place) {
                Part::Own(max) => origin.pool.set_in_flight_max(max),
                Part::Pot(max) => origin.pool.share_in_flight_max(max),
            }
            origin
                .counts
                .in_flight(origin.pool.stats().in_flight, share);
            let is_exceeded = replicas.is_some_and(|replicas| replicas > total);
            if is_exceeded && !origin.is_exceeded.replace(is_exceeded) && place.index == 0 {
                let replicas = replicas.unwrap_or(0);
                warn!(
                    origin.name = %name, max_in_flight = total, replicas,
                    "there are more replicas than requests the origin may have in flight: each has one all the same",
                );
            }
            origin.is_exceeded.set(is_exceeded);
        }
    }

    /// Where a request to this room has come to.
    pub(crate) fn here<'a>(&'a self, room: usize, client: &'a Client) -> Here<'a> {
        let site = &self.live.sites[room];
        Here {
            live: &self.live,
            site,
            port: &self.rooms[room].port,
            origin: &self.origins[site.origin],
            counts: &self.rooms[room].counts,
            client,
        }
    }

    fn port_of(&self, room: &Arc<crate::room::Room>) -> Option<Rc<Port>> {
        let at = self
            .live
            .sites
            .iter()
            .position(|site| Arc::ptr_eq(&site.room, room))?;
        Some(Rc::clone(&self.rooms[at].port))
    }

    /// The connections of an origin that is configured as it was, but for how much it may have in flight: that is
    /// divided anew all the time, and what is in flight already counts.
    fn pool_of(&self, settings: &OriginSettings, live: &Live) -> Option<Rc<OriginPool>> {
        let name = settings.name.as_str();
        let before = self.live.origins.iter().find(|o| o.name == name)?;
        // Bounds come from the server's part, and upgrades from the rooms'.
        let apart_from_total = |live: &Live| {
            let origin = live.config.origins.get(name)?;
            Some(Origin {
                max_in_flight: 0,
                ..Origin::clone(origin)
            })
        };
        let same = apart_from_total(&self.live)? == apart_from_total(live)?
            && (&before.upgrades, before.body_max, before.timeouts)
                == (&settings.upgrades, settings.body_max, settings.timeouts)
            && before.body_rate_min == settings.body_rate_min;
        let at = self
            .live
            .origins
            .iter()
            .position(|origin| origin.name == name)?;
        same.then(|| Rc::clone(&self.origins[at].pool))
    }
}
