//! Healing: what a line does when its store may have lost writes, and when nobody was heard from for a while.
//!
//! Either way nothing is issued, called or entered until every replica that was live has told what it knows: after a loss
//! because it may know of numbers that the store has lost, after a silence because it may have given stubs. An exchange
//! that hung on its way all the time is heard first and tells of nothing since, so a replica has told all with its second
//! one. Nobody is waited for longer than a second and a half. If somebody who may know of lost numbers is still missing
//! then, the line leaves a gap: as many numbers as it may have been told of, which count as absent unless somebody who has
//! one of them is heard from. A replica that comes back with still higher numbers raises the tail whenever it does.

use crate::line::bits;
use crate::line::exchange::Exchange;
use crate::line::exchange::INSTANCES_UNKNOWN;
use crate::line::exchange::NUMBER_MAX;
use crate::line::state::HEAL_MIN_US;
use crate::line::state::HEAL_US;
use crate::line::state::LIVE_US;
use crate::line::state::Line;
use crate::line::state::Step;
use crate::line::stubs::STUB_NUMBERS_MAX;

/// The least width of a gap, in numbers.
pub(crate) const GAP_MIN: u64 = 100;

impl Line {
    /// Begins to heal: the store may have lost writes.
    pub(crate) fn heal(&mut self) {
        let told = if self.is_healing() { self.heal_live } else { 0 };
        self.await_all();
        self.heal_live = self.heal_live.max(told);
        self.gathers = false;
        self.credit = 0;
        self.credit_rest = 0;
        self.listen_us = self.now_us;
    }

    /// Begins to gather: nobody was heard from for a while. A line that heals already gives everybody as long again.
    pub(crate) fn gather(&mut self, was_healing: bool) {
        if was_healing {
            self.heal_until_us = self.now_us + HEAL_US;
            return;
        }
        self.await_all();
        self.gathers = true;
    }

    /// Waits for all replicas that were live. Line time moves on, so that whoever was heard from before was so earlier.
    fn await_all(&mut self) {
        self.now_us += 1;
        self.heal_from_us = self.now_us;
        self.heal_until_us = self.now_us + HEAL_US;
        self.heal_live = self.seen.count_above(self.now_us.saturating_sub(LIVE_US));
        self.heal_heard = 0;
    }

    /// Whether nothing may be issued, called or entered yet.
    pub(crate) fn is_healing(&self) -> bool {
        self.now_us < self.heal_until_us
    }

    /// Line time was behind by so much: so was all that it was noted of replicas.
    pub(crate) fn catch_up(&mut self, behind_us: u64) {
        self.now_us += behind_us;
        self.listen_us = self.now_us;
        self.heal_from_us += behind_us;
        self.heal_until_us += behind_us;
        let seen: Vec<_> = self.seen.iter().collect();
        for (at_us, instance) in seen {
            self.seen.put(instance, at_us + behind_us);
        }
    }

    /// Notes that a replica was heard from; ends healing once all were, or once it has taken too long.
    ///
    /// A replica's first exchange may be one from before that it repeats: it has told everything with its second, which
    /// follows at once.
    pub(crate) fn note_report(&mut self, exchange: &Exchange, was_healing: bool, step: &mut Step) {
        if !was_healing && !self.is_healing() {
            return;
        }
        let from_us = self.heal_from_us;
        let seen_us = self.seen.score(exchange.instance);
        let is_first = seen_us.is_none_or(|at_us| at_us < from_us);
        if is_first && exchange.known.epoch == self.epoch {
            self.heal_heard += 1;
            self.heal_live = self.heal_live.max(exchange.known.instances);
        }
        let live = self.seen.from(from_us.saturating_sub(LIVE_US) + 1);
        let first = live
            .filter(|&(_, instance)| instance != exchange.instance)
            .map(|(at_us, _)| at_us)
            .next();
        let misses = first.is_some_and(|at_us| at_us < from_us) || self.heal_heard < self.heal_live;
        let awaits = first.is_some_and(|at_us| at_us <= from_us) || is_first && first.is_some();
        if self.is_healing() {
            let is_done = if self.gathers {
                !awaits
            } else {
                let left_us = self.heal_until_us - self.now_us;
                let knows_all = self.heal_live > 0 && !misses && !awaits;
                knows_all && left_us <= HEAL_US - HEAL_MIN_US
            };
            if is_done {
                self.heal_until_us = self.now_us;
            }
        } else if misses && !self.gathers {
            self.leave_gap();
        }
        step.heard_us = (is_first && self.is_healing()).then_some(from_us);
        step.more |= step.heard_us.is_some();
    }

    /// Whether it heals because the store may have lost writes.
    pub(crate) fn has_lost(&self) -> bool {
        self.is_healing() && !self.gathers
    }

    /// The highest number that can be issued once this exchange was applied.
    pub(crate) fn highest_after(&self, exchange: &Exchange) -> u64 {
        let known = exchange.known.tail.max(exchange.known.head);
        let gap = if self.has_lost() {
            // Which may tell of more replicas, or that nobody knows how many there were.
            let live = self.heal_live.max(exchange.known.instances);
            self.gap_width(self.tail.max(known), live)
        } else {
            0
        };
        let stubs = if exchange.stubs.is_empty() && self.stubs.is_empty() {
            0
        } else {
            STUB_NUMBERS_MAX
        };
        self.tail.max(known) + gap + stubs + exchange.joins + exchange.keyed.len() as u64
    }

    /// How many numbers behind this tail a missing replica may have been told of. Where nobody is left who was told of
    /// any, the tail is only the highest of the tickets that happened to be shown.
    fn gap_width(&self, tail: u64, live: u64) -> u64 {
        let unseen = if live >= INSTANCES_UNKNOWN {
            tail / 4
        } else {
            0
        };
        GAP_MIN
            .max(self.issued_minute + self.issued_minute_before)
            .max(unseen)
    }

    /// Leaves out the numbers that a missing replica may have been told of.
    fn leave_gap(&mut self) {
        if self.gap_last != self.tail || self.gap_first == 0 {
            self.gap_first = self.tail + 1;
        }
        self.tail = (self.tail + self.gap_width(self.tail, self.heal_live)).min(NUMBER_MAX);
        self.gap_last = self.tail;
    }

    /// The next number to call from within the gap, or behind it: those in it are absent unless they were heard from.
    pub(crate) fn next_from_gap(&self) -> Option<u64> {
        let heard = bits::next_in_any(&self.present, self.head, self.gap_last);
        heard.or_else(|| Some(self.gap_last + 1).filter(|&number| number <= self.tail))
    }

    /// Whether the next number to call is in the gap.
    pub(crate) fn is_at_gap(&self) -> bool {
        let next = self.head + 1;
        self.gap_first <= next && next <= self.gap_last
    }
}
