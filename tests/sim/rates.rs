//! The pace at every rate there is, from one an hour to a hundred thousand a second: a ceiling, and used.

use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::HEARD_MAX;
use anteroom::line::exchange::ITEMS_MAX;
use anteroom::line::exchange::JOINS_MAX;
use anteroom::line::exchange::Visitor;
use anteroom::line::settings::RATE_PER_HOUR_MAX;
use anteroom::line::settings::Settings;

use crate::plan::MILLI;
use crate::plan::SECOND;
use crate::rig::Askers;
use crate::rig::visitor;

const HOUR: u64 = 3_600 * SECOND;
/// Whoever asks says so again this often.
const AGAIN: u64 = 600 * SECOND;

/// One replica whose visitors ask as soon as they are called.
struct Rush {
    askers: Askers,
    again_us: u64,
}

impl Rush {
    fn new(rate_per_hour: u64) -> Self {
        let mut askers = Askers::new();
        askers.set(Settings {
            rate_per_hour,
            presence_us: HOUR,
            turn_us: 24 * HOUR,
            pass_idle_us: 24 * HOUR,
            line_max: 1 << 40,
            ..Settings::default()
        });
        Self {
            askers,
            again_us: 0,
        }
    }

    /// Lets time pass with always enough people behind; those called ask.
    fn pass(&mut self, time_us: u64, step_us: u64) {
        let end_us = self.askers.rig.clock_us + time_us;
        while self.askers.rig.clock_us < end_us {
            self.askers.step(step_us);
            let mut more = true;
            while more {
                let again = self.askers.rig.clock_us >= self.again_us + AGAIN;
                let asks = self.asks(again);
                let known = self.askers.rig.known;
                let exchange = Exchange {
                    heard: if again { self.heard() } else { Vec::new() },
                    joins: if known.tail - known.head < 5_000 {
                        JOINS_MAX
                    } else {
                        0
                    },
                    asks,
                    ..Exchange::default()
                };
                more = self.askers.send(exchange).more
                    || self.askers.asked < self.askers.rig.known.head;
            }
        }
    }

    /// The next of those who wait: they poll.
    fn heard(&self) -> Vec<u64> {
        let known = self.askers.rig.known;
        let last = known.tail.min(known.head + HEARD_MAX as u64);
        (known.head + 1..=last).collect()
    }

    /// Those called since the last exchange; now and then, those who ask still.
    fn asks(&mut self, again: bool) -> Vec<Visitor> {
        if !again {
            return self.askers.called();
        }
        self.again_us = self.askers.rig.clock_us;
        let asking = self.askers.asking.iter().take(ITEMS_MAX);
        asking.copied().map(visitor).collect()
    }
}

/// How many enter in this time, once the line has learnt how fast they answer.
fn entries(rate_per_hour: u64, time_us: u64, step_us: u64) -> u64 {
    let mut rush = Rush::new(rate_per_hour);
    rush.pass(2 * time_us / 10, step_us);
    let before = rush.askers.entered.len();
    rush.pass(time_us, step_us);
    (rush.askers.entered.len() - before) as u64
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
