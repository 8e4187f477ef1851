//! The open connections of one worker: how many, what each is doing, and how to tell them something.
//!
//! What a connection does is noted as it happens, for the price of a few stores; whether it does so for too long is
//! looked at once a second, for all of them. When nearly as many are open as may be, those that do nothing get less time
//! (see [`Limits::hurried`]): otherwise a few thousand idle ones would keep everybody else outside.

use std::cell::Cell;
use std::cell::OnceCell;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::message::Ended;
use crate::message::Refusal;
use crate::proxy::Pace;
use crate::proxy::Patience;
use crate::proxy::Ticker;
use crate::server::addresses::Addresses;
use crate::server::addresses::Seat;
use crate::server::held::AllHeld;
use crate::server::held::Held;
use crate::server::settings::Limits;
use crate::server::stream::Flow;
use crate::server::taking::Beginning;
use crate::server::taking::Streams;
use crate::server::taking::Taking;

/// Of a hundred connections that may be open, so many make the others hurry.
const CROWDED_PERCENT: usize = 90;

/// Who knows what clients may do, and is told what they did.
pub(super) trait Guard: std::fmt::Debug {
    /// See [`crate::message::Handler::connections_max_from`].
    fn connections_max_from(&self, ip: IpAddr) -> Option<usize>;
    /// See [`crate::message::Handler::ended`].
    fn ended(&self, why: Ended);
    /// See [`crate::message::Handler::holds`].
    fn holds(&self, bytes: u64);
}

/// The open connections of one worker.
#[derive(Debug)]
pub(super) struct Connections {
    ticker: Rc<Ticker>,
    guard: Rc<dyn Guard>,
    addresses: Arc<Addresses>,
    held: Arc<AllHeld>,
    limits: Limits,
    /// When all were looked at last.
    swept_ms: Cell<u64>,
    open: RefCell<Vec<Rc<Connection>>>,
    in_flight: Rc<Cell<usize>>,
    ended: Notify,
    finished: Cell<usize>,
    is_draining: Cell<bool>,
}

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
    /// With a client that does not take what we have for it.
    patience: Cell<Patience>,
    /// HTTP/2: the same for each stream by itself.
    streams: Streams,
    stream_pace: Pace,
    /// HTTP/2: what waits in memory for its client.
    held: OnceCell<Arc<Held>>,
    all_held: Arc<AllHeld>,
}

/// What a connection is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// Go on.
    Serve,
    /// Finish what is in flight, then end.
    Finish,
    /// End.
    Cut,
}

/// A connection's place among the open ones; dropping it takes it off.
#[derive(Debug)]
pub(super) struct Place {
    connections: Rc<Connections>,
    pub(super) connection: Rc<Connection>,
    _seat: Option<Seat>,
}

/// One request in flight; it rides in the answer's body and ends with it.
#[derive(Debug)]
pub(super) struct Activity {
    connection: Rc<Connection>,
    /// In HTTP/1.1 what the connection does says it all.
    taking: Option<Rc<Taking>>,
}

impl Connections {
    pub(super) fn new(
        ticker: Rc<Ticker>,
        guard: Rc<dyn Guard>,
        addresses: Arc<Addresses>,
        limits: Limits,
    ) -> Rc<Self> {
        Rc::new(Self {
            swept_ms: Cell::new(ticker.now_ms()),
            ticker,
            guard,
            addresses,
            held: AllHeld::new(limits.held_max),
            limits,
            open: RefCell::default(),
            in_flight: Rc::default(),
            ended: Notify::new(),
            finished: Cell::new(0),
            is_draining: Cell::new(false),
        })
    }

    /// Waits until one more may be open.
    pub(super) async fn room(&self) {
        while self.len() >= self.limits.connections_max {
            self.ended.notified().await;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.borrow().len()
    }

    /// Requests in flight on all connections.
    pub(super) fn in_flight(&self) -> Rc<Cell<usize>> {
        Rc::clone(&self.in_flight)
    }

    /// Connections that ended by themselves during a drain.
    pub(super) fn finished(&self) -> usize {
        self.finished.get()
    }

    /// A connection from this address; `None` when there are too many from it.
    pub(super) fn enter(self: &Rc<Self>, ip: IpAddr) -> Option<Place> {
        let seat = match self.guard.connections_max_from(ip) {
            None => None,
            Some(max) => match self.addresses.enter(ip, max) {
                None => {
                    self.guard.ended(Ended::Address);
                    return None;
                }
                seat => seat,
            },
        };
        let mut open = self.open.borrow_mut();
        let connection = Rc::new(Connection {
            ticker: Rc::clone(&self.ticker),
            flow: Arc::default(),
            index: Cell::new(open.len()),
            waker: RefCell::default(),
            order: Cell::new(if self.is_draining.get() {
                Order::Finish
            } else {
                Order::Serve
            }),
            in_flight: Cell::new(0),
            worker_in_flight: self.in_flight(),
            requests: Cell::new(0),
            idle_since_ms: Cell::new(self.ticker.now_ms()),
            head_since_ms: Cell::new(None),
            ending_since_ms: Cell::new(None),
            patience: Cell::new(Patience::new(self.limits.taking())),
            streams: Streams::default(),
            stream_pace: self.limits.taking_stream(),
            held: OnceCell::new(),
            all_held: Arc::clone(&self.held),
        });
        open.push(Rc::clone(&connection));
        Some(Place {
            connections: Rc::clone(self),
            connection,
            _seat: seat,
        })
    }

    /// Tells every connection, and every further one.
    pub(super) fn tell_all(&self, order: Order) {
        self.is_draining.set(true);
        for connection in self.open.borrow().iter() {
            connection.tell(order);
        }
    }

    /// Ends those that hold most of what waits in memory, whenever it is too much.
    pub(super) async fn shed(self: Rc<Self>) {
        loop {
            self.held.too_much().await;
            let held = |connection: &Rc<Connection>| {
                let bytes = connection.held.get().map_or(0, |held| held.bytes());
                let is_open = connection.order.get() != Order::Cut;
                (is_open && bytes > 0).then(|| (bytes, Rc::clone(connection)))
            };
            let mut holders: Vec<_> = self.open.borrow().iter().filter_map(held).collect();
            holders.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
            let mut excess = self.held.excess();
            for (bytes, connection) in holders {
                if excess == 0 {
                    break;
                }
                excess = excess.saturating_sub(bytes);
                connection.tell(Order::Cut);
                self.guard.ended(Ended::HoldsTooMuch);
            }
        }
    }

    /// Ends connections that have been idle, slow or stuck for too long.
    pub(super) fn sweep(&self) {
        self.guard.holds(self.held.bytes());
        let now_ms = self.ticker.now_ms();
        let waited_ms = now_ms.saturating_sub(self.swept_ms.replace(now_ms));
        let is_crowded = self.len() * 100 >= self.limits.connections_max * CROWDED_PERCENT;
        let limits = if is_crowded {
            self.limits.hurried()
        } else {
            self.limits
        };
        for connection in self.open.borrow().iter() {
            let (head, taking) = connection.check(&limits, now_ms, waited_ms);
            for (count, why) in [(head, Ended::HeadSlow), (taking, Ended::TakingSlow)] {
                (0..count).for_each(|_| self.guard.ended(why));
            }
        }
    }
}

impl Connection {
    /// What this connection is to do; its task is woken when that changes.
    pub(super) fn order(&self, cx: &Context<'_>) -> Order {
        if self.waker.borrow().is_none() {
            // A connection stays on one task.
            self.waker.replace(Some(cx.waker().clone()));
        }
        self.order.get()
    }

    /// Whether it has been told to end.
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

    fn tell(&self, order: Order) {
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
    fn check(&self, limits: &Limits, now_ms: u64, waited_ms: u64) -> (usize, usize) {
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
        let head_ms = begun(&self.head_since_ms, !is_busy && self.flow.has_head());
        if exceeds(head_ms, limits.head) {
            if self.flow.give_up_head() {
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
    /// The request was answered by a change of protocol.
    pub(super) fn upgraded(&self) {
        self.connection.flow.upgraded();
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

impl Drop for Place {
    fn drop(&mut self) {
        let connections = &self.connections;
        let mut open = connections.open.borrow_mut();
        let index = self.connection.index.get();
        open.swap_remove(index);
        if let Some(moved) = open.get(index) {
            moved.index.set(index);
        }
        drop(open);
        if connections.is_draining.get() && self.connection.order.get() != Order::Cut {
            connections.finished.set(connections.finished.get() + 1);
        }
        connections.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Limits nobody.
    #[derive(Debug)]
    struct Nobody;

    impl Guard for Nobody {
        fn connections_max_from(&self, _: IpAddr) -> Option<usize> {
            None
        }

        fn ended(&self, _: Ended) {}

        fn holds(&self, _: u64) {}
    }

    #[tokio::test]
    async fn no_more_than_the_maximum_is_open_and_places_are_found_again() {
        let limits = Limits {
            connections_max: 2,
            ..Limits::default()
        };
        let guard = Rc::new(Nobody);
        let connections = Connections::new(Ticker::new(), guard, Addresses::new(), limits);
        let enter = || connections.enter(IpAddr::from([192, 0, 2, 1])).unwrap();
        let (first, second) = (enter(), enter());
        let room = connections.room();
        tokio::pin!(room);
        tokio::select! {
            biased;
            () = &mut room => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        drop(first);
        room.await;
        let third = enter();
        drop(second);
        drop(third);
        assert_eq!(connections.len(), 0);
    }
}
