//! Openings: nobody goes in before, everybody who came is frozen at it, and nothing takes it back.

use super::replicas::Replicas;
use super::replicas::TENTH;
use super::replicas::block;
use super::replicas::slice;
use super::*;
use crate::line::exchange::Known;
use crate::line::opening::Commitment;
use crate::line::opening::Opening;

const SEED: Commitment = Commitment([7; 32]);
const AT: u64 = START + 10 * SECOND;

fn opens(draw: bool) -> Settings {
    Settings {
        opens_at_us: AT,
        draw,
        ..per_second(10)
    }
}

/// Whatever a replica was answered last.
fn knows(opening: Opening) -> Exchange {
    Exchange {
        known: Known {
            opening,
            ..Known::default()
        },
        ..Exchange::default()
    }
}

#[test]
fn before_the_opening_numbers_are_issued_and_nobody_is_called() {
    let mut bench = Bench::new(opens(false));
    assert_eq!(bench.join(5).issued, 5);
    let asked = bench.ask(1);
    assert_eq!(asked.standings, [Standing::Waiting]);
    let answer = bench.wait(AT - START - 1);
    assert!(answer.opening.is_awaited());
    assert_eq!((answer.head, answer.counts.entered), (0, 0));
    assert_eq!(answer.turn_now_us, START, "turns' time went on");
}

#[test]
fn the_opening_freezes_the_early_line_and_banks_no_credit() {
    let mut bench = Bench::new(opens(false));
    bench.join(500);
    bench.wait(AT - START - 1);
    bench.clock_us = AT;
    let answer = bench.join(3);
    assert_eq!(answer.opening.early, Some(500));
    assert_eq!((answer.first, answer.issued), (501, 3));
    for number in 1..=100 {
        bench.ask(number);
    }
    // What has come since the opening is at most the burst of one second.
    assert!(bench.ask(101).counts.entered <= 10);
}

#[test]
fn a_clock_that_steps_back_does_not_close_the_line_again() {
    let mut bench = Bench::new(opens(false));
    bench.join(5);
    bench.clock_us = AT;
    assert_eq!(bench.join(0).opening.early, Some(5));
    bench.clock_us = START;
    bench.join(5);
    assert_eq!(bench.wait(SECOND).opening.early, Some(5));
    assert!(bench.wait(SECOND).head > 0);
}

#[test]
fn a_later_opening_moves_it_before_and_changes_nothing_after() {
    let mut bench = Bench::new(opens(true));
    bench.join(5);
    bench.send(knows(Opening {
        draw: Some(SEED),
        ..bench.last.as_ref().unwrap().opening
    }));
    let later = Settings {
        opens_at_us: AT + 60 * SECOND,
        ..opens(true)
    };
    bench.set(later);
    let moved = bench.join(0).opening;
    assert_eq!((moved.at_us, moved.draw), (later.opens_at_us, None));
    bench.send(knows(Opening {
        draw: Some(SEED),
        ..moved
    }));
    bench.wait(AT - START + 30 * SECOND);
    assert!(bench.join(1).opening.is_awaited());
    bench.wait(30 * SECOND);
    bench.set(opens(false));
    let opened = bench.join(1).opening;
    assert_eq!((opened.early, opened.draw), (Some(6), Some(SEED)));
    bench.set(Settings {
        opens_at_us: bench.clock_us + 60 * SECOND,
        ..opens(true)
    });
    assert_eq!(bench.join(1).opening, opened);
}

#[test]
fn the_first_commitment_stays_and_a_draw_does_not_begin_without_one() {
    let mut bench = Bench::new(opens(true));
    bench.join(5);
    bench.clock_us = AT;
    let uncommitted = bench.join(0).opening;
    assert!(uncommitted.is_awaited(), "it opened without a seed");
    let tell = |draw| {
        knows(Opening {
            draw: Some(draw),
            ..uncommitted
        })
    };
    let told = bench.send(tell(SEED)).opening;
    assert_eq!((told.draw, told.early), (Some(SEED), Some(5)));
    let other = bench.send(tell(Commitment([8; 32]))).opening;
    assert_eq!(other.draw, Some(SEED));
}

#[test]
fn an_emptied_store_is_told_of_the_opening_whether_it_has_come_or_not() {
    for wait_us in [SECOND, 20 * SECOND] {
        let mut bench = Bench::new(opens(true));
        let epoch = bench.join(5).epoch;
        let opening = Opening {
            draw: Some(SEED),
            ..bench.last.as_ref().unwrap().opening
        };
        bench.send(knows(opening));
        let before = bench.wait(wait_us);
        bench.line = Line::new();
        bench.clock_us += SECOND;
        let after = bench.send(Exchange {
            known: Known {
                epoch: Some(epoch),
                tail: before.tail,
                now_us: before.now_us,
                opening: before.opening,
                ..Known::default()
            },
            ..Exchange::default()
        });
        assert_eq!(after.opening, before.opening);
        assert_eq!(before.opening.early.is_some(), wait_us > 10 * SECOND);
    }
}

#[test]
fn numbers_issued_before_an_announcement_stay_out_of_the_draw() {
    let mut bench = Bench::new(per_second(1));
    bench.join(20);
    bench.set(opens(true));
    let announced = bench.join(5).opening;
    assert_eq!((announced.after, announced.early), (20, None));
    let head = bench.last.as_ref().unwrap().head;
    assert_eq!(bench.wait(SECOND).head, head, "somebody was called");
}

#[test]
fn a_line_closes_at_its_time_and_an_operator_may_open_it_again() {
    let closes = Settings {
        closes_at_us: AT,
        ..per_second(10)
    };
    let mut bench = Bench::new(closes);
    bench.wait(AT - START - 1);
    assert_eq!(bench.join(1).settings.mode, Mode::Open);
    bench.clock_us = AT;
    let closed = bench.join(1);
    assert_eq!((closed.settings.mode, closed.issued), (Mode::Closed, 0));
    let revision = closed.revision;
    assert_eq!(bench.join(1).revision, revision);
    bench.set(per_second(10));
    assert_eq!(bench.join(1).issued, 1);
}

#[test]
fn what_was_heard_before_the_opening_is_no_presence_after_it() {
    let short = Settings {
        presence_us: 2 * SECOND,
        active_max: 0,
        ..opens(false)
    };
    let mut bench = Bench::new(short);
    bench.join(200);
    bench.clock_us = AT;
    let opened = bench.join(0);
    bench.wait(3 * SECOND);
    let called = bench.last.as_ref().unwrap().head;
    assert!(called < 200, "the stock took everybody");
    // Absence is proven now, and nobody was heard from since.
    bench.wait(30 * SECOND);
    assert_eq!(bench.last.as_ref().unwrap().head, called);
    assert!(bench.last.as_ref().unwrap().slice > opened.slice);
}

#[test]
fn whoever_came_before_the_opening_while_the_store_was_away_is_early_and_whoever_came_after_is_not()
{
    let mut replicas = Replicas::new(2);
    let opens_at_us = replicas.clock_us + 10 * SECOND;
    let proposal = Some(Proposal {
        content: KeyHash(2),
        changed: true,
        settings: Settings {
            opens_at_us,
            ..opens(true)
        },
    });
    let announce = Exchange {
        proposal,
        ..Exchange::default()
    };
    replicas.send(1, announce);
    replicas.known.get_mut(&1).unwrap().opening.draw = Some(SEED);
    replicas.join(1, 10);
    replicas.tick(20);
    // The store is away for half a minute, and the opening comes meanwhile.
    replicas.clock_us += 30 * SECOND;
    let at = |after_us: u64| opens_at_us + after_us - START;
    let one = [slice(at(0) - TENTH, 1, 3), slice(at(TENTH), 4, 2)];
    let two = [slice(at(0) - 2 * TENTH, 1, 1), slice(at(2 * TENTH), 2, 1)];
    let sent = [(1, &one), (2, &two), (1, &one), (2, &two)];
    let mut answers = sent.into_iter().map(|(replica, slices)| {
        replicas.clock_us += TENTH;
        replicas.stubs(replica, slices, 5)
    });
    let opened = answers.find(|answer| !answer.opening.is_awaited()).unwrap();
    let told = opened.opening;
    assert_eq!((told.early, told.draw), (Some(14), Some(SEED)));
    assert_eq!(opened.stubs, [block(2, 1, 1, 11), block(1, 1, 3, 12)]);
    // Newcomers come behind whoever came after the opening and has no number yet.
    assert!(opened.healing && opened.more);
    assert_eq!(opened.issued, 0);
    let next = replicas.join(2, 5);
    assert_eq!(next.stubs, [block(1, 4, 2, 15), block(2, 2, 1, 17)]);
    assert_eq!((next.healing, next.first, next.issued), (false, 18, 5));
}
