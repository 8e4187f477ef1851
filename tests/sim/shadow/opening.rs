//! The opening, as the design words it: announced, committed to, and once it has come, for good.

use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::opening::Opening;
use anteroom::line::promises::Promise;
use anteroom::line::settings::Mode;
use anteroom::line::settings::Settings;

use super::Shadow;
use super::Verdict;
use super::claim;

impl Shadow {
    /// Nobody is called or let in: an opening was announced and has not come.
    pub(crate) fn is_closed_yet(&self) -> bool {
        self.opening.at_us != 0 && self.opening.early.is_none()
    }

    /// What replicas were answered of an opening is given back to a line that has lost it.
    pub(super) fn remember(&mut self, known: &Opening) {
        if known.at_us == 0 || self.opening.early.is_some() {
            return;
        }
        let forgot_settings = self.revision == 0 && self.opening.at_us == 0;
        if let Some(early) = known.early {
            self.tail = self.tail.max(early);
            self.opening = *known;
        } else if forgot_settings {
            self.opening = *known;
        } else if known.at_us == self.opening.at_us && known.draws == self.opening.draws {
            self.opening.after = known.after.min(self.opening.after);
            if self.opening.draw.is_none() {
                self.opening.draw = known.draw;
            }
        }
    }

    /// A file was put in force: until the line has opened, its opening is the one that counts.
    pub(super) fn announced(&mut self) {
        let Settings {
            opens_at_us, draw, ..
        } = self.settings;
        let known = self.opening;
        if known.early.is_some() || (known.at_us == opens_at_us && known.draws == draw) {
            return;
        }
        self.opening = Opening::default();
        if opens_at_us > 0 {
            self.opening.at_us = opens_at_us;
            self.opening.draws = draw;
            // Whoever had a number before anything was announced keeps it.
            self.opening.after = if known.at_us == 0 {
                self.tail
            } else {
                known.after
            };
        }
    }

    /// The end of booking, by the store's clock.
    pub(super) fn closes(&mut self) {
        let closes_at_us = self.settings.closes_at_us;
        let booking = !matches!(self.settings.mode, Mode::Closed | Mode::SoldOut);
        if closes_at_us != 0 && closes_at_us <= self.clock_us && booking {
            let mode = Mode::Closed;
            self.set(Settings {
                mode,
                ..self.settings
            });
        }
    }

    /// The line is about to open, and by which line time whoever had come was early; none if it is not.
    pub(super) fn early_until_us(&self) -> Option<u64> {
        let is_due = self.is_closed_yet() && self.opening.at_us <= self.clock_us;
        let committed = !self.opening.draws || self.opening.draw.is_some();
        (is_due && committed).then_some(self.opening_us)
    }

    pub(super) fn opens(&mut self, healing: bool) {
        let somebody_to_draw = self.opening.draws && self.tail > self.opening.after;
        let committed = !somebody_to_draw || self.opening.draw.is_some();
        if self.is_closed_yet() && !healing && committed && self.opening.at_us <= self.clock_us {
            self.opening.early = Some(self.tail);
            self.unbroken_us = self.now_us;
            // They were heard from by index.
            self.heard.clear();
        }
    }

    /// The answer tells of the opening what is so, and nothing of it was taken back.
    pub(super) fn tells_opening(&self, exchange: &Exchange, answer: &Answer) -> Verdict {
        let told = answer.opening;
        claim(told == self.opening, Promise::P5, || {
            format!("the opening is {told:?} and should be {:?}", self.opening)
        })?;
        let known = exchange.known;
        let frozen = known.epoch == self.epoch && known.opening.early.is_some();
        claim(!frozen || told.early.is_some(), Promise::P5, || {
            format!("{:?} was taken back: {told:?}", known.opening)
        })?;
        claim(answer.clock_us == self.clock_us, Promise::P5, || {
            format!("the store's clock is told as {}", answer.clock_us)
        })
    }
}
