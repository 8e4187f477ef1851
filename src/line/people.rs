//! What visitors do: join, be heard from, ask, come back, renew, finish; and what runs out when they do nothing.

use crate::line::bits::Bits;
use crate::line::bits::SPENT;
use crate::line::exchange::AHEAD_MAX;
use crate::line::exchange::EXPIRED_MAX;
use crate::line::exchange::Exchange;
use crate::line::exchange::Standing;
use crate::line::exchange::StubBlock;
use crate::line::exchange::Visitor;
use crate::line::ids::TicketId;
use crate::line::settings::Mode;
use crate::line::state::CONTENTS_MAX;
use crate::line::state::KEYED_US;
use crate::line::state::Line;
use crate::line::state::MORE_MAX;
use crate::line::state::RESIGNS_MAX;
use crate::line::state::Step;

impl Line {
    /// The presence bitmap of the current slice.
    pub(crate) fn current_slice(&mut self) -> &mut Bits {
        let index = usize::try_from(self.slice % 3).unwrap_or(0);
        &mut self.present[index]
    }

    /// Lets go of what has run out, a bounded number of each kind.
    pub(crate) fn expire(&mut self, step: &mut Step) {
        let gone = self.inside.up_to(self.now_us);
        step.more |= gone.len() == EXPIRED_MAX;
        gone.into_iter().for_each(|id| self.drop_inside(id));

        let gone = self.finished.up_to(self.now_us);
        step.more |= gone.len() == EXPIRED_MAX;
        for id in gone {
            self.finished.take(id);
            self.finished_order.take(id);
        }

        let gone = self.turns.up_to(self.turn_now_us);
        step.more |= gone.len() == EXPIRED_MAX;
        for number in gone {
            self.drop_turn(number);
        }

        let gone = self
            .asking
            .up_to(self.now_us.saturating_sub(self.window_us()));
        step.more |= gone.len() == EXPIRED_MAX;
        gone.into_iter().for_each(|id| self.drop_asking(id));

        let gone = self.keyed_until.up_to(self.now_us);
        step.more |= gone.len() == EXPIRED_MAX;
        for key in gone {
            self.keyed_until.take(key);
            self.keyed.remove(&key);
        }
    }

    /// Notes who was heard from, and wishes for a longer turn.
    pub(crate) fn hear(&mut self, exchange: &Exchange) {
        self.take_places(exchange.heard.len() as u64);
        let tail = self.tail;
        let slice = self.current_slice();
        for &number in exchange.heard.iter().filter(|&&n| n >= 1 && n <= tail) {
            slice.set(number);
        }
        for &number in &exchange.more {
            let (Some(until), longer) = (
                self.turns.score(number),
                self.longer.get(&number).copied().unwrap_or(0),
            ) else {
                continue;
            };
            if longer < MORE_MAX {
                self.longer.insert(number, longer + 1);
                self.turns.put(number, until + self.settings.turn_us);
            }
        }
    }

    /// Keeps passes in use alive. One the store has lost is inside again; a finished one is not revived.
    pub(crate) fn renew(&mut self, exchange: &Exchange) {
        let latest = self.now_us + self.settings.pass_idle_us;
        for renewal in &exchange.renewals {
            let until = renewal.until_us.min(latest);
            if until <= self.now_us {
                continue;
            }
            if let Some(kept) = self.finished.score(renewal.id) {
                // Signed before the news came: remembered for as long as that pass could be shown.
                self.finished.put(renewal.id, kept.max(until));
                continue;
            }
            self.drop_asking(renewal.id);
            let held = self.inside.score(renewal.id);
            if held.is_none() {
                let entered_us = renewal.entered_us.min(self.now_us);
                self.inside_since.put(renewal.id, entered_us);
            }
            self.inside.put(renewal.id, held.unwrap_or(0).max(until));
        }
    }

    /// Spends tickets and passes, and takes back what was asked only until a response.
    pub(crate) fn finish(&mut self, exchange: &Exchange) {
        for finish in &exchange.finishes {
            let Visitor { number, id } = finish.visitor;
            let held = self.inside.score(id).unwrap_or(0);
            let until = finish.until_us.max(held).max(self.now_us + 1);
            let kept = self.finished.score(id);
            if kept.is_none() {
                self.finished_seq += 1;
                self.finished_order.put(id, self.finished_seq);
            }
            self.finished.put(id, until.max(kept.unwrap_or(0)));
            self.drop_inside(id);
            self.drop_asking(id);
            if number == 0 || number > self.tail {
                continue;
            }
            self.entries.set(number, SPENT);
            self.drop_turn(number);
            if number > self.head {
                self.present
                    .iter_mut()
                    .for_each(|slice| slice.clear(number));
            }
        }
        for &Visitor { number, id } in &exchange.unasks {
            let on_time = (self.asking_turn.score(id)).is_some_and(|asked| asked <= self.head);
            self.drop_asking(id);
            if on_time {
                self.give_turn(number);
            }
        }
    }

    /// Issues numbers.
    pub(crate) fn join(&mut self, exchange: &Exchange, step: &mut Step) {
        let free = if self.settings.mode.issues() && !step.healing {
            self.places_for(exchange.joins + exchange.keyed.len() as u64)
        } else {
            0
        };
        step.first = self.tail + 1;
        step.issued = exchange.joins.min(free);
        self.tail += step.issued;
        for (number, &id) in (step.first..=self.tail).zip(&exchange.eager) {
            step.eager.push((number, id));
        }
        let before = self.tail - step.issued;
        let mut free = free - step.issued;
        for (at, &key) in exchange.keyed.iter().enumerate() {
            let known = self.keyed.get(&key).copied();
            let number = match known {
                Some(number) => number,
                None if free == 0 => 0,
                None => {
                    free -= 1;
                    self.tail += 1;
                    self.keyed.insert(key, self.tail);
                    self.keyed_until.put(key, self.now_us + KEYED_US);
                    if let Some(lost) = exchange.lost.get(at).filter(|lost| lost.index > 0) {
                        self.keep_block(StubBlock::of(*lost, self.tail));
                    }
                    self.tail
                }
            };
            step.keyed.push(number);
        }
        self.issued_minute += self.tail - before;
        self.take_places(self.tail - before);
        let (first, end) = (step.first, self.tail + 1);
        self.current_slice().set_block(first, end);
    }

    /// Records who wants to enter now; where each of them stands.
    pub(crate) fn ask(&mut self, exchange: &Exchange) -> Vec<Standing> {
        self.take_places(exchange.asks.len() as u64);
        exchange
            .asks
            .iter()
            .map(|&visitor| self.ask_one(visitor))
            .collect()
    }

    fn ask_one(&mut self, visitor: Visitor) -> Standing {
        let Visitor { number, id } = visitor;
        let standing = self.standing(visitor);
        let asks = matches!(self.settings.mode, Mode::Open | Mode::Paused);
        if !asks || self.opening.is_awaited() {
            return standing;
        }
        match standing {
            Standing::Inside { until_us, .. } => {
                let signed = self.resigned.get(&id).copied().unwrap_or(0);
                if signed >= RESIGNS_MAX {
                    return Standing::Exhausted { until_us };
                }
                self.resigned.insert(id, signed + 1);
                standing
            }
            Standing::Waiting => {
                if number <= self.tail && number - self.head <= AHEAD_MAX {
                    self.asking_turn.put(id, number);
                    self.asking.put(id, self.now_us);
                    // Who asks is present.
                    self.current_slice().set(number);
                }
                standing
            }
            Standing::Asking => {
                self.asking.put(id, self.now_us);
                standing
            }
            Standing::Turn { .. } => {
                let called_us = self.called.score(number).unwrap_or(self.turn_now_us);
                self.answered(called_us);
                self.drop_turn(number);
                self.asking_turn.put(id, number);
                self.asking.put(id, self.now_us);
                Standing::Asking
            }
            Standing::Late | Standing::Returning => {
                self.asking_late.put(id, number);
                self.asking.put(id, self.now_us);
                Standing::Asking
            }
            Standing::Exhausted { .. } | Standing::Spent => standing,
        }
    }

    /// Where a visitor stands.
    pub(crate) fn standing(&self, visitor: Visitor) -> Standing {
        let Visitor { number, id } = visitor;
        if self.finished.score(id).is_some() {
            return Standing::Spent;
        }
        if let Some(until_us) = self.inside.score(id) {
            return Standing::Inside {
                until_us,
                // One from before entries were remembered came in when its pass was last renewed, at the latest.
                entered_us: self
                    .inside_since
                    .score(id)
                    .unwrap_or_else(|| until_us.saturating_sub(self.settings.pass_idle_us)),
            };
        }
        if number > self.head {
            return if self.entries.get(number) == SPENT {
                Standing::Spent
            } else {
                Standing::Waiting
            };
        }
        if self.asking.score(id).is_some() {
            return Standing::Asking;
        }
        match self.entries.get(number) {
            0 => self
                .turns
                .score(number)
                .map_or(Standing::Late, |until_us| Standing::Turn { until_us }),
            SPENT => Standing::Spent,
            entries if u64::from(entries) > self.settings.returns => Standing::Spent,
            _ => Standing::Returning,
        }
    }

    /// Forgets that somebody is asking.
    pub(crate) fn drop_asking(&mut self, id: TicketId) {
        if self.asking.take(id).is_some() {
            self.asking_turn.take(id);
            self.asking_late.take(id);
        }
    }

    /// Ends a turn.
    fn drop_turn(&mut self, number: u64) {
        self.turns.take(number);
        self.called.take(number);
        self.longer.remove(&number);
    }

    /// Forgets that somebody is inside.
    fn drop_inside(&mut self, id: TicketId) {
        self.inside.take(id);
        self.inside_since.take(id);
        self.inside_order.take(id);
        self.resigned.remove(&id);
    }

    /// Keeps the contents ever proposed within their bound, the oldest going first.
    pub(crate) fn forget_contents(&mut self) {
        while self.contents.len() > CONTENTS_MAX as u64 {
            let Some((_, oldest)) = self.contents.iter().next() else {
                return;
            };
            self.contents.take(oldest);
        }
    }
}
