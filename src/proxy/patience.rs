//! How long somebody may keep us waiting, which pieces that move prolong and a trickle does not.
//!
//! A pause alone is no measure: a byte a minute keeps any pause short for ever. A rate alone is none either: a phone in
//! a tunnel moves nothing for half a minute and then everything. So whoever we wait for has time that runs out while we
//! wait, and gets back of it what it moves, at the least rate it should keep up: at 500 B/s, five seconds for 2,500 bytes.
//! It never has more than it began with, so what it did long ago counts for nothing.

use std::time::Duration;

/// What is asked of whoever we wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long it may pause, with all of its time left.
    pub pause: Duration,
    /// Bytes per second over time; at 0 any byte gives all of the time back.
    pub bytes_per_s: u64,
}

/// The time somebody has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    left_ms: u64,
}

impl Pace {
    fn pause_ms(self) -> u64 {
        u64::try_from(self.pause.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Patience {
    /// All of it.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self {
            left_ms: pace.pause_ms(),
        }
    }

    /// How long it may go on without moving anything.
    #[must_use]
    pub fn left(self) -> Duration {
        Duration::from_millis(self.left_ms)
    }

    /// We waited for so long, and so many bytes moved. Whether there is time left.
    pub fn spend(&mut self, waited_ms: u64, bytes: u64, pace: Pace) -> bool {
        let earned_ms = match (bytes, pace.bytes_per_s) {
            (0, _) => 0,
            (_, 0) => u64::MAX,
            (bytes, rate) => bytes.saturating_mul(1_000) / rate,
        };
        self.left_ms = self
            .left_ms
            .saturating_add(earned_ms)
            .saturating_sub(waited_ms)
            .min(pace.pause_ms());
        self.left_ms > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        pause: Duration::from_secs(60),
        bytes_per_s: 500,
    };

    /// After how many of these steps, each so many milliseconds and bytes, there is no time left.
    fn lasts(pace: Pace, step: (u64, u64)) -> Option<usize> {
        let mut patience = Patience::new(pace);
        (1..10_000).find(|_| !patience.spend(step.0, step.1, pace))
    }

    #[test]
    fn a_byte_a_second_lasts_hardly_longer_than_nothing_at_all() {
        assert_eq!(lasts(PACE, (1_000, 0)), Some(60));
        assert_eq!(lasts(PACE, (1_000, 1)), Some(61));
        assert_eq!(lasts(PACE, (59_000, 1)), Some(2));
    }

    #[test]
    fn whoever_keeps_the_rate_up_is_never_given_up_however_it_pauses() {
        assert_eq!(lasts(PACE, (1_000, 500)), None);
        assert_eq!(lasts(PACE, (50_000, 25_000)), None);
        assert_eq!(lasts(PACE, (0, 0)), None);
    }

    #[test]
    fn what_moved_long_ago_prolongs_nothing() {
        let mut patience = Patience::new(PACE);
        patience.spend(1_000, 1 << 40, PACE);
        assert_eq!(patience.left(), PACE.pause);
    }

    #[test]
    fn without_a_rate_only_the_pause_counts() {
        let pace = Pace {
            bytes_per_s: 0,
            ..PACE
        };
        assert_eq!(lasts(pace, (59_000, 1)), None);
        assert_eq!(lasts(pace, (59_000, 0)), Some(2));
    }
}
