//! Stubs: newcomers to whom no number could be issued when they came, numbered in their order of arrival.
//!
//! A replica counts the stubs it gives and tells of them in slices of line time. While the line heals they are kept;
//! once it does not, they are numbered before any other newcomer, across replicas by the time of their slices. What is
//! answered are blocks: which indices of which replica have which numbers.
//!
//! Of a replica that has gone nobody tells. Whoever holds such a stub joins by it as by a key, and what it gets is kept as
//! a block of one: keys are forgotten within a minute, and a stub is good for as long as the line remembers blocks.

use std::collections::VecDeque;
use std::ops::Range;

use crate::line::exchange::Exchange;
use crate::line::exchange::LostStub;
use crate::line::exchange::NEWS_MAX;
use crate::line::exchange::NUMBER_MAX;
use crate::line::exchange::StubBlock;
use crate::line::exchange::StubSlice;
use crate::line::ids::InstanceId;
use crate::line::state::Line;
use crate::line::state::Step;

/// Most slices numbered by one exchange.
pub(crate) const STUB_ROWS_MAX: u64 = 1_000;
/// Most stubs numbered by one exchange.
pub(crate) const STUB_NUMBERS_MAX: u64 = 100_000;
/// Most blocks remembered, the oldest going first.
pub(crate) const BLOCKS_MAX: u64 = 65_536;

impl Line {
    /// Keeps the slices that a replica has, less what is numbered already, in place of those it had before.
    pub(crate) fn keep_stubs(&mut self, exchange: &Exchange) {
        if exchange.stubs.is_empty() {
            return;
        }
        let mark = self.stub_marks.score(exchange.instance).unwrap_or(0);
        let slices = exchange.stubs.iter();
        let kept: VecDeque<_> = slices.filter_map(|&slice| after(slice, mark)).collect();
        if kept.is_empty() {
            self.stubs.remove(&exchange.instance);
        } else {
            self.stubs.insert(exchange.instance, kept);
        }
    }

    /// Numbers the kept slices in order of time and replica, as many as one exchange may; which numbers they got. Where
    /// the line is about to open, only those of whoever came before, and it does not as long as some of these are left.
    pub(crate) fn number_stubs(&mut self, step: &mut Step) -> Range<u64> {
        let first = self.tail + 1;
        if self.stubs.is_empty() || step.healing || !self.settings.mode.issues() {
            return first..first;
        }
        let until_us = if self.is_due_to_open() {
            self.opening_us
        } else {
            u64::MAX
        };
        let mut free = NUMBER_MAX.saturating_sub(self.tail).min(STUB_NUMBERS_MAX);
        let mut blocks: Vec<StubBlock> = Vec::new();
        for _ in 0..STUB_ROWS_MAX {
            let Some(instance) = self.next_stubs(until_us).filter(|_| free > 0) else {
                break;
            };
            let block = self.number_slice(instance, free);
            free -= block.count;
            match blocks.last_mut() {
                Some(last)
                    if last.instance == instance && last.first + last.count == block.first =>
                {
                    last.count += block.count;
                }
                _ => blocks.push(block),
            }
        }
        blocks.into_iter().for_each(|block| self.keep_block(block));
        if self.next_stubs(until_us).is_some() && self.tail < NUMBER_MAX {
            step.healing = true;
        }
        first..self.tail + 1
    }

    /// Whose slice is the first of those before this time.
    fn next_stubs(&self, until_us: u64) -> Option<InstanceId> {
        let heads = self.stubs.iter().filter_map(|(&instance, slices)| {
            let head = slices.front()?;
            Some((head.at_us, instance))
        });
        let (at_us, instance) = heads.min()?;
        (at_us < until_us).then_some(instance)
    }

    /// Whoever just got a number is present. An exchange that leaves stubs without counts as healing: whoever comes now
    /// queues behind them.
    pub(crate) fn settle_stubs(&mut self, numbered: Range<u64>, step: &mut Step) {
        self.issued_minute += numbered.end - numbered.start;
        self.take_places(numbered.end - numbered.start);
        self.current_slice().set_block(numbered.start, numbered.end);
        let issues = !self.is_healing() && self.settings.mode.issues();
        if issues && !self.stubs.is_empty() && self.tail < NUMBER_MAX {
            step.healing = true;
            step.more = true;
        }
    }

    /// Remembers a block, and the oldest no more when there are too many.
    pub(crate) fn keep_block(&mut self, block: StubBlock) {
        self.stub_seq += 1;
        self.stub_blocks.insert(self.stub_seq, block);
        if self.stub_blocks.len() as u64 > BLOCKS_MAX {
            self.stub_blocks.pop_first();
        }
    }

    /// Numbers the first slice of this replica, or as much of it as there are numbers for.
    fn number_slice(&mut self, instance: InstanceId, free: u64) -> StubBlock {
        let mut block = StubBlock {
            instance,
            first: 0,
            count: 0,
            number: self.tail + 1,
        };
        let Some(slices) = self.stubs.get_mut(&instance) else {
            return block;
        };
        if let Some(slice) = slices.front_mut() {
            block.first = slice.first;
            block.count = slice.count.min(free);
            slice.first += block.count;
            slice.count -= block.count;
            if slice.count == 0 {
                slices.pop_front();
            }
        }
        if slices.is_empty() {
            self.stubs.remove(&instance);
        }
        self.tail += block.count;
        self.stub_marks.put(instance, block.first + block.count - 1);
        block
    }

    /// Blocks made after this sequence number, up to where they go, and whether there are more.
    pub(crate) fn blocks_after(&self, known: u64) -> (Vec<StubBlock>, u64, bool) {
        let rows: Vec<_> = self.stub_blocks.range(known + 1..).take(NEWS_MAX).collect();
        let cut = rows.len() == NEWS_MAX;
        let to = if cut {
            rows.last().map_or(known, |row| *row.0)
        } else {
            self.stub_seq
        };
        (rows.into_iter().map(|row| *row.1).collect(), to, cut)
    }
}

impl StubBlock {
    /// The number of one stub that was lost.
    pub(crate) fn of(lost: LostStub, number: u64) -> Self {
        Self {
            instance: lost.instance,
            first: lost.index,
            count: 1,
            number,
        }
    }
}

/// What of a slice has an index above this one.
fn after(slice: StubSlice, mark: u64) -> Option<StubSlice> {
    let skipped = (mark + 1).saturating_sub(slice.first);
    (skipped < slice.count).then(|| StubSlice {
        first: slice.first + skipped,
        count: slice.count - skipped,
        ..slice
    })
}
