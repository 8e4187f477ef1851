//! The pace at every rate there is, from one an hour to a hundred thousand a second: a ceiling, and used.

use std::collections::BTreeSet;

use anteroom::line::Line;
use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::HEARD_MAX;
use anteroom::line::exchange::ITEMS_MAX;
use anteroom::line::exchange::JOINS_MAX;
use anteroom::line::exchange::Known;
use anteroom::line::exchange::Proposal;
use anteroom::line::exchange::Visitor;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::KeyHash;
use anteroom::line::ids::TicketId;
use anteroom::line::settings::RATE_PER_HOUR_MAX;
use anteroom::line::settings::Settings;

use crate::plan::MILLI;
use crate::plan::SECOND;
use crate::shadow::Pace;

const HOUR: u64 = 3_600 * SECOND;
/// Whoever asks says so again this often.
const AGAIN: u64 = 600 * SECOND;

/// One replica whose visitors ask as soon as they are called.
struct Rush {
    line: Line,
    clock_us: u64,
    sequence: u64,
    known: Known,
    pace: Pace,
    rate_per_hour: u64,
    asked: u64,
    asking: BTreeSet<u64>,
    again_us: u64,
    entered: u64,
}

impl Rush {
    fn new(rate_per_hour: u64) -> Self {
        let mut rush = Self {
            line: Line::new(),
            clock_us: 1_700_000_000 * SECOND,
            sequence: 0,
            known: Known::default(),
            pace: Pace::first(),
            rate_per_hour,
            asked: 0,
            asking: BTreeSet::new(),
            again_us: 0,
            entered: 0,
        };
        let settings = Settings {
            rate_per_hour,
            presence_us: HOUR,
            turn_us: 24 * HOUR,
            pass_idle_us: 24 * HOUR,
            line_max: 1 << 40,
            ..Settings::default()
        };
        let proposal = Some(Proposal {
            content: KeyHash(1),
            changed: true,
            settings,
        });
        rush.pace.limit(rate_per_hour);
        rush.send(Exchange {
            proposal,
            ..Exchange::default()
        });
        rush
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
        let entered = answer.entered.len();
        assert!(self.pace.pay(entered), "P3: an entry without credit");
        self.entered += entered as u64;
        for row in &answer.entered {
            self.asking
                .remove(&u64::try_from(row.id.0).expect("a number"));
        }
        answer
    }

    /// Lets time pass with always enough people behind; those called ask.
    fn pass(&mut self, time_us: u64, step_us: u64) {
        let end_us = self.clock_us + time_us;
        while self.clock_us < end_us {
            self.clock_us += step_us;
            self.pace.fill(step_us, self.rate_per_hour);
            let mut more = true;
            while more {
                let again = self.clock_us >= self.again_us + AGAIN;
                let asks = self.asks(again);
                let waiting = self.known.tail - self.known.head;
                let exchange = Exchange {
                    heard: if again { self.heard() } else { Vec::new() },
                    joins: if waiting < 5_000 { JOINS_MAX } else { 0 },
                    asks: asks
                        .into_iter()
                        .map(|number| Visitor {
                            number,
                            id: TicketId(u128::from(number)),
                        })
                        .collect(),
                    ..Exchange::default()
                };
                more = self.send(exchange).more || self.asked < self.known.head;
            }
        }
    }

    /// The next of those who wait: they poll.
    fn heard(&self) -> Vec<u64> {
        let last = self.known.tail.min(self.known.head + HEARD_MAX as u64);
        (self.known.head + 1..=last).collect()
    }

    /// Those called since the last exchange; now and then, those who ask still.
    fn asks(&mut self, again: bool) -> Vec<u64> {
        if again {
            self.again_us = self.clock_us;
            return self.asking.iter().copied().take(ITEMS_MAX).collect();
        }
        let last = self.known.head.min(self.asked + ITEMS_MAX as u64);
        let asks: Vec<_> = (self.asked + 1..=last).collect();
        self.asking.extend(&asks);
        self.asked = last;
        asks
    }
}

/// How many enter in this time, once the line has learnt how fast they answer.
fn entries(rate_per_hour: u64, time_us: u64, step_us: u64) -> u64 {
    let mut rush = Rush::new(rate_per_hour);
    rush.pass(2 * time_us / 10, step_us);
    let before = rush.entered;
    rush.pass(time_us, step_us);
    rush.entered - before
}

#[test]
fn the_pace_is_kept_and_used_from_one_an_hour_to_a_hundred_thousand_a_second() {
    for (rate_per_hour, time_us, step_us) in [
        (1, 40 * HOUR, SECOND * 2),
        (7, 20 * HOUR, SECOND),
        (300, 5 * HOUR, SECOND),
        (3_600, HOUR, 250 * MILLI),
        (36_000, 600 * SECOND, 250 * MILLI),
        (3_600_000, 60 * SECOND, 20 * MILLI),
        (18_000_000, 8 * SECOND, 10 * MILLI),
        (RATE_PER_HOUR_MAX, 2 * SECOND, MILLI),
    ] {
        let entered = entries(rate_per_hour, time_us, step_us);
        let full = rate_per_hour * time_us / HOUR;
        assert!(
            entered * 100 >= full * 97 && entered <= full + rate_per_hour.div_ceil(3_600),
            "P4: {entered} of {full} at {rate_per_hour} an hour"
        );
    }
}
