//! What came to the demonstration's portal and when, second by second.
//!
//! An *entry* is the first request of a visitor, known by `Anteroom-Visitor` behind a waiting room and by the
//! portal's own cookie without one. Times are counted from the portal's start by the monotonic clock.

use std::collections::HashSet;
use std::collections::VecDeque;
use std::time::Duration;

use crate::demo::portal::capacity::Health;

/// Seconds that are remembered one by one: a day.
const SECONDS_MAX: usize = 86_400;
/// Visitors and their entry times that are remembered.
const ENTRIES_MAX: usize = 1_000_000;

/// One second at the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Second {
    /// Which second since the portal's start.
    pub at: u64,
    /// Requests that came.
    pub requests: u64,
    /// Requests answered 503.
    pub refused: u64,
    /// Visitors who came for the first time.
    pub entries: u64,
    /// The slowest answer given, in milliseconds.
    pub slowest_ms: u64,
}

impl Second {
    /// How bad it was: refusals first, then slowness, then requests.
    fn badness(self) -> (u64, u64, u64) {
        (self.refused, self.slowest_ms, self.requests)
    }
}

/// A snapshot of the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// How it is doing.
    pub health: Health,
    /// Requests waiting for a worker now.
    pub waiting: usize,
    /// How often it fell over.
    pub falls: u32,
    /// Connections open now.
    pub connections: usize,
    /// Most connections open at once.
    pub connections_peak: usize,
    /// Requests that came.
    pub requests: u64,
    /// Requests answered 503.
    pub refused: u64,
    /// Visitors who came.
    pub entries: u64,
    /// Appointments booked.
    pub booked: u64,
    /// Appointments booked whose confirmation was lost on the way.
    pub half_done: u64,
    /// Appointments left.
    pub left: u64,
    /// The last whole second.
    pub last: Second,
    /// The worst second so far.
    pub worst: Second,
    /// The second with most requests.
    pub busiest: Second,
}

/// What came when.
#[derive(Debug, Default)]
pub(crate) struct Record {
    seconds: VecDeque<Second>,
    worst: Second,
    busiest: Second,
    visitors: HashSet<Vec<u8>>,
    entry_times: Vec<Duration>,
    /// Connections now and at most, requests, refusals.
    pub(crate) connections: usize,
    pub(crate) connections_peak: usize,
    requests: u64,
    refused: u64,
    /// Appointments.
    pub(crate) booked: u64,
    pub(crate) half_done: u64,
    pub(crate) left: u64,
}

impl Record {
    /// Nothing came yet; `left` appointments can be booked, any number when it is [`u64::MAX`].
    pub(crate) fn new(left: u64) -> Self {
        Self {
            left,
            ..Self::default()
        }
    }

    /// A request came; `visitor` is what its visitor is known by.
    pub(crate) fn came(&mut self, at: Duration, visitor: Option<&[u8]>) {
        self.requests += 1;
        let new = visitor.is_some_and(|id| {
            self.visitors.len() < ENTRIES_MAX
                && !self.visitors.contains(id)
                && self.visitors.insert(id.to_vec())
        });
        if new {
            self.entry_times.push(at);
        }
        let second = self.second(at);
        second.requests += 1;
        second.entries += u64::from(new);
        let second = *second;
        if second.requests > self.busiest.requests {
            self.busiest = second;
        }
    }

    /// A visitor without a name was served: names and counts it.
    pub(crate) fn newcomer(&mut self, at: Duration) -> String {
        let name = format!("v{}", self.entry_times.len());
        if self.visitors.len() < ENTRIES_MAX && self.visitors.insert(name.clone().into_bytes()) {
            self.entry_times.push(at);
            self.second(at).entries += 1;
        }
        name
    }

    /// A request was answered `took` after it came.
    pub(crate) fn answered(&mut self, at: Duration, took: Duration, refused: bool) {
        self.refused += u64::from(refused);
        let second = self.second(at);
        second.refused += u64::from(refused);
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        second.slowest_ms = second.slowest_ms.max(took_ms);
        let second = *second;
        if second.badness() > self.worst.badness() {
            self.worst = second;
        }
    }

    /// A connection was opened; false when that is one too many.
    pub(crate) fn connected(&mut self, connections_max: usize) -> bool {
        self.connections += 1;
        self.connections_peak = self.connections_peak.max(self.connections);
        self.connections <= connections_max
    }

    /// Takes one appointment, if one is left.
    pub(crate) fn book(&mut self) -> bool {
        let free = self.left > 0;
        if free {
            self.left -= u64::from(self.left < u64::MAX);
            self.booked += 1;
        }
        free
    }

    /// When each visitor came for the first time, in order.
    pub(crate) fn entry_times(&self) -> Vec<Duration> {
        let mut times = self.entry_times.clone();
        times.sort_unstable();
        times
    }

    /// The most entries in any window of this length, wherever it begins.
    pub(crate) fn most_entries_within(&self, window: Duration) -> usize {
        let times = self.entry_times();
        let mut from = 0;
        let mut most = 0;
        for (to, &time) in times.iter().enumerate() {
            while time - times[from] >= window {
                from += 1;
            }
            most = most.max(to + 1 - from);
        }
        most
    }

    /// Everything but what the desk knows.
    pub(crate) fn figures(&self, at: Duration) -> Figures {
        let whole = at.as_secs().checked_sub(1);
        let last = self.seconds.iter().rev().take(8);
        let last = last.copied().find(|second| Some(second.at) == whole);
        Figures {
            connections: self.connections,
            connections_peak: self.connections_peak,
            requests: self.requests,
            refused: self.refused,
            entries: u64::try_from(self.entry_times.len()).unwrap_or(u64::MAX),
            booked: self.booked,
            half_done: self.half_done,
            left: self.left,
            last: last.unwrap_or_default(),
            worst: self.worst,
            busiest: self.busiest,
            ..Figures::default()
        }
    }

    /// The second at this time; it is the newest one, or a little before it.
    fn second(&mut self, at: Duration) -> &mut Second {
        let at = at.as_secs();
        if self.seconds.back().is_none_or(|newest| newest.at < at) {
            if self.seconds.len() == SECONDS_MAX {
                self.seconds.pop_front();
            }
            self.seconds.push_back(Second {
                at,
                ..Second::default()
            });
        }
        let newest = self.seconds.len() - 1;
        &mut self.seconds[newest]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_visitor_counts_once_however_often_it_comes() {
        let mut record = Record::default();
        for at in [0, 10, 1_500] {
            record.came(MS * at, Some(b"one"));
        }
        record.came(MS * 1_600, Some(b"two"));
        record.came(MS * 1_700, None);
        let figures = record.figures(MS * 2_500);
        assert_eq!((figures.requests, figures.entries), (5, 2));
        assert_eq!((figures.last.requests, figures.last.entries), (3, 1));
    }

    #[test]
    fn the_fullest_window_may_begin_anywhere() {
        let mut record = Record::default();
        for (id, at) in [0, 900, 950, 1_050, 1_100, 1_899, 1_901]
            .into_iter()
            .enumerate()
        {
            record.came(MS * at, Some(&[u8::try_from(id).unwrap()]));
        }
        assert_eq!(record.most_entries_within(Duration::from_secs(1)), 5);
        assert_eq!(Record::default().most_entries_within(MS), 0);
    }

    #[test]
    fn the_worst_second_is_the_one_that_refused_most() {
        let mut record = Record::default();
        record.answered(MS * 100, MS * 9_000, false);
        record.answered(MS * 1_100, MS, true);
        record.answered(MS * 2_100, MS * 20, false);
        assert_eq!(record.figures(MS * 3_000).worst.at, 1);
    }
}
