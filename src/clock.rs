//! The clocks: the only place that asks the machine what time it is.
//!
//! Deadlines and measured durations use [`monotonic`]; only what people or other programs read (log lines, file
//! dates, calendar times) uses [`wall_us`]. Whoever judges tickets and passes uses neither alone: line time comes from
//! the store and is carried on with the monotonic clock. Code that must be played by hand in a test takes a [`Clock`].

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// Where the time comes from: the machine, or a test's [`Hand`]. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<Manual>>);

impl Clock {
    /// The machine's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still until its [`Hand`] moves it, starting at `wall_us`.
    #[must_use]
    pub fn manual(wall_us: u64) -> (Self, Hand) {
        let manual = Arc::new(Manual {
            start: monotonic(),
            elapsed_us: AtomicU64::new(0),
            wall_us: AtomicU64::new(wall_us),
        });
        (Self(Some(Arc::clone(&manual))), Hand(manual))
    }

    /// See [`monotonic`].
    #[must_use]
    pub fn monotonic(&self) -> Instant {
        match &self.0 {
            None => monotonic(),
            Some(manual) => {
                manual.start + Duration::from_micros(manual.elapsed_us.load(Ordering::SeqCst))
            }
        }
    }

    /// See [`wall_us`].
    #[must_use]
    pub fn wall_us(&self) -> u64 {
        match &self.0 {
            None => wall_us(),
            Some(manual) => manual.wall_us.load(Ordering::SeqCst),
        }
    }
}

#[derive(Debug)]
struct Manual {
    start: Instant,
    elapsed_us: AtomicU64,
    wall_us: AtomicU64,
}

/// What moves a manual [`Clock`].
#[derive(Debug, Clone)]
pub struct Hand(Arc<Manual>);

impl Hand {
    /// Lets `duration` pass on both clocks.
    pub fn advance(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.0.elapsed_us.fetch_add(us, Ordering::SeqCst);
        self.0.wall_us.fetch_add(us, Ordering::SeqCst);
    }

    /// Sets the wall clock, forwards or back, as an administrator or a time server would; monotonic time stays.
    pub fn set_wall_us(&self, wall_us: u64) {
        self.0.wall_us.store(wall_us, Ordering::SeqCst);
    }
}

/// Now, on the clock that only goes forward.
#[expect(
    clippy::disallowed_methods,
    reason = "this module is where the clock is asked"
)]
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Now, in microseconds since 1970 (UTC); 0 on a machine whose clock is set before that.
#[expect(
    clippy::disallowed_methods,
    reason = "this module is where the clock is asked"
)]
#[must_use]
pub fn wall_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let (clock, hand) = Clock::manual(1_000);
        let start = clock.monotonic();
        assert_eq!(clock.monotonic(), start);
        hand.advance(Duration::from_millis(3));
        assert_eq!(clock.monotonic() - start, Duration::from_millis(3));
        assert_eq!(clock.wall_us(), 4_000);
    }

    #[test]
    fn setting_the_wall_clock_leaves_monotonic_time_alone() {
        let (clock, hand) = Clock::manual(1_000);
        let start = clock.monotonic();
        hand.set_wall_us(7);
        assert_eq!(clock.wall_us(), 7);
        assert_eq!(clock.monotonic(), start);
    }

    #[test]
    fn the_machine_lives_after_the_year_2020() {
        assert!(Clock::system().wall_us() > 1_577_836_800_000_000);
    }
}
