//! A queue that is fair to those who queue: each gets its turn, however much the others have brought.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::hash::Hash;

/// Items of several owners: the next is the oldest of the owner whose turn it is, and then it is the next one's.
#[derive(Debug)]
pub(super) struct Fair<K, T> {
    lanes: HashMap<K, Lane<T>>,
    /// Whose turn it is, by when that began. Every lane is in it once.
    turns: BTreeMap<u64, K>,
    next_turn: u64,
    len: usize,
}

#[derive(Debug)]
struct Lane<T> {
    turn: u64,
    items: VecDeque<T>,
}

impl<K, T> Default for Fair<K, T> {
    fn default() -> Self {
        Self {
            lanes: HashMap::new(),
            turns: BTreeMap::new(),
            next_turn: 0,
            len: 0,
        }
    }
}

impl<K: Copy + Eq + Hash, T: PartialEq> Fair<K, T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many items this owner has.
    pub(super) fn len_of(&self, owner: &K) -> usize {
        self.lanes.get(owner).map_or(0, |lane| lane.items.len())
    }

    /// Puts an item behind the others of its owner.
    pub(super) fn push(&mut self, owner: K, item: T) {
        self.len += 1;
        if let Some(lane) = self.lanes.get_mut(&owner) {
            lane.items.push_back(item);
            return;
        }
        let turn = self.end_of_the_round(owner);
        let items = VecDeque::from([item]);
        self.lanes.insert(owner, Lane { turn, items });
    }

    /// The next item.
    pub(super) fn pop(&mut self) -> Option<T> {
        let (_, owner) = self.turns.pop_first()?;
        let turn = self.end_of_the_round(owner);
        let lane = self.lanes.get_mut(&owner)?;
        lane.turn = turn;
        let item = lane.items.pop_front();
        self.len -= usize::from(item.is_some());
        self.forget_if_empty(&owner);
        item
    }

    /// Takes an item out of the queue. Whether it was there.
    pub(super) fn remove(&mut self, owner: &K, item: &T) -> bool {
        let Some(lane) = self.lanes.get_mut(owner) else {
            return false;
        };
        let Some(at) = lane.items.iter().position(|held| held == item) else {
            return false;
        };
        lane.items.remove(at);
        self.len -= 1;
        self.forget_if_empty(owner);
        true
    }

    fn end_of_the_round(&mut self, owner: K) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.turns.insert(turn, owner);
        turn
    }

    fn forget_if_empty(&mut self, owner: &K) {
        if let Some(lane) = self.lanes.get(owner)
            && lane.items.is_empty()
        {
            self.turns.remove(&lane.turn);
            self.lanes.remove(owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(fair: &mut Fair<char, u32>) -> Vec<u32> {
        std::iter::from_fn(|| fair.pop()).collect()
    }

    #[test]
    fn each_has_its_turn_however_many_another_has_brought() {
        let mut fair = Fair::default();
        for item in 0..50 {
            fair.push('a', item);
        }
        fair.push('b', 100);
        fair.push('c', 200);
        fair.push('b', 101);
        assert_eq!(
            (fair.len(), fair.len_of(&'a'), fair.len_of(&'b')),
            (53, 50, 2)
        );
        let popped = all(&mut fair);
        assert_eq!(popped[..6], [0, 100, 200, 1, 101, 2]);
        assert_eq!(popped.len(), 53);
        assert_eq!((fair.len(), fair.turns.len(), fair.lanes.len()), (0, 0, 0));
    }

    #[test]
    fn whoever_leaves_and_comes_back_is_last_and_leaves_nothing_behind() {
        let mut fair = Fair::default();
        fair.push('a', 1);
        fair.push('b', 2);
        assert!(fair.remove(&'a', &1));
        assert!(!fair.remove(&'a', &1) && !fair.remove(&'b', &7));
        fair.push('a', 3);
        assert_eq!(all(&mut fair), [2, 3]);
        assert_eq!((fair.len(), fair.turns.len(), fair.lanes.len()), (0, 0, 0));
    }
}
