//! A worker's end of a room: what it has heard and not yet told, and how it asks.
//!
//! Nothing here is shared: a port belongs to one worker. Telling goes over a bounded channel; when that is full, what
//! can be told later is kept, and what cannot is answered as if the store were away.

use std::cell::Cell;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::clock;
use crate::line::exchange::Finish;
use crate::line::exchange::HEARD_MAX;
use crate::line::exchange::Health as OriginHealth;
use crate::line::exchange::INSTANCES_UNKNOWN;
use crate::line::exchange::Known;
use crate::line::exchange::LostStub;
use crate::line::exchange::Renewal;
use crate::line::exchange::Standing;
use crate::line::exchange::Visitor;
use crate::line::ids::Epoch;
use crate::line::ids::KeyHash;
use crate::line::ids::TicketId;
use crate::room::Room;
use crate::room::event::Asked;
use crate::room::event::Event;
use crate::room::event::Joined;
use crate::room::heard::Heard;
use crate::room::snapshot::Health;
use crate::room::snapshot::Snapshot;
use crate::room::stubs::Arrival;
use crate::room::watch::Out;
use crate::room::watch::Watch;

/// How long a newcomer waits for its number before it is told to come back.
const JOIN_DEADLINE: Duration = Duration::from_secs(3);
/// How long a check may take.
const CHECK_DEADLINE: Duration = Duration::from_secs(2);

/// A worker's end of a room.
#[derive(Debug)]
pub struct Port {
    room: Arc<Room>,
    heard: RefCell<Heard>,
    told_us: Cell<u64>,
    signed_us: Cell<u64>,
    /// The last line that was told of by what visitors showed: its epoch, tail and head.
    shown: Cell<(Epoch, u64, u64)>,
    watch: Watch,
}

impl Port {
    /// A new end of this room.
    #[must_use]
    pub fn new(room: Arc<Room>) -> Self {
        Self {
            room,
            heard: RefCell::default(),
            told_us: Cell::new(0),
            signed_us: Cell::new(0),
            shown: Cell::default(),
            watch: Watch::default(),
        }
    }

    /// The latest picture of the room.
    #[must_use]
    pub fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.room.snapshot()
    }

    /// Gets a number for a newcomer, or its place in the order of arrival. With `eager` it may go straight in.
    pub async fn join(&self, id: TicketId, eager: bool) -> Joined {
        if !self.snapshot().is_up() {
            return self.away();
        }
        let (reply, mut joined) = oneshot::channel();
        if !self.tell(Event::Join { id, eager, reply }) {
            return self.away();
        }
        if !self.snapshot().is_up() {
            // There were numbers a moment ago: whoever told those who asked for one has not met this one, or has.
            joined.close();
            return joined.try_recv().unwrap_or_else(|_| self.away());
        }
        // A number that comes later than this is nobody's; whoever waited for it keeps its place all the same.
        let joined = timeout(JOIN_DEADLINE, joined).await;
        let Some(joined) = joined.ok().and_then(Result::ok) else {
            return self.away();
        };
        if let Joined::Numbered {
            number,
            epoch,
            slice,
            ..
        } = joined
        {
            self.heard.borrow_mut().came(epoch, slice, number);
        }
        joined
    }

    /// Gets the number that belongs to a key, if the line answers in time.
    pub async fn join_keyed(&self, key: KeyHash) -> Joined {
        self.join_by(key, LostStub::default()).await
    }

    /// Gets the number of a lost stub: the same one for as long as the line remembers stubs, and for as long as it
    /// remembers this key of the stub's own where a replica has not heard of that yet.
    pub async fn join_lost(&self, key: KeyHash, arrival: &Arrival) -> Joined {
        let lost = LostStub {
            instance: arrival.instance,
            index: arrival.index,
        };
        self.join_by(key, lost).await
    }

    async fn join_by(&self, key: KeyHash, lost: LostStub) -> Joined {
        let (reply, joined) = oneshot::channel();
        self.ask_for(Event::JoinKeyed { key, lost, reply }, joined, JOIN_DEADLINE)
            .await
            .unwrap_or(Joined::Away(None))
    }

    fn away(&self) -> Joined {
        let arrival = self.arrive();
        arrival.map_or(Joined::Refused, |arrival| Joined::Away(Some(arrival)))
    }

    /// The next place in the order of arrival, for a newcomer who gets no number now; none when the line is full.
    #[must_use]
    pub fn arrive(&self) -> Option<Arrival> {
        let mut stubs = self.room.shared.stubs();
        stubs.give(self.snapshot().moment())
    }

    /// As [`Port::arrive`], and the same place for whoever comes with this key within a minute.
    #[must_use]
    pub fn arrive_keyed(&self, key: KeyHash) -> Option<Arrival> {
        let mut stubs = self.room.shared.stubs();
        stubs.give_keyed(key, self.snapshot().moment())
    }

    /// The place that was given to whoever came with this key within the last minute.
    #[must_use]
    pub fn arrived_keyed(&self, key: KeyHash) -> Option<Arrival> {
        let stubs = self.room.shared.stubs();
        stubs.keyed(key, clock::monotonic())
    }

    /// Whether this arrival can get a number only by joining now: no replica is going to tell the line of it.
    #[must_use]
    pub fn is_lost(&self, arrival: &Arrival) -> bool {
        self.snapshot().is_lost(arrival, clock::monotonic())
            && !self.room.shared.stubs().has(arrival)
    }

    /// How many got their places at this replica and have no numbers.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        self.room.arrivals()
    }

    /// Asks to enter and waits at most this long for it; the line goes on knowing that the visitor asks.
    pub async fn ask(&self, visitor: Visitor, wait: Duration) -> Asked {
        if let Some(asked) = self.ask_here(visitor) {
            return asked;
        }
        let (reply, asked) = oneshot::channel();
        self.ask_for(
            Event::Ask {
                visitor,
                reply: Some(reply),
            },
            asked,
            wait,
        )
        .await
        .unwrap_or(Asked::Away)
    }

    /// What becomes of one who asks while this replica lets people in by itself; none while it does not.
    fn ask_here(&self, visitor: Visitor) -> Option<Asked> {
        let snapshot = self.snapshot();
        if !snapshot.is_paced() {
            return None;
        }
        if snapshot.is_finished(visitor.id) {
            return Some(Asked::Standing(Standing::Spent));
        }
        let now = clock::monotonic();
        let was_inside = snapshot.is_inside(visitor.id, snapshot.line_us(now));
        let mut paced = self.room.shared.paced();
        Some(paced.ask(visitor, was_inside, now))
    }

    /// The same for a newcomer without a number.
    #[must_use]
    pub fn ask_as_newcomer(&self, arrival: &Arrival, id: TicketId) -> Option<Asked> {
        if !self.snapshot().is_paced() || !self.room.shared.stubs().has(arrival) {
            return None;
        }
        let mut paced = self.room.shared.paced();
        Some(paced.ask_as_newcomer(arrival.index, id, clock::monotonic()))
    }

    /// Where the line says this visitor stands.
    pub async fn check(&self, visitor: Visitor) -> Asked {
        let (reply, asked) = oneshot::channel();
        self.ask_for(Event::Check { visitor, reply }, asked, CHECK_DEADLINE)
            .await
            .unwrap_or(Asked::Away)
    }

    async fn ask_for<T>(
        &self,
        event: Event,
        reply: oneshot::Receiver<T>,
        wait: Duration,
    ) -> Option<T> {
        // While the store is away there is nothing to wait for.
        if matches!(self.snapshot().health, Health::Away { .. }) || !self.tell(event) {
            return None;
        }
        timeout(wait, reply).await.ok()?.ok()
    }

    /// Repeats that this visitor is asking.
    pub fn ask_again(&self, visitor: Visitor) {
        if self.ask_here(visitor).is_some() {
            return;
        }
        self.tell(Event::Ask {
            visitor,
            reply: None,
        });
    }

    /// Takes back what a newcomer asked only until its response.
    pub fn unask(&self, visitor: Visitor) {
        self.tell(Event::Unask(visitor));
    }

    /// Makes a turn longer.
    pub fn more(&self, number: u64) {
        self.tell(Event::More(number));
    }

    /// A pass is in use.
    pub fn renew(&self, renewal: Renewal) {
        self.tell(Event::Renew(renewal));
    }

    /// A ticket is given up, or a pass has done its work. While it is not known which epoch the line is in, that may
    /// be another one than theirs: nothing is told then.
    pub fn finish(&self, finish: Finish) {
        if self.snapshot().epoch().is_some() {
            self.tell(Event::Finish(finish));
        }
    }

    /// The origin says how many are left; with `ends`, none is the end of the line.
    pub fn stock(&self, left: u64, ends: bool) {
        self.room.stock(left, ends);
    }

    /// The origin says that nothing is left.
    pub fn sold_out(&self) {
        self.tell(Event::SoldOut);
    }

    /// An authentic ticket or pass of this epoch was shown whose numbers are beyond what the line says it issued.
    pub fn floor(&self, epoch: Epoch, tail: u64, head: u64) {
        self.tell(Event::Floor { epoch, tail, head });
    }

    /// An authentic ticket or pass was shown, while no line is known for certain: the store may have lost the line that
    /// it is of. Told when it says more than those before it.
    pub fn shown(&self, epoch: Epoch, tail: u64, head: u64, signed_us: u64) {
        let (known, known_tail, known_head) = self.shown.get();
        let says_more =
            epoch > known || (epoch == known && (tail > known_tail || head > known_head));
        if !says_more {
            return;
        }
        let told = Known {
            epoch: Some(epoch),
            tail,
            head,
            now_us: signed_us,
            instances: INSTANCES_UNKNOWN,
            ..Known::default()
        };
        if self.tell(Event::Shown(Box::new(told))) {
            let same = epoch == known;
            let at_least = |value: u64, before: u64| if same { value.max(before) } else { value };
            self.shown.set((
                epoch,
                at_least(tail, known_tail),
                at_least(head, known_head),
            ));
        }
    }

    /// A waiting visitor was heard from: told once per slice, with the next flush.
    pub fn hear(&self, snapshot: &Snapshot, number: u64) {
        let Some(answer) = snapshot.answer() else {
            return;
        };
        if number <= answer.head || number > answer.tail {
            return;
        }
        let mut heard = self.heard.borrow_mut();
        heard.hear(answer.epoch, answer.slice, number);
    }

    /// Something authentic was shown that was signed at this line time; the latest such time.
    pub fn signed(&self, signed_us: u64) -> u64 {
        let latest_us = self.signed_us.get().max(signed_us);
        self.signed_us.set(latest_us);
        latest_us
    }

    /// A visitor was told to come back after this long.
    pub fn told(&self, poll_us: u64) {
        self.told_us.set(self.told_us.get().max(poll_us));
    }

    /// A request of this visitor, who is inside, leaves for the origin; none if it has sent so many in this second that
    /// no more count. `is_timed` unless its client may be what takes long.
    pub fn watch(&self, visitor: TicketId, now: Instant, is_timed: bool) -> Option<Out<'_>> {
        self.watch.leave(visitor, now, is_timed)
    }

    /// Tells the exchanger what has gathered; called by the worker every 250 ms. A request that has been out for longer
    /// than `slow_after` is slow.
    pub fn flush(&self, now: Instant, slow_after: Duration) {
        let health = self.watch.take(now, slow_after);
        if health != OriginHealth::default() {
            self.tell(Event::Origin(health));
        }
        let told_us = self.told_us.take();
        if told_us > 0 {
            self.tell(Event::Told(told_us));
        }
        let mut heard = self.heard.borrow_mut();
        while !heard.untold.is_empty() {
            let from = heard.untold.len().saturating_sub(HEARD_MAX);
            let numbers = heard.untold.split_off(from);
            if let Err(Event::Heard(numbers)) = self.room.send(Event::Heard(numbers)) {
                heard.untold.extend(numbers);
                return;
            }
        }
    }

    fn tell(&self, event: Event) -> bool {
        self.room.send(event).is_ok()
    }
}
