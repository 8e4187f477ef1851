//! This worker's share of what an origin may have in flight, with a short bounded wait when it is used up.
//!
//! A worker counts by itself up to a share of its own. What is too little to be divided among a replica's workers is a
//! [`Pot`] that they take from together: only then is anything written by more than one of them.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;

use crate::proxy::error::OriginErrorKind;
use crate::proxy::ticker::Ticker;

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

/// How many requests may be in flight, and how many are.
#[derive(Debug)]
pub(super) struct Share {
    max: Cell<usize>,
    /// What the workers have together counts, and not `max`; the pot then knows of all that is in flight here.
    is_pooled: Cell<bool>,
    pot: Arc<Pot>,
    in_flight: Cell<usize>,
    waiting: Cell<usize>,
    waiting_max: usize,
    freed: Notify,
}

/// Leave to have one request in flight; dropping it gives the leave back.
#[derive(Debug)]
pub(super) struct Permit(Rc<Share>);

impl Share {
    pub(super) fn new(max: usize, waiting_max: usize, pot: Arc<Pot>) -> Rc<Self> {
        Rc::new(Self {
            max: Cell::new(max),
            is_pooled: Cell::new(false),
            pot,
            in_flight: Cell::new(0),
            waiting: Cell::new(0),
            waiting_max,
            freed: Notify::new(),
        })
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// Changes how many may be in flight; those in flight above a lower number end in peace.
    pub(super) fn set_max(&self, max: usize) {
        if self.is_pooled.replace(false) {
            for _ in 0..self.in_flight.get() {
                self.pot.give_back();
            }
            self.max.set(0);
        }
        let more = max.saturating_sub(self.max.replace(max));
        for _ in 0..more.min(self.waiting.get()) {
            self.freed.notify_one();
        }
    }

    /// Takes from the pot from now on, which holds this many.
    pub(super) fn set_pooled(&self, max: usize) {
        self.pot.set_max(max);
        if !self.is_pooled.replace(true) {
            let in_flight = self.in_flight.get();
            self.pot.in_flight.fetch_add(in_flight, Ordering::AcqRel);
            for _ in 0..self.waiting.get() {
                self.freed.notify_one();
            }
        }
    }

    /// A permit at once, unless others were here first.
    pub(super) fn try_take(self: &Rc<Self>) -> Option<Permit> {
        if self.waiting.get() > 0 {
            return None;
        }
        self.take_free()
    }

    /// A permit within `limit`, first come first served.
    pub(super) async fn take(
        self: &Rc<Self>,
        limit: Duration,
        ticker: &Rc<Ticker>,
    ) -> Result<Permit, OriginErrorKind> {
        if let Some(permit) = self.try_take() {
            return Ok(permit);
        }
        if self.waiting.get() >= self.waiting_max {
            return Err(OriginErrorKind::Busy);
        }
        let _place = Waiting::new(self);
        let freed = async {
            loop {
                let pooled = self.pot.freed.notified();
                tokio::pin!(pooled);
                pooled.as_mut().enable();
                // Another worker may have given one back before this one listened.
                if self.is_pooled.get()
                    && self.waiting.get() == 1
                    && let Some(permit) = self.take_free()
                {
                    return permit;
                }
                tokio::select! {
                    () = self.freed.notified() => {}
                    () = &mut pooled => {}
                }
                if let Some(permit) = self.take_free() {
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
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
        if self.0.is_pooled.get() {
            self.0.pot.give_back();
        } else if self.0.waiting.get() > 0 {
            self.0.freed.notify_one();
        }
    }
}

struct Waiting<'a>(&'a Share);

impl<'a> Waiting<'a> {
    fn new(share: &'a Share) -> Self {
        share.waiting.set(share.waiting.get() + 1);
        Self(share)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_gets_the_next_free_place_and_a_newcomer_does_not() {
        let share = Share::new(1, 1, Arc::default());
        let ticker = Ticker::new();
        let first = share.try_take().unwrap();
        let hour = Duration::from_secs(3600);
        let waiting = share.take(hour, &ticker);
        tokio::pin!(waiting);
        assert!(futures_now(&mut waiting).await.is_none());
        assert_eq!(
            share.take(hour, &ticker).await.unwrap_err(),
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
        let waiting = share.take(Duration::from_secs(3600), &ticker);
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
        let waiting = two.take(Duration::from_secs(3600), &ticker);
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
        let waiting = share.take(Duration::from_secs(3600), &ticker);
        tokio::pin!(waiting);
        assert!(futures_now(&mut waiting).await.is_none());
        pot.set_max(1);
        assert!(waiting.await.is_ok());
    }

    async fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
