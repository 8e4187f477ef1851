//! How an origin in trouble slows the pace, stops it, and gets it back.

use super::Bench;
use super::SECOND;
use super::per_second;
use super::visitor;
use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
use crate::line::exchange::Health;
use crate::line::exchange::WITNESSES_ALL;
use crate::line::settings::Settings;

const WELL: Health = health(20, 0, 0);
const SLOW: Health = health(20, 0, 20);
const DOWN: Health = health(0, 20, 0);

const fn health(answered: u64, failed: u64, slow: u64) -> Health {
    Health {
        answered,
        failed,
        slow,
        witnesses: WITNESSES_ALL,
    }
}

/// So many failures, or slow answers, of these visitors, a bit each.
fn of(witnesses: u64, health: Health) -> Health {
    Health {
        witnesses,
        ..health
    }
}

impl Bench {
    /// So many seconds in which the origin does like this, a request every quarter of a second counted once.
    fn origin(&mut self, seconds: u64, origin: Health) -> Answer {
        let mut last = None;
        for _ in 0..seconds * 4 {
            self.clock_us += SECOND / 4;
            let exchange = Exchange {
                origin,
                ..Exchange::default()
            };
            last = Some(self.send(exchange));
        }
        last.expect("some seconds")
    }

    fn held_back(&mut self) -> u64 {
        self.send(Exchange::default()).measured.held_back_ppm
    }
}

#[test]
fn a_slow_origin_halves_the_pace_every_five_seconds_until_it_stops() {
    let mut bench = Bench::new(per_second(100));
    let after: Vec<_> = (0..8)
        .map(|_| bench.origin(5, SLOW).measured.held_back_ppm)
        .collect();
    let halves = [
        500_000, 750_000, 875_000, 937_500, 968_750, 984_375, 1_000_000, 1_000_000,
    ];
    assert_eq!(after, halves);
}

#[test]
fn an_origin_that_fails_everybody_stops_the_pace_at_once_but_for_a_probe() {
    let mut bench = Bench::new(per_second(100));
    bench.join(1_000);
    let answer = bench.origin(2, DOWN);
    assert!(answer.measured.is_stopped());
    assert_eq!(answer.measured.effective_rate_per_hour, 720);
    let (head, entered) = (answer.head, answer.counts.entered);
    bench.send(Exchange {
        asks: (1..=head.min(400)).map(visitor).collect(),
        ..Exchange::default()
    });
    let later = bench.origin(60, DOWN);
    let probes = later.counts.entered - entered;
    // What credit there was at the stop is one entry.
    assert!((12..=13).contains(&probes), "{probes}");
    assert!(later.head - head <= 20, "{head} to {}", later.head);
}

#[test]
fn the_whole_rate_is_back_when_the_recovery_has_passed() {
    let settings = Settings {
        guard_recovery_us: 20 * SECOND,
        ..per_second(10)
    };
    let mut bench = Bench::new(settings);
    bench.origin(2, DOWN);
    let half = bench.origin(10, WELL).measured.held_back_ppm;
    assert!((450_000..=550_000).contains(&half), "{half}");
    let answer = bench.origin(11, WELL);
    assert_eq!(answer.measured.held_back_ppm, 0);
    assert_eq!(answer.measured.effective_rate_per_hour, 36_000);
}

#[test]
fn an_origin_nobody_uses_is_given_back_its_pace() {
    let mut bench = Bench::new(per_second(10));
    bench.origin(2, DOWN);
    bench.wait(75 * SECOND);
    assert_eq!(bench.held_back(), 0);
}

#[test]
fn turns_stand_still_while_the_pace_is_stopped() {
    let settings = Settings {
        turn_us: 10 * SECOND,
        ..per_second(1)
    };
    let mut bench = Bench::new(settings);
    let turn = bench.join(3).turns;
    assert!(!turn.is_empty());
    bench.origin(2, DOWN);
    let stopped = bench.origin(300, DOWN);
    assert!(stopped.turn_now_us < turn[0].until_us);
    assert_eq!(stopped.counts.turns, turn.len() as u64);
    let back = bench.origin(20, WELL);
    assert!(back.turn_now_us > turn[0].until_us);
}

#[test]
fn a_few_failures_among_many_answers_change_nothing() {
    let mut bench = Bench::new(per_second(10));
    let answer = bench.origin(30, health(11, 9, 0));
    assert_eq!(answer.measured.held_back_ppm, 0);
    let answer = bench.origin(2, health(10, 10, 0));
    assert_eq!(answer.measured.held_back_ppm, 500_000);
}

#[test]
fn two_failures_are_no_evidence_and_three_are() {
    for (failed, stops) in [(2, false), (3, true)] {
        let mut bench = Bench::new(per_second(10));
        bench.send(Exchange {
            origin: health(0, failed, 0),
            ..Exchange::default()
        });
        assert_eq!(bench.wait(12 * SECOND).measured.is_stopped(), stops);
    }
}

#[test]
fn a_slow_line_takes_longer_to_judge_and_probes_at_a_quarter_of_its_rate() {
    let a_minute = Settings {
        rate_per_hour: 60,
        ..Settings::default()
    };
    let mut bench = Bench::new(a_minute);
    let one = Exchange {
        origin: health(0, 1, 0),
        ..Exchange::default()
    };
    for _ in 0..4 {
        bench.send(one.clone());
        bench.wait(60 * SECOND);
    }
    let answer = bench.wait(2 * SECOND);
    assert!(answer.measured.is_stopped());
    assert_eq!(answer.measured.effective_rate_per_hour, 15);
}

#[test]
fn switched_off_it_holds_nothing_back_and_on_again_it_begins_afresh() {
    let mut bench = Bench::new(per_second(10));
    bench.origin(2, DOWN);
    bench.set(Settings {
        guard_share_ppm: 0,
        ..per_second(10)
    });
    assert_eq!(bench.origin(10, DOWN).measured.held_back_ppm, 0);
    bench.set(per_second(10));
    assert_eq!(bench.held_back(), 0);
    assert_eq!(bench.origin(2, DOWN).measured.held_back_ppm, 1_000_000);
}

#[test]
fn entries_of_a_held_back_pace_are_its_share_of_the_rate() {
    let mut bench = Bench::new(per_second(20));
    bench.join(5_000);
    // One cut, and then too little to go by: neither better nor worse.
    bench.origin(2, SLOW);
    assert_eq!(bench.held_back(), 500_000);
    let mut entered = Vec::new();
    for _ in 0..8 {
        let ask = |head: u64| (head.saturating_sub(150)..=head).map(visitor).collect();
        let head = bench.line.head();
        bench.clock_us += SECOND;
        let answer = bench.send(Exchange {
            asks: ask(head),
            origin: health(1, 0, 1),
            ..Exchange::default()
        });
        entered.push(answer.counts.entered);
    }
    let steady: Vec<_> = entered.windows(2).skip(1).map(|w| w[1] - w[0]).collect();
    assert!(steady.iter().all(|&n| n == 10), "{entered:?}");
}

#[test]
fn whatever_fails_two_visitors_alone_does_not_slow_the_pace() {
    for bad in [DOWN, SLOW] {
        let mut bench = Bench::new(per_second(10));
        assert_eq!(bench.origin(60, of(0b11, bad)).measured.held_back_ppm, 0);
        assert!(bench.origin(1, of(0b100, bad)).measured.held_back_ppm > 0);
    }
}

#[test]
fn one_visitor_cannot_keep_a_stopped_pace_from_coming_back() {
    let mut bench = Bench::new(per_second(10));
    bench.origin(2, DOWN);
    // It fails far more often than the probes are served.
    let answer = bench.origin(80, of(1, health(1, 20, 0)));
    assert_eq!(answer.measured.held_back_ppm, 0);
}

#[test]
fn a_quiet_room_learns_from_one_visitor_after_the_other_until_somebody_is_served() {
    let one = |at: u64| of(1 << at, health(0, 1, 0));
    let mut bench = Bench::new(per_second(10));
    let mut is_held_back = |told: &[Health]| {
        for &health in told {
            bench.send(Exchange {
                origin: health,
                ..Exchange::default()
            });
            bench.wait(20 * SECOND);
        }
        bench.held_back() > 0
    };
    let served = health(1, 0, 0);
    assert!(!is_held_back(&[one(0), one(1), one(0), one(1)]));
    assert!(!is_held_back(&[of(0, served), one(2), one(3)]));
    assert!(is_held_back(&[one(4)]));
    // As long as it is used and nobody is served, nothing is given back.
    assert!(is_held_back(&[one(4); 12]));
    assert!(!is_held_back(&[of(0, served); 4]));
}

#[test]
fn where_fewer_may_be_inside_fewer_are_enough() {
    let settings = Settings {
        active_max: 1,
        ..per_second(10)
    };
    let mut bench = Bench::new(settings);
    assert!(bench.origin(2, of(1, DOWN)).measured.is_stopped());
}
