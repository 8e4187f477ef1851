//! Newcomers without a number: in which order they came to this replica, and what the line must be told of it.
//!
//! While there are no numbers, a newcomer gets the next index of this replica, signed as a stub. The replica counts
//! them by slices of line time and tells the line of those that have no number yet, so that an outage costs neither
//! the line nor the replica anything for each visitor.

use std::collections::HashMap;
use std::time::Duration;
use std::time::Instant;

use prometheus::IntCounter;
use prometheus::IntGauge;

use crate::line::exchange::STUB_SLICES_MAX;
use crate::line::exchange::StubBlock;
use crate::line::exchange::StubSlice;
use crate::line::ids::Epoch;
use crate::line::ids::InstanceId;
use crate::line::ids::KeyHash;
use crate::line::settings::INTEGER_MAX;
use crate::telemetry::metrics::clamped;

/// Whoever comes within the same slice of line time, to whatever replica, counts as having come together.
const SLICE_US: u64 = 100_000;
/// How long the place of a join with an `Idempotency-Key` is remembered.
const KEYED: Duration = Duration::from_secs(60);
/// Most of those remembered at once; a repeat of what comes beyond gets a place of its own.
const KEYED_MAX: usize = 10_000;

/// A newcomer's place in the order of arrival, to be signed as a stub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The replica it came to.
    pub instance: InstanceId,
    /// Which one of those who got a place there it is: 1, 2, 3….
    pub index: u64,
    /// When it came, in line time as that replica carried it on (microseconds).
    pub at_us: u64,
    /// The line's epoch, as far as it was known; else the zero epoch.
    pub epoch: Epoch,
}

/// A moment as a replica knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// On the machine's own clock.
    pub(crate) at: Instant,
    /// In line time as the replica carries it on (microseconds).
    pub(crate) line_us: u64,
    /// The line's epoch, as far as it is known; else the zero epoch.
    pub(crate) epoch: Epoch,
    /// For how many newcomers the line has room, by what was last known of it.
    pub(crate) room: u64,
}

/// The newcomers of one replica who have no number yet.
#[derive(Debug)]
pub(crate) struct Stubs {
    instance: InstanceId,
    /// The last index given.
    last: u64,
    /// Those without a number, in order.
    slices: Vec<StubSlice>,
    /// How many they are.
    count: u64,
    /// When the first of them came, in line time and on the machine's own clock. A line that was silent goes on from
    /// where it was: replicas that find it again one after the other must not go back to that.
    since: Option<(u64, Instant)>,
    /// Whoever joined with an `Idempotency-Key`.
    keyed: HashMap<KeyHash, (Arrival, Instant)>,
    given_total: IntCounter,
    waiting: IntGauge,
}

impl Stubs {
    pub(crate) fn new(instance: InstanceId, given_total: IntCounter, waiting: IntGauge) -> Self {
        Self {
            instance,
            last: 0,
            slices: Vec::new(),
            count: 0,
            since: None,
            keyed: HashMap::new(),
            given_total,
            waiting,
        }
    }

    /// The next place, now; none when the line is full with those who have one already: whoever has one is numbered,
    /// however many that makes.
    pub(crate) fn give(&mut self, now: Now) -> Option<Arrival> {
        if self.count >= now.room {
            return None;
        }
        self.last += 1;
        let (since_us, since) = *self.since.get_or_insert((now.line_us, now.at));
        let passed = now.at.saturating_duration_since(since).as_micros();
        let now_us = since_us.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX));
        let now_us = now_us.min(INTEGER_MAX / 2);
        let at_us = now_us - now_us % SLICE_US;
        match self.slices.last_mut() {
            Some(slice) if slice.at_us == at_us => slice.count += 1,
            Some(_) | None => {
                self.slices.push(StubSlice {
                    at_us,
                    first: self.last,
                    count: 1,
                });
                if self.slices.len() > STUB_SLICES_MAX {
                    self.widen();
                }
            }
        }
        self.count += 1;
        self.given_total.inc();
        self.waiting.set(clamped(self.count));
        Some(Arrival {
            instance: self.instance,
            index: self.last,
            at_us,
            epoch: now.epoch,
        })
    }

    /// Places for those who wait and get no numbers: they came now, whenever they are told.
    pub(crate) fn arriving(&mut self, now: Now) -> impl FnMut() -> Option<Arrival> + '_ {
        move || self.give(now)
    }

    /// The place of whoever joins with this key: the same one to every repeat within a minute.
    pub(crate) fn give_keyed(&mut self, key: KeyHash, now: Now) -> Option<Arrival> {
        if let Some(given) = self.keyed(key, now.at) {
            return Some(given);
        }
        let is_kept = |at: Instant| now.at.saturating_duration_since(at) < KEYED;
        if self.keyed.len() >= KEYED_MAX {
            self.keyed.retain(|_, &mut (_, at)| is_kept(at));
        }
        let given = self.give(now)?;
        if self.keyed.len() < KEYED_MAX {
            self.keyed.insert(key, (given, now.at));
        }
        Some(given)
    }

    /// The place that was given to whoever joined with this key, no longer than a minute ago.
    pub(crate) fn keyed(&self, key: KeyHash, now: Instant) -> Option<Arrival> {
        let (given, at) = self.keyed.get(&key)?;
        (now.saturating_duration_since(*at) < KEYED).then_some(*given)
    }

    /// Makes one slice of every two neighbours: the longer an outage, the wider its slices.
    fn widen(&mut self) {
        let pairs = self.slices.chunks(2).filter_map(|pair| {
            let count = pair.iter().map(|slice| slice.count).sum();
            pair.first().map(|&first| StubSlice { count, ..first })
        });
        self.slices = pairs.collect();
    }

    /// What an exchange tells: everybody without a number. The line goes by what it was told last, less those it has
    /// numbered meanwhile.
    pub(crate) fn slices(&self) -> Vec<StubSlice> {
        // A block in the middle of one may have made two of it.
        let most = self.slices.iter().take(STUB_SLICES_MAX);
        most.copied().collect()
    }

    /// Takes out those whom the line has numbered; how many that were.
    pub(crate) fn number(&mut self, blocks: &[StubBlock]) -> u64 {
        let mut numbered = 0;
        let ours = blocks
            .iter()
            .filter(|block| block.instance == self.instance);
        for block in ours {
            let block_end = block.first.saturating_add(block.count);
            let mut left = Vec::with_capacity(self.slices.len() + 1);
            for slice in &self.slices {
                let (first, end) = (slice.first, slice.first + slice.count);
                let before = block.first.clamp(first, end);
                let after = block_end.clamp(before, end);
                numbered += after - before;
                for (first, end) in [(first, before), (after, end)] {
                    if first < end {
                        let (at_us, count) = (slice.at_us, end - first);
                        left.push(StubSlice {
                            at_us,
                            first,
                            count,
                        });
                    }
                }
            }
            self.slices = left;
        }
        self.count -= numbered;
        if self.slices.is_empty() {
            self.since = None;
        }
        self.waiting.set(clamped(self.count));
        numbered
    }

    /// The last index that has a number, or none before it is to get one.
    pub(crate) fn numbered_before(&self) -> u64 {
        let first = self.slices.first();
        first.map_or(self.last, |slice| slice.first - 1)
    }

    /// Whether this one of ours still has no number.
    pub(crate) fn has(&self, arrival: &Arrival) -> bool {
        let is_in =
            |slice: &StubSlice| (slice.first..slice.first + slice.count).contains(&arrival.index);
        arrival.instance == self.instance && self.slices.iter().any(is_in)
    }

    /// How many have no number.
    pub(crate) fn waiting(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use prometheus::IntCounter;
    use prometheus::IntGauge;

    use super::*;
    use crate::clock;

    const US: InstanceId = InstanceId(7);

    fn stubs() -> Stubs {
        let given = IntCounter::new("given", "given").unwrap();
        let waiting = IntGauge::new("waiting", "waiting").unwrap();
        Stubs::new(US, given, waiting)
    }

    /// One clock that starts with the line's.
    fn at(us: u64) -> Now {
        static BEGAN: LazyLock<Instant> = LazyLock::new(clock::monotonic);
        Now {
            at: *BEGAN + Duration::from_micros(us),
            line_us: us,
            epoch: Epoch::default(),
            room: u64::MAX,
        }
    }

    fn give(stubs: &mut Stubs, us: u64) -> Arrival {
        stubs.give(at(us)).unwrap()
    }

    fn block(first: u64, count: u64) -> StubBlock {
        StubBlock {
            instance: US,
            first,
            count,
            number: 1_000 + first,
        }
    }

    /// First index and count of each slice that is told.
    fn told(stubs: &Stubs) -> Vec<(u64, u64)> {
        let slices = stubs.slices();
        slices
            .iter()
            .map(|slice| (slice.first, slice.count))
            .collect()
    }

    #[test]
    fn there_are_no_more_places_than_the_line_has_room_for_until_some_are_numbered() {
        let mut stubs = stubs();
        let now = Now { room: 2, ..at(0) };
        let key = KeyHash(1);
        let indices = |given: [Option<Arrival>; 4]| given.map(|given| given.map(|it| it.index));
        let given = [
            stubs.give_keyed(key, now),
            stubs.give(now),
            stubs.give(now),
            // It has one.
            stubs.give_keyed(key, now),
        ];
        assert_eq!(indices(given), [Some(1), Some(2), None, Some(1)]);
        assert_eq!(told(&stubs), [(1, 2)]);
        stubs.number(&[block(1, 1)]);
        assert_eq!(stubs.give(now).map(|given| given.index), Some(3));
    }

    #[test]
    fn newcomers_are_counted_by_the_tenth_of_a_second_in_the_order_they_came() {
        let mut stubs = stubs();
        for (us, index) in [1_000_000, 1_099_999, 1_100_000].into_iter().zip(1..) {
            assert_eq!(give(&mut stubs, us).index, index);
        }
        assert_eq!(told(&stubs), [(1, 2), (3, 1)]);
    }

    #[test]
    fn a_line_that_stood_still_turns_nobodys_order_round() {
        let mut stubs = stubs();
        let mut give = |us, behind_us| {
            let now = at(us);
            let line_us = now.line_us - behind_us;
            stubs.give(Now { line_us, ..now }).unwrap().at_us
        };
        assert_eq!(give(5_000_000, 0), 5_000_000);
        // The line is found again, four seconds behind, and others do not know of that yet.
        assert_eq!(give(7_000_000, 4_000_000), 7_000_000);
        stubs.number(&[block(1, 2)]);
        let now = at(8_000_000);
        let line_us = 4_000_000;
        assert_eq!(stubs.give(Now { line_us, ..now }).unwrap().at_us, line_us);
    }

    #[test]
    fn a_long_outage_makes_slices_wider_and_loses_nobody() {
        let mut stubs = stubs();
        let came = 10 * STUB_SLICES_MAX as u64;
        for slice in 0..came {
            give(&mut stubs, slice * SLICE_US);
        }
        let slices = told(&stubs);
        assert!((STUB_SLICES_MAX / 2..=STUB_SLICES_MAX).contains(&slices.len()));
        let mut next = 1;
        for (first, count) in slices {
            assert_eq!(first, next);
            next = first + count;
        }
        assert_eq!(next, came + 1);
        assert_eq!(stubs.waiting(), came);
    }

    #[test]
    fn only_those_with_numbers_are_taken_out() {
        let mut stubs = stubs();
        for _ in 0..10 {
            give(&mut stubs, 0);
        }
        let theirs = StubBlock {
            instance: InstanceId(8),
            ..block(1, 10)
        };
        assert_eq!(stubs.number(&[theirs, block(4, 3), block(4, 3)]), 3);
        assert_eq!(told(&stubs), [(1, 3), (7, 4)]);
        let place = |index| Arrival {
            instance: US,
            index,
            at_us: 0,
            epoch: Epoch::default(),
        };
        assert!(stubs.has(&place(3)) && !stubs.has(&place(4)) && stubs.has(&place(10)));
        assert_eq!(stubs.number(&[block(1, u64::MAX)]), 7);
        assert_eq!(stubs.waiting(), 0);
    }

    #[test]
    fn a_key_keeps_its_place_for_a_minute() {
        let mut stubs = stubs();
        let key = KeyHash(1);
        let mut keyed = |us| stubs.give_keyed(key, at(us)).unwrap().index;
        assert_eq!([0, 59_999_999, 60_000_000].map(&mut keyed), [1, 1, 2]);
    }
}
