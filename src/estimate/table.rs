//! What was told about which numbers: a window on the clock for every stretch of them.

use crate::estimate::LONG_US;
use crate::estimate::MINUTE_US;
use crate::estimate::speed::Speeds;
use crate::estimate::wait::Trend;
use crate::estimate::wait::Wait;

/// Numbers called within this time share a window.
const STRETCH_NS: u64 = 30_000_000_000;
/// Far numbers are told in half hours, so their stretches are longer.
const FAR_STRETCH_NS: u64 = 480_000_000_000;
/// Most stretches of a table: three hours of short ones, two days of long ones, and room for speeds that differ.
const STRETCHES_MAX: u64 = 2_400;
/// A window that had to be moved says so this long.
const TREND_US: i64 = 10 * MINUTE_US;

/// What windows are worked out from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) now_us: i64,
    pub(crate) head: u64,
    pub(crate) speeds: Speeds,
}

impl Span {
    /// The earliest and latest a number is expected to be called, from now.
    fn until(&self, number: u64) -> (i64, i64) {
        let place = number.saturating_sub(self.head);
        let time = |ns: u64, percent: u64| {
            let us = u128::from(place) * u128::from(ns) / 1_000 * u128::from(percent) / 100;
            i64::try_from(us).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
        };
        (
            time(self.speeds.fast_ns, 95),
            time(self.speeds.slow_ns, 110),
        )
    }

    /// The last number whose latest is within this time.
    pub(crate) fn reach(&self, within_us: i64) -> u64 {
        let ns = u128::from(within_us.unsigned_abs()) * 1_000 * 100 / 110;
        let places = ns / u128::from(self.speeds.slow_ns);
        self.head
            .saturating_add(u64::try_from(places).unwrap_or(u64::MAX))
    }
}

/// When a stretch of numbers is told to be called, on the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    from_us: i64,
    /// `None`: it is too far to say.
    to_us: Option<i64>,
    trend: Trend,
    trend_until_us: i64,
}

impl Window {
    fn new(from_us: i64, to_us: Option<i64>) -> Self {
        Self {
            from_us,
            to_us,
            trend: Trend::Steady,
            trend_until_us: 0,
        }
    }

    /// The window rounded outward: to minutes below ten of them, to five minutes below an hour, else to quarters.
    fn near(span: &Span, number: u64) -> Self {
        let (lo, hi) = span.until(number);
        let step = step(hi);
        let from = (span.now_us + lo).div_euclid(step) * step;
        let to = (span.now_us + hi + step - 1).div_euclid(step) * step;
        Self::new(from, Some(to))
    }

    fn far(span: &Span, number: u64) -> Self {
        let (lo, _) = span.until(number);
        let step = 30 * MINUTE_US;
        Self::new((span.now_us + lo).div_euclid(step) * step, None)
    }

    /// Keeps what was told unless it is clearly broken, is over, or can be told much more closely.
    fn keep_or_move(self, span: &Span, number: u64) -> Self {
        let fresh = Self::near(span, number);
        let (Some(to), Some(fresh_to)) = (self.to_us, fresh.to_us) else {
            return fresh;
        };
        let (lo, hi) = span.until(number);
        let now = span.now_us;
        let left = (fresh_to - now).max(MINUTE_US);
        let width = (fresh_to - fresh.from_us).max(MINUTE_US);
        let broken = now + lo + lo / 20 > to || now + lo.midpoint(hi) > to + (to - now) / 20;
        let closer = 10 * (to - now) > 17 * left || 10 * (to - self.from_us) > 18 * width;
        let trend = if broken || to <= now {
            if fresh_to > to {
                Trend::Slower
            } else {
                Trend::Steady
            }
        } else if closer && fresh_to < to {
            Trend::Faster
        } else {
            return self.calmed(now);
        };
        Self {
            trend,
            trend_until_us: now + TREND_US,
            ..fresh
        }
    }

    /// Far windows stay within half an hour.
    fn keep_or_move_far(self, span: &Span, number: u64) -> Self {
        let fresh = Self::far(span, number);
        let moved = fresh.from_us - self.from_us;
        if self.to_us.is_none() && moved.abs() <= 30 * MINUTE_US {
            self.calmed(span.now_us)
        } else {
            fresh
        }
    }

    /// After a while a moved window is an old one.
    fn calmed(self, now_us: i64) -> Self {
        if now_us < self.trend_until_us {
            return self;
        }
        Self::new(self.from_us, self.to_us)
    }

    /// As it is told at this moment.
    pub(crate) fn wait(&self, now_us: i64) -> Wait {
        let seconds = |us: i64| us.max(0).unsigned_abs() / 1_000_000;
        let Some(to) = self.to_us else {
            return Wait {
                known: true,
                lo_s: seconds((self.from_us - now_us).max(LONG_US / 2)),
                hi_s: Wait::LONG_S + 1,
                from_us: self.from_us,
                to_us: i64::MAX,
                trend: self.trend,
            };
        };
        let hi = (to - now_us).max(MINUTE_US);
        let step = step(hi);
        let hi = (hi + step - 1).div_euclid(step) * step;
        let lo = (self.from_us - now_us).max(0).div_euclid(step) * step;
        Wait {
            known: true,
            lo_s: seconds(lo),
            hi_s: seconds(hi).min(Wait::LONG_S),
            from_us: self.from_us.max(now_us),
            to_us: to.max(now_us),
            trend: self.trend,
        }
    }
}

fn step(hi_us: i64) -> i64 {
    MINUTE_US
        * match hi_us.div_euclid(MINUTE_US) {
            ..10 => 1,
            10..60 => 5,
            _ => 15,
        }
}

/// Windows for consecutive stretches of numbers, each `width` long.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    width: u64,
    first: u64,
    windows: Vec<Window>,
}

impl Table {
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.windows.len()
    }

    /// The window of a number.
    pub(crate) fn get(&self, number: u64) -> Option<&Window> {
        let stretch = number.checked_div(self.width)?;
        let index = stretch.checked_sub(self.first)?;
        self.windows.get(usize::try_from(index).ok()?)
    }

    /// The window of a number, or the last for one behind them all.
    pub(crate) fn get_or_last(&self, number: u64) -> Option<&Window> {
        let behind = number.checked_div(self.width)? >= self.first;
        self.get(number)
            .or_else(|| self.windows.last().filter(|_| behind))
    }

    /// Looks at every stretch up to number `edge` again.
    pub(crate) fn refresh_near(&mut self, span: &Span, edge: u64) {
        let width = self.fitting(span.speeds, STRETCH_NS);
        self.rebuild(width, (span.head + 1, edge), |old, last| match old {
            Some(window) => window.keep_or_move(span, last),
            None => Window::near(span, last),
        });
    }

    /// Looks at every stretch behind `edge`, up to `tail`, again.
    pub(crate) fn refresh_far(&mut self, span: &Span, edge: u64, tail: u64) {
        let width = self.fitting(span.speeds, FAR_STRETCH_NS);
        self.rebuild(width, (edge + 1, tail), |old, last| match old {
            Some(window) => window.keep_or_move_far(span, last),
            None => Window::far(span, last),
        });
    }

    /// How many numbers a stretch has: what is called in `stretch_ns`, as a power of two, and not changed for less than
    /// a speed two and a half times another.
    fn fitting(&self, speeds: Speeds, stretch_ns: u64) -> u64 {
        let wanted = (stretch_ns / speeds.fast_ns).max(1);
        if wanted.saturating_mul(5) > self.width.saturating_mul(2)
            && wanted.saturating_mul(2) < self.width.saturating_mul(5)
        {
            return self.width;
        }
        wanted.checked_next_power_of_two().unwrap_or(1 << 63)
    }

    /// Makes the table anew for the numbers `begin..=end` from what it told before. `window` is given what was told of
    /// a stretch and the stretch's last number.
    fn rebuild(
        &mut self,
        width: u64,
        (begin, end): (u64, u64),
        window: impl Fn(Option<Window>, u64) -> Window,
    ) {
        let first = begin / width;
        let last = (end / width).min(first.saturating_add(STRETCHES_MAX));
        let mut windows = Vec::new();
        if begin <= end {
            for stretch in first..=last {
                let last_number = stretch.saturating_mul(width).saturating_add(width - 1);
                let told = self.get((stretch * width).max(begin)).copied();
                windows.push(window(told, last_number));
            }
        }
        *self = Self {
            width,
            first,
            windows,
        };
    }
}
