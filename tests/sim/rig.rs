//! One replica alone with its line, in worlds of so many visitors that nobody follows each of them.

use std::collections::BTreeSet;

use anteroom::line::Line;
use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::ITEMS_MAX;
use anteroom::line::exchange::Known;
use anteroom::line::exchange::Proposal;
use anteroom::line::exchange::Visitor;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::KeyHash;
use anteroom::line::ids::TicketId;
use anteroom::line::settings::Settings;

use crate::plan::SECOND;
use crate::shadow::Pace;

/// The visitor of this number, whose id says the same.
pub(crate) fn visitor(number: u64) -> Visitor {
    Visitor {
        number,
        id: TicketId(u128::from(number)),
    }
}

/// A line and its only replica.
pub(crate) struct Rig {
    pub(crate) line: Line,
    /// The process that has the line.
    pub(crate) store: KeyHash,
    pub(crate) clock_us: u64,
    pub(crate) known: Known,
    sequence: u64,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self {
            line: Line::new(),
            store: KeyHash::default(),
            clock_us: 1_700_000_000 * SECOND,
            known: Known::default(),
            sequence: 0,
        }
    }

    pub(crate) fn send(&mut self, exchange: Exchange) -> Answer {
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
        self.known = self.known.after(&answer);
        answer
    }

    /// What changes the settings to these and nothing else.
    pub(crate) fn proposing(&self, settings: Settings) -> Exchange {
        let proposal = Some(Proposal {
            content: KeyHash(u128::from(self.sequence) + 1),
            changed: true,
            settings,
        });
        Exchange {
            proposal,
            ..Exchange::default()
        }
    }
}

/// Visitors who ask as soon as they are called. None of them enters twice, unasked or above the pace.
pub(crate) struct Askers {
    pub(crate) rig: Rig,
    pub(crate) asking: BTreeSet<u64>,
    pub(crate) entered: BTreeSet<TicketId>,
    /// Everybody up to this number has asked.
    pub(crate) asked: u64,
    pace: Pace,
    rate_per_hour: u64,
}

impl Askers {
    pub(crate) fn new() -> Self {
        Self {
            rig: Rig::new(),
            asking: BTreeSet::new(),
            entered: BTreeSet::new(),
            asked: 0,
            pace: Pace::first(),
            rate_per_hour: 0,
        }
    }

    pub(crate) fn send(&mut self, exchange: Exchange) -> Answer {
        let answer = self.rig.send(exchange);
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

    /// Changes the settings and nothing else.
    pub(crate) fn set(&mut self, settings: Settings) -> Answer {
        self.rate_per_hour = settings.rate_per_hour;
        self.pace.limit(self.rate_per_hour);
        self.send(self.rig.proposing(settings))
    }

    /// Time goes by.
    pub(crate) fn step(&mut self, step_us: u64) {
        self.rig.clock_us += step_us;
        self.pace.fill(step_us, self.rate_per_hour);
    }

    /// Those called since the last exchange, as many as one may carry: they ask with the next.
    pub(crate) fn called(&mut self) -> Vec<Visitor> {
        let last = self.rig.known.head.min(self.asked + ITEMS_MAX as u64);
        let called = self.asked + 1..=last;
        self.asking.extend(called.clone());
        self.asked = last;
        called.map(visitor).collect()
    }
}
