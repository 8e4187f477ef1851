//! What one connection is doing, and whether it does so for too long.

use std::cell::Cell;
use std::cell::OnceCell;
use std::cell::RefCell;
use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;

use crate::message::Note;
use crate::message::Refusal;
use crate::proxy::Pace;
use crate::proxy::Patience;
use crate::proxy::Ticker;
use crate::server::frames::Traffic;
use crate::server::held::AllHeld;
use crate::server::held::Held;
use crate::server::settings::Limits;
use crate::server::stream::Flow;
use crate::server::taking::Beginning;
use crate::server::taking::Streams;
use crate::server::taking::Taking;

/// How long nothing is in flight on a connection before it is parked.
const PARK_AFTER: Duration = Duration::from_secs(1);

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Connection {
    ticker: Rc<Ticker>,
    /// What its bytes do.
    pub(super) flow: Arc<Flow>,
    /// Where it is among the open ones.
    index: Cell<usize>,
    waker: RefCell<Option<Waker>>,
    order: Cell<Order>,
    /// What its frames do, in HTTP/2.
    pub(super) traffic: Rc<Traffic>,
    parking: Cell<Parking>,
    /// Requests whose answers are not sent to the end, here and on the whole worker.
    in_flight: Cell<usize>,
    worker_in_flight: Rc<Cell<usize>>,
    /// Requests so far.
    requests: Cell<u64>,
    /// When the last answer ended, or the connection began.
    idle_since_ms: Cell<u64>,
    /// Since when a head is being read, and since when it is to end with nothing on it; both as first seen by a sweep.
    head_since_ms: Cell<Option<u64>>,
    ending_since_ms: Cell<Option<u64>>,
    /// When it was looked at last.
    looked_ms: Cell<u64>,
    /// With a client that does not take what we have for it.
    patience: Cell<Patience>,
    /// HTTP/2: the same for each stream by itself.
    streams: Streams,
    stream_pace: Pace,
    /// It speaks another protocol by now, or will; the note is held until that ends.
    upgraded: RefCell<Option<Weak<Note>>>,
    /// HTTP/2: what waits in memory for its client.
    held: OnceCell<Arc<Held>>,
    all_held: Arc<AllHeld>,
}

/// What a connection is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// Go on.
    Serve,
    /// Answer what comes, as the last thing: a request that was sent before its client could know is not lost. Where
    /// the protocol sees to that itself (RFC 9113 §6.8), it is as [`Order::Finish`].
    Last,
    /// Finish what is in flight, then end.
    Finish,
    /// End.
    Cut,
}

/// Whether a connection may be parked (see [`crate::server::parked`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parking {
    /// It cannot, or it is.
    No,
    /// When it is idle.
    Possible,
    /// It is to be, if it is idle still.
    Asked,
}

/// What all connections of a worker have in common.
pub(super) struct Common<'a> {
    pub(super) ticker: &'a Rc<Ticker>,
    /// Requests in flight on all of them.
    pub(super) in_flight: &'a Rc<Cell<usize>>,
    pub(super) held: &'a Arc<AllHeld>,
    pub(super) limits: &'a Limits,
}

/// One request in flight; it rides in the answer's body and ends with it.
#[derive(Debug)]
pub(super) struct Activity {
    connection: Rc<Connection>,
    /// In HTTP/1.1 what the connection does says it all.
    taking: Option<Rc<Taking>>,
}

impl Connection {
    /// One that has just come, with its place among the open ones.
    pub(super) fn new(common: &Common<'_>, order: Order, index: usize) -> Self {
        Self {
            ticker: Rc::clone(common.ticker),
            flow: Arc::default(),
            index: Cell::new(index),
            waker: RefCell::default(),
            order: Cell::new(order),
            traffic: Rc::default(),
            parking: Cell::new(Parking::No),
            in_flight: Cell::new(0),
            worker_in_flight: Rc::clone(common.in_flight),
            requests: Cell::new(0),
            idle_since_ms: Cell::new(common.ticker.now_ms()),
            head_since_ms: Cell::new(None),
            ending_since_ms: Cell::new(None),
            looked_ms: Cell::new(common.ticker.now_ms()),
            patience: Cell::new(Patience::new(common.limits.taking())),
            streams: Streams::default(),
            stream_pace: common.limits.taking_stream(),
            upgraded: RefCell::default(),
            held: OnceCell::new(),
            all_held: Arc::clone(common.held),
        }
    }

    pub(super) fn index(&self) -> usize {
        self.index.get()
    }

    pub(super) fn set_index(&self, index: usize) {
        self.index.set(index);
    }

    /// Whether it was told to end at once.
    pub(super) fn is_cut(&self) -> bool {
        self.order.get() == Order::Cut
    }

    /// Whether it speaks another protocol than HTTP.
    pub(super) fn is_upgraded(&self) -> bool {
        self.upgraded.borrow().is_some()
    }

    /// What is spoken instead of HTTP goes on: its note.
    pub(super) fn tunnelled(&self) -> Option<Rc<Note>> {
        self.upgraded.borrow().as_ref().and_then(Weak::upgrade)
    }

    /// Bytes that wait in memory for its client.
    pub(super) fn held(&self) -> u64 {
        self.held.get().map_or(0, |held| held.bytes())
    }

    /// What this connection is to do; its task is woken when that changes.
    pub(super) fn order(&self, cx: &Context<'_>) -> Order {
        if self.waker.borrow().is_none() {
            // A connection stays on one task.
            self.waker.replace(Some(cx.waker().clone()));
        }
        self.order.get()
    }

    /// Whether it has been told to end, soon or now.
    pub(super) fn is_told(&self) -> bool {
        self.order.get() != Order::Serve
    }

    /// A request of HTTP/1.1 begins.
    pub(super) fn begin(self: &Rc<Self>) -> Activity {
        self.begun(None)
    }

    /// A request of HTTP/2 begins.
    pub(super) fn begin_stream(self: &Rc<Self>, beginning: &Beginning) -> Activity {
        let taking = self.streams.begin(self.stream_pace);
        beginning.set(Rc::clone(&taking));
        self.begun(Some(taking))
    }

    fn begun(self: &Rc<Self>, taking: Option<Rc<Taking>>) -> Activity {
        self.in_flight.set(self.in_flight.get() + 1);
        self.worker_in_flight.set(self.worker_in_flight.get() + 1);
        self.requests.set(self.requests.get() + 1);
        Activity {
            connection: Rc::clone(self),
            taking,
        }
    }

    /// What is wrong with the current HTTP/1.1 request, as far as its bytes tell.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.flow.refusal(self.requests.get())
    }

    /// From now on, whether it may be parked when it is idle.
    pub(super) fn allow_parking(&self, is_allowed: bool) {
        self.parking.set(if is_allowed {
            Parking::Possible
        } else {
            Parking::No
        });
    }

    /// If it is to be parked and nothing is in flight, begins to watch what the library does with it; how many requests
    /// there were until now.
    pub(super) fn watch_if_asked(&self) -> Option<u64> {
        if self.parking.get() != Parking::Asked {
            return None;
        }
        self.parking.set(Parking::Possible);
        self.flow.watch_anew();
        self.requests_if_idle()
    }

    /// Whether nothing has happened since it was watched, and nothing is left to do.
    pub(super) fn is_still(&self, requests: u64) -> bool {
        self.requests_if_idle() == Some(requests) && self.flow.is_still()
    }

    fn requests_if_idle(&self) -> Option<u64> {
        (self.in_flight.get() == 0).then(|| self.requests.get())
    }

    /// Asks the connection's task to park it, if it has been idle for long enough; whether it was asked to.
    pub(super) fn park_if_idle(&self) -> bool {
        let idle_ms = self
            .ticker
            .now_ms()
            .saturating_sub(self.idle_since_ms.get());
        u128::from(idle_ms) >= PARK_AFTER.as_millis()
            && !self.flow.is_within()
            && self.ask_to_park()
    }

    /// Asks the connection's task to park it, if nothing is in flight; whether it was asked to.
    pub(super) fn ask_to_park(&self) -> bool {
        let is_possible = self.parking.get() == Parking::Possible && self.in_flight.get() == 0;
        if is_possible {
            self.parking.set(Parking::Asked);
            if let Some(waker) = &*self.waker.borrow() {
                waker.wake_by_ref();
            }
        }
        is_possible
    }

    pub(super) fn tell(&self, order: Order) {
        if order > self.order.get() {
            self.order.set(order);
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Ends it, or what is on it, if it took too long; how many heads, and how many answers not taken, were the reason.
    pub(super) fn check(&self, limits: &Limits) -> (usize, usize) {
        if self.is_upgraded() {
            // What it carries now has deadlines of its own.
            return (0, 0);
        }
        let now_ms = self.ticker.now_ms();
        let waited_ms = now_ms.saturating_sub(self.looked_ms.replace(now_ms));
        let begun = |since: &Cell<Option<u64>>, is_on: bool| {
            since.set(is_on.then(|| since.get().unwrap_or(now_ms)));
            since.get()
        };
        let exceeds = |since_ms: Option<u64>, limit: Duration| {
            since_ms.is_some_and(|since_ms| {
                u128::from(now_ms.saturating_sub(since_ms)) > limit.as_millis()
            })
        };
        let is_busy = self.in_flight.get() > 0;
        let head_ms = begun(&self.head_since_ms, !is_busy && self.flow.is_within());
        if exceeds(head_ms, limits.head) {
            if self.flow.has_head() && self.flow.give_up_head() {
                // Polled now, it tells its client.
                self.wake();
                return (1, 0);
            }
            self.tell(Order::Cut);
        } else if !is_busy && exceeds(Some(self.idle_since_ms.get()), limits.idle) {
            self.tell(Order::Finish);
        }
        let is_ending = !is_busy && self.order.get() == Order::Finish;
        if exceeds(begun(&self.ending_since_ms, is_ending), limits.handshake) {
            // It was told to end, and its client does not let it.
            self.tell(Order::Cut);
        }
        (0, self.check_taking(limits, waited_ms))
    }

    fn check_taking(&self, limits: &Limits, waited_ms: u64) -> usize {
        let pace = limits.taking();
        let taken = self.flow.take_taken();
        if !self.flow.is_stuck() {
            self.patience.set(Patience::new(pace));
            return self.streams.check(waited_ms, limits.taking_stream());
        }
        // What its streams wait for is the connection.
        let mut patience = self.patience.get();
        let goes_on = patience.spend(waited_ms, taken, pace);
        self.patience.set(patience);
        if goes_on || self.order.get() == Order::Cut {
            return 0;
        }
        self.tell(Order::Cut);
        1
    }
}

impl Activity {
    /// Whether its connection has been told to end.
    pub(super) fn is_last(&self) -> bool {
        self.connection.is_told()
    }

    /// The request was answered by a change of protocol; whoever speaks that keeps its note.
    pub(super) fn upgraded(&self, note: &Rc<Note>) {
        self.connection.flow.upgraded();
        self.connection.upgraded.replace(Some(Rc::downgrade(note)));
    }

    /// See [`Traffic::poll_room`].
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        self.connection.traffic.poll_room(cx)
    }

    /// See [`Traffic::hand`].
    pub(super) fn hand(&self, len: usize) {
        self.connection.traffic.hand(len);
    }

    /// See [`Taking::offer`].
    pub(super) fn offer(&self) {
        if let Some(taking) = &self.taking {
            taking.offer();
        }
    }

    /// What is about to wait for the client, counted as that. In HTTP/1.1 there is one answer at a time.
    pub(super) fn hold(&self, bytes: Bytes) -> Bytes {
        if self.taking.is_none() {
            return bytes;
        }
        let connection = &self.connection;
        let held = connection
            .held
            .get_or_init(|| Held::new(&connection.all_held));
        held.hold(bytes)
    }

    /// See [`Taking::wait`].
    pub(super) fn wait(&self) {
        if let Some(taking) = &self.taking {
            taking.wait();
        }
    }

    /// See [`Taking::take`].
    pub(super) fn take(&self, bytes: u64) {
        if let Some(taking) = &self.taking {
            taking.take(bytes);
        }
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        let connection = &self.connection;
        if let Some(taking) = &self.taking {
            connection.streams.end(taking);
        }
        connection.in_flight.set(connection.in_flight.get() - 1);
        connection
            .worker_in_flight
            .set(connection.worker_in_flight.get() - 1);
        connection.idle_since_ms.set(connection.ticker.now_ms());
    }
}
