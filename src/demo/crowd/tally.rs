//! What happened to a crowd: numbers, waits, entries, and everything that went wrong.

use std::collections::BTreeMap;
use std::time::Duration;

/// The sums over a crowd so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Visitors who set out.
    pub arrived: u64,
    /// Visitors who have had their first answer, or gave up on one.
    pub answered: u64,
    /// The number each visitor read from its first response, in no order.
    pub numbers: Vec<u64>,
    /// First responses, from a room, that carried no number.
    pub unnumbered: u64,
    /// Visitors waiting in line now.
    pub waiting: u64,
    /// Visitors on the portal's pages now.
    pub inside: u64,
    /// Visitors let in.
    pub entered: u64,
    /// Of those, let in by the very first response.
    pub straight_in: u64,
    /// From setting out to being let in, in milliseconds, for each who was.
    pub waits_ms: Vec<u64>,
    /// Visitors whose booking was confirmed.
    pub booked: u64,
    /// Visitors told that nothing is left.
    pub sold_out: u64,
    /// Visitors who went away and never came back, as their habit was.
    pub vanished: u64,
    /// Visitors who lost patience with an overrun site.
    pub gave_up: u64,
    /// Visitors sent back to the line while inside.
    pub thrown_out: u64,
    /// Visitors whose place was lost: the room no longer knew their ticket, or told another number.
    pub lost_place: u64,
    /// Visitors told that the room will never let them in: closed, left, expired and the like.
    pub turned_away: u64,
    /// Visitors who are done, however it ended.
    pub done: u64,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer: no connection, a broken one, or none in time.
    pub unanswered: u64,
    /// Of those, by what the trouble was called.
    pub troubles: BTreeMap<String, u64>,
}

impl Tally {
    /// Answers with a status from 500 to 599.
    #[must_use]
    pub fn server_errors(&self) -> u64 {
        self.statuses.range(500..600).map(|(_, count)| count).sum()
    }

    /// How the numbers lie: how many there are, how many differ, the lowest, the highest and how many are missing
    /// between 1 and the highest.
    #[must_use]
    pub fn numbering(&self) -> Numbering {
        let mut numbers = self.numbers.clone();
        numbers.sort_unstable();
        let issued = count(numbers.len());
        numbers.dedup();
        let distinct = count(numbers.len());
        let highest = numbers.last().copied().unwrap_or(0);
        Numbering {
            issued,
            distinct,
            lowest: numbers.first().copied().unwrap_or(0),
            highest,
            missing: highest.saturating_sub(distinct),
        }
    }

    /// The wait that this share of those let in did not exceed (nearest rank); none when nobody was.
    #[must_use]
    pub fn wait(&self, percent: u64) -> Option<Duration> {
        let mut waits = self.waits_ms.clone();
        waits.sort_unstable();
        let rank = (count(waits.len()) * percent.min(100)).div_ceil(100).max(1);
        let index = usize::try_from(rank - 1).ok()?;
        waits.get(index).copied().map(Duration::from_millis)
    }
}

/// How a crowd's numbers lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbering {
    /// Numbers read from first responses.
    pub issued: u64,
    /// How many of them differ.
    pub distinct: u64,
    /// The lowest; 0 without any.
    pub lowest: u64,
    /// The highest; 0 without any.
    pub highest: u64,
    /// Numbers from 1 to the highest that nobody read.
    pub missing: u64,
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbering_finds_doubles_and_gaps() {
        let tally = Tally {
            numbers: vec![3, 1, 5, 3],
            ..Tally::default()
        };
        let expected = Numbering {
            issued: 4,
            distinct: 3,
            lowest: 1,
            highest: 5,
            missing: 2,
        };
        assert_eq!(tally.numbering(), expected);
        assert_eq!(Tally::default().numbering(), Numbering::default());
    }

    #[test]
    fn waits_are_nearest_ranks() {
        let tally = Tally {
            waits_ms: (1..=20).rev().map(|second| second * 1_000).collect(),
            ..Tally::default()
        };
        assert_eq!(tally.wait(50), Some(Duration::from_secs(10)));
        assert_eq!(tally.wait(95), Some(Duration::from_secs(19)));
        assert_eq!(tally.wait(100), Some(Duration::from_secs(20)));
        assert_eq!(tally.wait(0), Some(Duration::from_secs(1)));
        assert_eq!(Tally::default().wait(50), None);
    }

    #[test]
    fn server_errors_are_those_from_500_to_599() {
        let statuses = [(200, 7), (409, 2), (500, 1), (503, 4), (599, 1)];
        let tally = Tally {
            statuses: statuses.into(),
            ..Tally::default()
        };
        assert_eq!(tally.server_errors(), 6);
    }
}
