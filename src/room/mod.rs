//! A replica's side of a room: what its workers hear goes to the line, what the line answers is there for them to read.
//!
//! [`Room::start`] begins the exchanger, the one task that talks to the store. Workers hold a [`Port`] each; requests
//! read the [`Snapshot`] through an atomic pointer and never wait for the store unless they need something only the
//! line can decide: a number, an entry, the standing of an expired pass.
//!
//! While there are no numbers, because the store is away or the line heals, a newcomer gets an [`Arrival`]: its place in
//! the order in which newcomers came to this replica. The exchanger tells the line of them, and every replica learns
//! which numbers they got.

mod blocks;
mod door;
mod event;
mod exchanger;
mod gather;
mod heard;
mod layered;
mod mirror;
mod opening;
mod paced;
mod plan;
mod port;
mod report;
mod snapshot;
mod stubs;
mod watch;
mod work;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::clock;
use crate::room::paced::Paced;
use crate::room::stubs::Stubs;
use crate::seal;
use crate::seal::KeyRing;
use crate::store::Store;
use crate::telemetry::metrics::RoomMetrics;

pub use event::Asked;
pub use event::Joined;
pub use opening::Draw;
pub use plan::Plan;
pub use port::Port;
pub use snapshot::Health;
pub use snapshot::Snapshot;
pub use stubs::Arrival;
pub use watch::Out;

/// Most events that wait for the exchanger.
const EVENTS_MAX: usize = 65_536;

/// What the exchanger writes and everybody reads.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    snapshot: ArcSwap<Snapshot>,
    /// Taken by requests only while there are no numbers.
    stubs: Mutex<Stubs>,
    /// Taken by requests only while the store is away and the room goes on.
    paced: Mutex<Paced>,
    orders: Mutex<Orders>,
}

/// What the operator has ordered and the exchanger has not taken yet: the last of each, which no rush of visitors can
/// crowd out of the channel.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// What to propose, and whether the file changed while the replica ran.
    pub(crate) plan: Option<Plan>,
    pub(crate) changed: bool,
    /// The keys it draws with.
    pub(crate) keys: Option<Arc<KeyRing>>,
}

impl Shared {
    fn new(name: &str, stubs: Stubs, plan: &Plan) -> Arc<Self> {
        let mut picture = Snapshot::new(clock::monotonic());
        picture.heed(plan);
        Arc::new(Self {
            name: name.to_owned(),
            snapshot: ArcSwap::from_pointee(picture),
            stubs: Mutex::new(stubs),
            orders: Mutex::default(),
            paced: Mutex::default(),
        })
    }

    /// The newcomers without a number. Whoever holds them while it publishes that there are no numbers gives those
    /// who came before their places before anybody who comes after.
    pub(crate) fn stubs(&self) -> MutexGuard<'_, Stubs> {
        self.stubs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom this replica lets in by itself.
    pub(crate) fn paced(&self) -> MutexGuard<'_, Paced> {
        self.paced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was ordered since the last time.
    pub(crate) fn take_orders(&self) -> Orders {
        std::mem::take(&mut *self.orders())
    }

    pub(crate) fn publish(&self, picture: &Snapshot) {
        self.snapshot.store(Arc::new(picture.clone()));
    }
}

/// One room of this replica.
#[derive(Debug)]
pub struct Room {
    shared: Arc<Shared>,
    events: mpsc::Sender<event::Event>,
}

impl Room {
    /// Begins to exchange with the store, proposing what this plan says. Needs a tokio runtime.
    #[must_use]
    pub fn start(name: &str, store: Store, plan: Plan, metrics: RoomMetrics) -> Arc<Self> {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let instance = seal::instance_id();
        let (given, waiting) = (metrics.stubs.clone(), metrics.stubs_waiting.clone());
        let stubs = Stubs::new(instance, given, waiting);
        let shared = Shared::new(name, stubs, &plan);
        let exchanger = exchanger::Exchanger {
            shared: Arc::clone(&shared),
            store,
            events,
            instance,
            metrics,
        };
        tokio::spawn(exchanger.run());
        let room = Self {
            shared,
            events: sender,
        };
        room.follow(plan, false);
        Arc::new(room)
    }

    /// The room's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// How many newcomers got their places at this replica and have no numbers.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        self.shared.stubs().waiting()
    }

    /// The latest picture of the room.
    #[must_use]
    pub fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.shared.snapshot.load()
    }

    /// Proposes what the file says; `changed` when it changed while the replica ran.
    pub fn follow(&self, plan: Plan, changed: bool) {
        self.order(|orders| {
            orders.changed |= changed;
            orders.plan = Some(plan);
        });
    }

    /// Draws with these keys from now on.
    pub fn draw_with(&self, keys: Arc<KeyRing>) {
        self.order(|orders| orders.keys = Some(keys));
    }

    fn order(&self, order: impl FnOnce(&mut Orders)) {
        order(&mut self.shared.orders());
        // It wakes the exchanger. Where the channel is full, that is awake.
        drop(self.send(event::Event::Ordered));
    }

    /// Tells the line how many are left to book, and with `ends` that none is the end of it; whether that could be told.
    pub fn stock(&self, left: u64, ends: bool) -> bool {
        let told = self.send(event::Event::Stock(left)).is_ok();
        let ended = left > 0 || !ends || self.send(event::Event::SoldOut).is_ok();
        told && ended
    }

    /// Tells the line that this replica stops, and waits until that is done or the store is found away.
    pub async fn leave(&self) {
        let (left, done) = oneshot::channel();
        if self.events.send(event::Event::Leave(left)).await.is_ok() {
            drop(done.await);
        }
    }

    pub(crate) fn send(&self, event: event::Event) -> Result<(), event::Event> {
        self.events.try_send(event).map_err(|error| match error {
            mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event) => {
                event
            }
        })
    }
}

#[cfg(test)]
mod tests;
