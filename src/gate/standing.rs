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
    let wall_us = i64::try_from(wall_us).unwrap_or(i64::MAX);
    let mut standing = Standing {
        state: State::Waiting,
        asked: ticket.asked || (!known.has_unasked && snapshot.is_asking(ticket.id)),
        asked_wait_s: asked_wait_s(snapshot),
        place: ticket.number.saturating_sub(head),
        turn_left_us: None,
        wait: Wait::UNKNOWN,
    };
    if snapshot.is_finished(ticket.id) {
        standing.state = State::Left;
        return standing;
    }
    if snapshot.is_inside(ticket.id) && !known.had_pass {
        standing.state = State::Entered;
        return standing;
    }
    standing.state = match snapshot.mode() {
        Mode::Closed => State::Closed,
        Mode::SoldOut => State::SoldOut,
        Mode::Paused => State::Paused,
        Mode::Open | Mode::Bypass | Mode::Observe => {
            open(snapshot, ticket, known, now, &mut standing)
        }
    };
    if standing.state == State::Waiting {
        standing.wait = wait(snapshot, ticket.number, wall_us);
        if standing.wait.is_near() {
            standing.state = State::Near;
        }
    }
    standing
}

fn open(
    snapshot: &Snapshot,
    ticket: &Ticket,
    known: Known,
    now: Instant,
    standing: &mut Standing,
) -> State {
    if ticket.number > snapshot.head() {
        return State::Waiting;
    }
    let turn_us = snapshot.turn_us(now);
    standing.turn_left_us = snapshot
        .turn_until_us(ticket.number)
        .map(|until| until.saturating_sub(turn_us))
        .filter(|&left| left > 0);
    let called = if known.had_pass {
        State::Returning
    } else if standing.turn_left_us.is_some() {
        State::Turn
    } else {
        State::Late
    };
    if standing.asked && snapshot.is_up() && standing.asked_wait_s <= ENTERING_S_MAX {
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
