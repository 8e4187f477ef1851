//! Openings: nobody goes in before, everybody who came is frozen at it, and nothing takes it back.

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
