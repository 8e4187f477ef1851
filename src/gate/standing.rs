//! Where a ticket stands, as far as this replica's picture of the room tells: no store is asked.

use std::time::Instant;

use crate::estimate::Wait;
use crate::line::settings::Mode;
use crate::page::State;
use crate::room::Health;
use crate::room::Snapshot;
use crate::seal::Ticket;

/// Somebody asking sees `entering` only if it is let in within this time.
const ENTERING_S_MAX: u64 = 20;

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: State,
    /// The visitor wants to enter now; repeated at each poll.
    pub(crate) asked: bool,
    /// How long somebody asking is going to wait, in seconds.
    pub(crate) asked_wait_s: u64,
    pub(crate) place: u64,
    /// The turn runs out this much later, in microseconds.
    pub(crate) turn_left_us: Option<u64>,
    pub(crate) wait: Wait,
}

/// What else is known of a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Known {
    /// It carries a pass of this ticket that holds.
    pub(crate) has_pass: bool,
    /// It carries a pass of this ticket that ran out.
    pub(crate) had_pass: bool,
    /// It asked until just now: only its ticket tells whether it goes on asking.
    pub(crate) has_unasked: bool,
}

/// Where this ticket, of the snapshot's epoch, stands now.
pub(crate) fn stand(
    snapshot: &Snapshot,
    ticket: &Ticket,
    known: Known,
    now: Instant,
    wall_us: u64,
) -> Standing {
    let head = snapshot.head();
    let number = snapshot.number_of(ticket.number);
    let wall_us = i64::try_from(wall_us).unwrap_or(i64::MAX);
    let mut standing = Standing {
        state: State::Waiting,
        asked: ticket.asked || (!known.has_unasked && snapshot.is_asking(ticket.id)),
        asked_wait_s: asked_wait_s(snapshot),
        place: number.map_or(0, |number| number.saturating_sub(head)),
        turn_left_us: None,
        wait: Wait::UNKNOWN,
    };
    if snapshot.is_finished(ticket.id) {
        standing.state = State::Left;
        return standing;
    }
    if known.has_pass || snapshot.is_inside(ticket.id, snapshot.line_us(now)) {
        standing.state = State::Entered;
        return standing;
    }
    standing.state = match snapshot.mode() {
        Mode::Closed => State::Closed,
        Mode::SoldOut => State::SoldOut,
        Mode::Paused => State::Paused,
        Mode::Open | Mode::Bypass | Mode::Observe => match number {
            Some(number) => open(snapshot, number, known, now, &mut standing),
            None if snapshot.awaits().is_some() => State::Early,
            // Another replica can tell the number.
            None => State::Waiting,
        },
    };
    let goes_in = matches!(standing.state, State::Entered | State::Entering);
    if snapshot.is_stopped() && !goes_in {
        standing.state = State::Origin;
    }
    if standing.state == State::Waiting {
        standing.wait = number.map_or(Wait::UNKNOWN, |number| wait(snapshot, number, wall_us));
        if standing.wait.is_near() {
            standing.state = State::Near;
        }
    }
    standing
}

fn open(
    snapshot: &Snapshot,
    number: u64,
    known: Known,
    now: Instant,
    standing: &mut Standing,
) -> State {
    if number > snapshot.head() {
        return State::Waiting;
    }
    let turn_us = snapshot.turn_us(now);
    standing.turn_left_us = snapshot
        .turn_until_us(number)
        .map(|until| until.saturating_sub(turn_us))
        .filter(|&left| left > 0)
        .or_else(|| snapshot.full_turn_us(number));
    let called = if known.had_pass {
        State::Returning
    } else if standing.turn_left_us.is_some() {
        State::Turn
    } else {
        State::Late
    };
    let lets_in = snapshot.is_up() || snapshot.is_paced() && !known.had_pass;
    if standing.asked && lets_in && standing.asked_wait_s <= ENTERING_S_MAX {
        State::Entering
    } else {
        called
    }
}

/// How long somebody who asks now is going to wait, in seconds.
fn asked_wait_s(snapshot: &Snapshot) -> u64 {
    let Some(answer) = snapshot.answer() else {
        return 0;
    };
    let rate = answer.measured.effective_rate_per_hour;
    let before = answer.counts.asking + answer.counts.asking_late;
    if rate == 0 {
        u64::MAX / 2
    } else {
        (before * 3_600).div_ceil(rate)
    }
}

/// How long until this number is called.
pub(crate) fn wait(snapshot: &Snapshot, number: u64, wall_us: i64) -> Wait {
    match snapshot.health {
        Health::Up | Health::Healing => snapshot.forecast.wait(number, snapshot.head(), wall_us),
        Health::Starting | Health::Away { .. } => Wait::UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock;
    use crate::line::Line;
    use crate::line::exchange::Exchange;
    use crate::line::ids::TicketId;

    const ID: TicketId = TicketId(7);

    /// A line of five with the first two called, as a replica sees it.
    fn picture(now: Instant) -> Snapshot {
        let exchange = Exchange {
            sequence: 1,
            joins: 5,
            ..Exchange::default()
        };
        let mut answer = Line::new().apply(1_000_000_000, &exchange).unwrap();
        answer.head = 2;
        let mut snapshot = Snapshot::new(now);
        snapshot.health = Health::Up;
        snapshot.answer = Some(Arc::new(answer));
        snapshot
    }

    fn ticket(snapshot: &Snapshot, number: u64) -> Ticket {
        Ticket {
            epoch: snapshot.answer().unwrap().epoch,
            number,
            id: ID,
            issued_us: 0,
            asked: false,
        }
    }

    fn state(snapshot: &Snapshot, number: u64, known: Known) -> State {
        let ticket = ticket(snapshot, number);
        stand(snapshot, &ticket, known, snapshot.at, 0).state
    }

    #[test]
    fn whoever_is_not_called_waits_and_whoever_was_has_a_turn_or_is_late() {
        let now = clock::monotonic();
        let mut snapshot = picture(now);
        assert_eq!(state(&snapshot, 3, Known::default()), State::Waiting);
        assert_eq!(state(&snapshot, 2, Known::default()), State::Late);
        let until_us = snapshot.turn_us(now) + 1;
        snapshot.turns.insert(2, until_us);
        assert_eq!(state(&snapshot, 2, Known::default()), State::Turn);
    }

    #[test]
    fn a_returning_visitor_let_in_again_is_told_so() {
        let now = clock::monotonic();
        let mut snapshot = picture(now);
        let had = Known {
            had_pass: true,
            ..Known::default()
        };
        // Its first entry ran out with the pass it carries.
        snapshot.inside.insert(ID, snapshot.line_us(now));
        assert_eq!(state(&snapshot, 1, had), State::Returning);
        snapshot.inside.insert(ID, snapshot.line_us(now) + 1);
        assert_eq!(state(&snapshot, 1, had), State::Entered);
    }

    #[test]
    fn a_pass_that_holds_outranks_what_the_replica_remembers_and_a_finished_ticket_outranks_both() {
        let mut snapshot = picture(clock::monotonic());
        let has = Known {
            has_pass: true,
            ..Known::default()
        };
        assert_eq!(state(&snapshot, 1, has), State::Entered);
        snapshot.finished.insert(ID, u64::MAX);
        assert_eq!(state(&snapshot, 1, has), State::Left);
    }

    #[test]
    fn what_was_asked_is_forgotten_with_the_presence_window() {
        let mut snapshot = picture(clock::monotonic());
        let answer = Arc::clone(snapshot.answer.as_ref().unwrap());
        snapshot.asking.insert(ID, answer.now_us);
        assert_eq!(state(&snapshot, 1, Known::default()), State::Entering);
        snapshot
            .asking
            .insert(ID, answer.now_us - answer.settings.presence_us);
        assert_eq!(state(&snapshot, 1, Known::default()), State::Late);
    }

    #[test]
    fn places_and_turns_stand_still_soon_after_the_store_has_gone() {
        let now = clock::monotonic();
        let mut snapshot = picture(now);
        snapshot.health = Health::Away { since: now };
        let (soon, later) = (now + Duration::from_secs(2), now + Duration::from_secs(900));
        assert_eq!(snapshot.line_us(soon), snapshot.line_us(later));
        assert_eq!(snapshot.turn_us(soon), snapshot.turn_us(later));
        let standing = stand(&snapshot, &ticket(&snapshot, 5), Known::default(), later, 0);
        assert_eq!(
            (standing.state, standing.place, standing.wait),
            (State::Waiting, 3, Wait::UNKNOWN)
        );
    }
}
