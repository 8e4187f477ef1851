//! When a visitor should ask again: by how near its turn is, and by what this replica can answer.

use std::time::Duration;
use std::time::Instant;

use rustc_hash::FxHashMap;

use crate::gate::standing::Standing;
use crate::page::State;
use crate::room::Snapshot;

/// Polls a second that one replica plans for.
const BUDGET_PER_S: u64 = 2_000;
/// Polls a second from one ticket, at one worker, that are answered.
const POLLS_PER_S_MAX: u8 = 5;
/// Tickets that are counted within one second.
const COUNTED_MAX: usize = 65_536;
const SECOND: Duration = Duration::from_secs(1);

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
/// The second is of the machine's clock: line time stands still while the store is away, and polls go on.
#[derive(Debug, Default)]
pub(crate) struct Hammering {
    since: Option<Instant>,
    /// Only ids of authentic tickets are counted, which nobody outside can choose: a fast hash is safe.
    polls: FxHashMap<u128, u8>,
}

impl Hammering {
    /// Whether this poll comes on top of more than a ticket may send in a second.
    pub(crate) fn is_too_many(&mut self, ticket: u128, now: Instant) -> bool {
        let is_over = |since| now.saturating_duration_since(since) >= SECOND;
        if self.since.is_none_or(is_over) {
            self.since = Some(now);
            self.polls.clear();
        }
        if self.polls.len() >= COUNTED_MAX && !self.polls.contains_key(&ticket) {
            return false;
        }
        let polls = self.polls.entry(ticket).or_insert(0);
        *polls = polls.saturating_add(1);
        *polls > POLLS_PER_S_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_ticket_polls_five_times_a_second_and_no_more() {
        let (mut hammering, now) = (Hammering::default(), clock::monotonic());
        let answers: Vec<_> = (0..7).map(|_| hammering.is_too_many(1, now)).collect();
        assert_eq!(answers, [false, false, false, false, false, true, true]);
        assert!(!hammering.is_too_many(2, now));
        assert!(!hammering.is_too_many(1, now + SECOND));
    }
}
