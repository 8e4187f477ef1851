//! A million waiting, and a store that is silent for a minute and a half, then paused, then emptied: nobody is late by
//! it.

use anteroom::line::Line;
use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::HEARD_MAX;
use anteroom::line::exchange::ITEMS_MAX;
use anteroom::line::exchange::JOINS_MAX;
use anteroom::line::exchange::Known;
use anteroom::line::exchange::Proposal;
use anteroom::line::exchange::Standing;
use anteroom::line::exchange::Visitor;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::KeyHash;
use anteroom::line::ids::TicketId;
use anteroom::line::settings::Mode;
use anteroom::line::settings::Settings;

use crate::plan::MILLI;
use crate::plan::SECOND;

const WAITING: u64 = 1_000_000;
/// A replica exchanges this often when nothing happens.
const TICK: u64 = 250 * MILLI;

/// One replica in front of a store that can be lost.
struct Long {
    line: Line,
    store: KeyHash,
    clock_us: u64,
    sequence: u64,
    known: Known,
    contents: u128,
    settings: Settings,
}

impl Long {
    fn new() -> Self {
        let mut long = Self {
            line: Line::new(),
            store: KeyHash(1),
            clock_us: 1_700_000_000 * SECOND,
            sequence: 0,
            known: Known::default(),
            contents: 0,
            settings: Settings {
                rate_per_hour: 36_000,
                turn_us: 3_600 * SECOND,
                line_max: WAITING,
                ..Settings::default()
            },
        };
        long.set(Mode::Paused);
        long.pass(3 * SECOND);
        for _ in 0..WAITING / JOINS_MAX {
            long.send(Exchange {
                joins: JOINS_MAX,
                ..Exchange::default()
            });
        }
        assert_eq!(long.known.tail, WAITING);
        long
    }

    fn send(&mut self, exchange: Exchange) -> Answer {
        self.sequence += 1;
        let exchange = Exchange {
            instance: InstanceId(1),
            sequence: self.sequence,
            known: self.known,
            store: self.store,
            ..exchange
        };
        let answer = self
            .line
            .apply(self.clock_us, &exchange)
            .expect("a valid exchange");
        self.known = Known {
            epoch: Some(answer.epoch).filter(|epoch| epoch.created_us > 0),
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
        answer
    }

    fn set(&mut self, mode: Mode) {
        self.settings.mode = mode;
        self.contents += 1;
        let proposal = Some(Proposal {
            content: KeyHash(self.contents),
            changed: true,
            settings: self.settings,
        });
        self.send(Exchange {
            proposal,
            ..Exchange::default()
        });
    }

    /// Exchanges at every tick, and nobody is heard from.
    fn pass(&mut self, time_us: u64) {
        let end_us = self.clock_us + time_us;
        while self.clock_us < end_us {
            self.clock_us += TICK;
            while self.send(Exchange::default()).more {}
        }
    }

    /// Time goes by without an exchange.
    fn silence(&mut self, time_us: u64) {
        self.clock_us += time_us;
    }

    /// The store is there again, without anything in it, as another process; the replica has the settings in force.
    fn empty(&mut self) {
        self.store = KeyHash(self.store.0 + 1);
        self.line = Line::new();
        self.set(self.settings.mode);
    }

    /// Everybody is heard from, as in one presence slice.
    fn everybody_polls(&mut self) {
        for first in (1..=WAITING).step_by(HEARD_MAX) {
            let last = WAITING.min(first + HEARD_MAX as u64 - 1);
            self.send(Exchange {
                heard: (first..=last).collect(),
                ..Exchange::default()
            });
        }
    }

    /// Everybody called has a turn or is yet to be called: nobody is late.
    fn nobody_is_late(&mut self) {
        for first in (1..=self.known.head).step_by(ITEMS_MAX) {
            let last = self.known.head.min(first + ITEMS_MAX as u64 - 1);
            let visitor = |number| Visitor {
                number,
                id: TicketId(u128::from(number)),
            };
            let answer = self.send(Exchange {
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
    let before = long.known.head;
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
    let called = long.known.head;
    long.silence(90 * SECOND);
    long.empty();
    long.pass(20 * SECOND);
    assert_eq!(
        long.known.tail, WAITING,
        "P5: the line is as long as it was"
    );
    assert!(
        long.known.head >= called,
        "P2: nobody who was called goes back"
    );
    let asks = (1..=called).map(|number| Visitor {
        number,
        id: TicketId(u128::from(number)),
    });
    let answer = long.send(Exchange {
        asks: asks.take(ITEMS_MAX).collect(),
        ..Exchange::default()
    });
    let lost = |standing: &&Standing| matches!(standing, Standing::Spent | Standing::Waiting);
    assert_eq!(answer.standings.iter().find(lost), None);
}
