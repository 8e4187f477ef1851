//! How much of an origin's `max_in_flight`, which is a total over replicas, is for this replica and this worker.
//!
//! Each replica takes the whole divided by the replicas that its lines say are live, rounded down: their sum never
//! exceeds the total once all have heard how many they are. What a replica that is gone has left is divided anew when
//! the line counts it no more. Those in flight above a share that shrank end in peace.

use std::cell::Cell;
use std::time::Duration;
use std::time::Instant;

use crate::config::url::StoreUrl;
use crate::gate::live::Live;

/// With fewer than this for each worker, all workers take from one pot: a worker of its own would soon be at its end
/// while another has room.
const OWN_MIN: usize = 8;

/// Fewer replicas are believed after this: a line that has just lost everything counts them anew.
const FEWER_AFTER: Duration = Duration::from_secs(1);

/// How many replicas an origin is divided among.
#[derive(Debug, Default)]
pub(crate) struct Replicas {
    believed: Cell<Option<u64>>,
    fewer_since: Cell<Option<Instant>>,
}

impl Replicas {
    /// Takes in how many are counted now, and says how many to divide by: more at once, fewer after a second.
    pub(crate) fn count(&self, counted: Option<u64>, now: Instant) -> Option<u64> {
        let believed = self.believed.get();
        let since = self.fewer_since.get().unwrap_or(now);
        let is_new = counted.is_some() && counted < believed && now - since < FEWER_AFTER;
        if is_new {
            self.fewer_since.set(Some(since));
        } else if counted.is_some() {
            self.fewer_since.set(None);
            self.believed.set(counted);
        }
        self.believed.get()
    }
}

/// What a worker may have in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// So many of its own.
    Own(usize),
    /// As much as is left of so many for all workers of this replica.
    Pot(usize),
}

/// A worker among those of its replica.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// From 0 to `workers`, less one.
    pub index: usize,
    /// How many there are.
    pub workers: usize,
}

/// This replica's share of a total among so many live replicas; one while it is not known how many there are. Where
/// there are more replicas than the total allows requests, each has one all the same, and the total is exceeded.
pub(crate) fn of_replica(total: u64, live: Option<u64>) -> usize {
    let share = live.map_or(0, |live| total / live.max(1));
    usize::try_from(share).unwrap_or(usize::MAX).max(1)
}

/// A worker's part of its replica's share.
pub(crate) fn of_worker(share: usize, place: Place) -> Part {
    let Place { index, workers } = place;
    if share < workers.saturating_mul(OWN_MIN) {
        return Part::Pot(share);
    }
    let rest = usize::from(index < share % workers.max(1));
    Part::Own(share / workers.max(1) + rest)
}

/// How many replicas are live, as the lines of this origin's rooms say; the most that any of them counts. `None` before
/// the first has answered.
pub(crate) fn live_replicas(live: &Live, origin: usize) -> Option<u64> {
    if matches!(live.config.store.url, StoreUrl::Memory) {
        return Some(1);
    }
    let sites = live.sites.iter().filter(|site| site.origin == origin);
    let counts = sites.filter_map(|site| {
        let snapshot = site.room.snapshot();
        snapshot.answer().map(|answer| answer.counts.instances)
    });
    counts.max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn more_replicas_count_at_once_and_fewer_after_a_second() {
        let (replicas, now) = (Replicas::default(), clock::monotonic());
        let at = |counted, ms| replicas.count(counted, now + Duration::from_millis(ms));
        assert_eq!(at(None, 0), None);
        assert_eq!(at(Some(2), 1), Some(2));
        assert_eq!(at(Some(3), 2), Some(3));
        assert_eq!(at(Some(1), 100), Some(3));
        assert_eq!(at(Some(1), 1_099), Some(3));
        assert_eq!(at(Some(1), 1_100), Some(1));
        // Counted anew, and all there again before it was believed.
        assert_eq!(at(Some(3), 2_000), Some(3));
        assert_eq!(at(Some(1), 2_100), Some(3));
        assert_eq!(at(Some(3), 2_500), Some(3));
        assert_eq!(at(Some(2), 3_400), Some(3));
        assert_eq!(at(None, 3_500), Some(3));
        assert_eq!(at(Some(2), 4_400), Some(2));
    }

    #[test]
    fn the_shares_of_all_replicas_never_exceed_the_total() {
        for total in 1..=40 {
            for live in 1..=total {
                let sum = of_replica(total, Some(live)) * usize::try_from(live).unwrap();
                let total = usize::try_from(total).unwrap();
                assert!(
                    sum <= total && sum * 2 > total,
                    "{total} over {live}: {sum}"
                );
            }
            assert_eq!(of_replica(total, None), 1);
        }
        assert_eq!(of_replica(3, Some(5)), 1);
    }

    #[test]
    fn the_parts_of_all_workers_are_their_replicas_share() {
        for workers in [1, 2, 3, 16] {
            for share in [1, 7, 8, 24, 25, 47, 200, 1_000_000] {
                let parts: Vec<_> = (0..workers)
                    .map(|index| of_worker(share, Place { index, workers }))
                    .collect();
                let own = parts.iter().map(|part| match part {
                    Part::Own(own) => *own,
                    Part::Pot(_) => 0,
                });
                let is_whole = own.sum::<usize>() == share;
                let is_pot = parts.iter().all(|part| *part == Part::Pot(share));
                assert!(is_whole != is_pot, "{share} over {workers}: {parts:?}");
            }
        }
    }
}
