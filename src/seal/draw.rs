//! The draw: a seed that is committed to before an opening and published at it, and the order that follows from it.
//!
//! Anybody can follow it by hand. The commitment is the SHA-256 of the seed. Of `n` early visitors the one with index
//! `i` (0 for the first who came) gets the place `shuffle(i)`, 0 for the first to be called:
//!
//! ```text
//! a = the least whole number with a × a ≥ n;  b = n / a, rounded up
//! shuffle(x): repeat
//!               l, r = x / b rounded down, x mod b
//!               for round 0, 1, … 23:
//!                 f(v) = the first 8 bytes of SHA-256(seed ‖ round as 1 byte ‖ v as 8 bytes), big-endian
//!                 an even round: l = (l + f(r)) mod a;  an odd round: r = (r + f(l)) mod b
//!               x = l × b + r
//!             until x < n
//! ```
//!
//! Each round can be undone, so all of it maps the numbers below `a × b` to one another one to one, and repeating keeps
//! that for those below `n`. One look costs a few microseconds whatever `n` is, and nothing is kept for anybody.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::hmac;
use serde::Deserialize;
use serde::Serialize;

use crate::line::ids::Epoch;
use crate::line::opening::Commitment;
use crate::line::opening::Opening;

/// What the way of drawing is called where it is published.
pub(super) const ALGORITHM: &str = "anteroom-draw-1";

/// Rounds of one pass: with them even the order of five differs from chance by less than one part in a thousand.
const ROUNDS: u8 = 24;

/// Most of an early line that a published draw may tell of: 2³⁰, as many numbers as there are.
const COUNT_MAX: u64 = 1 << 30;

/// What everybody's place follows from; secret until the opening.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seed(of {})", self.commitment())
    }
}

impl Seed {
    /// A seed that was published: 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<Commitment>().ok().map(|bytes| Self(bytes.0))
    }

    /// The seed of one opening, by one key: nobody without it can tell, and whoever has it finds the same again.
    pub(super) fn of(key: &hmac::Key, room: &str, epoch: Epoch, opens_at_us: u64) -> Self {
        let Epoch { created_us, nonce } = epoch;
        let text = format!("{room}\n{created_us}-{nonce}\n{opens_at_us}\n");
        let mut seed = [0; 32];
        seed.copy_from_slice(hmac::sign(key, text.as_bytes()).as_ref());
        Self(seed)
    }

    /// What is shown before the opening.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        Commitment(hash)
    }

    /// The seed as it is published, once the line has opened.
    #[must_use]
    pub fn reveal(&self) -> String {
        Commitment(self.0).to_string()
    }
}

/// Who has which place: indices and numbers of one early line, each found from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    seed: Seed,
    /// The first index is one above this, and so is the first number.
    after: u64,
    count: u64,
    rows: u64,
    columns: u64,
}

impl Drawn {
    /// The draw among the indices above `after`, up to `last`.
    #[must_use]
    pub fn new(seed: Seed, after: u64, last: u64) -> Self {
        let count = last.saturating_sub(after);
        let root = count.isqrt();
        let rows = (root + u64::from(root * root < count)).max(1);
        Self {
            seed,
            after,
            count,
            rows,
            columns: count.div_ceil(rows).max(1),
        }
    }

    /// The number of the visitor with this index; one that took no part keeps its own.
    #[must_use]
    pub fn number(&self, index: u64) -> u64 {
        self.moved(index, |drawn, x| {
            (0..ROUNDS).fold(x, |x, round| drawn.round(x, round, false))
        })
    }

    /// The index whose visitor has this number.
    #[must_use]
    pub fn index(&self, number: u64) -> u64 {
        self.moved(number, |drawn, x| {
            (0..ROUNDS)
                .rev()
                .fold(x, |x, round| drawn.round(x, round, true))
        })
    }

    fn moved(&self, place: u64, pass: impl Fn(&Self, (u64, u64)) -> (u64, u64)) -> u64 {
        if place <= self.after || place - self.after > self.count {
            return place;
        }
        let mut x = place - self.after - 1;
        // Few fields lie beyond the count, so this ends soon; as each pass is one to one it ends for certain.
        loop {
            let (row, column) = pass(self, (x / self.columns, x % self.columns));
            x = row * self.columns + column;
            if x < self.count {
                return self.after + 1 + x;
            }
        }
    }

    /// One round, or its undoing: a row is moved by what its column says, or a column by what its row says.
    fn round(&self, (row, column): (u64, u64), round: u8, back: bool) -> (u64, u64) {
        let shifted = |value: u64, by: u64, size: u64| {
            let by = self.hash(round, by) % size;
            (value + if back { size - by } else { by }) % size
        };
        if round.is_multiple_of(2) {
            (shifted(row, column, self.rows), column)
        } else {
            (row, shifted(column, row, self.columns))
        }
    }

    fn hash(&self, round: u8, value: u64) -> u64 {
        let mut text = [0; 41];
        text[..32].copy_from_slice(&self.seed.0);
        text[32] = round;
        text[33..].copy_from_slice(&value.to_be_bytes());
        let hash = digest::digest(&digest::SHA256, &text);
        hash.as_ref()
            .first_chunk()
            .map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

/// The version of what is published.
const VERSION: u64 = 1;

/// What everybody may know of a draw: enough to check it once the seed is out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The version of this document.
    pub v: u64,
    /// The room's name.
    pub room: String,
    /// Of which line: when it was made, and the rest of its name.
    pub epoch: String,
    /// When it opens, in microseconds since 1970.
    pub opens_at_us: u64,
    /// How places follow from the seed.
    pub algorithm: String,
    /// SHA-256 of the seed, in hexadecimal; `None` in the first moment after an announcement.
    pub commitment: Option<String>,
    /// The first index that takes part.
    pub first: u64,
    /// The last one; `None` before the opening.
    pub last: Option<u64>,
    /// The seed, in hexadecimal; `None` before the opening.
    pub seed: Option<String>,
}

/// Why a published draw is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDrawn {
    /// It is drawn in a way this release does not know.
    #[error("it was drawn in another way than {ALGORITHM}")]
    OtherAlgorithm,
    /// The seed is not published before the opening.
    #[error("the line has not opened: there is no seed yet")]
    NotOpen,
    /// The seed or the commitment is not 64 hexadecimal digits, or the indices make no sense.
    #[error("the seed, the commitment or the indices are not what they should be")]
    Malformed,
    /// The seed is another one than was promised.
    #[error("the seed does not match the commitment: it was changed")]
    Changed,
}

impl Published {
    /// What is published of an opening.
    #[must_use]
    pub fn new(room: &str, epoch: Epoch, opening: &Opening, seed: Option<Seed>) -> Self {
        let Epoch { created_us, nonce } = epoch;
        let open = opening.early.is_some();
        Self {
            v: VERSION,
            room: room.to_owned(),
            epoch: format!("{created_us}-{nonce}"),
            opens_at_us: opening.at_us,
            algorithm: ALGORITHM.to_owned(),
            commitment: opening.draw.map(|draw| draw.to_string()),
            first: opening.after + 1,
            last: opening.early,
            seed: seed.filter(|_| open).map(|seed| seed.reveal()),
        }
    }

    /// Checks that the seed is the one that was promised; who has which place.
    ///
    /// # Errors
    /// [`NotDrawn`] when it is not, or is not out yet.
    pub fn verify(&self) -> Result<Drawn, NotDrawn> {
        if self.v != VERSION || self.algorithm != ALGORITHM {
            return Err(NotDrawn::OtherAlgorithm);
        }
        let (Some(seed), Some(last)) = (&self.seed, self.last) else {
            return Err(NotDrawn::NotOpen);
        };
        let seed = Seed::parse(seed).ok_or(NotDrawn::Malformed)?;
        let promised = self.commitment.as_ref().ok_or(NotDrawn::Malformed)?;
        let promised: Commitment = promised.parse().map_err(|_| NotDrawn::Malformed)?;
        // Where nobody took part, the last is the one before the first.
        if self.first == 0 || last >= COUNT_MAX || self.first > last + 1 {
            return Err(NotDrawn::Malformed);
        }
        if seed.commitment() != promised {
            return Err(NotDrawn::Changed);
        }
        Ok(Drawn::new(seed, self.first - 1, last))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A seed of the test's own.
    fn seed(number: u64) -> Seed {
        let hash = digest::digest(&digest::SHA256, &number.to_be_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.as_ref());
        Seed(bytes)
    }

    #[test]
    fn every_index_has_one_number_and_every_number_one_index() {
        for count in (0..70).chain([99, 100, 101, 1_000, 1_024, 10_007]) {
            for after in [0, 20] {
                let drawn = Drawn::new(seed(count), after, after + count);
                let mut numbers: Vec<_> = (after + 1..=after + count)
                    .map(|index| drawn.number(index))
                    .collect();
                for (index, &number) in (after + 1..).zip(&numbers) {
                    assert_eq!(drawn.index(number), index, "{index} of {count}");
                }
                numbers.sort_unstable();
                assert!(
                    numbers.into_iter().eq(after + 1..=after + count),
                    "{count} after {after}"
                );
            }
        }
    }

    #[test]
    fn whoever_takes_no_part_keeps_the_number() {
        let drawn = Drawn::new(seed(1), 10, 1_000_000);
        for number in [0, 1, 10, 1_000_001, 1 << 29, u64::MAX] {
            assert_eq!(
                (drawn.number(number), drawn.index(number)),
                (number, number)
            );
        }
        assert_ne!(drawn.number(11), 11);
    }

    /// The sum of squared deviations from an even spread, in units of the expected count.
    fn chi_square(counts: impl IntoIterator<Item = u32>, cells: u32, total: u32) -> f64 {
        let expected = f64::from(total) / f64::from(cells);
        let mut seen = 0;
        let off = |count: u32| (f64::from(count) - expected).powi(2) / expected;
        let sum: f64 = counts.into_iter().inspect(|_| seen += 1).map(off).sum();
        sum + f64::from(cells - seen) * expected
    }

    #[test]
    fn all_orders_of_five_are_equally_likely() {
        let total = 60_000;
        let mut orders: BTreeMap<Vec<u64>, u32> = BTreeMap::new();
        for number in 0..u64::from(total) {
            let drawn = Drawn::new(seed(number), 0, 5);
            *orders
                .entry((1..=5).map(|index| drawn.number(index)).collect())
                .or_default() += 1;
        }
        // 119 degrees of freedom: above 185 in one of ten thousand fair draws.
        let spread = chi_square(orders.into_values(), 120, total);
        assert!(spread < 185.0, "{spread}");
    }

    #[test]
    fn an_index_is_drawn_to_any_part_of_a_long_line_equally_often() {
        let (cells, total, count) = (64, 16_000, 1_000_000_u64);
        for index in [1, 2, 500_000, 1_000_000] {
            let mut spread = BTreeMap::new();
            for number in 0..u64::from(total) {
                let drawn = Drawn::new(seed(number), 0, count);
                let cell = (drawn.number(index) - 1) * u64::from(cells) / count;
                *spread.entry(cell).or_insert(0_u32) += 1;
            }
            // 63 degrees of freedom: above 112 in one of ten thousand fair draws.
            let spread = chi_square(spread.into_values(), cells, total);
            assert!(spread < 112.0, "index {index}: {spread}");
        }
    }

    #[test]
    fn neighbours_are_drawn_apart_from_each_other() {
        // Within one draw: by how much the number of the next index is ahead, in sixteenths of the line.
        let count = 16_000;
        let drawn = Drawn::new(seed(5), 0, count);
        let mut spread = BTreeMap::new();
        for index in 1..count {
            let ahead = (drawn.number(index + 1) + count - drawn.number(index)) % count;
            *spread.entry(ahead * 16 / count).or_insert(0_u32) += 1;
        }
        // 15 degrees of freedom: above 45 in one of ten thousand fair draws.
        let spread = chi_square(spread.into_values(), 16, 15_999);
        assert!(spread < 45.0, "{spread}");
    }

    #[test]
    fn a_changed_seed_or_commitment_is_found_out() {
        let opening = Opening {
            at_us: 1,
            draws: true,
            after: 0,
            draw: Some(seed(1).commitment()),
            early: Some(10),
        };
        let epoch = Epoch::default();
        let honest = Published::new("main", epoch, &opening, Some(seed(1)));
        assert!(honest.verify().is_ok());
        let other = Published {
            seed: Some(seed(2).reveal()),
            ..honest.clone()
        };
        assert_eq!(other.verify(), Err(NotDrawn::Changed));
        let awaited = Opening {
            early: None,
            ..opening
        };
        let before = Published::new("main", epoch, &awaited, Some(seed(1)));
        assert_eq!(before.seed, None, "the seed is out before the opening");
        assert_eq!(before.verify(), Err(NotDrawn::NotOpen));
        for last in [Some(COUNT_MAX), Some(u64::MAX)] {
            let endless = Published {
                last,
                ..honest.clone()
            };
            assert_eq!(endless.verify(), Err(NotDrawn::Malformed));
        }
    }

    #[test]
    fn numbers_are_those_that_the_documented_way_gives_by_hand() {
        // Worked out with the program in the manual, not with this one.
        let seed = Seed([7; 32]);
        assert_eq!(
            seed.commitment().to_string(),
            "4bb06f8e4e3a7715d201d573d0aa423762e55dabd61a2c02278fa56cc6d294e0"
        );
        let numbers = |count: u64, indices: &[u64]| -> Vec<u64> {
            let drawn = Drawn::new(seed, 0, count);
            indices.iter().map(|&index| drawn.number(index)).collect()
        };
        assert_eq!(
            numbers(10, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
            [7, 8, 6, 3, 10, 1, 5, 4, 2, 9]
        );
        assert_eq!(
            numbers(1_000_000, &[1, 2, 3, 999_999, 1_000_000]),
            [586_104, 967_706, 558_666, 807_755, 177_913]
        );
    }
}
