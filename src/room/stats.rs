//! What the exchanger counts, for the metrics to read.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::room::mirror::News;

/// Totals since the replica started. Written by the exchanger alone.
#[derive(Debug, Default)]
pub struct Stats {
    exchanges: AtomicU64,
    failures: AtomicU64,
    exchange_us: AtomicU64,
    joined: AtomicU64,
    called: AtomicU64,
    entered: AtomicU64,
}

/// The totals at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Exchanges answered.
    pub exchanges: u64,
    /// Exchanges that were not.
    pub failures: u64,
    /// Time spent on all of them, in microseconds.
    pub exchange_us: u64,
    /// Numbers issued through this replica.
    pub joined: u64,
    /// Numbers called, as this replica saw it.
    pub called: u64,
    /// Visitors let in, as this replica saw it.
    pub entered: u64,
}

impl Stats {
    /// The totals now.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals {
            exchanges: self.exchanges.load(Relaxed),
            failures: self.failures.load(Relaxed),
            exchange_us: self.exchange_us.load(Relaxed),
            joined: self.joined.load(Relaxed),
            called: self.called.load(Relaxed),
            entered: self.entered.load(Relaxed),
        }
    }

    pub(crate) fn exchanged(&self, time: Duration, answered: bool) {
        let counter = if answered { &self.exchanges } else { &self.failures };
        counter.fetch_add(1, Relaxed);
        self.exchange_us.fetch_add(u64::try_from(time.as_micros()).unwrap_or(0), Relaxed);
    }

    pub(crate) fn news(&self, news: News) {
        self.joined.fetch_add(news.joined, Relaxed);
        self.called.fetch_add(news.called, Relaxed);
        self.entered.fetch_add(news.entered, Relaxed);
    }
}
