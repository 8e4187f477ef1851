//! When a visitor should ask again: by how near its turn is, and by what this replica can answer.

use std::time::Instant;

use crate::gate::standing::Standing;
use crate::line::exchange::Answer;
use crate::page::State;
use crate::room::Snapshot;

/// Polls a second that one replica plans for.
const BUDGET_PER_S: u64 = 2_000;
/// How long somebody waits between two polls long before the opening, in milliseconds.
const EARLY_MS: u64 = 60_000;
/// Those who came before the opening ask again within this time after it, or more when they are many; milliseconds.
const SPREAD_MS_MIN: u64 = 20_000;
/// Polls a second from one ticket, at one worker, that are answered.
const POLLS_PER_S_MAX: u8 = 5;
/// Tickets that are counted at once, a power of two.
const SLOTS: usize = 16_384;

/// How long to tell a visitor to wait before it asks again, in milliseconds.
pub(crate) fn poll_ms(snapshot: &Snapshot, standing: &Standing) -> u64 {
    let Some(answer) = snapshot.answer() else {
        return 5_000;
    };
    let tier_ms = match standing.state {
        State::Entering => 2_000,
        State::Turn | State::Returning if standing.asked => 3_000,
        State::Turn => 20_000,
        State::Late if standing.asked => 5_000,
        State::Waiting | State::Near => {
            waiting_ms(standing, answer.measured.effective_rate_per_hour)
        }
        State::Late
        | State::Returning
        | State::Early
        | State::Entered
        | State::Paused
        | State::Origin
        | State::Full
        | State::SoldOut
        | State::Closed
        | State::Invalid
        | State::Expired
        | State::Moved
        | State::Cookies
        | State::Left => 30_000,
    };
    let presence_ms = answer.settings.presence_us / 1_000;
    let tier_ms = tier_ms.min(presence_ms * 2 / 5).max(1_000);
    let near = matches!(standing.state, State::Near | State::Turn | State::Entering)
        || standing.place <= 1_000;
    if near {
        return tier_ms;
    }
    let waiting_here = answer.tail.saturating_sub(answer.head) / answer.counts.instances.max(1);
    tier_ms.max(waiting_here * 1_000 / BUDGET_PER_S)
}

/// How long to tell somebody who waits for the opening to wait, in milliseconds, this long before it. Until shortly
/// before, rarely; then until its own moment after it, so that those who came do not all ask in the same second.
pub(crate) fn early_ms(answer: &Answer, left_ms: u64, ticket: u128) -> u64 {
    let here = answer.tail / answer.counts.instances.max(1);
    let spread_ms = (here * 1_000 / BUDGET_PER_S).max(SPREAD_MS_MIN);
    let presence_ms = answer.settings.presence_us / 1_000;
    let tier_ms = (presence_ms * 2 / 5).clamp(1_000, EARLY_MS).max(spread_ms);
    let own_ms = u64::try_from(ticket >> 64).unwrap_or(0) % spread_ms;
    (left_ms + 1_000 + own_ms).min(tier_ms)
}

/// For whoever has no number yet, by how many of them there are at this replica.
pub(crate) fn pending_ms(pending: u64) -> u64 {
    (pending * 1_000 / BUDGET_PER_S).clamp(5_000, 30_000)
}

/// By the time the pace needs to reach this place.
fn waiting_ms(standing: &Standing, rate_per_hour: u64) -> u64 {
    if rate_per_hour == 0 {
        return 30_000;
    }
    match standing.place * 3_600 / rate_per_hour {
        0..=20 => 2_000,
        21..=60 => 4_000,
        61..=300 => 7_000,
        301..=1_800 => 15_000,
        1_801..=10_800 => 30_000,
        _ => 60_000,
    }
}

/// Counts polls per ticket within the current second; one per worker.
///
/// A fixed table, in which tickets that fall on the same slot take it from one another: a poll costs one look at 8
/// bytes, nobody is ever refused for somebody else's polls, and whoever hammers is found out all the same, because it
/// comes back more often than its neighbours. The second is of the machine's clock: line time stands still while the
/// store is away, and polls go on.
#[derive(Debug)]
pub(crate) struct Hammering {
    began: Instant,
    slots: Box<[Slot]>,
}

/// What one slot has counted.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Which ticket: a part of its id, which is random.
    tag: u32,
    /// In which second.
    second: u16,
    polls: u8,
}

impl Hammering {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            began: now,
            slots: vec![Slot::default(); SLOTS].into_boxed_slice(),
        }
    }

    /// Whether this poll comes on top of more than a ticket may send in a second.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "parts of a random id, and seconds that come round after 18 hours"
    )]
    pub(crate) fn is_too_many(&mut self, ticket: u128, now: Instant) -> bool {
        // Not zero, which is what unused slots are of.
        let second = (now.saturating_duration_since(self.began).as_secs() as u16).saturating_add(1);
        let (tag, at) = ((ticket >> 64) as u32, ticket as usize % SLOTS);
        let Some(slot) = self.slots.get_mut(at) else {
            return false;
        };
        if (slot.tag, slot.second) != (tag, second) {
            *slot = Slot {
                tag,
                second,
                polls: 0,
            };
        }
        slot.polls = slot.polls.saturating_add(1);
        slot.polls > POLLS_PER_S_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;
    use crate::line::Line;
    use crate::line::exchange::Exchange;

    const SECOND: Duration = Duration::from_secs(1);

    /// The answer of a line in which this many wait for the opening.
    fn early(joins: u64) -> Answer {
        let mut line = Line::new();
        let exchange = Exchange {
            sequence: 1,
            joins: 1,
            ..Exchange::default()
        };
        let answer = line.apply(1_000_000_000, &exchange).unwrap();
        Answer {
            tail: joins,
            ..answer
        }
    }

    #[test]
    fn whoever_waits_for_the_opening_asks_rarely_and_then_in_a_moment_of_its_own_after_it() {
        for (joins, spread_ms) in [(100, 20_000), (1_000_000, 500_000)] {
            let answer = early(joins);
            let longest_ms = early_ms(&answer, 86_400_000, 0);
            assert_eq!(longest_ms, spread_ms.max(60_000));
            let mut tenths = [0; 10];
            for ticket in 0..1_000_u128 {
                // Ids are random: here they are spread as evenly as can be.
                let id = ticket * (u128::MAX / 1_000);
                let after_ms = early_ms(&answer, 5_000, id) - 5_000;
                assert!((1_000..=1_000 + spread_ms).contains(&after_ms));
                let tenth = (after_ms - 1_000) * 10 / spread_ms;
                tenths[usize::try_from(tenth).unwrap()] += 1;
            }
            let few = tenths.into_iter().min().unwrap();
            assert!(few > 50, "{joins}: {tenths:?}");
        }
    }

    #[test]
    fn whoever_has_no_number_comes_back_soon_and_a_crowd_of_them_within_the_budget() {
        assert_eq!([0, 9_999, 20_000].map(pending_ms), [5_000, 5_000, 10_000]);
        assert_eq!(pending_ms(u64::MAX / 1_000), 30_000);
    }

    #[test]
    fn a_ticket_polls_five_times_a_second_and_no_more() {
        let now = clock::monotonic();
        let mut hammering = Hammering::new(now);
        let answers: Vec<_> = (0..7).map(|_| hammering.is_too_many(1, now)).collect();
        assert_eq!(answers, [false, false, false, false, false, true, true]);
        assert!(!hammering.is_too_many(2, now));
        assert!(!hammering.is_too_many(1, now + SECOND));
    }

    #[test]
    fn nobody_is_refused_for_the_polls_of_another() {
        let now = clock::monotonic();
        let mut hammering = Hammering::new(now);
        // The same slot and another ticket.
        let (one, other) = (7, 7 | 1 << 64);
        for _ in 0..20 {
            hammering.is_too_many(one, now);
        }
        assert!(!hammering.is_too_many(other, now));
        for _ in 0..20 {
            hammering.is_too_many(one, now);
        }
        assert!(hammering.is_too_many(one, now));
    }
}
