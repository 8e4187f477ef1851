//! The open connections of one worker: how many, what each is doing, and how to tell them something.
//!
//! What a connection does is noted as it happens, for the price of a few stores; whether it does so for too long is
//! looked at about once a second, a part of them at a time. When nearly as many are open as may be, those that do nothing
//! get less time (see [`Limits::hurried`]): otherwise a few thousand idle ones would keep everybody else outside.

use std::cell::Cell;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::message::Ended;
use crate::proxy::Ticker;
use crate::server::addresses::Addresses;
use crate::server::addresses::Seat;
use crate::server::doing::Common;
use crate::server::held::AllHeld;
use crate::server::settings::Limits;

pub(super) use crate::server::doing::Activity;
pub(super) use crate::server::doing::Connection;
pub(super) use crate::server::doing::Order;

/// Of a hundred connections that may be open, so many make the others hurry.
const CROWDED_PERCENT: usize = 90;

/// Who knows what clients may do, and is told what they did.
pub(super) trait Guard: std::fmt::Debug {
    /// See [`crate::message::Handler::connections_max_from`].
    fn connections_max_from(&self, ip: IpAddr) -> Option<usize>;
    /// See [`crate::message::Handler::ended`].
    fn ended(&self, why: Ended);
    /// See [`crate::message::Handler::opened`].
    fn opened(&self);
    /// See [`crate::message::Handler::closed`].
    fn closed(&self);
    /// See [`crate::message::Handler::holds`].
    fn holds(&self, bytes: u64);
}

/// A connection is looked at in every so many sweeps.
pub(super) const SWEEPS: u32 = 8;

/// Connections parked by one sweep: what others wait for meanwhile is about a millisecond.
const PARKED_MAX: usize = 1_024;

/// The open connections of one worker.
#[derive(Debug)]
pub(super) struct Connections {
    ticker: Rc<Ticker>,
    guard: Rc<dyn Guard>,
    addresses: Arc<Addresses>,
    held: Arc<AllHeld>,
    limits: Limits,
    open: RefCell<Vec<Rc<Connection>>>,
    /// Which part of them the next sweep looks at.
    part: Cell<u32>,
    in_flight: Rc<Cell<usize>>,
    ended: Notify,
    finished: Cell<usize>,
    /// What every further connection is told.
    order: Cell<Order>,
}

/// A connection's place among the open ones; dropping it takes it off.
#[derive(Debug)]
pub(super) struct Place {
    connections: Rc<Connections>,
    pub(super) connection: Rc<Connection>,
    seat: Option<Seat>,
}

impl Place {
    /// The client turned out to be at this address; false when there are too many connections from there.
    pub(super) fn sit(&mut self, ip: IpAddr) -> bool {
        self.connections
            .seat(ip)
            .map(|seat| self.seat = seat)
            .is_some()
    }
}

impl Connections {
    pub(super) fn new(
        ticker: Rc<Ticker>,
        guard: Rc<dyn Guard>,
        addresses: Arc<Addresses>,
        limits: Limits,
    ) -> Rc<Self> {
        Rc::new(Self {
            ticker,
            guard,
            addresses,
            held: AllHeld::new(limits.held_max),
            limits,
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

    /// A connection from this address; `None` when there are too many from it. One whose client is not known yet comes
    /// from none, and is to [sit down](Place::sit) once it is.
    pub(super) fn enter(self: &Rc<Self>, ip: Option<IpAddr>) -> Option<Place> {
        let seat = match ip {
            Some(ip) => self.seat(ip)?,
            None => None,
        };
        let mut open = self.open.borrow_mut();
        let common = Common {
            ticker: &self.ticker,
            in_flight: &self.in_flight,
            held: &self.held,
            limits: &self.limits,
        };
        let connection = Rc::new(Connection::new(&common, self.order.get(), open.len()));
        open.push(Rc::clone(&connection));
        self.guard.opened();
        Some(Place {
            connections: Rc::clone(self),
            connection,
            seat,
        })
    }

    /// A seat for a client at this address, if it needs one; `None` when there are too many connections from there.
    fn seat(&self, ip: IpAddr) -> Option<Option<Seat>> {
        let Some(max) = self.guard.connections_max_from(ip) else {
            return Some(None);
        };
        let seat = self.addresses.enter(ip, max);
        if seat.is_none() {
            self.guard.ended(Ended::Address);
        }
        seat.map(Some)
    }

    /// Tells every connection, and every further one.
    pub(super) fn tell_all(&self, order: Order) {
        self.order.set(order);
        for connection in self.open.borrow().iter() {
            connection.tell(order);
        }
    }

    /// Ends those that hold most of what waits in memory, whenever it is too much.
    pub(super) async fn shed(self: Rc<Self>) {
        loop {
            self.held.too_much().await;
            let held = |connection: &Rc<Connection>| {
                let bytes = connection.held();
                let is_open = !connection.is_cut();
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

    /// Ends connections that have been idle, slow or stuck for too long, and has idle ones parked: the next part of
    /// all, so that [`SWEEPS`] sweeps look at each of them once. (One that moves up when another ends may wait for the
    /// next round.)
    pub(super) fn sweep(&self) {
        self.guard.holds(self.held.bytes());
        let is_crowded = self.len() * 100 >= self.limits.connections_max * CROWDED_PERCENT;
        let limits = if is_crowded {
            self.limits.hurried()
        } else {
            self.limits
        };
        let open = self.open.borrow();
        let part = self.part.get();
        self.part.set((part + 1) % SWEEPS);
        let end = |part: u32| open.len() * part as usize / SWEEPS as usize;
        let mut parked_left = PARKED_MAX;
        for connection in &open[end(part)..end(part + 1)] {
            let (head, taking) = connection.check(&limits);
            for (count, why) in [(head, Ended::HeadSlow), (taking, Ended::TakingSlow)] {
                (0..count).for_each(|_| self.guard.ended(why));
            }
            if parked_left > 0 && connection.park_if_idle() {
                parked_left -= 1;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let connections = &self.connections;
        let mut open = connections.open.borrow_mut();
        let index = self.connection.index();
        open.swap_remove(index);
        if let Some(moved) = open.get(index) {
            moved.set_index(index);
        }
        drop(open);
        connections.guard.closed();
        // An upgraded one does not end by itself in a drain: it is closed.
        let ends_by_itself = !self.connection.is_cut() && !self.connection.is_upgraded();
        if connections.order.get() != Order::Serve && ends_by_itself {
            connections.finished.set(connections.finished.get() + 1);
        }
        connections.ended.notify_one();
    }
}

/// Limits nobody.
#[cfg(test)]
#[derive(Debug)]
struct Nobody;

#[cfg(test)]
impl Guard for Nobody {
    fn connections_max_from(&self, _: IpAddr) -> Option<usize> {
        None
    }

    fn ended(&self, _: Ended) {}

    fn opened(&self) {}

    fn closed(&self) {}

    fn holds(&self, _: u64) {}
}

#[cfg(test)]
impl Connections {
    /// So many, from wherever they come.
    pub(super) fn open_to_all(ticker: Rc<Ticker>, connections_max: usize) -> Rc<Self> {
        let limits = Limits {
            connections_max,
            ..Limits::default()
        };
        Self::new(ticker, Rc::new(Nobody), Addresses::new(), limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_than_the_maximum_is_open_and_places_are_found_again() {
        let connections = Connections::open_to_all(Ticker::new(), 2);
        let enter = || {
            connections
                .enter(Some(IpAddr::from([192, 0, 2, 1])))
                .unwrap()
        };
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
