//! Seeded random numbers for the demonstration's crowd: the same seed plays the same crowd.
//!
//! `SplitMix64`: small, even and good enough for arrival times and habits. Nothing secret may come from here.

use std::time::Duration;

/// A source of random numbers that can be played again.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The dice of one visitor: one crowd's seed gives each of its visitors its own.
    #[must_use]
    pub fn of(seed: u64, visitor: u64) -> Self {
        let mut dice = Self(seed ^ visitor.wrapping_mul(0xd134_2543_de82_ef95));
        dice.roll();
        dice
    }

    /// 64 random bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll().checked_rem(bound).unwrap_or(0)
    }

    /// A time from `low` up to `high`, in whole microseconds; `low` when the two are out of order.
    pub fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let span = u64::try_from(high.saturating_sub(low).as_micros()).unwrap_or(u64::MAX);
        low + Duration::from_micros(self.below(span.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_rolls_the_same_numbers_and_visitors_differ() {
        let rolls = |visitor| {
            let mut dice = Dice::of(7, visitor);
            [dice.roll(), dice.roll(), dice.roll()]
        };
        assert_eq!(rolls(1), rolls(1));
        assert_ne!(rolls(1), rolls(2));
    }

    #[test]
    fn a_time_between_two_bounds_keeps_to_them() {
        let mut dice = Dice::of(1, 1);
        let (low, high) = (Duration::from_millis(5), Duration::from_millis(9));
        for _ in 0..1_000 {
            let time = dice.between(low, high);
            assert!((low..=high).contains(&time));
        }
        assert_eq!(dice.between(high, low), high);
    }
}
