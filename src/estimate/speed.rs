//! How fast a line moves: numbers called per time, over the last 3, 10 and 25 minutes in which somebody waited.
//!
//! Time in which nobody waits, or nobody may be let in, does not count: the head then moves as people come, or not at
//! all, and neither says anything about the pace.

use std::collections::VecDeque;

use crate::estimate::Sample;

/// The windows looked over, in microseconds.
const WINDOWS_US: [u64; 3] = [180_000_000, 600_000_000, 1_500_000_000];
/// Nothing is told before the line has moved this long.
const KNOWN_US: u64 = 120_000_000;
/// A line that starts calls its stock of people at once; that is no pace.
const WARM_US: u64 = 20_000_000;
/// Points kept are this far apart.
const POINT_US: u64 = 5_000_000;
/// Points that cover the longest window.
const POINTS_MAX: usize = 302;
/// After this long with nobody waiting the next rush is measured afresh.
const IDLE_US: u64 = 600_000_000;
/// The slowest told is this many times slower than the fastest: a short stall must not become "many hours".
const SPREAD_MAX: u64 = 6;

/// The fastest and the slowest a line has been, in nanoseconds per number, never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Speeds {
    pub(crate) fast_ns: u64,
    pub(crate) slow_ns: u64,
}

/// Measures a line.
#[derive(Debug, Default)]
pub(crate) struct Speed {
    /// Time that counted.
    busy_us: u64,
    /// Numbers called in that time.
    called: u64,
    /// Time since anybody waited.
    idle_us: u64,
    /// Where both stood, oldest first.
    points: VecDeque<(u64, u64)>,
}

impl Speed {
    /// Counts what happened between two samples.
    pub(crate) fn advance(&mut self, last: &Sample, now: &Sample) {
        let passed_us = now.now_us.saturating_sub(last.now_us);
        let waited = last.tail > last.head && now.tail > now.head;
        if !waited {
            self.idle_us = self.idle_us.saturating_add(passed_us);
            if self.idle_us >= IDLE_US {
                *self = Self::default();
            }
            return;
        }
        self.idle_us = 0;
        if last.rate_per_hour == 0 || now.rate_per_hour == 0 {
            return;
        }
        self.busy_us = self.busy_us.saturating_add(passed_us);
        if self.busy_us < WARM_US {
            return;
        }
        if !self.points.is_empty() {
            self.called = self.called.saturating_add(now.head - last.head);
        }
        let due = self
            .points
            .back()
            .is_none_or(|(at, _)| self.busy_us >= at + POINT_US);
        if due {
            if self.points.len() == POINTS_MAX {
                self.points.pop_front();
            }
            self.points.push_back((self.busy_us, self.called));
        }
    }

    /// The speeds seen, once there is enough to say something; `None` also while nothing moves. The pace set counts as
    /// the fastest when the line is not far from it, so that a pace raised again is believed.
    pub(crate) fn speeds(&self, rate_per_hour: u64) -> Option<Speeds> {
        if self.busy_us < KNOWN_US {
            return None;
        }
        let (mut fast_ns, mut slow_ns) = (u64::MAX, 0);
        for window_us in WINDOWS_US {
            let begin = self.busy_us.saturating_sub(window_us);
            let index = self.points.partition_point(|(at, _)| *at < begin);
            let (at, called) = *self.points.get(index)?;
            let (passed_us, passed) = (self.busy_us - at, self.called - called);
            if passed_us == 0 {
                return None;
            }
            let ns = passed_us.saturating_mul(1_000).checked_div(passed);
            let Some(ns) = ns else {
                // Nothing in the shortest window: it stands still, and nobody knows for how long.
                return None;
            };
            fast_ns = fast_ns.min(ns.max(1));
            slow_ns = slow_ns.max(ns.max(1));
        }
        let pace_ns = 3_600_000_000_000_u64
            .checked_div(rate_per_hour)
            .unwrap_or(u64::MAX);
        let pace_ns = pace_ns.saturating_mul(10) / 9;
        if pace_ns >= fast_ns / 3 * 2 {
            fast_ns = fast_ns.min(pace_ns.max(1));
        }
        Some(Speeds {
            fast_ns,
            slow_ns: slow_ns.min(fast_ns.saturating_mul(SPREAD_MAX)),
        })
    }
}
