//! This worker's share of what an origin may have in flight, with a short bounded wait when it is used up.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::proxy::error::OriginErrorKind;
use crate::proxy::ticker::Ticker;

/// How many requests may be in flight, and how many are.
#[derive(Debug)]
pub(super) struct Share {
    max: Cell<usize>,
    in_flight: Cell<usize>,
    waiting: Cell<usize>,
    waiting_max: usize,
    freed: Notify,
}

/// Leave to have one request in flight; dropping it gives the leave back.
#[derive(Debug)]
pub(super) struct Permit(Rc<Share>);

impl Share {
    pub(super) fn new(max: usize, waiting_max: usize) -> Rc<Self> {
        Rc::new(Self {
            max: Cell::new(max),
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
        let more = max.saturating_sub(self.max.replace(max));
        for _ in 0..more.min(self.waiting.get()) {
            self.freed.notify_one();
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
                self.freed.notified().await;
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
        (in_flight < self.max.get()).then(|| {
            self.in_flight.set(in_flight + 1);
            Permit(Rc::clone(self))
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
        if self.0.waiting.get() > 0 {
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
        let share = Share::new(1, 1);
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
        let share = Share::new(0, 8);
        let ticker = Ticker::new();
        let waiting = share.take(Duration::from_secs(3600), &ticker);
        tokio::pin!(waiting);
        assert!(futures_now(&mut waiting).await.is_none());
        share.set_max(1);
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
