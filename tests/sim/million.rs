//! A million waiting, and a store that is silent for a minute and a half, then paused, then emptied: nobody is late by
//! it.

use anteroom::line::Line;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::HEARD_MAX;
use anteroom::line::exchange::ITEMS_MAX;
use anteroom::line::exchange::JOINS_MAX;
use anteroom::line::exchange::Standing;
use anteroom::line::ids::KeyHash;
use anteroom::line::settings::Mode;
use anteroom::line::settings::Settings;

use crate::plan::MILLI;
use crate::plan::SECOND;
use crate::rig::Rig;
use crate::rig::visitor;

const WAITING: u64 = 1_000_000;
/// A replica exchanges this often when nothing happens.
const TICK: u64 = 250 * MILLI;

/// One replica in front of a store that can be lost.
struct Long {
    rig: Rig,
    settings: Settings,
}

impl Long {
    fn new() -> Self {
        let mut long = Self {
            rig: Rig::new(),
            settings: Settings {
                rate_per_hour: 36_000,
                turn_us: 3_600 * SECOND,
                line_max: WAITING,
                ..Settings::default()
            },
        };
        long.rig.store = KeyHash(1);
        long.set(Mode::Paused);
        long.pass(3 * SECOND);
        for _ in 0..WAITING / JOINS_MAX {
            long.rig.send(Exchange {
                joins: JOINS_MAX,
                ..Exchange::default()
            });
        }
        assert_eq!(long.rig.known.tail, WAITING);
        long
    }

    fn set(&mut self, mode: Mode) {
        self.settings.mode = mode;
        self.rig.send(self.rig.proposing(self.settings));
    }

    /// Exchanges at every tick, and nobody is heard from.
    fn pass(&mut self, time_us: u64) {
        let end_us = self.rig.clock_us + time_us;
        while self.rig.clock_us < end_us {
            self.rig.clock_us += TICK;
            while self.rig.send(Exchange::default()).more {}
        }
    }

    /// Time goes by without an exchange.
    fn silence(&mut self, time_us: u64) {
        self.rig.clock_us += time_us;
    }

    /// The store is there again, without anything in it, as another process; the replica has the settings in force.
    fn empty(&mut self) {
        self.rig.store = KeyHash(self.rig.store.0 + 1);
        self.rig.line = Line::new();
        self.set(self.settings.mode);
    }

    /// Everybody is heard from, as in one presence slice.
    fn everybody_polls(&mut self) {
        for first in (1..=WAITING).step_by(HEARD_MAX) {
            let last = WAITING.min(first + HEARD_MAX as u64 - 1);
            self.rig.send(Exchange {
                heard: (first..=last).collect(),
                ..Exchange::default()
            });
        }
    }

    /// Everybody called has a turn or is yet to be called: nobody is late.
    fn nobody_is_late(&mut self) {
        for first in (1..=self.rig.known.head).step_by(ITEMS_MAX) {
            let last = self.rig.known.head.min(first + ITEMS_MAX as u64 - 1);
            let answer = self.rig.send(Exchange {
                checks: (first..=last).map(visitor).collect(),
                ..Exchange::default()
            });
            for (number, standing) in (first..).zip(&answer.standings) {
                let has_turn = matches!(standing, Standing::Turn { .. });
                assert!(has_turn, "P5: number {number} is {standing:?}");
            }
        }
    }
}

#[test]
fn a_million_are_not_late_by_a_store_that_was_away_paused_and_emptied() {
    let mut long = Long::new();
    long.set(Mode::Open);
    long.everybody_polls();
    long.pass(10 * SECOND);
    long.nobody_is_late();
    let before = long.rig.known.head;
    assert!(before > 0);

    // Down: the same process answers again, as after a hang.
    long.silence(90 * SECOND);
    long.pass(20 * SECOND);
    long.nobody_is_late();

    // Paused for as long as presence lasts, and open again.
    long.set(Mode::Paused);
    long.pass(150 * SECOND);
    long.set(Mode::Open);
    long.pass(20 * SECOND);
    long.nobody_is_late();

    // Emptied while it was away: turns are lost with it, and whoever had one is called still.
    let called = long.rig.known.head;
    long.silence(90 * SECOND);
    long.empty();
    long.pass(20 * SECOND);
    assert_eq!(
        long.rig.known.tail, WAITING,
        "P5: the line is as long as it was"
    );
    assert!(
        long.rig.known.head >= called,
        "P2: nobody who was called goes back"
    );
    let asks = (1..=called).map(visitor);
    let answer = long.rig.send(Exchange {
        asks: asks.take(ITEMS_MAX).collect(),
        ..Exchange::default()
    });
    let lost = |standing: &&Standing| matches!(standing, Standing::Spent | Standing::Waiting);
    assert_eq!(answer.standings.iter().find(lost), None);
}
