//! Twenty thousand waiting, and a rate that goes from nothing to ten thousand a second and back: nobody is lost, and
//! not one enters too many.

use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::ITEMS_MAX;
use anteroom::line::exchange::Standing;
use anteroom::line::settings::Settings;

use crate::plan::MILLI;
use crate::plan::SECOND;
use crate::rig::Askers;
use crate::rig::visitor;

const CROWD: u64 = 20_000;

/// One replica whose visitors all press as soon as they are called.
struct Crowd {
    askers: Askers,
}

impl Crowd {
    fn new() -> Self {
        Self {
            askers: Askers::new(),
        }
    }

    /// Changes the rate and nothing else.
    fn set(&mut self, rate_per_hour: u64) {
        self.askers.set(Settings {
            rate_per_hour,
            presence_us: 3_600 * SECOND,
            turn_us: 86_400 * SECOND,
            pass_idle_us: 86_400 * SECOND,
            ..Settings::default()
        });
    }

    /// Lets time pass, an exchange at a time; those called ask.
    fn pass(&mut self, time_us: u64, step_us: u64) {
        let end_us = self.askers.rig.clock_us + time_us;
        while self.askers.rig.clock_us < end_us {
            self.askers.step(step_us);
            let mut more = true;
            while more {
                let asks = self.askers.called();
                let exchange = Exchange {
                    asks,
                    ..Exchange::default()
                };
                more = self.askers.send(exchange).more;
            }
        }
    }

    /// Every number stands in exactly one place.
    fn counts(&mut self) -> [u64; 4] {
        let mut counts = [0; 4];
        for first in (1..=CROWD).step_by(ITEMS_MAX) {
            let checks = (first..first + ITEMS_MAX as u64).map(visitor).collect();
            let answer = self.askers.send(Exchange {
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
        assert_eq!(counts[0], CROWD - self.askers.rig.line.head());
        assert_eq!(
            (counts[2], counts[3]),
            (
                self.askers.asking.len() as u64,
                self.askers.entered.len() as u64
            )
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
        let answer = crowd.askers.send(Exchange {
            joins,
            ..Exchange::default()
        });
        assert_eq!((answer.first, answer.issued), (first, joins));
    }
    crowd.pass(60 * SECOND, SECOND);
    assert_eq!((crowd.askers.rig.line.head(), crowd.is_conserved()), (0, 0));

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
        crowd.askers.entered.len() as u64,
        crowd.askers.send(Exchange::default()).counts.entered
    );
}
