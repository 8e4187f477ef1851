//! What of openings the histories come through, so that it is known that they show something about them.

use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Known;

use crate::random::Random;

const SECOND: u64 = 1_000_000;

/// What of openings histories have come through: without it they would show nothing about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Met {
    /// Answers of a line that waited for its opening, with somebody in it.
    pub awaited: u64,
    /// Openings with somebody in the early line, and those of them with a draw.
    pub opened: u64,
    pub drawn: u64,
    /// Openings that were given back to a line that had lost them.
    pub recalled: u64,
    /// Answers of a line whose closing time had come.
    pub closed: u64,
}

impl Met {
    /// Takes down what an answer shows, by what its replica knew.
    pub fn note(&mut self, known: &Known, answer: &Answer) {
        let opening = answer.opening;
        let early = opening.early.unwrap_or(0);
        self.awaited += u64::from(opening.is_awaited() && answer.tail > 0);
        if early > 0 && known.opening.is_awaited() && known.epoch == Some(answer.epoch) {
            self.opened += 1;
            self.drawn += u64::from(opening.draw.is_some());
        }
        let kept = known.epoch == Some(answer.epoch) && known.opening.at_us > 0;
        let same = known.opening.early == opening.early && known.opening.at_us == opening.at_us;
        self.recalled += u64::from(kept && same && answer.revision == 0 && opening.at_us > 0);
        let closes_at_us = answer.settings.closes_at_us;
        self.closed += u64::from(closes_at_us > 0 && answer.clock_us >= closes_at_us);
    }

    /// The sum of two.
    pub fn and(self, other: Self) -> Self {
        Self {
            awaited: self.awaited + other.awaited,
            opened: self.opened + other.opened,
            drawn: self.drawn + other.drawn,
            recalled: self.recalled + other.recalled,
            closed: self.closed + other.closed,
        }
    }
}

/// Some moment around now, or, mostly, none.
pub fn moment(random: &mut Random, clock_us: u64, per_mille: u64) -> u64 {
    let around = clock_us - 3 * SECOND + random.below(20 * SECOND);
    if random.chance(per_mille) { around } else { 0 }
}
