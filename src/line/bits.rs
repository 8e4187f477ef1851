//! Bitmaps over numbers: who was heard from in one slice of time, and how often each number entered.

use serde::{Deserialize, Serialize};

/// A growing set of numbers, one bit each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

/// A number's word and its bit in that word.
fn place_of(number: u64) -> (usize, u64) {
    let word = usize::try_from(number / 64).unwrap_or(usize::MAX);
    (word, 1 << (number % 64))
}

impl Bits {
    /// Adds a number.
    pub(crate) fn set(&mut self, number: u64) {
        let (word, bit) = place_of(number);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= bit;
    }

    /// Adds every number of `first..end`.
    pub(crate) fn set_block(&mut self, first: u64, end: u64) {
        for number in first..end {
            self.set(number);
        }
    }

    /// Takes a number out.
    pub(crate) fn clear(&mut self, number: u64) {
        let (word, bit) = place_of(number);
        if let Some(word) = self.words.get_mut(word) {
            *word &= !bit;
        }
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.words.clear();
    }

    /// The word at this index, with zeros beyond the end.
    fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(0)
    }
}

/// The lowest number above `after` and at most `last` that any of the sets holds.
pub(crate) fn next_in_any(sets: &[Bits], after: u64, last: u64) -> Option<u64> {
    let from = after.checked_add(1)?;
    if from > last {
        return None;
    }
    let (first_word, _) = place_of(from);
    let (last_word, _) = place_of(last);
    let end = sets
        .iter()
        .map(|set| set.words.len())
        .max()
        .unwrap_or(0)
        .min(last_word + 1);
    for index in first_word..end {
        let mut word = sets.iter().fold(0, |any, set| any | set.word(index));
        if index == first_word {
            word &= u64::MAX << (from % 64);
        }
        if word != 0 {
            let number = index as u64 * 64 + u64::from(word.trailing_zeros());
            return (number <= last).then_some(number);
        }
    }
    None
}

/// How many numbers above `after` and up to `last` any of the sets holds.
pub(crate) fn count_in_any(sets: &[Bits], after: u64, last: u64) -> u64 {
    let from = after.saturating_add(1);
    if from > last {
        return 0;
    }
    let ((first_word, _), (last_word, _)) = (place_of(from), place_of(last));
    let end = sets.iter().map(|set| set.words.len()).max().unwrap_or(0);
    let counts = (first_word..end.min(last_word + 1)).map(|index| {
        let mut word = sets.iter().fold(0, |any, set| any | set.word(index));
        if index == first_word {
            word &= u64::MAX << (from % 64);
        }
        if index == last_word {
            word &= u64::MAX >> (63 - last % 64);
        }
        u64::from(word.count_ones())
    });
    counts.sum()
}

/// How often each number entered: four bits each, 0 to 14, and 15 for a number that is spent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Entries {
    nibbles: Vec<u8>,
}

/// The entries of a number that may never enter again.
pub(crate) const SPENT: u8 = 15;

impl Entries {
    /// How often this number entered, or [`SPENT`].
    pub(crate) fn get(&self, number: u64) -> u8 {
        let index = usize::try_from(number / 2).unwrap_or(usize::MAX);
        let byte = self.nibbles.get(index).copied().unwrap_or(0);
        if number.is_multiple_of(2) {
            byte >> 4
        } else {
            byte & 15
        }
    }

    /// Notes how often this number entered.
    pub(crate) fn set(&mut self, number: u64, entries: u8) {
        let index = usize::try_from(number / 2).unwrap_or(usize::MAX);
        if index >= self.nibbles.len() {
            self.nibbles.resize(index + 1, 0);
        }
        let byte = &mut self.nibbles[index];
        *byte = if number.is_multiple_of(2) {
            (*byte & 15) | (entries << 4)
        } else {
            (*byte & 240) | (entries & 15)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_number_is_found_across_sets_and_words() {
        let mut sets = [Bits::default(), Bits::default()];
        sets[0].set(3);
        sets[1].set(1_000);
        assert_eq!(next_in_any(&sets, 0, 2_000), Some(3));
        assert_eq!(next_in_any(&sets, 3, 2_000), Some(1_000));
        assert_eq!(next_in_any(&sets, 3, 999), None);
        assert_eq!(next_in_any(&sets, 1_000, 2_000), None);
        sets[1].clear(1_000);
        assert_eq!(next_in_any(&sets, 3, 2_000), None);
    }

    #[test]
    fn numbers_are_counted_once_across_sets_and_up_to_both_edges() {
        let mut sets = [Bits::default(), Bits::default()];
        sets[0].set_block(60, 70);
        sets[1].set_block(65, 201);
        let count = |after, last| count_in_any(&sets, after, last);
        assert_eq!(count(0, 1_000), 141);
        assert_eq!(
            (count(60, 200), count(59, 199), count(62, 63)),
            (140, 140, 1)
        );
        assert_eq!((count(63, 64), count(127, 128), count(191, 192)), (1, 1, 1));
        assert_eq!((count(200, 1_000), count(5, 5), count(9, 3)), (0, 0, 0));
    }

    #[test]
    fn entries_of_neighbours_do_not_touch() {
        let mut entries = Entries::default();
        entries.set(6, 2);
        entries.set(7, SPENT);
        entries.set(6, 3);
        assert_eq!(
            (
                entries.get(5),
                entries.get(6),
                entries.get(7),
                entries.get(8)
            ),
            (0, 3, SPENT, 0)
        );
    }
}
