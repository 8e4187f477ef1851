//! Whom `line_max` counts: those who wait and are present.

use super::Bench;
use super::SECOND;
use super::per_second;
use super::visitor;
use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
use crate::line::exchange::Finish;
use crate::line::exchange::StubSlice;
use crate::line::ids::KeyHash;
use crate::line::settings::Settings;

/// The presence window of these lines.
const WINDOW: u64 = 100 * SECOND;
/// How many may wait in them.
const MOST: u64 = 1_000;

/// Nobody is called, so that whoever waits goes on waiting.
fn settings() -> Settings {
    Settings {
        presence_us: WINDOW,
        line_max: MOST,
        ..per_second(0)
    }
}

/// A full line, of whom the first half stays and is heard from time and again; the other half is never heard of.
struct Full(Bench);

impl Full {
    fn new() -> Self {
        let mut full = Self(Bench::new(settings()));
        assert_eq!(full.joined(MOST + 1), MOST);
        full
    }

    fn hear(&mut self, heard: impl IntoIterator<Item = u64>) -> Answer {
        self.0.send(Exchange {
            heard: heard.into_iter().collect(),
            ..Exchange::default()
        })
    }

    /// How many of so many newcomers get a number.
    fn joined(&mut self, joins: u64) -> u64 {
        self.0.join(joins).issued
    }

    fn wait(&mut self, time_us: u64) {
        let end_us = self.0.clock_us + time_us;
        while self.0.clock_us < end_us {
            self.hear(1..=MOST / 2);
            self.0.wait((end_us - self.0.clock_us).min(WINDOW / 10));
        }
    }

    /// The other half counts as gone: bits are kept for a window and a half.
    fn halved() -> Self {
        let mut full = Self::new();
        full.wait(WINDOW * 2);
        full
    }
}

#[test]
fn as_many_may_join_as_have_vanished_and_not_before_that_is_certain() {
    let mut full = Full::new();
    full.wait(WINDOW - SECOND);
    assert_eq!(full.joined(1), 0);
    full.wait(WINDOW);
    assert_eq!(full.joined(MOST / 2 + 7), MOST / 2);
    full.wait(2 * SECOND);
    assert_eq!(full.joined(1), 0);
}

#[test]
fn whoever_returns_keeps_its_place_and_nobody_joins_until_there_are_fewer() {
    let mut full = Full::halved();
    assert_eq!(full.joined(MOST / 2), MOST / 2);
    full.hear(MOST / 2 + 1..=MOST / 2 + 20);
    full.wait(2 * SECOND);
    assert_eq!(full.joined(1), 0);
    // Their numbers are theirs: the next to be called comes from the old line.
    full.0.set(Settings {
        rate_per_hour: 36_000,
        ..settings()
    });
    let answer = full.0.wait(5 * SECOND);
    assert!((1..=MOST / 2).contains(&answer.head), "{}", answer.head);
    full.0.wait(WINDOW - 20 * SECOND);
    let head = full.0.line.head();
    let turn = |number| full.0.line.turns.score(number);
    assert!(turn(MOST / 2 + 20).is_some(), "{head}");
    assert!(
        turn(MOST / 2 + 21).is_none() && head > MOST / 2 + 21,
        "{head}"
    );
}

#[test]
fn a_line_that_was_not_listened_to_counts_everybody() {
    let mut full = Full::halved();
    // An outage.
    full.0.clock_us += 10 * SECOND;
    full.hear([]);
    assert_eq!(full.joined(1), 0);
    full.wait(WINDOW + SECOND);
    assert_eq!(full.joined(MOST), MOST / 2);
}

#[test]
fn never_more_wait_than_may_whoever_comes_back_between_two_counts() {
    let mut full = Full::halved();
    // Counted, with half of the line free.
    assert_eq!(full.joined(1), 1);
    full.hear(MOST / 2 + 1..=MOST / 2 + 100);
    // Heard from since: those are counted whether they are new or not, until the next count.
    assert_eq!(full.joined(MOST), MOST / 2 - 101);
    full.hear(1..=MOST / 2);
    full.0.wait(SECOND);
    assert_eq!(full.joined(1), 0);
    assert_eq!(full.0.line.waiting_here(), MOST);
}

#[test]
fn those_present_are_counted_once_a_second_and_only_for_newcomers_without_a_place() {
    let mut full = Full::halved();
    assert_eq!(full.0.line.counted_us, 0, "nobody had to be counted");
    full.joined(1);
    let counted_us = full.0.line.counted_us;
    assert_eq!(counted_us, full.0.line.now_us);
    full.0.wait(10 * SECOND);
    full.joined(MOST / 2 - 1);
    assert_eq!(full.0.line.counted_us, counted_us, "there were places");
    full.joined(1);
    assert!(full.0.line.counted_us > counted_us);
    let counted_us = full.0.line.counted_us;
    full.0.clock_us += SECOND - 1;
    full.joined(1);
    assert_eq!(full.0.line.counted_us, counted_us, "it is not a second yet");
    full.0.clock_us += 1;
    full.joined(1);
    assert_eq!(full.0.line.counted_us, counted_us + SECOND);
}

#[test]
fn who_leaves_a_full_line_makes_room_and_keys_and_stubs_take_it() {
    let mut full = Full::halved();
    assert_eq!(full.joined(MOST), MOST / 2);
    full.0.wait(SECOND);
    let finish = |number| Finish {
        visitor: visitor(number),
        until_us: 0,
    };
    let answer = full.0.send(Exchange {
        finishes: (1..=3).map(finish).collect(),
        joins: 1,
        keyed: (1..=3).map(KeyHash).collect(),
        ..Exchange::default()
    });
    let (issued, tail) = (answer.issued, MOST / 2 * 3);
    assert_eq!((issued, answer.keyed), (1, vec![tail + 2, tail + 3, 0]));
    full.0.send(Exchange {
        finishes: (4..=6).map(finish).collect(),
        stubs: vec![StubSlice {
            at_us: 0,
            first: 1,
            count: 2,
        }],
        ..Exchange::default()
    });
    full.0.wait(SECOND);
    assert_eq!(full.joined(5), 1);
}

#[test]
fn a_larger_line_takes_more_and_a_smaller_one_nobody_at_once() {
    let mut full = Full::halved();
    full.joined(1);
    full.0.set(Settings {
        line_max: MOST / 2,
        ..settings()
    });
    assert_eq!(full.joined(1), 0);
    full.0.set(Settings {
        line_max: MOST / 2 + 31,
        ..settings()
    });
    assert_eq!(full.joined(40), 30);
}
