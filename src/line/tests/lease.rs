//! Leases: what is granted to whom, what is withheld for whom, and for how long.

use super::SECOND;
use super::per_second;
use super::replicas::Replicas;
use crate::line::Line;
use crate::line::exchange::Exchange;
use crate::line::exchange::Proposal;
use crate::line::ids::KeyHash;
use crate::line::lease::LEASE_US;
use crate::line::settings::Settings;

/// A hundred entries a second, in entries per hour.
const RATE: u64 = 360_000;

fn proposal(content: u128, settings: Settings) -> Option<Proposal> {
    Some(Proposal {
        content: KeyHash(content),
        changed: true,
        settings,
    })
}

/// So many replicas of a line that grants leases at a hundred entries a second.
fn paced(replicas: u64) -> Replicas {
    let mut these = Replicas::new(replicas);
    propose(&mut these);
    these.tick(20);
    these
}

/// One of them proposes that.
fn propose(these: &mut Replicas) {
    let settings = Settings {
        paced: true,
        ..per_second(100)
    };
    let exchange = Exchange {
        proposal: proposal(2, settings),
        ..Exchange::default()
    };
    these.send(1, exchange);
}

/// What the next answer to this replica grants it, and what it withholds.
fn granted(these: &mut Replicas, instance: u64) -> (u64, u64) {
    let answer = these.send(instance, Exchange::default());
    (answer.lease_per_hour, answer.withheld_per_hour)
}

/// All but this replica tick.
fn tick_without(these: &mut Replicas, instance: u64, tenths: u64) {
    let known = these.known.remove(&instance);
    these.tick(tenths);
    these.known.extend(known.map(|known| (instance, known)));
}

#[test]
fn all_share_the_pace_and_one_alone_is_granted_half_of_it() {
    for (replicas, share) in [(1, RATE / 2), (2, RATE / 2), (3, RATE / 3)] {
        let mut these = paced(replicas);
        for instance in 1..=replicas {
            assert_eq!(granted(&mut these, instance), (share, 0));
        }
    }
}

#[test]
fn what_a_silent_replica_was_granted_is_withheld_until_it_is_answered_again() {
    let mut these = paced(3);
    tick_without(&mut these, 3, 48);
    assert_eq!(granted(&mut these, 1), (RATE / 3, 0));
    tick_without(&mut these, 3, 4);
    assert_eq!(granted(&mut these, 1), (RATE / 3, RATE / 3));
    // Its first exchange was sent while it let people in; with the next it tells that it has heard.
    assert_eq!(granted(&mut these, 3), (0, RATE / 3));
    assert_eq!(granted(&mut these, 3), (RATE / 3, 0));
}

#[test]
fn whoever_comes_later_gets_of_what_is_left() {
    let mut these = paced(2);
    tick_without(&mut these, 2, 60);
    these
        .known
        .insert(3, crate::line::exchange::Known::default());
    these
        .known
        .insert(4, crate::line::exchange::Known::default());
    tick_without(&mut these, 2, 20);
    for instance in [1, 3, 4] {
        assert_eq!(granted(&mut these, instance), (RATE / 6, RATE / 2));
    }
}

#[test]
fn a_replica_that_leaves_gives_its_share_back_and_one_that_was_killed_does_when_its_lease_ends() {
    let mut these = paced(2);
    let leaving = Exchange {
        leaving: true,
        ..Exchange::default()
    };
    these.send(2, leaving);
    tick_without(&mut these, 2, 100);
    assert_eq!(granted(&mut these, 1), (RATE / 2, 0));

    let mut these = paced(2);
    these.known.remove(&2);
    these.tick(LEASE_US / SECOND * 10 - 2);
    assert_eq!(granted(&mut these, 1), (RATE / 4, RATE / 2));
    these.tick(3);
    assert_eq!(granted(&mut these, 1), (RATE / 2, 0));
}

#[test]
fn a_lower_rate_and_no_more_leases_take_nothing_from_what_was_granted() {
    let mut these = paced(2);
    tick_without(&mut these, 2, 60);
    let slower = Settings {
        paced: true,
        ..per_second(60)
    };
    let exchange = Exchange {
        proposal: proposal(3, slower),
        ..Exchange::default()
    };
    let answer = these.send(1, exchange);
    assert_eq!(answer.withheld_per_hour, RATE / 2);
    assert_eq!(answer.lease_per_hour, (60 * 3_600 - RATE / 2) / 2);
    let exchange = Exchange {
        proposal: proposal(4, per_second(60)),
        ..Exchange::default()
    };
    these.send(1, exchange);
    assert_eq!(granted(&mut these, 1), (0, RATE / 2));
    tick_without(&mut these, 2, LEASE_US / SECOND * 10);
    assert_eq!(granted(&mut these, 1), (0, 0));
}

#[test]
fn a_lost_line_withholds_for_all_who_have_not_come_back() {
    for is_empty in [true, false] {
        let mut these = paced(3);
        let line = if is_empty {
            Line::new()
        } else {
            these.line.clone()
        };
        these.fail_over(line);
        let gone = [these.known.remove(&2), these.known.remove(&3)];
        these.tick(20);
        if is_empty {
            propose(&mut these);
        }
        assert_eq!(granted(&mut these, 1).1, RATE / 3 * 2, "{is_empty}");
        these.known.extend((2..).zip(gone.into_iter().flatten()));
        these.tick(2);
        assert_eq!(granted(&mut these, 1), (RATE / 3, 0), "{is_empty}");
    }
}

#[test]
fn a_line_that_nobody_was_heard_from_has_no_credit_and_takes_every_lease_for_used() {
    let mut these = paced(2);
    assert!(these.line.credit > 0);
    these.clock_us += 60 * SECOND;
    let answer = these.send(1, Exchange::default());
    assert!(answer.healing);
    assert_eq!((these.line.credit, answer.withheld_per_hour), (0, RATE));
    tick_without(&mut these, 2, 20);
    assert_eq!(granted(&mut these, 1), (RATE / 4, RATE / 2));
    these.tick(2);
    assert_eq!(granted(&mut these, 1), (RATE / 2, 0));
}
