//! How much of the rate an origin in trouble takes away, as the design words it.

use anteroom::line::exchange::Health;
use anteroom::line::promises::Promise;

use super::Shadow;
use super::Verdict;
use super::claim;
use crate::plan::SECOND;

/// The whole rate, in millionths.
const WHOLE: u64 = 1_000_000;
/// A cut shows its effect before the next.
const PAUSE_US: u64 = 5 * SECOND;

/// What was told of the origin, and what came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    /// What is left of the rate is [`WHOLE`] less this.
    pub(super) taken: u64,
    pub(super) since_us: u64,
    cut_us: Option<u64>,
    told: Vec<Health>,
}

impl Shadow {
    /// The rate less what the guard takes; at least a probe every five seconds, or a quarter of the rate.
    pub(crate) fn pace_per_hour(&self) -> u64 {
        let rate = self.settings.rate_per_hour;
        let probe = if rate >= 4 * 720 {
            720
        } else {
            rate.div_ceil(4)
        };
        match self.guard.taken {
            0 => rate,
            WHOLE => probe,
            taken => (rate * (WHOLE - taken) / WHOLE).max(probe),
        }
    }

    /// Judges the origin: every second by ten responses or more, by fewer when four could have entered since, within
    /// ten seconds to ten minutes.
    pub(super) fn guard(&mut self, told: Health) {
        let settings = self.settings;
        if settings.guard_share_ppm == 0 {
            self.guard.taken = 0;
            self.guard.told.clear();
            self.guard.since_us = self.now_us;
            return;
        }
        self.guard.told.push(told);
        let all = |of: fn(&Health) -> u64| self.guard.told.iter().map(of).sum::<u64>();
        let (answered, failed, slow) = (all(|h| h.answered), all(|h| h.failed), all(|h| h.slow));
        let seen = answered + failed;
        let past_us = self.now_us - self.guard.since_us;
        let four_us = match settings.rate_per_hour {
            0 => 600 * SECOND,
            rate => (4 * 3_600 * SECOND / rate).clamp(10 * SECOND, 600 * SECOND),
        };
        let due = past_us >= four_us || (past_us >= SECOND && seen >= 10);
        if !due {
            return;
        }
        let share = u128::from(failed + slow) * u128::from(WHOLE);
        let is_bad = seen > 0 && share >= u128::from(seen) * u128::from(settings.guard_share_ppm);
        if !is_bad {
            self.give_back(past_us);
        } else {
            let of_whom = self
                .guard
                .told
                .iter()
                .fold(0, |all: u64, one| all | one.witnesses);
            let enough = settings.active_max.min(3);
            if seen >= 3 && u64::from(of_whom.count_ones()) >= enough {
                self.cut(answered == 0);
            } else if answered == slow {
                // One or two visitors cannot be told from the origin, but for somebody who is served.
                self.guard.since_us = self.now_us;
                return;
            } else {
                self.give_back(past_us);
            }
        }
        self.guard.told.clear();
        self.guard.since_us = self.now_us;
    }

    fn give_back(&mut self, past_us: u64) {
        let recovery_us = self.settings.guard_recovery_us;
        let back = if past_us >= recovery_us {
            WHOLE
        } else {
            past_us * WHOLE / recovery_us
        };
        self.guard.taken -= back.min(self.guard.taken);
    }

    fn cut(&mut self, all_failed: bool) {
        let rests = |cut_us: u64| self.now_us < cut_us + PAUSE_US;
        if !all_failed && self.guard.cut_us.is_some_and(rests) {
            return;
        }
        let left = (WHOLE - self.guard.taken) / 2;
        let stops = all_failed || left < WHOLE / 64;
        self.guard.taken = if stops { WHOLE } else { WHOLE - left };
        self.guard.cut_us = Some(self.now_us);
        self.pace.limit(self.pace_left());
    }

    /// What the answer says of the guard is what came of what it was told.
    pub(super) fn guarded(&self, held_back_ppm: u64) -> Verdict {
        claim(held_back_ppm == self.guard.taken, Promise::P3, || {
            let taken = self.guard.taken;
            format!("the guard holds back {held_back_ppm} millionths and should {taken}")
        })
    }
}
