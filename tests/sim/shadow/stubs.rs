//! Stubs, one by one: who was given which, and who is numbered before whom.

use std::collections::BTreeMap;

use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::ids::InstanceId;
use anteroom::line::promises::Promise;
use anteroom::line::settings::Mode;

use super::Done;
use super::Shadow;
use super::Verdict;
use super::claim;

/// Whose stub it is, and which of that replica's.
pub(crate) type Stub = (InstanceId, u64);

/// All stubs a line knows of.
#[derive(Debug, Clone, Default)]
pub(super) struct Stubs {
    /// Those without a number, and the time of their slice.
    kept: BTreeMap<Stub, u64>,
    /// Those with one, in this epoch.
    pub(super) numbered: BTreeMap<Stub, u64>,
    /// Up to which index each replica's have one, as long as it is remembered.
    marks: BTreeMap<InstanceId, u64>,
}

impl Stubs {
    /// What goes over to another epoch.
    pub(super) fn without_numbers(&mut self) -> Self {
        Self {
            kept: std::mem::take(&mut self.kept),
            ..Self::default()
        }
    }

    /// A replica is forgotten.
    pub(super) fn forget(&mut self, instance: InstanceId) {
        self.marks.remove(&instance);
    }
}

impl Shadow {
    /// Stubs are numbered in order of arrival, ahead of whoever joins now, and every replica is told of the same.
    pub(super) fn stubs(
        &mut self,
        exchange: &Exchange,
        answer: &Answer,
        done: &mut Done,
    ) -> Verdict {
        if !exchange.stubs.is_empty() {
            self.stubs
                .kept
                .retain(|stub, _| stub.0 != exchange.instance);
        }
        let mark = self.stubs.marks.get(&exchange.instance).copied();
        for slice in &exchange.stubs {
            for index in slice.first..slice.first + slice.count {
                if index > mark.unwrap_or(0) {
                    let stub = (exchange.instance, index);
                    self.stubs.kept.insert(stub, slice.at_us);
                }
            }
        }
        if !done.healing && matches!(self.settings.mode, Mode::Open | Mode::Paused) {
            let kept = std::mem::take(&mut self.stubs.kept);
            let mut order: Vec<_> = kept
                .into_iter()
                .map(|(stub, at_us)| (at_us, stub))
                .collect();
            order.sort_unstable();
            // At an opening, who came before it; the others in the next exchange, behind all of these.
            let until_us = self.early_until_us().unwrap_or(u64::MAX);
            let (early, others): (Vec<_>, Vec<_>) =
                order.into_iter().partition(|row| row.0 < until_us);
            for (at_us, stub) in early {
                self.tail += 1;
                self.issued += 1;
                self.stubs.numbered.insert(stub, self.tail);
                self.stubs.marks.insert(stub.0, stub.1);
                done.stubs.push((self.tail, stub, at_us));
            }
            self.opens(done.healing);
            for &(number, ..) in &done.stubs {
                self.hear_one(number);
            }
            self.queue_left = !others.is_empty();
            done.healing |= self.queue_left;
            let kept = others.into_iter().map(|(at_us, stub)| (stub, at_us));
            self.stubs.kept = kept.collect();
        } else {
            self.opens(done.healing);
        }
        for block in &answer.stubs {
            for i in 0..block.count {
                let stub = (block.instance, block.first + i);
                let number = self.stubs.numbered.get(&stub).copied();
                claim(number == Some(block.number + i), Promise::P1, || {
                    let told = block.number + i;
                    format!("stub {stub:?} is told to be {told} and should be {number:?}")
                })?;
            }
        }
        let told = answer.stubs.iter().map(|block| block.count).sum::<u64>();
        let all = !done.stubs.is_empty() && told < done.stubs.len() as u64;
        claim(!all, Promise::P5, || {
            format!("{told} of {} new numbers are told", done.stubs.len())
        })
    }
}
