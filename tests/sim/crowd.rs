//! Twenty thousand waiting, and a rate that goes from nothing to ten thousand a second and back: nobody is lost, and
//! not one enters too many.

use std::collections::BTreeSet;

use anteroom::line::Line;
use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::ITEMS_MAX;
use anteroom::line::exchange::Known;
use anteroom::line::exchange::Proposal;
use anteroom::line::exchange::Standing;
use anteroom::line::exchange::Visitor;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::KeyHash;
use anteroom::line::ids::TicketId;
use anteroom::line::settings::Settings;

use crate::plan::MILLI;
use crate::plan::SECOND;
use crate::shadow::Pace;

const CROWD: u64 = 20_000;

/// One replica whose visitors all press as soon as they are called.
struct Crowd {
    line: Line,
    clock_us: u64,
    sequence: u64,
    known: Known,
    rate_per_hour: u64,
    pace: Pace,
    asked: u64,
    asking: BTreeSet<u64>,
    entered: BTreeSet<TicketId>,
}

fn visitor(number: u64) -> Visitor {
    Visitor {
        number,
        id: TicketId(u128::from(number)),
    }
}

impl Crowd {
    fn new() -> Self {
        Self {
            line: Line::new(),
            clock_us: 1_700_000_000 * SECOND,
            sequence: 0,
            known: Known::default(),
            rate_per_hour: 0,
            pace: Pace::first(),
            asked: 0,
            asking: BTreeSet::new(),
            entered: BTreeSet::new(),
        }
    }

    fn send(&mut self, exchange: Exchange) -> Answer {
        self.sequence += 1;
        let exchange = Exchange {
            instance: InstanceId(1),
            sequence: self.sequence,
            known: self.known,
            ..exchange
        };
        let answer = self
            .line
            .apply(self.clock_us, &exchange)
            .expect("a valid exchange");
        self.known = Known {
            epoch: Some(answer.epoch),
            tail: answer.tail,
            head: answer.head,
            now_us: answer.now_us,
            turns: answer.turns_to,
            entries: answer.entries,
            finished: answer.finished_to,
            opening: answer.opening,
            stubs: answer.stubs_to,
            instances: answer.counts.instances,
            lease_per_hour: answer.lease_per_hour,
            withheld_per_hour: answer.withheld_per_hour,
        };
        for row in &answer.entered {
            assert!(self.entered.insert(row.id), "P1: {} entered twice", row.id);
            assert!(
                self.asking
                    .remove(&u64::try_from(row.id.0).expect("a number")),
                "P10: never asked"
            );
            assert!(self.pace.pay(1), "P3: an entry without credit");
        }
        answer
    }

    /// Changes the rate and nothing else.
    fn set(&mut self, rate_per_hour: u64) -> Answer {
        let settings = Settings {
            rate_per_hour,
            presence_us: 3_600 * SECOND,
            turn_us: 86_400 * SECOND,
            pass_idle_us: 86_400 * SECOND,
            ..Settings::default()
        };
        let proposal = Some(Proposal {
            content: KeyHash(u128::from(self.sequence) + 1),
            changed: true,
            settings,
        });
        self.rate_per_hour = rate_per_hour;
        self.pace.limit(rate_per_hour);
        self.send(Exchange {
            proposal,
            ..Exchange::default()
        })
    }

    /// Lets time pass, an exchange at a time; those called ask.
    fn pass(&mut self, time_us: u64, step_us: u64) {
        let end_us = self.clock_us + time_us;
        while self.clock_us < end_us {
            self.clock_us += step_us;
            self.pace.fill(step_us, self.rate_per_hour);
            let mut more = true;
            while more {
                let last = self.known.head.min(self.asked + ITEMS_MAX as u64);
                let asks: Vec<_> = (self.asked + 1..=last).map(visitor).collect();
                self.asking.extend(self.asked + 1..=last);
                self.asked = last;
                let exchange = Exchange {
                    asks,
                    ..Exchange::default()
                };
                more = self.send(exchange).more;
            }
        }
    }

    /// Every number stands in exactly one place.
    fn counts(&mut self) -> [u64; 4] {
        let mut counts = [0; 4];
        for first in (1..=CROWD).step_by(ITEMS_MAX) {
            let checks = (first..first + ITEMS_MAX as u64).map(visitor).collect();
            let answer = self.send(Exchange {
                checks,
                ..Exchange::default()
            });
            for standing in &answer.standings {
                let at = match standing {
                    Standing::Waiting => 0,
                    Standing::Turn { .. } => 1,
                    Standing::Asking => 2,
                    Standing::Inside { .. } => 3,
                    Standing::Late
                    | Standing::Returning
                    | Standing::Exhausted { .. }
                    | Standing::Spent => {
                        assert_eq!(
                            *standing,
                            Standing::Waiting,
                            "P5: somebody has lost its place"
                        );
                        0
                    }
                };
                counts[at] += 1;
            }
        }
        counts
    }

    fn is_conserved(&mut self) -> u64 {
        let counts = self.counts();
        assert_eq!(counts.iter().sum::<u64>(), CROWD);
        assert_eq!(counts[0], CROWD - self.line.head());
        assert_eq!(
            (counts[2], counts[3]),
            (self.asking.len() as u64, self.entered.len() as u64)
        );
        counts[3]
    }
}

#[test]
fn twenty_thousand_are_conserved_while_the_rate_jumps() {
    let mut crowd = Crowd::new();
    crowd.set(0);
    for first in [1, CROWD / 2 + 1] {
        let joins = CROWD / 2;
        let answer = crowd.send(Exchange {
            joins,
            ..Exchange::default()
        });
        assert_eq!((answer.first, answer.issued), (first, joins));
    }
    crowd.pass(60 * SECOND, SECOND);
    assert_eq!((crowd.line.head(), crowd.is_conserved()), (0, 0));

    crowd.set(36_000_000);
    crowd.pass(1_200 * MILLI, 20 * MILLI);
    let fast = crowd.is_conserved();
    // What it had at rest is one entry; the rest is earned at 10,000 a second.
    assert!(
        (11_600..=12_001).contains(&fast),
        "{fast} entered in 1.2 s at 10,000 a second"
    );

    crowd.set(0);
    crowd.pass(300 * SECOND, SECOND);
    assert_eq!(crowd.is_conserved(), fast);

    crowd.set(300);
    crowd.pass(600 * SECOND, SECOND);
    let slow = crowd.is_conserved() - fast;
    assert!(
        (50..=51).contains(&slow),
        "{slow} entered in ten minutes at five a minute"
    );
    assert_eq!(
        crowd.entered.len() as u64,
        crowd.send(Exchange::default()).counts.entered
    );
}
