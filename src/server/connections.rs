//! The open connections of one worker: how many, what each is doing, and how to tell them something.
//!
//! What a connection does is noted as it happens, for the price of a few stores; whether it does so for too long is
//! looked at about once a second, a part of them at a time.

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;

use crate::message::Refusal;
use crate::proxy::Ticker;
use crate::server::frames::Traffic;
use crate::server::settings::Limits;
use crate::server::stream::Flow;

/// A connection is looked at in every so many sweeps.
pub(super) const SWEEPS: u32 = 8;

/// How long nothing is in flight on a connection before it is parked.
const PARK_AFTER: Duration = Duration::from_secs(1);

/// Connections parked by one sweep: what others wait for meanwhile is about a millisecond.
const PARKED_MAX: usize = 1_024;

/// The open connections of one worker.
#[derive(Debug)]
pub(super) struct Connections {
    ticker: Rc<Ticker>,
    max: usize,
    open: RefCell<Vec<Rc<Connection>>>,
    /// Which part of them the next sweep looks at.
    part: Cell<u32>,
    in_flight: Rc<Cell<usize>>,
    ended: Notify,
    finished: Cell<usize>,
    /// What every further connection is told.
    order: Cell<Order>,
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
    /// Since when a head is being read, and since when the client takes nothing of what we have for it; both as
    /// first seen by a sweep.
    head_since_ms: Cell<Option<u64>>,
    stuck_since_ms: Cell<Option<u64>>,
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

/// A connection's place among the open ones; dropping it takes it off.
#[derive(Debug)]
pub(super) struct Place {
    connections: Rc<Connections>,
    pub(super) connection: Rc<Connection>,
}

/// One request in flight; it rides in the answer's body and ends with it.
#[derive(Debug)]
pub(super) struct Activity(Rc<Connection>);

impl Connections {
    pub(super) fn new(ticker: Rc<Ticker>, max: usize) -> Rc<Self> {
        Rc::new(Self {
            ticker,
            max,
            open: RefCell::default(),
            part: Cell::new(0),
            in_flight: Rc::default(),
            ended: Notify::new(),
            finished: Cell::new(0),
            order: Cell::new(Order::Serve),
        })
    }

    /// Waits until one more may be open.
    pub(super) async fn room(&self) {
        while self.len() >= self.max {
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

    pub(super) fn enter(self: &Rc<Self>) -> Place {
        let mut open = self.open.borrow_mut();
        let connection = Rc::new(Connection {
            ticker: Rc::clone(&self.ticker),
            flow: Arc::default(),
            index: Cell::new(open.len()),
            waker: RefCell::default(),
            traffic: Rc::default(),
            order: self.order.clone(),
            parking: Cell::new(Parking::No),
            in_flight: Cell::new(0),
            worker_in_flight: self.in_flight(),
            requests: Cell::new(0),
            idle_since_ms: Cell::new(self.ticker.now_ms()),
            head_since_ms: Cell::new(None),
            stuck_since_ms: Cell::new(None),
        });
        open.push(Rc::clone(&connection));
        Place {
            connections: Rc::clone(self),
            connection,
        }
    }

    /// Tells every connection, and every further one.
    pub(super) fn tell_all(&self, order: Order) {
        self.order.set(order);
        for connection in self.open.borrow().iter() {
            connection.tell(order);
        }
    }

    /// Ends connections that have been idle, slow or stuck for too long, and has idle ones parked: the next part of
    /// all, so that [`SWEEPS`] sweeps look at each of them once. (One that moves up when another ends may wait for the
    /// next round.)
    pub(super) fn sweep(&self, limits: &Limits) {
        let open = self.open.borrow();
        let part = self.part.get();
        self.part.set((part + 1) % SWEEPS);
        let end = |part: u32| open.len() * part as usize / SWEEPS as usize;
        let mut parked_left = PARKED_MAX;
        for connection in &open[end(part)..end(part + 1)] {
            connection.check(limits);
            if parked_left > 0 && connection.park_if_idle() {
                parked_left -= 1;
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

    /// Whether it has been told to end, soon or now.
    pub(super) fn is_told(&self) -> bool {
        self.order.get() != Order::Serve
    }

    /// A request begins.
    pub(super) fn begin(self: &Rc<Self>) -> Activity {
        self.in_flight.set(self.in_flight.get() + 1);
        self.worker_in_flight.set(self.worker_in_flight.get() + 1);
        self.requests.set(self.requests.get() + 1);
        Activity(Rc::clone(self))
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
    fn park_if_idle(&self) -> bool {
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

    fn tell(&self, order: Order) {
        if order > self.order.get() {
            self.order.set(order);
            if let Some(waker) = self.waker.borrow_mut().take() {
                waker.wake();
            }
        }
    }

    fn check(&self, limits: &Limits) {
        let now_ms = self.ticker.now_ms();
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
        let stuck_ms = begun(&self.stuck_since_ms, self.flow.take_stuck());
        let head_ms = begun(&self.head_since_ms, !is_busy && self.flow.is_within());
        if exceeds(stuck_ms, limits.send) || exceeds(head_ms, limits.head) {
            self.tell(Order::Cut);
        } else if !is_busy && exceeds(Some(self.idle_since_ms.get()), limits.idle) {
            self.tell(Order::Finish);
        }
    }
}

impl Activity {
    /// Whether its connection has been told to end.
    pub(super) fn is_last(&self) -> bool {
        self.0.is_told()
    }

    /// The request was answered by a change of protocol.
    pub(super) fn upgraded(&self) {
        self.0.flow.upgraded();
    }

    /// See [`Traffic::poll_room`].
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        self.0.traffic.poll_room(cx)
    }

    /// See [`Traffic::hand`].
    pub(super) fn hand(&self, len: usize) {
        self.0.traffic.hand(len);
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        let connection = &self.0;
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
        if connections.order.get() != Order::Serve && self.connection.order.get() != Order::Cut {
            connections.finished.set(connections.finished.get() + 1);
        }
        connections.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_than_the_maximum_is_open_and_places_are_found_again() {
        let connections = Connections::new(Ticker::new(), 2);
        let (first, second) = (connections.enter(), connections.enter());
        let room = connections.room();
        tokio::pin!(room);
        tokio::select! {
            biased;
            () = &mut room => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        drop(first);
        room.await;
        let third = connections.enter();
        drop(second);
        drop(third);
        assert_eq!(connections.len(), 0);
    }
}
