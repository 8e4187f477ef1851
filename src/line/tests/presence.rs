//! When absence counts as proven, and who counts as present.

use super::Bench;
use super::SECOND;
use super::per_second;
use super::visitor;
use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
use crate::line::ids::InstanceId;
use crate::line::settings::Settings;

/// The presence window of these lines.
const WINDOW: u64 = 100 * SECOND;

/// A line at rest with this many who joined, of whom nobody has been heard from for five windows.
fn silent(joined: u64) -> Bench {
    let mut bench = Bench::new(at_rest());
    bench.join(joined);
    bench.wait(5 * WINDOW);
    bench
}

fn at_rest() -> Settings {
    Settings {
        rate_per_hour: 0,
        ..moving()
    }
}

fn moving() -> Settings {
    Settings {
        presence_us: WINDOW,
        ..per_second(1)
    }
}

/// An exchange of a second replica.
fn other(bench: &mut Bench, sequence: u64, exchange: Exchange) -> Answer {
    let exchange = Exchange {
        instance: InstanceId(2),
        sequence,
        ..exchange
    };
    let answer = bench.line.apply(bench.clock_us, &exchange);
    answer.expect("a valid exchange")
}

#[test]
fn nobody_is_skipped_before_a_whole_window_after_a_gap() {
    let mut bench = silent(500);
    bench.clock_us += 10 * SECOND;
    bench.send(Exchange::default());
    bench.wait(WINDOW - SECOND);
    bench.set(moving());
    let head = bench.line.head();
    assert!((2..500).contains(&head), "head is {head}");
    assert_eq!(bench.line.turns.len(), head);
}

#[test]
fn a_replica_that_comes_back_is_listened_to_for_a_whole_window() {
    let mut bench = silent(500);
    other(&mut bench, 1, Exchange::default());
    bench.wait(5 * WINDOW);
    assert!(bench.line.absence_is_proven());
    other(&mut bench, 2, Exchange::default());
    assert!(!bench.line.absence_is_proven());
    bench.set(moving());
    assert_eq!(bench.line.turns.len(), bench.line.head());
}

#[test]
fn a_replica_that_left_is_not_waited_for_and_may_repeat_itself() {
    let mut bench = silent(500);
    let leaving = Exchange {
        leaving: true,
        heard: vec![400],
        ..Exchange::default()
    };
    let first = other(&mut bench, 1, leaving.clone());
    bench.wait(WINDOW);
    assert!(bench.line.absence_is_proven());
    assert_eq!(other(&mut bench, 1, leaving), first);
    assert!(bench.line.absence_is_proven());
}

#[test]
fn an_interval_told_counts_for_a_whole_window_even_below_a_longer_one() {
    let told = |told_us| Exchange {
        told_us,
        ..Exchange::default()
    };
    let mut bench = Bench::new(at_rest());
    bench.send(told(100 * SECOND));
    bench.wait(200 * SECOND);
    bench.send(told(90 * SECOND));
    bench.wait(224 * SECOND);
    assert!(bench.line.window_us() >= 225 * SECOND);
    bench.wait(600 * SECOND);
    assert_eq!(bench.line.window_us(), WINDOW);
}

#[test]
fn who_asks_ahead_of_its_call_is_present() {
    let mut bench = silent(500);
    bench.ask(400);
    bench.set(moving());
    assert_eq!(bench.line.head(), 400);
    let checks = vec![visitor(400)];
    let answer = bench.send(Exchange {
        checks,
        ..Exchange::default()
    });
    assert_eq!(answer.counts.entered, 1);
}
