//! What the line promises, one behaviour at a time.

mod guard;
mod healing;
mod lease;
mod losses;
mod opening;
mod places;
mod presence;
mod replicas;
mod stubs;

use super::Line;
use super::exchange::Answer;
use super::exchange::Exchange;
use super::exchange::Finish;
use super::exchange::Proposal;
use super::exchange::Renewal;
use super::exchange::Standing;
use super::exchange::Visitor;
use super::ids::InstanceId;
use super::ids::KeyHash;
use super::ids::TicketId;
use super::settings::Mode;
use super::settings::Settings;

const SECOND: u64 = 1_000_000;
const START: u64 = 1_700_000_000 * SECOND;

/// One replica and its line, driven by hand.
struct Bench {
    line: Line,
    clock_us: u64,
    sequence: u64,
    last: Option<Answer>,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        let mut bench = Self {
            line: Line::new(),
            clock_us: START,
            sequence: 0,
            last: None,
        };
        bench.set(settings);
        bench
    }

    fn set(&mut self, settings: Settings) {
        let content = KeyHash(u128::from(self.sequence) + 1);
        let proposal = Some(Proposal {
            content,
            changed: true,
            settings,
        });
        self.send(Exchange {
            proposal,
            ..Exchange::default()
        });
    }

    fn send(&mut self, exchange: Exchange) -> Answer {
        self.sequence += 1;
        let mut known = exchange.known;
        if let Some(last) = &self.last {
            known.epoch = Some(last.epoch);
            known.entries = last.entries;
            known.turns = last.turns_to;
        }
        let exchange = Exchange {
            instance: InstanceId(1),
            sequence: self.sequence,
            known,
            ..exchange
        };
        let answer = self
            .line
            .apply(self.clock_us, &exchange)
            .expect("a valid exchange");
        self.last = Some(answer.clone());
        answer
    }

    fn wait(&mut self, time_us: u64) -> Answer {
        let end = self.clock_us + time_us;
        loop {
            self.clock_us = end.min(self.clock_us + 250_000);
            let answer = self.send(Exchange::default());
            if self.clock_us == end {
                return answer;
            }
        }
    }

    fn join(&mut self, joins: u64) -> Answer {
        self.send(Exchange {
            joins,
            ..Exchange::default()
        })
    }

    fn ask(&mut self, number: u64) -> Answer {
        self.send(Exchange {
            asks: vec![visitor(number)],
            ..Exchange::default()
        })
    }
}

/// A line that one exchange founds under these settings, with so many joins; the exchange, and its answer.
pub(crate) fn founded(settings: Settings, joins: u64) -> (Line, Exchange, Answer) {
    let mut line = Line::new();
    let exchange = Exchange {
        sequence: 1,
        joins,
        proposal: Some(Proposal {
            content: KeyHash(1),
            changed: true,
            settings,
        }),
        ..Exchange::default()
    };
    let answer = line.apply(1_000_000_000, &exchange);
    let answer = answer.expect("a valid exchange");
    (line, exchange, answer)
}

fn visitor(number: u64) -> Visitor {
    Visitor {
        number,
        id: TicketId(u128::from(number)),
    }
}

fn per_second(rate: u64) -> Settings {
    Settings {
        rate_per_hour: rate * 3_600,
        ..Settings::default()
    }
}

#[test]
fn a_newcomer_to_an_empty_line_goes_straight_in() {
    let mut bench = Bench::new(per_second(10));
    let answer = bench.send(Exchange {
        joins: 1,
        eager: vec![TicketId(1)],
        ..Exchange::default()
    });
    assert_eq!((answer.first, answer.issued, answer.head), (1, 1, 1));
    assert_eq!(
        answer.entered.iter().map(|e| e.id).collect::<Vec<_>>(),
        [TicketId(1)]
    );
}

#[test]
fn numbers_come_from_one_line_without_gaps() {
    let mut bench = Bench::new(per_second(1));
    let blocks: Vec<_> = (0..5)
        .map(|_| bench.join(7))
        .map(|a| (a.first, a.issued))
        .collect();
    assert_eq!(blocks, [(1, 7), (8, 7), (15, 7), (22, 7), (29, 7)]);
}

#[test]
fn a_repeated_exchange_gets_the_same_answer_and_changes_nothing() {
    let mut bench = Bench::new(per_second(1));
    let exchange = Exchange {
        instance: InstanceId(9),
        sequence: 1,
        joins: 3,
        ..Exchange::default()
    };
    let first = bench.line.apply(bench.clock_us, &exchange).expect("valid");
    let again = bench
        .line
        .apply(bench.clock_us + SECOND, &exchange)
        .expect("valid");
    assert_eq!(first, again);
    assert_eq!(bench.line.tail(), 3);
    let stale = Exchange {
        sequence: 0,
        ..exchange
    };
    assert!(bench.line.apply(bench.clock_us, &stale).is_err());
}

#[test]
fn entries_never_exceed_rate_and_burst() {
    let mut bench = Bench::new(per_second(10));
    bench.join(1_000);
    bench.wait(30 * SECOND);
    let mut entered = 0;
    for number in 1..=bench.line.head() {
        entered += bench.ask(number).entered.len() as u64;
    }
    assert_eq!(
        entered, 10,
        "an idle half minute banks no more than one second of the rate"
    );
    entered = bench.wait(10 * SECOND).counts.entered;
    assert_eq!(entered, 110);
}

#[test]
fn a_turn_that_runs_out_is_late_and_still_enters() {
    let mut bench = Bench::new(per_second(1));
    bench.join(5);
    assert!(bench.line.head() >= 2);
    bench.wait(601 * SECOND);
    let late = bench.send(Exchange {
        checks: vec![visitor(1)],
        ..Exchange::default()
    });
    assert_eq!(late.standings, [Standing::Late]);
    let answer = bench.ask(1);
    assert_eq!(
        answer.entered.iter().map(|e| e.id).collect::<Vec<_>>(),
        [TicketId(1)]
    );
}

#[test]
fn absent_visitors_are_skipped_once_absence_is_proven() {
    let mut bench = Bench::new(per_second(1));
    bench.set(Settings {
        rate_per_hour: 0,
        ..per_second(1)
    });
    bench.join(1_000);
    bench.wait(400 * SECOND);
    bench.send(Exchange {
        heard: vec![700, 900],
        ..Exchange::default()
    });
    bench.set(per_second(1));
    assert_eq!(bench.line.head(), 900);
    let answer = bench.send(Exchange {
        checks: vec![visitor(699), visitor(700)],
        ..Exchange::default()
    });
    assert!(matches!(
        answer.standings[..],
        [Standing::Late, Standing::Turn { .. }]
    ));
}

#[test]
fn a_silent_store_makes_nobody_late() {
    let mut bench = Bench::new(per_second(1));
    bench.set(Settings {
        rate_per_hour: 0,
        ..per_second(1)
    });
    bench.join(1_000);
    bench.wait(100 * SECOND);
    bench.clock_us += 90 * SECOND;
    bench.set(per_second(1));
    bench.wait(100 * SECOND);
    let checks = (1..=bench.line.head().min(500)).map(visitor).collect();
    let standings = bench
        .send(Exchange {
            checks,
            ..Exchange::default()
        })
        .standings;
    assert!(standings.len() > 20);
    assert!(
        standings.iter().all(|s| matches!(s, Standing::Turn { .. })),
        "somebody was skipped as absent"
    );
}

#[test]
fn nobody_is_called_or_let_in_while_paused_and_turns_stand_still() {
    let mut bench = Bench::new(per_second(1));
    bench.join(50);
    let head = bench.line.head();
    bench.set(Settings {
        mode: Mode::Paused,
        ..per_second(1)
    });
    let asked = bench.ask(1);
    assert!(asked.entered.is_empty());
    let answer = bench.wait(2_000 * SECOND);
    assert_eq!(bench.line.head(), head);
    assert_eq!(answer.counts.turns, head - 1);
}

#[test]
fn active_max_is_exact() {
    let mut bench = Bench::new(Settings {
        active_max: 3,
        ..per_second(100)
    });
    bench.join(20);
    for number in 1..=bench.line.head() {
        bench.ask(number);
    }
    assert_eq!(bench.wait(10 * SECOND).counts.inside, 3);
    let finish = Finish {
        visitor: visitor(1),
        until_us: bench.clock_us + SECOND,
    };
    bench.send(Exchange {
        finishes: vec![finish],
        ..Exchange::default()
    });
    let answer = bench.ask(bench.line.head());
    assert_eq!((answer.counts.inside, answer.counts.entered), (3, 4));
}

#[test]
fn the_inside_leave_by_idling_and_return_a_few_times() {
    let settings = Settings {
        returns: 2,
        pass_idle_us: 10 * SECOND,
        ..per_second(10)
    };
    let mut bench = Bench::new(settings);
    bench.join(1);
    for expected in [Standing::Returning, Standing::Returning, Standing::Spent] {
        assert_eq!(bench.ask(1).entered.len(), 1);
        bench.wait(11 * SECOND);
        let checks = vec![visitor(1)];
        assert_eq!(
            bench
                .send(Exchange {
                    checks,
                    ..Exchange::default()
                })
                .standings,
            [expected]
        );
    }
    assert_eq!(bench.ask(1).standings, [Standing::Spent]);
}

#[test]
fn a_pass_in_use_stays_inside_and_a_finished_one_is_not_revived() {
    let mut bench = Bench::new(Settings {
        pass_idle_us: 10 * SECOND,
        ..per_second(10)
    });
    bench.join(1);
    bench.ask(1);
    for _ in 0..5 {
        bench.wait(6 * SECOND);
        let until_us = bench.last.as_ref().expect("an answer").now_us + 10 * SECOND;
        bench.send(Exchange {
            renewals: vec![Renewal {
                id: TicketId(1),
                until_us,
                entered_us: 0,
            }],
            ..Exchange::default()
        });
    }
    let until_us = bench.last.as_ref().expect("an answer").now_us + 10 * SECOND;
    let finish = Finish {
        visitor: visitor(1),
        until_us,
    };
    let answer = bench.send(Exchange {
        finishes: vec![finish],
        ..Exchange::default()
    });
    assert_eq!((answer.counts.inside, answer.finished.len()), (0, 1));
    let renewals = vec![Renewal {
        id: TicketId(1),
        until_us,
        entered_us: 0,
    }];
    assert_eq!(
        bench
            .send(Exchange {
                renewals,
                ..Exchange::default()
            })
            .counts
            .inside,
        0
    );
    assert_eq!(bench.ask(1).standings, [Standing::Spent]);
}

#[test]
fn the_same_key_gets_the_same_number_for_a_minute() {
    let mut bench = Bench::new(per_second(1));
    let mut keyed = || {
        bench
            .send(Exchange {
                keyed: vec![KeyHash(5)],
                ..Exchange::default()
            })
            .keyed
    };
    assert_eq!((keyed(), keyed()), (vec![1], vec![1]));
    bench.wait(61 * SECOND);
    assert_eq!(
        bench
            .send(Exchange {
                keyed: vec![KeyHash(5)],
                ..Exchange::default()
            })
            .keyed,
        [2]
    );
}

#[test]
fn a_pass_is_signed_again_five_times() {
    let mut bench = Bench::new(per_second(10));
    bench.join(1);
    bench.ask(1);
    for _ in 0..5 {
        assert!(matches!(
            bench.ask(1).standings[..],
            [Standing::Inside { .. }]
        ));
    }
    assert!(matches!(
        bench.ask(1).standings[..],
        [Standing::Exhausted { .. }]
    ));
}

#[test]
fn the_pace_is_used_when_half_of_those_called_never_press() {
    let mut bench = Bench::new(per_second(10));
    bench.join(10_000);
    let mut entered_at_minute = 0;
    let mut heads = Vec::new();
    for tick in 0..1_200 {
        bench.clock_us += 250_000;
        heads.push(bench.line.head());
        // Every second visitor presses five seconds after the call.
        let (from, to) = if tick < 21 {
            (0, 0)
        } else {
            (heads[tick - 21], heads[tick - 20])
        };
        let asks = (from + 1..=to)
            .filter(|n| n % 2 == 0)
            .map(visitor)
            .collect();
        let heard = (bench.line.head() + 1..=bench.line.head() + 1_000)
            .filter(|&n| n <= 10_000)
            .collect();
        let answer = bench.send(Exchange {
            asks,
            heard,
            ..Exchange::default()
        });
        if tick == 480 {
            entered_at_minute = answer.counts.entered;
        }
    }
    let answer = bench.send(Exchange::default());
    let used = answer.counts.entered - entered_at_minute;
    assert!(
        used >= 1_746,
        "{used} of 1,800 entries were used in three minutes"
    );
}

#[test]
fn what_runs_out_together_goes_a_bounded_number_at_a_time() {
    let mut bench = Bench::new(per_second(1));
    let now_us = bench.join(0).now_us;
    let renewal = |id| Renewal {
        id: TicketId(id),
        until_us: now_us + SECOND,
        entered_us: now_us,
    };
    bench.send(Exchange {
        renewals: (1..=250).map(renewal).collect(),
        ..Exchange::default()
    });
    bench.clock_us += SECOND;
    let left = [(); 4].map(|()| {
        let answer = bench.join(0);
        (answer.counts.inside, answer.more)
    });
    assert_eq!(left, [(150, true), (50, true), (0, false), (0, false)]);
}
