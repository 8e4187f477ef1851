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
use crate::proxy::OriginAddress;
use crate::proxy::OriginPool;
use crate::proxy::OriginSettings;
use crate::room::Port;
use crate::telemetry::metrics::Repeat;
use crate::telemetry::metrics::ServerCounts;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::metrics::WorkerOrigin;
use crate::telemetry::metrics::WorkerRoom;
use crate::telemetry::metrics::WorkerServer;

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
    /// In the order of the pool's servers.
    servers: Vec<WorkerServer>,
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
            let made = || {
                let named = before.and_then(|before| before.pool_named(&settings.name));
                OriginPool::after(named, settings.clone(), background.clone())
            };
            let pool = kept.unwrap_or_else(made);
            let server = |(address, _): (&OriginAddress, _)| {
                metrics.server(&settings.name, &address.to_string())
            };
            LocalOrigin {
                counts: metrics.origin(&settings.name),
                servers: pool.servers().map(server).collect(),
                pool,
                replicas: Replicas::default(),
                is_exceeded: Cell::new(false),
            }
        });
        let (rooms, origins): (_, Vec<LocalOrigin>) = (rooms.collect(), origins.collect());
        for gone in before.iter().flat_map(|before| &before.origins) {
            if origins
                .iter()
                .all(|kept| !Rc::ptr_eq(&kept.pool, &gone.pool))
            {
                gone.pool.retire();
            }
        }
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

    /// Has one worker of this replica check how the origins' servers are, where that is configured.
    pub(crate) fn watch(&self, place: Place) {
        if place.index == 0 {
            self.origins.iter().for_each(|origin| origin.pool.watch());
        }
    }

    /// Counts what the pools did, and shows how servers stand.
    pub(crate) fn count(&self, place: Place) {
        for origin in &self.origins {
            origin.counts.waiting(origin.pool.stats().waiting);
            let repeats = origin.pool.take_repeats();
            for (reason, count) in [
                (Repeat::Unsent, repeats.unsent),
                (Repeat::Safe, repeats.safe),
                (Repeat::OverBudget, repeats.over_budget),
            ] {
                origin.counts.repeated(reason, count);
            }
            for (server, (_, stats)) in origin.servers.iter().zip(origin.pool.servers()) {
                server.in_flight(stats.in_flight);
                if place.index == 0 {
                    server.stands(&ServerCounts {
                        is_up: stats.is_up,
                        is_ejected: stats.is_ejected,
                        ejections: stats.ejections,
                        checks: stats.checks,
                        checks_failed: stats.checks_failed,
                    });
                }
            }
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

    fn pool_named(&self, name: &str) -> Option<&OriginPool> {
        let at = self.live.origins.iter().position(|o| o.name == name)?;
        Some(&self.origins[at].pool)
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
