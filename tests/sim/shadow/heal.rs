//! When a line heals or gathers, for whom it waits, and what it leaves out when somebody stays away.

use std::collections::BTreeSet;

use anteroom::line::exchange::Exchange;
use anteroom::line::ids::InstanceId;

use super::Shadow;
use super::lease::missing;
use crate::plan::SECOND;

/// How long a line heals, at most and at least.
const HEAL_US: u64 = 1_500_000;
const HEAL_MIN_US: u64 = 500_000;
/// A replica silent for this long is not live.
pub(super) const LIVE_US: u64 = 5 * SECOND;
/// The narrowest gap.
const GAP: u64 = 100;

/// A line that heals, or that gathers.
#[derive(Debug, Clone, Default)]
pub(super) struct Heal {
    /// It has lost nothing.
    pub(super) gathers: bool,
    from_us: u64,
    pub(super) until_us: u64,
    /// When the replica of this exchange counts as heard from, if not now.
    pub(super) heard_us: Option<u64>,
    /// Who was live, and has not been heard from since.
    missing: BTreeSet<InstanceId>,
    /// Who has been heard from since: once, or again, so that it has told everything; how many of them were of this
    /// epoch, and how many there should be.
    once: BTreeSet<InstanceId>,
    again: BTreeSet<InstanceId>,
    reports: u64,
    live: u64,
}

impl Heal {
    /// When it last began.
    pub(super) fn began_us(&self) -> u64 {
        self.from_us
    }

    /// How many of those who were live have not come back.
    pub(super) fn missing(&self) -> u64 {
        missing(self.live, self.reports)
    }

    /// Line time was behind by so much.
    pub(super) fn later(&mut self, behind_us: u64) {
        self.from_us += behind_us;
        self.until_us += behind_us;
    }
}

impl Shadow {
    pub(super) fn is_healing(&self) -> bool {
        self.now_us < self.heal.until_us
    }

    /// Whether it heals because it may have lost something.
    pub(super) fn may_have_lost(&self) -> bool {
        self.is_healing() && !self.heal.gathers
    }

    pub(super) fn await_all(&mut self, gathers: bool) {
        let told = if !gathers && self.is_healing() {
            self.heal.live
        } else {
            0
        };
        self.now_us += 1;
        let after_us = self.now_us.saturating_sub(LIVE_US);
        let live = self.seen.iter().filter(|row| *row.1 > after_us);
        let missing: BTreeSet<_> = live.map(|row| *row.0).collect();
        self.heal = Heal {
            gathers,
            from_us: self.now_us,
            until_us: self.now_us + HEAL_US,
            live: told.max(missing.len() as u64),
            missing,
            ..Heal::default()
        };
        if !gathers {
            self.unbroken_us = self.now_us;
            self.pace.forfeit();
        }
    }

    /// Nobody was heard from for a while.
    pub(super) fn silence(&mut self, was_healing: bool) {
        if was_healing {
            self.heal.until_us = self.now_us + HEAL_US;
        } else {
            self.await_all(true);
        }
    }

    /// A replica reports; perhaps it was the last one.
    pub(super) fn report(&mut self, exchange: &Exchange, was_healing: bool) {
        self.heal.heard_us = None;
        if !was_healing && !self.is_healing() {
            return;
        }
        let of_this = exchange.known.epoch == self.epoch;
        let heal = &mut self.heal;
        let sender = exchange.instance;
        heal.missing.remove(&sender);
        let was_once = heal.once.remove(&sender);
        let was_again = heal.again.remove(&sender);
        let is_first = !was_once && !was_again;
        if is_first && of_this {
            heal.reports += 1;
            heal.live = heal.live.max(exchange.known.instances);
        }
        let nobody_awaited = heal.missing.is_empty() && heal.once.is_empty();
        let all_told = nobody_awaited && (!is_first || heal.again.is_empty());
        let complete = heal.missing.is_empty() && heal.reports >= heal.live;
        if self.now_us < heal.until_us {
            let left_us = heal.until_us - self.now_us;
            let ends = if heal.gathers {
                all_told
            } else {
                complete && all_told && heal.live > 0 && HEAL_US - left_us >= HEAL_MIN_US
            };
            if ends {
                heal.until_us = self.now_us;
            }
        } else if !complete && !heal.gathers {
            self.leave_gap();
        }
        let heal = &mut self.heal;
        let waits = is_first && self.now_us < heal.until_us;
        heal.heard_us = waits.then_some(heal.from_us);
        if exchange.leaving {
            return;
        }
        if waits || self.now_us == heal.from_us {
            heal.once.insert(sender);
        } else {
            heal.again.insert(sender);
        }
    }

    fn leave_gap(&mut self) {
        let width = GAP.max(self.issued + self.issued_before);
        let first = if self.gap.1 == self.tail && self.gap.0 > 0 {
            self.gap.0
        } else {
            self.tail + 1
        };
        self.tail += width;
        self.gap = (first, self.tail);
    }

    /// Whether it ever left numbers out, in this epoch.
    pub(crate) fn has_gap(&self) -> bool {
        self.gap.1 > 0
    }

    /// Numbers that nobody has, for all that is known.
    pub(super) fn is_in_gap(&self, number: u64) -> bool {
        self.gap.0 <= number && number <= self.gap.1
    }
}
