//! A worker's coarse clock, and alarms that cost a request nothing but a few bytes.
//!
//! A timer per request and phase would cost more than all our own work on it, and what times out here is seconds
//! long. So time is read four times a second, and one task looks through the alarms of the requests in flight.

use std::cell::Cell;
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::task::Context;
use std::task::Waker;
use std::time::Duration;
use std::time::Instant;

use crate::clock;

/// How often the clock moves.
const TICK: Duration = Duration::from_millis(250);

/// No alarm.
const NEVER: u64 = u64::MAX;

/// The coarse clock of one worker and its alarms.
#[derive(Debug)]
pub struct Ticker {
    began: Instant,
    now_ms: Cell<u64>,
    alarms: RefCell<Alarms>,
}

#[derive(Debug, Default)]
struct Alarms {
    entries: Vec<Entry>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    at_ms: u64,
    waker: Option<Waker>,
}

/// One alarm; dropping it takes it off.
#[derive(Debug)]
pub struct Alarm {
    ticker: Rc<Ticker>,
    index: usize,
}

impl Ticker {
    /// A clock that stands still until [`Ticker::run`] runs.
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            began: clock::monotonic(),
            now_ms: Cell::new(0),
            alarms: RefCell::default(),
        })
    }

    /// Milliseconds since this clock was made, as of the last tick.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// The time `after` from now: a tick later than the clock says, because the clock may be a tick behind.
    #[must_use]
    pub fn in_ms(&self, after: Duration) -> u64 {
        let after_ms = u64::try_from(after.saturating_add(TICK).as_millis()).unwrap_or(NEVER);
        self.now_ms().saturating_add(after_ms)
    }

    /// Moves the clock for as long as it is polled.
    pub async fn run(self: Rc<Self>) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            interval.tick().await;
            self.tick();
        }
    }

    /// An alarm that is set to nothing yet.
    #[must_use]
    pub fn alarm(self: &Rc<Self>) -> Alarm {
        let mut alarms = self.alarms.borrow_mut();
        let index = alarms.free.pop().unwrap_or_else(|| {
            alarms.entries.push(Entry {
                at_ms: NEVER,
                waker: None,
            });
            alarms.entries.len() - 1
        });
        Alarm {
            ticker: Rc::clone(self),
            index,
        }
    }

    /// Awaits `future` for as long as `limit`, give or take a tick; `None` when it took longer.
    pub async fn within<F: Future>(
        self: &Rc<Self>,
        limit: Duration,
        future: F,
    ) -> Option<F::Output> {
        let mut alarm = self.alarm();
        alarm.set(limit);
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
            std::task::Poll::Pending if alarm.is_due(cx) => std::task::Poll::Ready(None),
            std::task::Poll::Pending => std::task::Poll::Pending,
        })
        .await
    }

    fn tick(&self) {
        let elapsed = clock::monotonic().saturating_duration_since(self.began);
        self.move_to(u64::try_from(elapsed.as_millis()).unwrap_or(NEVER - 1));
    }

    pub(crate) fn move_to(&self, now_ms: u64) {
        self.now_ms.set(now_ms);
        let mut due = Vec::new();
        for entry in &mut self.alarms.borrow_mut().entries {
            if entry.at_ms <= now_ms {
                due.extend(entry.waker.take());
            }
        }
        due.into_iter().for_each(Waker::wake);
    }
}

impl Alarm {
    /// Sets the alarm to `after` from now, rounded up to a tick.
    pub fn set(&mut self, after: Duration) {
        self.set_at(self.ticker.in_ms(after));
    }

    /// Sets the alarm to a time of this clock, in milliseconds.
    pub fn set_at(&mut self, at_ms: u64) {
        self.with(|entry| entry.at_ms = at_ms);
    }

    /// Whether the time has come; if not, the task is woken when it does.
    pub fn is_due(&mut self, cx: &Context<'_>) -> bool {
        let now_ms = self.ticker.now_ms();
        self.with(|entry| {
            if entry.at_ms <= now_ms {
                return true;
            }
            match &entry.waker {
                Some(waker) if waker.will_wake(cx.waker()) => {}
                _ => entry.waker = Some(cx.waker().clone()),
            }
            false
        })
    }

    fn with<T>(&mut self, change: impl FnOnce(&mut Entry) -> T) -> T {
        change(&mut self.ticker.alarms.borrow_mut().entries[self.index])
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let mut alarms = self.ticker.alarms.borrow_mut();
        let entry = &mut alarms.entries[self.index];
        entry.at_ms = NEVER;
        let waker = entry.waker.take();
        alarms.free.push(self.index);
        drop(alarms);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_alarm_goes_off_once_its_time_has_come() {
        let ticker = Ticker::new();
        let endless = ticker.within(Duration::from_secs(5), std::future::pending::<()>());
        tokio::pin!(endless);
        for (now_ms, over) in [(0, false), (5_000, false), (5_250, true)] {
            ticker.move_to(now_ms);
            let polled =
                std::future::poll_fn(|cx| std::task::Poll::Ready(endless.as_mut().poll(cx)));
            assert_eq!(polled.await.is_ready(), over, "at {now_ms}");
        }
    }

    #[test]
    fn a_dropped_alarm_leaves_its_place_to_the_next() {
        let ticker = Ticker::new();
        let (first, second) = (ticker.alarm(), ticker.alarm());
        drop(first);
        assert_eq!((ticker.alarm().index, second.index), (0, 1));
    }
}
