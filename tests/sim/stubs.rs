//! Stubs in the world: given while no number can be issued, told of in slices, and taken back for tickets.

use std::collections::BTreeMap;
use std::rc::Rc;

use anteroom::line::exchange::Answer;
use anteroom::line::exchange::STUB_SLICES_MAX;
use anteroom::line::exchange::StubSlice;
use anteroom::line::exchange::Visitor;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::TicketId;
use anteroom::line::promises::Promise;

use crate::person::State;
use crate::plan::MILLI;
use crate::plan::SECOND;
use crate::replica::Joiner;
use crate::shadow::Stub;
use crate::shadow::Verdict;
use crate::shadow::claim;
use crate::world::World;

/// Line time of one slice.
const SLICE_US: u64 = 100 * MILLI;

/// The stubs one replica gave, and the numbers it knows of anybody's.
#[derive(Debug, Default)]
pub(crate) struct Stubs {
    given: u64,
    slices: Vec<StubSlice>,
    /// Whose tickets these of its own stubs will be, as long as they have no numbers.
    ids: BTreeMap<u64, TicketId>,
    numbers: BTreeMap<Stub, u64>,
}

impl Stubs {
    /// Gives the next stub at this line time; its index.
    fn give(&mut self, id: TicketId, at_us: u64) -> u64 {
        self.given += 1;
        self.ids.insert(self.given, id);
        let first = self.given;
        match self.slices.last_mut() {
            Some(slice) if at_us < slice.at_us + SLICE_US => slice.count += 1,
            _ => {
                let slice = StubSlice {
                    at_us,
                    first,
                    count: 1,
                };
                self.slices.push(slice);
            }
        }
        assert!(self.slices.len() <= STUB_SLICES_MAX);
        self.given
    }

    /// What to tell of in the next exchange, and whose they are.
    pub(crate) fn told(&self) -> (Vec<StubSlice>, Rc<BTreeMap<u64, TicketId>>) {
        (self.slices.clone(), Rc::new(self.ids.clone()))
    }

    /// Learns numbers.
    pub(crate) fn learn(&mut self, instance: InstanceId, answer: &Answer) {
        for block in &answer.stubs {
            for i in 0..block.count {
                let stub = (block.instance, block.first + i);
                self.numbers.entry(stub).or_insert(block.number + i);
            }
            if block.instance == instance {
                let end = block.first + block.count;
                self.ids
                    .retain(|&index, _| index < block.first || index >= end);
                self.slices.retain_mut(|slice| {
                    let skipped = end.saturating_sub(slice.first).min(slice.count);
                    slice.first += skipped;
                    slice.count -= skipped;
                    slice.count > 0
                });
            }
        }
    }

    /// Numbers of another epoch mean nothing in this one.
    pub(crate) fn begin_epoch(&mut self) {
        self.numbers.clear();
    }

    fn knows(&self, instance: InstanceId, stub: Stub) -> bool {
        self.numbers.contains_key(&stub) || stub.0 == instance && self.ids.contains_key(&stub.1)
    }
}

impl World {
    /// A newcomer who cannot have a number now gets a stub.
    pub(crate) fn give_stub(&mut self, at: usize, joiner: &Joiner) {
        let now_us = self.now_us;
        let person = &mut self.people[joiner.person];
        let waits = matches!(person.state, State::Joining { .. } | State::New);
        if person.id != joiner.id || !waits {
            return;
        }
        let replica = &mut self.replicas[at];
        let at_us = replica.carried_us(now_us);
        let index = replica.stubs.give(joiner.id, at_us);
        person.state = State::Stub {
            stub: (replica.instance, index),
            epochs: replica.epochs,
        };
        person.arrived_us = now_us;
        self.given += 1;
        let time_us = 500 * MILLI + self.rng.below(2 * SECOND);
        self.visit_after(joiner.person, time_us);
    }

    /// Everybody who waits for a number at this replica, which has lost its store, gets a stub.
    pub(crate) fn turn_away(&mut self, at: usize) {
        for joiner in self.replicas[at].take_joiners() {
            self.give_stub(at, &joiner);
        }
    }

    /// Comes with a stub: for a ticket, once it has a number.
    pub(crate) fn show_stub(&mut self, p: usize, at: usize) -> Verdict {
        let State::Stub { stub, epochs } = self.people[p].state else {
            return Ok(());
        };
        let replica = &self.replicas[at];
        let id = self.people[p].id;
        if let (Some(&number), Some(epoch)) =
            (replica.stubs.numbers.get(&stub), replica.known.epoch)
        {
            self.people[p].ticket = Some((epoch, Visitor { number, id }));
            self.people[p].state = State::Waiting;
            self.visit_after(p, 0);
            return Ok(());
        }
        let giver = self
            .replicas
            .iter()
            .find(|r| r.alive && r.instance == stub.0);
        let known = giver.is_some_and(|giver| giver.stubs.knows(stub.0, stub));
        if !known {
            let gone = giver.is_none_or(|giver| giver.epochs != epochs);
            claim(gone, Promise::P5, || {
                format!("stub {stub:?} of {id} is lost")
            })?;
            self.people[p].renew_id(&mut self.rng);
        }
        let time_us = SECOND + self.rng.below(SECOND);
        self.visit_after(p, time_us);
        Ok(())
    }
}
