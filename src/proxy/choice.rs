//! Which server gets the next request: the one with less to do of two that are drawn.
//!
//! Taking the least busy of all would send everything that comes between two looks to the same one, and each worker sees
//! only what it has sent itself. Two random ones, and of them the better, spreads nearly as well and cannot be led astray.

use std::cell::Cell;

/// A server of `count` that `may` take a request, the lesser by `load` of two; equal ones are equally likely. `None`
/// when none may.
pub(super) fn of_two(
    count: usize,
    random: u64,
    may: impl Fn(usize) -> bool,
    load: impl Fn(usize) -> usize,
) -> Option<usize> {
    let lesser = |one, other| if load(other) < load(one) { other } else { one };
    let (one, other) = two(count, random);
    if may(one) && may(other) {
        return Some(lesser(one, other));
    }
    let able = || (0..count).filter(|&index| may(index));
    let (one, other) = two(able().count(), mixed(random));
    Some(lesser(able().nth(one)?, able().nth(other)?))
}

/// Two different ones of so many, in any order; twice the same of one, and of none.
fn two(count: usize, random: u64) -> (usize, usize) {
    let below = |random: u64, most: usize| {
        let most = u64::try_from(most.max(1)).unwrap_or(u64::MAX);
        usize::try_from(random % most).unwrap_or(0)
    };
    let one = below(random, count);
    let further = match count {
        0 | 1 => 0,
        _ => 1 + below(random >> 32, count - 1),
    };
    (one, (one + further) % count.max(1))
}

/// A sequence of numbers for spreading things (`SplitMix64`); good enough for that, and for nothing that is to be secret.
#[derive(Debug)]
pub(super) struct Dice(Cell<u64>);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    pub(super) fn roll(&self) -> u64 {
        let next = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(next);
        mixed(next)
    }
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each of `count` was chosen in 12,000 requests.
    fn chosen(count: usize, may: &[usize], load: &[usize]) -> Vec<u32> {
        let dice = Dice::new(7);
        let mut times = vec![0; count];
        for _ in 0..12_000 {
            let may = |index| may.contains(&index);
            if let Some(index) = of_two(count, dice.roll(), may, |index| load[index]) {
                times[index] += 1;
            }
        }
        times
    }

    #[test]
    fn of_two_the_lesser_gets_everything_and_equal_ones_share() {
        assert_eq!(chosen(2, &[0, 1], &[3, 2]), [0, 12_000]);
        assert_eq!(chosen(1, &[0], &[9]), [12_000]);
        for times in chosen(4, &[0, 1, 2, 3], &[5; 4]) {
            assert!((2_700..3_300).contains(&times), "{times}");
        }
    }

    #[test]
    fn the_busiest_of_several_gets_nothing_and_the_idlest_not_all() {
        let times = chosen(4, &[0, 1, 2, 3], &[0, 1, 2, 3]);
        assert_eq!(times[3], 0);
        assert!(times[0] > times[1] && times[1] > times[2] && times[2] > 0);
    }

    #[test]
    fn who_may_not_gets_nothing_and_the_others_share() {
        let times = chosen(4, &[1, 3], &[0, 5, 0, 5]);
        assert_eq!((times[0], times[2]), (0, 0));
        assert!((5_500..6_500).contains(&times[1]), "{times:?}");
        assert_eq!(times[1] + times[3], 12_000);
        assert_eq!(chosen(4, &[2], &[0; 4]), [0, 0, 12_000, 0]);
        let three = chosen(5, &[0, 2, 4], &[1; 5]);
        assert!(
            [0, 2, 4]
                .map(|index| three[index])
                .iter()
                .all(|times| (3_600..4_400).contains(times))
        );
        assert_eq!(chosen(3, &[], &[0; 3]), [0; 3]);
        assert_eq!(chosen(0, &[], &[]), [0; 0]);
    }
}
