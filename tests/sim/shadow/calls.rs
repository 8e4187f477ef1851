//! Who was called, who was skipped and why, and who was let in.

use std::collections::BTreeMap;

use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::NEWS_MAX;
use anteroom::line::ids::TicketId;
use anteroom::line::promises::Promise;

use super::Done;
use super::Kind;
use super::Shadow;
use super::Verdict;
use super::claim;
use crate::plan::SECOND;

impl Shadow {
    /// Takes over how far the line called and whom it let in.
    pub(super) fn calls(
        &mut self,
        exchange: &Exchange,
        answer: &Answer,
        done: &mut Done,
    ) -> Verdict {
        let (from, to) = (self.head, answer.head);
        claim(from <= to && to <= self.tail, Promise::P2, || {
            format!("head went from {from} to {to} with tail {}", self.tail)
        })?;
        claim(from == to || self.moves(), Promise::P2, || {
            "somebody was called while nobody may".to_owned()
        })?;
        claim(answer.turns.len() < NEWS_MAX, Promise::P9, || {
            "more turns are told than news may hold".to_owned()
        })?;
        let granted = self.newly_granted(answer)?;
        let eager: BTreeMap<u64, TicketId> = (answer.first..)
            .zip(exchange.eager.iter().copied())
            .collect();
        let turns: BTreeMap<u64, u64> = answer
            .turns
            .iter()
            .map(|t| (t.number, t.until_us))
            .collect();
        let proven = self.is_proven();
        self.head = to;
        for number in from + 1..=to {
            done.called += 1;
            let ahead: Vec<_> = self
                .ahead
                .iter()
                .filter(|a| *a.1 == number)
                .map(|a| *a.0)
                .collect();
            for id in &ahead {
                self.ahead.remove(id);
                self.on_time.insert(*id, number);
            }
            if let Some(&until_us) = turns.get(&number) {
                let turn = self.open();
                claim(until_us == turn.until_us, Promise::P5, || {
                    format!(
                        "the turn of {number} ends at {until_us}, not at {}",
                        turn.until_us
                    )
                })?;
                self.turns.insert(number, turn);
                self.may_be_called(number, proven)?;
            } else if !proven && self.is_in_gap(number) && ahead.is_empty() {
                self.may_be_left_out(number)?;
            } else if ahead.is_empty() && !eager.get(&number).is_some_and(|id| granted.contains(id))
            {
                done.skipped += 1;
                self.may_be_skipped(number, proven)?;
            }
        }
        for id in granted {
            let kind = self.let_in(id, &eager)?;
            done.granted.push(kind);
        }
        self.entries(from, done)
    }

    /// The ids let in by this exchange: the last rows of the news.
    fn newly_granted(&mut self, answer: &Answer) -> Verdict<Vec<TicketId>> {
        let count = answer.counts.entered.checked_sub(self.entered);
        let count = count
            .and_then(|c| usize::try_from(c).ok())
            .unwrap_or(usize::MAX);
        claim(
            count <= answer.entered.len() && answer.entered.len() < NEWS_MAX,
            Promise::P1,
            || format!("{count} more entered, {} are told", answer.entered.len()),
        )?;
        self.entered = answer.counts.entered;
        let new = &answer.entered[answer.entered.len() - count..];
        let until_us = self.now_us + self.settings.pass_idle_us;
        claim(
            new.iter().all(|e| e.until_us == until_us),
            Promise::P5,
            || format!("a pass does not run until {until_us}: {new:?}"),
        )?;
        Ok(new.iter().map(|e| e.id).collect())
    }

    fn let_in(
        &mut self,
        id: TicketId,
        eager: &BTreeMap<u64, TicketId>,
    ) -> Verdict<(u64, TicketId, Kind)> {
        let (number, kind) = if let Some(&number) = self.on_time.get(&id) {
            (number, Kind::OnTime)
        } else if let Some(&number) = self.late.get(&id) {
            (number, Kind::Late)
        } else {
            let number = eager.iter().find(|e| *e.1 == id).map_or(0, |e| *e.0);
            (number, Kind::Eager)
        };
        claim(number > 0 && number <= self.head, Promise::P10, || {
            format!("{id} entered and was not asking, or not called")
        })?;
        claim(!self.inside.contains_key(&id), Promise::P1, || {
            format!("{id} entered while inside")
        })?;
        self.forget_ask(id);
        self.inside
            .insert(id, self.now_us + self.settings.pass_idle_us);
        self.since_us.insert(id, self.now_us);
        *self.entries.entry(number).or_default() += 1;
        Ok((number, id, kind))
    }

    /// Nobody is skipped before its absence is proven.
    fn may_be_skipped(&self, number: u64, proven: bool) -> Verdict {
        let left = self
            .heard
            .get(&number)
            .is_none_or(|heard| self.now_us >= heard.at_us + heard.window_us);
        claim(
            proven && left || self.spent.contains(&number),
            Promise::P5,
            || {
                let heard = self.heard.get(&number);
                format!(
                    "{number} was skipped: proven {proven}, heard {heard:?}, now {}, window {}, unbroken since {}",
                    self.now_us,
                    self.window_us(),
                    self.unbroken_us
                )
            },
        )
    }

    /// A number that nobody should have is left out unless somebody was heard from who has it.
    fn may_be_left_out(&self, number: u64) -> Verdict {
        let heard = self.heard.get(&number);
        let is_here = heard.is_some_and(|h| self.now_us < h.at_us + h.window_us);
        claim(!is_here, Promise::P5, || {
            format!(
                "{number} of the gap {:?} was left out, heard {heard:?}",
                self.gap
            )
        })
    }

    /// Nobody long gone is called once absence is proven: bits are kept for one and a half windows.
    fn may_be_called(&self, number: u64, proven: bool) -> Verdict {
        let known = !self.is_in_gap(number) || self.heard.contains_key(&number);
        claim(known || proven, Promise::P6, || {
            format!("{number} of the gap {:?} was called", self.gap)
        })?;
        let window_us = self.window_us();
        let settled = self.now_us - self.window_since_us > 3 * window_us;
        let here = self
            .heard
            .get(&number)
            .is_some_and(|heard| self.now_us <= heard.at_us + 2 * window_us + 4 * SECOND);
        claim(!proven || !settled || here, Promise::P6, || {
            format!(
                "{number} was called, silent since {:?}",
                self.heard.get(&number)
            )
        })
    }

    /// Nobody waits behind the absent: with nobody in the stock, the next one present is called.
    pub(super) fn stands_still(&self, answer: &Answer, done: &Done) -> Verdict {
        let young_us = (2 * answer.measured.delay_us).min(60 * SECOND);
        let after_us = self.turn_us.saturating_sub(young_us);
        let stock = self
            .turns
            .values()
            .filter(|t| t.called_us > after_us)
            .count()
            + self.on_time.len();
        let empty =
            stock == 0 && (self.late.is_empty() || self.settings.late_share_ppm < 1_000_000);
        if !empty
            || !done.granted.is_empty()
            || !self.moves()
            || done.called >= 100
            || self.head == self.tail
        {
            return Ok(());
        }
        let waits = self
            .heard
            .range(self.head + 1..)
            .find(|(_, heard)| self.now_us < heard.at_us + heard.window_us);
        let nobody = self.is_proven() || self.is_in_gap(self.head + 1) && self.gap.1 == self.tail;
        claim(nobody && waits.is_none(), Promise::P6, || {
            format!(
                "nobody is called after {}, although {waits:?} waits",
                self.head
            )
        })
    }
}
