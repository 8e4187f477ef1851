//! What visitors do, and what runs out when they do nothing.

use anteroom::line::exchange::AHEAD_MAX;
use anteroom::line::exchange::Answer;
use anteroom::line::exchange::EXPIRED_MAX;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::Standing;
use anteroom::line::exchange::Visitor;
use anteroom::line::ids::TicketId;
use anteroom::line::promises::Promise;
use anteroom::line::settings::Mode;

use super::Done;
use super::Heard;
use super::Open;
use super::Shadow;
use super::Verdict;
use super::claim;
use crate::plan::SECOND;
use crate::replica::Joiner;

/// How often a pass is signed again, and a turn made longer.
const SIGNED_MAX: u64 = 5;
const LONGER_MAX: u64 = 10;
/// How long an `Idempotency-Key` is remembered.
const KEYED_US: u64 = 60 * SECOND;

/// Those whose time has come, the first first; so many in one exchange, the others in the next.
fn run_out<T: Ord>(rows: impl Iterator<Item = (u64, T)>, last_us: u64) -> Vec<T> {
    let mut over: Vec<_> = rows.filter(|&(at_us, _)| at_us <= last_us).collect();
    over.sort_unstable();
    over.truncate(EXPIRED_MAX);
    over.into_iter().map(|(_, item)| item).collect()
}

impl Shadow {
    pub(super) fn expire(&mut self) {
        let (now_us, turn_us) = (self.now_us, self.turn_us);
        let silent_us = now_us.saturating_sub(self.window_us());
        for id in run_out(self.inside.iter().map(|(&id, &at)| (at, id)), now_us) {
            self.inside.remove(&id);
        }
        let inside = &self.inside;
        self.signed.retain(|id, _| inside.contains_key(id));
        self.since_us.retain(|id, _| inside.contains_key(id));
        for id in run_out(self.finished.iter().map(|(&id, &at)| (at, id)), now_us) {
            self.finished.remove(&id);
        }
        for number in run_out(self.turns.iter().map(|(&n, t)| (t.until_us, n)), turn_us) {
            self.turns.remove(&number);
        }
        for key in run_out(self.keyed.iter().map(|(&key, &(_, at))| (at, key)), now_us) {
            self.keyed.remove(&key);
        }
        for id in run_out(self.asked_us.iter().map(|(&id, &at)| (at, id)), silent_us) {
            self.forget_ask(id);
        }
    }

    pub(super) fn hear(&mut self, exchange: &Exchange) {
        for &number in &exchange.heard {
            if number >= 1 && number <= self.tail {
                self.hear_one(number);
            }
        }
        let longer_us = self.settings.turn_us;
        for number in &exchange.more {
            if let Some(turn) = self.turns.get_mut(number)
                && turn.longer < LONGER_MAX
            {
                turn.longer += 1;
                turn.until_us += longer_us;
            }
        }
    }

    pub(super) fn hear_one(&mut self, number: u64) {
        let heard = Heard {
            at_us: self.now_us,
            window_us: self.window_us(),
        };
        self.heard.insert(number, heard);
    }

    pub(super) fn renew(&mut self, exchange: &Exchange) {
        let latest_us = self.now_us + self.settings.pass_idle_us;
        for renewal in &exchange.renewals {
            let until_us = renewal.until_us.min(latest_us);
            if until_us <= self.now_us {
                continue;
            }
            let id = renewal.id;
            if let Some(kept) = self.finished.get_mut(&id) {
                *kept = until_us.max(*kept);
                continue;
            }
            self.forget_ask(id);
            let entered_us = renewal.entered_us.min(self.now_us);
            self.since_us.entry(id).or_insert(entered_us);
            let held = self.inside.entry(id).or_default();
            *held = until_us.max(*held);
        }
    }

    pub(super) fn finish(&mut self, exchange: &Exchange, done: &mut Done) {
        for finish in &exchange.finishes {
            let Visitor { number, id } = finish.visitor;
            let held_us = self.inside.remove(&id).unwrap_or(0);
            let until_us = finish.until_us.max(held_us).max(self.now_us + 1);
            let kept = self.finished.entry(id).or_default();
            *kept = until_us.max(*kept);
            self.signed.remove(&id);
            self.since_us.remove(&id);
            self.forget_ask(id);
            done.finished.push(id);
            if number >= 1 && number <= self.tail {
                self.spent.insert(number);
                self.turns.remove(&number);
                if number > self.head {
                    self.heard.remove(&number);
                }
            }
        }
        for visitor in &exchange.unasks {
            let on_time = self.on_time.contains_key(&visitor.id);
            self.forget_ask(visitor.id);
            if on_time {
                self.turns.insert(visitor.number, self.open());
            }
        }
    }

    /// A turn that begins now.
    pub(super) fn open(&self) -> Open {
        Open {
            until_us: self.turn_us + self.settings.turn_us,
            called_us: self.turn_us,
            longer: 0,
        }
    }

    /// Numbers come from one block after the tail, never twice, and only while the line issues and is not full.
    pub(super) fn join(
        &mut self,
        exchange: &Exchange,
        joiners: &[Joiner],
        answer: &Answer,
        done: &mut Done,
    ) -> Verdict {
        let mut free = self.granted(exchange, answer, done)?;
        let issued = exchange.joins.min(free);
        let expected = (self.tail + 1, issued);
        claim(
            (answer.first, answer.issued) == expected,
            Promise::P1,
            || {
                let is = (answer.first, answer.issued);
                format!("the block (first, issued) is {is:?} and should be {expected:?}")
            },
        )?;
        free -= issued;
        let mut numbers: Vec<_> = (0..issued).map(|n| self.tail + 1 + n).collect();
        numbers.resize(usize::try_from(exchange.joins).unwrap_or(0), 0);
        self.tail += issued;
        for &key in &exchange.keyed {
            let number = match self.keyed.get(&key) {
                Some(&(number, _)) => number,
                None if free == 0 => 0,
                None => {
                    free -= 1;
                    self.tail += 1;
                    self.keyed.insert(key, (self.tail, self.now_us + KEYED_US));
                    self.tail
                }
            };
            numbers.push(number);
        }
        self.issued += numbers.iter().filter(|&&n| n >= answer.first).count() as u64;
        let keyed = &numbers[numbers.len() - exchange.keyed.len()..];
        claim(answer.keyed == keyed, Promise::P1, || {
            format!("keyed numbers are {:?}, expected {keyed:?}", answer.keyed)
        })?;
        for (&number, joiner) in numbers.iter().zip(joiners) {
            if number > 0 {
                done.issued.push((number, joiner.id));
            }
        }
        (answer.first..=self.tail).for_each(|number| self.hear_one(number));
        Ok(())
    }

    pub(super) fn ask(&mut self, visitor: Visitor) -> Standing {
        let Visitor { number, id } = visitor;
        let standing = self.standing(visitor);
        let asks = matches!(self.settings.mode, Mode::Open | Mode::Paused);
        if !asks || self.is_closed_yet() {
            return standing;
        }
        match standing {
            Standing::Inside { until_us, .. } => {
                let signed = self.signed.entry(id).or_default();
                if *signed >= SIGNED_MAX {
                    return Standing::Exhausted { until_us };
                }
                *signed += 1;
                return standing;
            }
            Standing::Waiting => {
                if number > self.tail || number - self.head > AHEAD_MAX {
                    return standing;
                }
                self.ahead.insert(id, number);
                self.hear_one(number);
            }
            Standing::Turn { .. } => {
                self.turns.remove(&number);
                self.on_time.insert(id, number);
            }
            Standing::Late | Standing::Returning => {
                self.late.insert(id, number);
            }
            Standing::Asking => {}
            Standing::Exhausted { .. } | Standing::Spent => return standing,
        }
        self.asked_us.insert(id, self.now_us);
        if standing == Standing::Waiting {
            return standing;
        }
        Standing::Asking
    }

    /// Where a visitor stands.
    pub(crate) fn standing(&self, visitor: Visitor) -> Standing {
        let Visitor { number, id } = visitor;
        let entries = self.entries.get(&number).copied().unwrap_or(0);
        let spent = self.spent.contains(&number);
        if self.finished.contains_key(&id) {
            Standing::Spent
        } else if let Some(&until_us) = self.inside.get(&id) {
            Standing::Inside {
                until_us,
                entered_us: self.since_us[&id],
            }
        } else if number > self.head {
            if spent {
                Standing::Spent
            } else {
                Standing::Waiting
            }
        } else if self.asked_us.contains_key(&id) {
            Standing::Asking
        } else if spent || entries > self.settings.returns {
            Standing::Spent
        } else if entries > 0 {
            Standing::Returning
        } else if let Some(turn) = self.turns.get(&number) {
            let until_us = turn.until_us;
            Standing::Turn { until_us }
        } else {
            Standing::Late
        }
    }

    pub(super) fn forget_ask(&mut self, id: TicketId) {
        self.asked_us.remove(&id);
        self.on_time.remove(&id);
        self.late.remove(&id);
        self.ahead.remove(&id);
    }
}
