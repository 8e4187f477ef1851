//! The door of a replica that has lost its store: its lease as an entry bucket, and how far it may call by itself.
//!
//! Both follow from the last answer alone and from the time since it came, so that all replicas that lost the store at
//! the same time call alike. Nothing is let in before the line must have counted the replica as silent, and nothing after
//! its lease: see [`crate::line::lease`].

use crate::line::exchange::Answer;
use crate::line::ids::Epoch;
use crate::line::lease::SHARES_MIN;
use crate::line::lease::USED_US;
use crate::line::lease::WAIT_US;
use crate::line::settings::Mode;
use crate::line::settings::NO_LIMIT;
use crate::line::state::ENTRY;

/// Calls are at most so many times as fast as entries, however few of those called answer.
const CALLS_PER_ENTRY_MAX: u64 = 2;
/// The least share of answers that calls make up for, in millionths.
const SHARE_PPM_MIN: u64 = 1_000_000 / CALLS_PER_ENTRY_MAX;
/// One hour, in microseconds.
const HOUR_US: u64 = 3_600_000_000;

/// What one replica may do by itself; times are microseconds since its last answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door {
    lease_per_hour: u64,
    calls_per_hour: u64,
    head: u64,
    /// When booking ends.
    closes_us: u64,
    /// Entry credit in millionths, what is left of it below a millionth, and up to when it was filled.
    credit: u64,
    credit_rest: u64,
    filled_us: u64,
    /// How many more may come in.
    places: u64,
}

impl Door {
    /// The door that this answer leaves its replica with; none where it granted no lease.
    #[must_use]
    pub fn of(answer: &Answer) -> Option<Self> {
        let settings = &answer.settings;
        let may = settings.paced
            && settings.mode == Mode::Open
            && answer.lease_per_hour > 0
            && !answer.healing
            && !answer.opening.is_awaited()
            && !answer.measured.is_stopped()
            && answer.epoch != Epoch::default();
        if !may {
            return None;
        }
        let free = settings.active_max.saturating_sub(answer.counts.inside);
        let places = if settings.active_max == NO_LIMIT {
            NO_LIMIT
        } else {
            free / answer.counts.instances.max(SHARES_MIN)
        };
        let measured = &answer.measured;
        let pace_per_hour = measured.effective_rate_per_hour + answer.withheld_per_hour;
        let closes_us = match settings.closes_at_us {
            0 => u64::MAX,
            at_us => at_us.saturating_sub(answer.clock_us),
        };
        Some(Self {
            lease_per_hour: answer.lease_per_hour,
            calls_per_hour: pace_per_hour * ENTRY / measured.share_ppm.clamp(SHARE_PPM_MIN, ENTRY),
            head: answer.head,
            closes_us,
            credit: 0,
            credit_rest: 0,
            filled_us: WAIT_US,
            places,
        })
    }

    /// Whether anybody may come in by itself at this time.
    #[must_use]
    pub fn is_open(&self, after_us: u64) -> bool {
        (WAIT_US..USED_US.min(self.closes_us)).contains(&after_us)
    }

    /// What it lets in while it is open, in entries per hour.
    #[must_use]
    pub fn lease_per_hour(&self) -> u64 {
        self.lease_per_hour
    }

    /// The highest number called by then, were there no end of them.
    #[must_use]
    pub fn head(&self, after_us: u64) -> u64 {
        let since_us = after_us.min(USED_US).saturating_sub(WAIT_US);
        let called = u128::from(since_us) * u128::from(self.calls_per_hour) / u128::from(HOUR_US);
        self.head
            .saturating_add(u64::try_from(called).unwrap_or(u64::MAX))
    }

    /// Lets one in, if there is credit and a place for it.
    pub fn let_in(&mut self, after_us: u64) -> bool {
        self.fill(after_us);
        let may = self.is_open(after_us) && self.credit >= ENTRY && self.places > 0;
        if may {
            self.credit -= ENTRY;
            self.places -= 1;
        }
        may
    }

    /// Fills the credit: up to one second of the lease, at least one entry.
    fn fill(&mut self, after_us: u64) {
        let until_us = after_us.min(USED_US).max(self.filled_us);
        let filled = (until_us - self.filled_us) * self.lease_per_hour + self.credit_rest;
        self.filled_us = until_us;
        self.credit += filled / 3_600;
        self.credit_rest = filled % 3_600;
        let most = (self.lease_per_hour * ENTRY / 3_600).max(ENTRY);
        if self.credit >= most {
            self.credit = most;
            self.credit_rest = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::settings::Settings;
    use crate::line::state::SECOND_US;
    use crate::line::tests::founded;

    /// What a line of ten answers that grants this much of ten entries a second.
    fn answer(lease_per_hour: u64) -> Answer {
        let settings = Settings {
            rate_per_hour: 36_000,
            paced: true,
            ..Settings::default()
        };
        let (.., answer) = founded(settings, 10);
        Answer {
            head: 4,
            lease_per_hour,
            ..answer
        }
    }

    /// When somebody is let in of a crowd that asks every millisecond until then.
    fn entries(door: &mut Door, until_us: u64) -> Vec<u64> {
        let times = (0..until_us).step_by(1_000);
        times.filter(|&at_us| door.let_in(at_us)).collect()
    }

    #[test]
    fn nobody_is_let_in_before_the_line_must_have_noticed_nor_after_the_lease() {
        let mut door = Door::of(&answer(3_600)).unwrap();
        let times = entries(&mut door, USED_US + 100 * SECOND_US);
        assert_eq!(times.first(), Some(&(WAIT_US + SECOND_US)));
        assert!(times.last().unwrap() < &USED_US);
        let lease_s = (USED_US - WAIT_US) / SECOND_US;
        assert_eq!(times.len() as u64, lease_s - 1);
    }

    #[test]
    fn no_window_has_more_than_the_lease_and_its_burst() {
        let mut door = Door::of(&answer(18_000)).unwrap();
        // Nobody asks for a minute: what is saved meanwhile is one second's worth.
        assert!(door.let_in(WAIT_US + 60 * SECOND_US));
        let times = entries(&mut door, WAIT_US + 90 * SECOND_US);
        for (nth, &from_us) in times.iter().enumerate() {
            for (more, &to_us) in times[nth..].iter().enumerate() {
                let most = 5 * (to_us - from_us) / SECOND_US + 1 + 5;
                assert!(more as u64 <= most, "{more} in {} us", to_us - from_us);
            }
        }
    }

    #[test]
    fn a_room_that_does_not_let_in_leaves_no_door() {
        let open = answer(3_600);
        assert!(Door::of(&open).is_some());
        let mut others = vec![open; 5];
        others[0].lease_per_hour = 0;
        others[1].settings.mode = Mode::Paused;
        others[2].healing = true;
        others[3].measured.held_back_ppm = ENTRY;
        others[4].settings.paced = false;
        assert!(others.iter().all(|answer| Door::of(answer).is_none()));
        let mut closing = answer(3_600);
        closing.settings.closes_at_us = closing.clock_us + WAIT_US + 5 * SECOND_US;
        let mut door = Door::of(&closing).unwrap();
        assert_eq!(entries(&mut door, USED_US).len(), 4);
    }

    #[test]
    fn no_more_come_in_than_there_are_places_for() {
        let mut few = answer(36_000);
        few.settings.active_max = 7;
        few.counts.instances = 3;
        let mut door = Door::of(&few).unwrap();
        assert_eq!(entries(&mut door, WAIT_US + 60 * SECOND_US).len(), 2);
    }

    #[test]
    fn calls_go_on_as_fast_as_those_called_answer_and_not_faster_than_twice_the_pace() {
        let mut answer = answer(18_000);
        for (share_ppm, calls) in [(1_000_000, 10), (800_000, 12), (100_000, 20)] {
            answer.measured.share_ppm = share_ppm;
            let door = Door::of(&answer).unwrap();
            assert_eq!(door.head(WAIT_US), 4);
            assert_eq!(door.head(WAIT_US + SECOND_US), 4 + calls);
        }
    }
}
