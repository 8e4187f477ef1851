//! Whom a worker heard from in the current presence slice, so that the line is told of each once.

use crate::line::ids::Epoch;

/// A bit each, and who is still to be told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    slice: u64,
    epoch: Option<Epoch>,
    words: Vec<u64>,
    pub(crate) untold: Vec<u64>,
}

impl Heard {
    /// A visitor of this line was heard from in this slice.
    pub(crate) fn hear(&mut self, epoch: Epoch, slice: u64, number: u64) {
        if self.epoch != Some(epoch) {
            *self = Self {
                epoch: Some(epoch),
                ..Self::default()
            };
        }
        if self.slice != slice {
            // Whoever is still to be told of counts in the slice that is told of it.
            self.slice = slice;
            self.words.clear();
        }
        if self.note(number) {
            self.untold.push(number);
        }
    }

    /// A newcomer got its number in this slice: the line knows that it is present. In a rush that is nearly everybody
    /// who is heard from.
    pub(crate) fn came(&mut self, epoch: Epoch, slice: u64, number: u64) {
        if self.epoch == Some(epoch) && self.slice == slice {
            self.note(number);
        }
    }

    /// Whether it was not noted before in this slice.
    fn note(&mut self, number: u64) -> bool {
        let (word, bit) = (
            usize::try_from(number / 64).unwrap_or(usize::MAX),
            1 << (number % 64),
        );
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Epoch = Epoch {
        created_us: 1,
        nonce: crate::line::ids::Nonce(1),
    };

    #[test]
    fn everybody_is_told_of_once_in_a_slice() {
        let mut heard = Heard::default();
        for (slice, number) in [(1, 5), (1, 5), (1, 70), (2, 5)] {
            heard.hear(LINE, slice, number);
        }
        assert_eq!(heard.untold, [5, 70, 5]);
    }

    #[test]
    fn a_newcomer_is_told_of_first_in_the_slice_after_the_one_it_came_in() {
        let mut heard = Heard::default();
        heard.hear(LINE, 1, 5);
        heard.came(LINE, 1, 6);
        heard.hear(LINE, 1, 6);
        assert_eq!(heard.untold, [5]);
        heard.hear(LINE, 2, 6);
        assert_eq!(heard.untold, [5, 6]);
        // Its number came in a slice that is over.
        heard.came(LINE, 1, 7);
        heard.hear(LINE, 2, 7);
        assert_eq!(heard.untold, [5, 6, 7]);
    }
}
