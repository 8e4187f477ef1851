//! The numbers of stubs: which line number each newcomer of an outage has, at whatever replica it came.

use std::collections::BTreeMap;

use crate::line::exchange::StubBlock;
use crate::line::ids::InstanceId;

/// Most blocks remembered: as many as a line keeps.
const BLOCKS_MAX: usize = 65_536;

/// What the line has told of stubs that have numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blocks {
    /// Instance and first index → how many, and the number of the first.
    rows: BTreeMap<(InstanceId, u64), (u64, u64)>,
    /// The same for blocks of one, which may be in the midst of others: a stub that was lost has its own number, also
    /// where its replica comes back and tells of it with those around it.
    ones: BTreeMap<(InstanceId, u64), u64>,
}

impl Blocks {
    /// The number of an instance's stub with this index.
    pub(crate) fn number(&self, instance: InstanceId, index: u64) -> Option<u64> {
        if let Some(&number) = self.ones.get(&(instance, index)) {
            return Some(number);
        }
        let mut before = self.rows.range((instance, 0)..=(instance, index));
        let (&(_, first), &(count, number)) = before.next_back()?;
        let nth = index - first;
        (nth < count).then_some(number + nth)
    }

    /// Takes in what an answer told. The oldest go when there are too many.
    pub(crate) fn learn(&mut self, blocks: &[StubBlock]) {
        for block in blocks {
            if block.count == 1 {
                let first = (block.instance, block.first);
                self.ones.entry(first).or_insert(block.number);
                continue;
            }
            let row = (block.count, block.number);
            let held = self
                .rows
                .entry((block.instance, block.first))
                .or_insert(row);
            // One that grew is told again.
            *held = row.max(*held);
        }
        if self.rows.len() + self.ones.len() > BLOCKS_MAX {
            self.forget_oldest();
        }
    }

    /// Numbers only grow, so that the lowest are the oldest. An eighth at once, so that it need not be done often.
    fn forget_oldest(&mut self) {
        let rows = self.rows.values().map(|&(_, number)| number);
        let mut numbers: Vec<_> = rows.chain(self.ones.values().copied()).collect();
        let gone = numbers.len() - BLOCKS_MAX + BLOCKS_MAX / 8;
        let (_, &mut least, _) = numbers.select_nth_unstable(gone);
        self.rows.retain(|_, &mut (_, number)| number >= least);
        self.ones.retain(|_, &mut number| number >= least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(instance: u64, first: u64, count: u64, number: u64) -> StubBlock {
        StubBlock {
            instance: InstanceId(instance),
            first,
            count,
            number,
        }
    }

    #[test]
    fn a_stub_has_its_number_as_soon_as_its_block_is_known_and_no_other_has() {
        let mut blocks = Blocks::default();
        blocks.learn(&[
            block(1, 1, 5, 100),
            block(2, 1, 1, 105),
            block(1, 6, 2, 200),
        ]);
        let number = |instance, index| blocks.number(InstanceId(instance), index);
        assert_eq!((number(1, 1), number(1, 5)), (Some(100), Some(104)));
        assert_eq!((number(1, 6), number(1, 7)), (Some(200), Some(201)));
        assert_eq!((number(2, 1), number(1, 8)), (Some(105), None));
        assert_eq!(
            (number(2, 2), number(3, 1), number(0, 1)),
            (None, None, None)
        );
    }

    #[test]
    fn a_block_that_grew_is_known_whole() {
        let mut blocks = Blocks::default();
        blocks.learn(&[block(1, 1, 5, 100)]);
        blocks.learn(&[block(1, 1, 9, 100)]);
        blocks.learn(&[block(1, 1, 7, 100)]);
        assert_eq!(blocks.number(InstanceId(1), 9), Some(108));
    }

    #[test]
    fn a_stub_that_was_lost_keeps_its_number_and_hides_none_behind_it() {
        let mut blocks = Blocks::default();
        blocks.learn(&[block(1, 5, 1, 70), block(1, 1, 9, 100)]);
        let number = |index| blocks.number(InstanceId(1), index);
        assert_eq!([4, 5, 6].map(number), [Some(103), Some(70), Some(105)]);
        let mut blocks = Blocks::default();
        blocks.learn(&[block(1, 1, 9, 100), block(1, 5, 1, 170)]);
        assert_eq!(blocks.number(InstanceId(1), 6), Some(105));
    }

    #[test]
    fn the_oldest_blocks_go_when_there_are_too_many() {
        let mut blocks = Blocks::default();
        let most = BLOCKS_MAX as u64;
        for first in 1..=most + 1 {
            blocks.learn(&[block(1, first, 1, 2 * first)]);
        }
        assert!(blocks.rows.len() + blocks.ones.len() <= BLOCKS_MAX);
        assert_eq!(blocks.number(InstanceId(1), 1), None);
        assert_eq!(blocks.number(InstanceId(1), most), Some(2 * most));
    }
}
