//! This worker's share of what an origin may have in flight, with a short bounded wait when it is used up.
//!
//! A worker counts by itself up to a share of its own. What is too little to be divided among a replica's workers is a
//! [`Pot`] that they take from together: only then is anything written by more than one of them.
//!
//! Who waits is served in turn with the others who wait, not with their requests: a browser that asks for fifty things at
//! once gets one of them for each of everybody else's, and may have an eighth of the places to wait in. What becomes free
//! is handed to whoever is next; handed to somebody who has just left, it goes on to the one after.

use std::cell::Cell;
use std::cell::RefCell;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::line::ids::TicketId;
use crate::proxy::error::OriginErrorKind;
use crate::proxy::fair::Fair;
use crate::proxy::ticker::Ticker;

/// Of the places to wait in, the part that one visitor may have.
const PART_OF_ONE: usize = 8;

/// What one visitor may have of them however few there are: what a browser asks for at once.
const LEAST_OF_ONE: usize = 16;

/// How many requests the workers of this replica may have in flight together, and how many they have.
#[derive(Debug, Default)]
pub struct Pot {
    max: AtomicUsize,
    in_flight: AtomicUsize,
    freed: Notify,
}

impl Pot {
    fn try_take(&self) -> bool {
        let one_more = |taken| (taken < self.max.load(Ordering::Relaxed)).then_some(taken + 1);
        let taken = self
            .in_flight
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_more);
        taken.is_ok()
    }

    fn give_back(&self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.freed.notify_one();
    }

    fn set_max(&self, max: usize) {
        let more = max.saturating_sub(self.max.swap(max, Ordering::AcqRel));
        if more > 0 {
            self.freed.notify_waiters();
        }
    }
}

/// Who a request is counted for where requests queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// Somebody with a pass.
    Visitor(TicketId),
    /// Whoever is at this address, or in this /64.
    Address(IpAddr),
}

impl Who {
    pub(super) fn new(visitor: Option<TicketId>, ip: IpAddr) -> Self {
        match (visitor, ip) {
            (Some(visitor), _) => Self::Visitor(visitor),
            (None, IpAddr::V4(_)) => Self::Address(ip),
            (None, IpAddr::V6(ip)) => {
                let network = ip.to_bits() >> 64 << 64;
                Self::Address(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
        }
    }
}

/// How many requests may be in flight, and how many are.
#[derive(Debug)]
pub(super) struct Share {
    max: Cell<usize>,
    /// What the workers have together counts, and not `max`; the pot then knows of all that is in flight here.
    is_pooled: Cell<bool>,
    pot: Arc<Pot>,
    in_flight: Cell<usize>,
    waiting: RefCell<Fair<Who, Ptr>>,
    waiting_max: Cell<usize>,
}

/// Leave to have one request in flight; dropping it gives the leave back.
#[derive(Debug)]
pub(super) struct Permit(Rc<Share>);

/// Somebody who waits.
#[derive(Debug, Default)]
struct Waiter {
    granted: RefCell<Option<Permit>>,
    waker: RefCell<Option<Waker>>,
}

/// The same one, and not one that is alike.
#[derive(Debug, Clone)]
struct Ptr(Rc<Waiter>);

impl PartialEq for Ptr {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Share {
    pub(super) fn new(max: usize, waiting_max: usize, pot: Arc<Pot>) -> Rc<Self> {
        Rc::new(Self {
            max: Cell::new(max),
            is_pooled: Cell::new(false),
            pot,
            in_flight: Cell::new(0),
            waiting: RefCell::default(),
            waiting_max: Cell::new(waiting_max),
        })
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Whether it takes from this pot when it takes from one.
    pub(super) fn is_of(&self, pot: &Arc<Pot>) -> bool {
        Arc::ptr_eq(&self.pot, pot)
    }

    /// Changes how many may wait; those who do are left in peace.
    pub(super) fn set_waiting_max(&self, max: usize) {
        self.waiting_max.set(max);
    }

    /// Changes how many may be in flight; those in flight above a lower number end in peace.
    pub(super) fn set_max(self: &Rc<Self>, max: usize) {
        if self.is_pooled.replace(false) {
            for _ in 0..self.in_flight.get() {
                self.pot.give_back();
            }
        }
        self.max.set(max);
        self.hand_out();
    }

    /// Takes from the pot from now on, which holds this many.
    pub(super) fn set_pooled(self: &Rc<Self>, max: usize) {
        self.pot.set_max(max);
        if !self.is_pooled.replace(true) {
            let in_flight = self.in_flight.get();
            self.pot.in_flight.fetch_add(in_flight, Ordering::AcqRel);
        }
        self.hand_out();
    }

    /// A permit at once, unless others were here first.
    pub(super) fn try_take(self: &Rc<Self>) -> Option<Permit> {
        if self.waiting() > 0 {
            return None;
        }
        self.take_free()
    }

    /// A permit within `limit`, in turn with the others who wait.
    pub(super) async fn take(
        self: &Rc<Self>,
        who: Who,
        limit: Duration,
        ticker: &Rc<Ticker>,
    ) -> Result<Permit, OriginErrorKind> {
        if let Some(permit) = self.try_take() {
            return Ok(permit);
        }
        let place = Waiting::enter(self, who).ok_or(OriginErrorKind::Busy)?;
        let freed = async {
            loop {
                let mut pooled = std::pin::pin!(self.pot.freed.notified());
                pooled.as_mut().enable();
                // Another worker may have given one back before this one listened.
                self.hand_out();
                let granted = std::future::poll_fn(|cx| place.poll(pooled.as_mut(), cx)).await;
                if let Some(permit) = granted {
                    return permit;
                }
            }
        };
        ticker
            .within(limit, freed)
            .await
            .ok_or(OriginErrorKind::Busy)
    }

    fn take_free(self: &Rc<Self>) -> Option<Permit> {
        let in_flight = self.in_flight.get();
        let is_free = if self.is_pooled.get() {
            self.pot.try_take()
        } else {
            in_flight < self.max.get()
        };
        is_free.then(|| {
            self.in_flight.set(in_flight + 1);
            Permit(Rc::clone(self))
        })
    }

    /// Gives what is free to those who wait, each in turn.
    fn hand_out(self: &Rc<Self>) {
        while self.waiting() > 0 {
            let Some(permit) = self.take_free() else {
                return;
            };
            let next = self.waiting.borrow_mut().pop();
            if let Some(Ptr(waiter)) = next {
                waiter.granted.replace(Some(permit));
                let waker = waiter.waker.take();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
        if self.0.is_pooled.get() {
            self.0.pot.give_back();
        } else {
            self.0.hand_out();
        }
    }
}

/// A place among those who wait, left when dropped.
struct Waiting<'a> {
    share: &'a Rc<Share>,
    who: Who,
    waiter: Ptr,
}

impl<'a> Waiting<'a> {
    /// A place, if there is one for this visitor.
    fn enter(share: &'a Rc<Share>, who: Who) -> Option<Self> {
        let max = share.waiting_max.get();
        let mut waiting = share.waiting.borrow_mut();
        let max_of_one = LEAST_OF_ONE.max(max / PART_OF_ONE);
        if waiting.len() >= max || waiting.len_of(&who) >= max_of_one {
            return None;
        }
        let waiter = Ptr(Rc::default());
        waiting.push(who, waiter.clone());
        drop(waiting);
        Some(Self { share, who, waiter })
    }

    /// The permit, once it was handed over; nothing, once there may be something to hand out.
    fn poll(&self, pooled: Pin<&mut Notified<'_>>, cx: &mut Context<'_>) -> Poll<Option<Permit>> {
        let granted = self.waiter.0.granted.take();
        if granted.is_some() {
            return Poll::Ready(granted);
        }
        self.waiter.0.waker.replace(Some(cx.waker().clone()));
        pooled.poll(cx).map(|()| None)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Self { share, who, waiter } = self;
        share.waiting.borrow_mut().remove(who, waiter);
        // What was handed over and not taken goes on to the next.
        let unused = waiter.0.granted.take();
        drop(unused);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn visitor(id: u128) -> Who {
        Who::Visitor(TicketId(id))
    }

    #[tokio::test]
    async fn who_waits_gets_the_next_free_place_and_a_newcomer_does_not() {
        let share = Share::new(1, 1, Arc::default());
        let ticker = Ticker::new();
        let first = share.try_take().unwrap();
        let waiting = share.take(visitor(1), HOUR, &ticker);
        tokio::pin!(waiting);
        assert!(futures_now(&mut waiting).await.is_none());
        assert_eq!(
            share.take(visitor(1), HOUR, &ticker).await.unwrap_err(),
            OriginErrorKind::Busy
        );
        drop(first);
        assert!(share.try_take().is_none());
        let second = waiting.await.unwrap();
        assert_eq!((share.in_flight(), share.waiting()), (1, 0));
        drop(second);
        assert_eq!(share.in_flight(), 0);
    }

    #[tokio::test]
    async fn a_larger_share_lets_those_who_wait_in() {
        let share = Share::new(0, 8, Arc::default());
        let ticker = Ticker::new();
        let waiting = share.take(visitor(1), HOUR, &ticker);
        tokio::pin!(waiting);
        assert!(futures_now(&mut waiting).await.is_none());
        share.set_max(1);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test]
    async fn workers_that_share_a_pot_have_no_more_than_it_holds_and_wait_for_one_another() {
        let pot = Arc::new(Pot::default());
        let [one, two] = [(); 2].map(|()| Share::new(5, 8, Arc::clone(&pot)));
        // Begun before there was a pot, and counted all the same.
        let before = one.try_take().unwrap();
        for share in [&one, &two] {
            share.set_pooled(2);
        }
        let other = two.try_take().unwrap();
        assert!(one.try_take().is_none() && two.try_take().is_none());
        let ticker = Ticker::new();
        let waiting = two.take(visitor(1), HOUR, &ticker);
        tokio::pin!(waiting);
        assert!(futures_now(&mut waiting).await.is_none());
        drop(before);
        let third = waiting.await.unwrap();
        assert!(one.try_take().is_none());
        // Apart again, each has its own, and the pot is empty.
        for share in [&one, &two] {
            share.set_max(1);
        }
        assert!(two.try_take().is_none());
        let own = one.try_take().unwrap();
        drop((other, third, own));
        assert_eq!(pot.in_flight.load(Ordering::Relaxed), 0);
        assert_eq!((one.in_flight(), two.in_flight()), (0, 0));
    }

    #[tokio::test]
    async fn who_waits_at_one_worker_goes_on_when_the_pot_grows() {
        let pot = Arc::new(Pot::default());
        let share = Share::new(0, 8, Arc::clone(&pot));
        let ticker = Ticker::new();
        share.set_pooled(0);
        let waiting = share.take(visitor(1), HOUR, &ticker);
        tokio::pin!(waiting);
        assert!(futures_now(&mut waiting).await.is_none());
        pot.set_max(1);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test]
    async fn who_brings_fifty_gets_one_for_each_of_the_others_and_not_all_places_to_wait() {
        let share = Share::new(1, 64, Arc::default());
        let ticker = Ticker::new();
        let first = share.try_take().unwrap();
        let mut many: Vec<_> = (0..50)
            .map(|_| Box::pin(share.take(visitor(1), HOUR, &ticker)))
            .collect();
        let mut refused = 0;
        for one in &mut many {
            refused += usize::from(futures_now(one).await.is_some_and(|it| it.is_err()));
        }
        assert_eq!(
            (refused, share.waiting()),
            (50 - LEAST_OF_ONE, LEAST_OF_ONE)
        );
        let mut others: Vec<_> = (2..5)
            .map(|id| Box::pin(share.take(visitor(id), HOUR, &ticker)))
            .collect();
        for other in &mut others {
            assert!(futures_now(other).await.is_none());
        }
        // One of the fifty is served before each has had its turn.
        let mut permit = first;
        drop(permit);
        permit = many.remove(0).await.unwrap();
        for other in others {
            drop(permit);
            permit = other.await.unwrap();
        }
        drop(permit);
        assert!(many.remove(0).await.is_ok());
    }

    #[tokio::test]
    async fn what_was_handed_to_somebody_who_left_goes_on_to_the_next() {
        for is_pooled in [false, true] {
            let share = Share::new(1, 8, Arc::default());
            if is_pooled {
                share.set_pooled(1);
            }
            let ticker = Ticker::new();
            let first = share.try_take().unwrap();
            let mut leaving = Box::pin(share.take(visitor(1), HOUR, &ticker));
            let mut staying = Box::pin(share.take(visitor(2), HOUR, &ticker));
            assert!(futures_now(&mut leaving).await.is_none());
            assert!(futures_now(&mut staying).await.is_none());
            drop(first);
            // Woken, and gone before it could look.
            drop(leaving);
            let permit = futures_now(&mut staying).await;
            let permit = permit.unwrap_or(Err(OriginErrorKind::Busy));
            assert!(permit.is_ok(), "pooled: {is_pooled}");
            assert_eq!((share.in_flight(), share.waiting()), (1, 0));
            drop(permit);
            assert!(share.try_take().is_some());
        }
    }

    #[test]
    fn addresses_of_one_network_are_one_who_asks() {
        let who = |ip: &str| Who::new(None, ip.parse().unwrap());
        assert_eq!(who("2001:db8::1"), who("2001:db8::2:1"));
        assert_ne!(who("2001:db8::1"), who("2001:db8:0:1::1"));
        assert_ne!(who("192.0.2.1"), who("192.0.2.2"));
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(Who::new(Some(TicketId(7)), ip), visitor(7));
    }

    async fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            Poll::Ready(match Pin::new(&mut *future).poll(cx) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => None,
            })
        })
        .await
    }
}
