//! A replica's side of a room: what its workers hear goes to the line, what the line answers is there for them to read.
//!
//! [`Room::start`] begins the exchanger, the one task that talks to the store. Workers hold a [`Port`] each; requests
//! read the [`Snapshot`] through an atomic pointer and never wait for the store unless they need something only the
//! line can decide: a number, an entry, the standing of an expired pass.

mod event;
mod exchanger;
mod gather;
mod layered;
mod mirror;
mod port;
mod snapshot;
mod watch;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::clock;
use crate::line::exchange::Proposal;
use crate::seal;
use crate::store::Store;
use crate::telemetry::metrics::RoomMetrics;

pub use event::Asked;
pub use event::Joined;
pub use port::Port;
pub use snapshot::Health;
pub use snapshot::Snapshot;
pub use watch::Out;

/// Most events that wait for the exchanger.
const EVENTS_MAX: usize = 65_536;

/// What the exchanger writes and everybody reads.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    snapshot: ArcSwap<Snapshot>,
}

impl Shared {
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
    /// Begins to exchange with the store, proposing these settings. Needs a tokio runtime.
    #[must_use]
    pub fn start(name: &str, store: Store, proposal: Proposal, metrics: RoomMetrics) -> Arc<Self> {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            snapshot: ArcSwap::from_pointee(Snapshot::new(clock::monotonic())),
        });
        let instance = seal::instance_id();
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
        room.propose(proposal);
        Arc::new(room)
    }

    /// The room's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The latest picture of the room.
    #[must_use]
    pub fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.shared.snapshot.load()
    }

    /// Proposes settings read from the file.
    pub fn propose(&self, proposal: Proposal) {
        // A full channel means tens of thousands of events wait: the next reload proposes again.
        drop(self.send(event::Event::Propose(proposal)));
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
