//! How long a visitor is going to wait: a range, and a window on the clock that stays where it is.
//!
//! People judge an estimate by whether it holds, so it is worded late rather than early and changed as seldom as can
//! be. A replica feeds an [`Estimator`] from its exchanges and publishes the [`Forecast`]; polls only look their number
//! up in it. Nothing is kept per visitor: a number's window stays because the windows belong to stretches of numbers.
//!
//! Pure and in whole numbers: times are arguments, in microseconds. Line time measures; the wall clock (since 1970) is
//! what is shown.

mod speed;
mod table;
mod wait;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::estimate::speed::Speed;
use crate::estimate::speed::Speeds;
use crate::estimate::table::Span;
use crate::estimate::table::Table;

pub use crate::estimate::wait::Trend;
pub use crate::estimate::wait::Wait;

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const LONG_US: i64 = 3 * 60 * MINUTE_US;
/// Windows are looked at again this often.
const REFRESH_US: u64 = 5_000_000;

/// What a replica saw of its line at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sample {
    /// Line time, in microseconds.
    pub now_us: u64,
    /// The wall clock at that moment, in microseconds since 1970.
    pub wall_us: i64,
    /// The last number called.
    pub head: u64,
    /// The highest number issued.
    pub tail: u64,
    /// The pace set, in entries per hour; 0 while nobody is let in (paused, closed, or the origin is in trouble).
    pub rate_per_hour: u64,
}

/// Measures one line and keeps what has been told about it.
#[derive(Debug, Default)]
pub struct Estimator {
    speed: Speed,
    last: Option<Sample>,
    refreshed_us: Option<u64>,
    near: Table,
    far: Table,
    forecast: Arc<Forecast>,
}

impl Estimator {
    /// One that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what the line looks like now. Cheap; call it after every exchange.
    pub fn sample(&mut self, sample: Sample) {
        let last = self.last.replace(sample);
        if last.is_some_and(|last| sample.head < last.head || sample.tail < last.tail) {
            // Another epoch: nothing measured before counts.
            self.speed = Speed::default();
            self.forget();
            return;
        }
        if let Some(last) = last {
            self.speed.advance(&last, &sample);
        }
        let speeds = self.speed.speeds(sample.rate_per_hour);
        let Some(speeds) = speeds.filter(|_| sample.rate_per_hour > 0) else {
            self.forget();
            return;
        };
        let due = self
            .refreshed_us
            .is_none_or(|at| sample.now_us >= at.saturating_add(REFRESH_US));
        if due {
            self.refreshed_us = Some(sample.now_us);
            self.refresh(&sample, speeds);
        }
    }

    /// What is known now, for polls on other threads.
    #[must_use]
    pub fn forecast(&self) -> Arc<Forecast> {
        Arc::clone(&self.forecast)
    }

    /// A pause, or too little seen: nothing is told, and what was told before is void.
    fn forget(&mut self) {
        if self.refreshed_us.take().is_some() {
            self.near = Table::default();
            self.far = Table::default();
            self.forecast = Arc::default();
        }
    }

    fn refresh(&mut self, sample: &Sample, speeds: Speeds) {
        let span = Span {
            now_us: sample.wall_us,
            head: sample.head,
            speeds,
        };
        let edge = span.reach(LONG_US).min(sample.tail);
        self.near.refresh_near(&span, edge);
        self.far.refresh_far(&span, edge, sample.tail);
        self.forecast = Arc::new(Forecast {
            known: true,
            near: self.near.clone(),
            far: self.far.clone(),
        });
    }
}

/// What is told to whom, at one moment. Immutable: published by the replica, read by its polls.
#[derive(Debug, Clone, Default)]
pub struct Forecast {
    known: bool,
    near: Table,
    far: Table,
}

impl Forecast {
    /// The wait of a number not called yet, at this moment of the wall clock in microseconds since 1970.
    #[must_use]
    pub fn wait(&self, number: u64, head: u64, wall_us: i64) -> Wait {
        if !self.known || number <= head {
            return Wait::UNKNOWN;
        }
        if let Some(window) = self.near.get(number) {
            return window.wait(wall_us);
        }
        // Behind the far table are only numbers issued since it was made.
        self.far
            .get_or_last(number)
            .or_else(|| self.near.get_or_last(number))
            .map_or(Wait::UNKNOWN, |window| window.wait(wall_us))
    }
}
