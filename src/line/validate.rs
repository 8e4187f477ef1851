//! The bounds of an exchange, checked before anything is applied or sent.

use crate::line::exchange::EAGER_MAX;
use crate::line::exchange::Exchange;
use crate::line::exchange::HEALTH_MAX;
use crate::line::exchange::HEARD_MAX;
use crate::line::exchange::ITEMS_MAX;
use crate::line::exchange::JOINS_MAX;
use crate::line::exchange::NUMBER_MAX;
use crate::line::exchange::Refused;
use crate::line::exchange::STUB_SLICES_MAX;
use crate::line::exchange::WITNESSES_ALL;
use crate::line::settings::INTEGER_MAX;
use crate::line::settings::RATE_PER_HOUR_MAX;
use crate::line::settings::Settings;

/// One hour, the longest poll interval, in microseconds.
const HOUR_US: u64 = 3_600_000_000;

impl Exchange {
    /// Checks every bound an exchange must keep.
    ///
    /// # Errors
    /// [`Refused::TooMuch`] or [`Refused::OutOfRange`] with the name of what is wrong.
    pub fn validate(&self) -> Result<(), Refused> {
        let lists = [
            ("keyed", self.keyed.len(), ITEMS_MAX),
            ("eager", self.eager.len(), EAGER_MAX),
            ("heard", self.heard.len(), HEARD_MAX),
            ("asks", self.asks.len(), ITEMS_MAX),
            ("unasks", self.unasks.len(), ITEMS_MAX),
            ("more", self.more.len(), ITEMS_MAX),
            ("checks", self.checks.len(), ITEMS_MAX),
            ("renewals", self.renewals.len(), ITEMS_MAX),
            ("finishes", self.finishes.len(), ITEMS_MAX),
            ("stubs", self.stubs.len(), STUB_SLICES_MAX),
        ];
        if let Some((name, ..)) = lists.into_iter().find(|&(_, len, max)| len > max) {
            return Err(Refused::TooMuch(name));
        }
        if !self.lost.is_empty() && self.lost.len() != self.keyed.len() {
            return Err(Refused::OutOfRange("lost"));
        }
        if self.joins > JOINS_MAX || self.eager.len() as u64 > self.joins {
            return Err(Refused::TooMuch("joins"));
        }
        if self.leaving && (self.joins > 0 || !self.keyed.is_empty() || !self.asks.is_empty()) {
            return Err(Refused::OutOfRange("leaving"));
        }
        if self.told_us > HOUR_US {
            return Err(Refused::OutOfRange("told_us"));
        }
        if self.known.lease_per_hour > RATE_PER_HOUR_MAX {
            return Err(Refused::OutOfRange("lease"));
        }
        let origin = &self.origin;
        let too_many = origin.answered.max(origin.failed) > HEALTH_MAX;
        if too_many || origin.slow > origin.answered || origin.witnesses > WITNESSES_ALL {
            return Err(Refused::OutOfRange("origin"));
        }
        self.validate_numbers()?;
        self.validate_stubs()?;
        self.proposal
            .as_ref()
            .map_or(Ok(()), |proposal| proposal.settings.validate())
    }

    /// Every number and time stays where the script's arithmetic is exact.
    fn validate_numbers(&self) -> Result<(), Refused> {
        let visitors = self.asks.iter().chain(&self.unasks).chain(&self.checks);
        let numbers = visitors
            .map(|v| v.number)
            .chain(self.heard.iter().copied())
            .chain(self.more.iter().copied());
        let times = self
            .renewals
            .iter()
            .flat_map(|r| [r.until_us, r.entered_us])
            .chain(self.finishes.iter().map(|f| f.until_us));
        let opening = &self.known.opening;
        let early = opening.early.unwrap_or(0);
        let floors = [self.known.tail, self.known.head, opening.after, early];
        let finishes = self.finishes.iter().map(|f| f.visitor.number);
        if numbers
            .chain(finishes)
            .chain(floors)
            .any(|n| n > NUMBER_MAX)
        {
            return Err(Refused::OutOfRange("number"));
        }
        let known = [
            self.known.epoch.map_or(0, |epoch| epoch.created_us),
            self.known.now_us,
            self.known.turns,
            self.known.entries,
            self.known.finished,
            opening.at_us,
            self.known.stubs,
            self.known.instances,
            self.known.withheld_per_hour,
        ];
        let times = times.chain(known).chain(self.stock);
        if times.into_iter().any(|value| value > INTEGER_MAX / 2) {
            return Err(Refused::OutOfRange("time or count"));
        }
        Ok(())
    }

    /// Slices of stubs follow one another by index, and none is empty.
    fn validate_stubs(&self) -> Result<(), Refused> {
        let mut next = 1;
        for slice in &self.stubs {
            let values = [slice.at_us, slice.first];
            let is_sound = slice.first >= next
                && (1..=NUMBER_MAX).contains(&slice.count)
                && values.into_iter().all(|value| value <= INTEGER_MAX / 2);
            if !is_sound {
                return Err(Refused::OutOfRange("stubs"));
            }
            next = slice.first + slice.count;
        }
        if self.lost.iter().any(|lost| lost.index > INTEGER_MAX / 2) {
            return Err(Refused::OutOfRange("lost"));
        }
        Ok(())
    }
}

impl Settings {
    /// Checks the ranges given in the fields' documentation.
    ///
    /// # Errors
    /// [`Refused::OutOfRange`] with the name of the field.
    pub fn validate(&self) -> Result<(), Refused> {
        const SECOND: u64 = 1_000_000;
        const DAY: u64 = 24 * HOUR_US;
        let ranges = [
            ("rate", self.rate_per_hour, 0, RATE_PER_HOUR_MAX),
            ("active_max", self.active_max, 0, INTEGER_MAX),
            ("presence", self.presence_us, SECOND, HOUR_US),
            ("turn", self.turn_us, SECOND, DAY),
            ("late_share", self.late_share_ppm, 0, 1_000_000),
            ("pass_idle", self.pass_idle_us, SECOND, DAY),
            ("returns", self.returns, 0, 13),
            ("line_max", self.line_max, 0, INTEGER_MAX),
            ("guard_share", self.guard_share_ppm, 0, 1_000_000),
            ("guard_recovery", self.guard_recovery_us, SECOND, HOUR_US),
            ("opens_at", self.opens_at_us, 0, INTEGER_MAX / 2),
            ("closes_at", self.closes_at_us, 0, INTEGER_MAX / 2),
        ];
        ranges
            .into_iter()
            .find(|&(_, value, low, high)| value < low || value > high)
            .map_or(Ok(()), |(name, ..)| Err(Refused::OutOfRange(name)))
    }
}
