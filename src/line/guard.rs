//! The guard: an origin that fails or is slow slows the pace, stops it, and gets it back step by step when it is well.
//!
//! What replicas tell of the requests of those inside is summed up and judged once in a second of line time, or, where
//! there is little to go by, after ten, or after as long as four entries take. Too much of it bad halves the pace, at
//! most once in five seconds, so that each cut shows its effect before the next, until next to nothing is left; nothing
//! but failures stops it at once. A judgement that finds the origin well, or unused, gives back as much as the time since
//! the last one is of the recovery. While the pace is stopped a probe goes in now and then, by whom the guard learns
//! that the origin is back, and turns stand still.
//!
//! What fails a single visitor says nothing of the origin: anybody can ask for a page that fails, again and again, and
//! in a quiet room that is most of what is seen. So it takes several visitors to whom it happened, or that no connection
//! came about. Where fewer have told, and nobody was served since, what they told is kept until somebody was or enough
//! have: whoever enters is one more, so that a quiet room learns of it as well.

use crate::line::exchange::Health;
use crate::line::state::ENTRY;
use crate::line::state::Line;
use crate::line::state::SECOND_US;

/// Responses that are enough to judge by once a second.
pub(crate) const GUARD_SAMPLE: u64 = 10;
/// Responses without which the pace is not cut.
pub(crate) const GUARD_EVIDENCE: u64 = 3;
/// As many visitors must have met what is bad before the pace is cut, or as many as may be inside, if these are fewer.
pub(crate) const GUARD_WITNESSES: u64 = 3;
/// With fewer than [`GUARD_SAMPLE`] responses, the origin is judged when four entries' time has passed since it last
/// was; at least and at most this.
pub(crate) const GUARD_WINDOW_US_MIN: u64 = 10 * SECOND_US;
pub(crate) const GUARD_WINDOW_US_MAX: u64 = 600 * SECOND_US;
/// Four entries at one an hour.
pub(crate) const GUARD_WINDOW_US_HOURS: u64 = 4 * 3_600 * SECOND_US;
/// The least time between two cuts, unless everything fails.
pub(crate) const GUARD_SETTLE_US: u64 = 5 * SECOND_US;
/// A pace that would be cut below this share of the rate is stopped, in millionths.
pub(crate) const GUARD_LEAST_PPM: u64 = 15_625;
/// Most responses of each kind that one judgement counts.
pub(crate) const GUARD_COUNT_MAX: u64 = 1_000_000_000;
/// What the pace never falls below, in entries per hour: one in five seconds, or a quarter of the rate if that is less.
pub(crate) const PROBE_PER_HOUR: u64 = 720;

impl Line {
    /// The rate, less what the guard holds back of it, in entries per hour.
    pub(crate) fn pace_per_hour(&self) -> u64 {
        let rate = self.settings.rate_per_hour;
        if self.held_back_ppm == 0 {
            return rate;
        }
        (rate * (ENTRY - self.held_back_ppm) / ENTRY).max(rate.div_ceil(4).min(PROBE_PER_HOUR))
    }

    /// Takes in how the origin did, and judges it when it is time.
    pub(crate) fn guard(&mut self, origin: &Health) {
        if self.settings.guard_share_ppm == 0 {
            self.held_back_ppm = 0;
            self.judge_afresh();
            return;
        }
        let add = |sum: &mut u64, told: u64| *sum = (*sum + told).min(GUARD_COUNT_MAX);
        add(&mut self.origin_answered, origin.answered);
        add(&mut self.origin_failed, origin.failed);
        add(&mut self.origin_slow, origin.slow);
        self.origin_witnesses |= origin.witnesses;
        let since_us = self.now_us - self.judged_us;
        let seen = self.origin_answered + self.origin_failed;
        let window_us = (GUARD_WINDOW_US_HOURS / self.settings.rate_per_hour.max(1))
            .clamp(GUARD_WINDOW_US_MIN, GUARD_WINDOW_US_MAX);
        if since_us < SECOND_US || (seen < GUARD_SAMPLE && since_us < window_us) {
            return;
        }
        let bad = self.origin_failed + self.origin_slow;
        let is_bad = seen > 0 && bad * ENTRY >= seen * self.settings.guard_share_ppm;
        if is_bad && seen >= GUARD_EVIDENCE && self.is_witnessed() {
            self.cut();
        } else if is_bad && bad == seen {
            // Too few have told, and nobody was served.
            self.judged_us = self.now_us;
            return;
        } else {
            let recovery_us = self.settings.guard_recovery_us;
            let back = since_us.min(recovery_us) * ENTRY / recovery_us;
            self.held_back_ppm = self.held_back_ppm.saturating_sub(back);
        }
        self.judge_afresh();
    }

    /// Whether enough visitors have met what is bad.
    fn is_witnessed(&self) -> bool {
        let enough = GUARD_WITNESSES.min(self.settings.active_max);
        u64::from(self.origin_witnesses.count_ones()) >= enough
    }

    /// Halves the pace, or stops it when there is nothing but failures.
    fn cut(&mut self) {
        if self.origin_answered == 0 {
            self.held_back_ppm = ENTRY;
        } else if self.now_us >= self.cut_us + GUARD_SETTLE_US {
            let left = (ENTRY - self.held_back_ppm) / 2;
            self.held_back_ppm = if left < GUARD_LEAST_PPM {
                ENTRY
            } else {
                ENTRY - left
            };
        } else {
            return;
        }
        self.cut_us = self.now_us;
        self.credit = self.credit.min(self.credit_max());
    }

    fn judge_afresh(&mut self) {
        self.judged_us = self.now_us;
        self.origin_answered = 0;
        self.origin_failed = 0;
        self.origin_slow = 0;
        self.origin_witnesses = 0;
    }
}
