//! When the line is full: by those who wait and may be there, looked at one by one.

use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::promises::Promise;
use anteroom::line::settings::Mode;

use super::Done;
use super::Shadow;
use super::Verdict;
use super::claim;
use crate::plan::SECOND;

/// How long the line may go by what it counted before.
const COUNTED_US: u64 = SECOND;

impl Shadow {
    /// How many numbers the line issued to newcomers: no more than there are places by those who are surely there, and
    /// but for a moment no fewer than by those who may be.
    pub(super) fn granted(
        &mut self,
        exchange: &Exchange,
        answer: &Answer,
        done: &mut Done,
    ) -> Verdict<u64> {
        if exchange.joins == 0 && exchange.keyed.is_empty() {
            return Ok(0);
        }
        let last = answer.keyed.iter().copied().max().unwrap_or(0);
        let granted = (self.tail + answer.issued).max(last) - self.tail;
        let (mut least, mut most) = self.places();
        if done.healing || !matches!(self.settings.mode, Mode::Open | Mode::Paused) {
            (least, most) = (0, 0);
        }
        let mut keys = exchange.keyed.clone();
        keys.sort_unstable();
        keys.dedup();
        let new = keys.iter().filter(|key| !self.keyed.contains_key(key));
        let wanted = exchange.joins + new.count() as u64;
        claim(granted <= most, Promise::P9, || {
            format!("{granted} numbers were issued where there are {most} places")
        })?;
        done.beyond = granted > self.by_number();
        if granted >= wanted.min(least) {
            self.full.short_since_us = None;
            return Ok(granted);
        }
        let since_us = *self.full.short_since_us.get_or_insert(self.now_us);
        claim(self.now_us < since_us + COUNTED_US, Promise::P6, || {
            format!(
                "{granted} of {wanted} got numbers where there are {least} places, since {since_us}"
            )
        })?;
        Ok(granted)
    }

    /// How many places there are if everybody who wait has a number.
    fn by_number(&self) -> u64 {
        let waiting = self.tail - self.head;
        self.settings.line_max.saturating_sub(waiting)
    }

    /// How many places there are at least and at most: somebody who was heard from within the window is there, somebody
    /// silent for two of them is not, and nobody is away while absence is not proven.
    fn places(&self) -> (u64, u64) {
        let by_number = self.by_number();
        if !self.is_proven() {
            return (by_number, by_number);
        }
        let window_us = self.window_us();
        let waiting = || self.heard.range(self.head + 1..);
        let surely = waiting().filter(|(_, heard)| self.now_us < heard.at_us + heard.window_us);
        let most = self.settings.line_max.saturating_sub(surely.count() as u64);
        if self.now_us - self.window_since_us <= 3 * window_us {
            return (by_number, most.max(by_number));
        }
        let gone_us = 2 * window_us + 4 * SECOND;
        let maybe = waiting().filter(|(_, heard)| self.now_us <= heard.at_us + gone_us);
        let least = self.settings.line_max.saturating_sub(maybe.count() as u64);
        (least.max(by_number), most.max(by_number))
    }
}

/// What is kept of it from one exchange to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Full {
    /// Since when newcomers are refused although there are places.
    short_since_us: Option<u64>,
}
