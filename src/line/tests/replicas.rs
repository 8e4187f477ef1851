//! Several replicas of one line, driven by hand: each remembers what it was answered.

use std::collections::BTreeMap;

use super::SECOND;
use super::START;
use super::per_second;
use crate::line::Line;
use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
use crate::line::exchange::Known;
use crate::line::exchange::Proposal;
use crate::line::exchange::StubBlock;
use crate::line::exchange::StubSlice;
use crate::line::ids::InstanceId;
use crate::line::ids::KeyHash;
use crate::line::ids::Nonce;

/// A tenth of a second.
pub(super) const TENTH: u64 = SECOND / 10;

/// A line in a store that can lose writes, and its replicas.
pub(super) struct Replicas {
    pub(super) line: Line,
    pub(super) clock_us: u64,
    pub(super) store: KeyHash,
    pub(super) known: BTreeMap<u64, Known>,
    sequence: u64,
}

impl Replicas {
    /// So many replicas of a line that has healed and gives numbers, at one entry a second.
    pub(super) fn new(replicas: u64) -> Self {
        let mut these = Self {
            line: Line::new(),
            clock_us: START,
            store: KeyHash(7),
            known: BTreeMap::new(),
            sequence: 0,
        };
        for instance in 1..=replicas {
            these.known.insert(instance, Known::default());
        }
        let settings = per_second(1);
        let proposal = Some(Proposal {
            content: KeyHash(1),
            changed: true,
            settings,
        });
        let first = Exchange {
            proposal,
            ..Exchange::default()
        };
        these.send(1, first);
        these.tick(20);
        // As after its first number.
        these.line.provisional = false;
        these.tick(1);
        assert!(!these.line.is_healing());
        these
    }

    /// All replicas tick, this many tenths of a second long.
    pub(super) fn tick(&mut self, tenths: u64) {
        let all: Vec<_> = self.known.keys().copied().collect();
        for _ in 0..tenths {
            self.clock_us += TENTH;
            for &instance in &all {
                self.send(instance, Exchange::default());
            }
        }
    }

    /// Only this one ticks, for so long at most, until the line does not heal; how long it took in tenths of a second.
    pub(super) fn tick_until_healed(&mut self, instance: u64, tenths: u64) -> u64 {
        for tenth in 1..=tenths {
            self.clock_us += TENTH;
            if !self.send(instance, Exchange::default()).healing {
                return tenth;
            }
        }
        panic!("the line heals for more than {tenths} tenths of a second");
    }

    pub(super) fn send(&mut self, instance: u64, exchange: Exchange) -> Answer {
        self.sequence += 1;
        let known = self.known.entry(instance).or_default();
        let exchange = Exchange {
            instance: InstanceId(instance),
            sequence: self.sequence,
            nonce: Nonce(1),
            store: self.store,
            known: *known,
            ..exchange
        };
        let answer = self.line.apply(self.clock_us, &exchange);
        let answer = answer.expect("a valid exchange");
        *known = known.after(&answer);
        answer
    }

    pub(super) fn join(&mut self, instance: u64, joins: u64) -> Answer {
        self.send(
            instance,
            Exchange {
                joins,
                ..Exchange::default()
            },
        )
    }

    pub(super) fn stubs(&mut self, instance: u64, stubs: &[StubSlice], joins: u64) -> Answer {
        self.send(
            instance,
            Exchange {
                stubs: stubs.to_vec(),
                joins,
                ..Exchange::default()
            },
        )
    }

    /// Another process has the line: as it is, or as it was.
    pub(super) fn fail_over(&mut self, to: Line) {
        self.line = to;
        self.store = KeyHash(self.store.0 + 1);
    }
}

/// So many stubs of a replica, given this long after the start.
pub(super) fn slice(after_us: u64, first: u64, count: u64) -> StubSlice {
    StubSlice {
        at_us: START + after_us,
        first,
        count,
    }
}

pub(super) fn block(instance: u64, first: u64, count: u64, number: u64) -> StubBlock {
    StubBlock {
        instance: InstanceId(instance),
        first,
        count,
        number,
    }
}
