//! The record: everything that ever happened, which no store can lose, and the promises that can only be seen from it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::rc::Rc;

use anteroom::line::Line;
use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::Known;
use anteroom::line::exchange::NEWS_MAX;
use anteroom::line::exchange::Refused;
use anteroom::line::exchange::Turn;
use anteroom::line::exchange::Visitor;
use anteroom::line::ids::Epoch;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::TicketId;
use anteroom::line::promises::Broken;
use anteroom::line::promises::Promise;
use anteroom::line::settings::Mode;

use crate::plan::SECOND;
use crate::replica::Joiner;
use crate::shadow::Done;
use crate::shadow::Pace;
use crate::shadow::Shadow;
use crate::shadow::Stub;
use crate::shadow::Verdict;
use crate::shadow::claim;

/// The last exchange of each replica, as it was answered.
pub(crate) type Answered = BTreeMap<InstanceId, (u64, Rc<Answer>)>;

/// One ticket, and what became of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder {
    pub(crate) epoch: Epoch,
    pub(crate) number: u64,
    pub(crate) entries: u64,
    pub(crate) finished: bool,
    /// Entries that the store has no memory of.
    lost_entries: u64,
    /// The store has no memory of having issued it, and no replica that knows has reported since.
    forgotten: bool,
}

/// What happened since the last snapshot.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Issued(TicketId),
    Entered(TicketId),
    Finished(TicketId),
}

/// Everything that ever happened.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) holders: BTreeMap<TicketId, Holder>,
    numbers: BTreeMap<(Epoch, u64), Vec<TicketId>>,
    deeds: Vec<Deed>,
    answered: Answered,
    /// Epochs shown by a replica since the store last changed.
    shown: Option<Epoch>,
    /// Highest `returns` ever in force.
    returns: u64,
    clock_us: u64,
    pace: Pace,
    any_forgotten: bool,
    /// The store ever lost anything.
    pub(crate) has_lost: bool,
    /// Times at which somebody entered, in the record's own line time.
    pub(crate) now_us: u64,
    pub(crate) entries: Vec<u64>,
    /// Who did, in that order.
    pub(crate) entered: Vec<TicketId>,
    /// How many were skipped as absent.
    pub(crate) skipped: u64,
    /// Whose stubs there are, and which have a number since the store last lost anything.
    stub_ids: BTreeMap<Stub, TicketId>,
    stub_numbers: BTreeMap<Stub, u64>,
    /// Numbers of stubs that got another one after the store had lost the first, which their visitors may hold.
    had: BTreeSet<(TicketId, u64)>,
    /// How many stubs were numbered.
    pub(crate) numbered: u64,
    /// Exchanges that gave newcomers numbers in a line that was full but for those who had gone away.
    pub(crate) beyond: u64,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self {
            holders: BTreeMap::new(),
            numbers: BTreeMap::new(),
            deeds: Vec::new(),
            answered: Answered::new(),
            shown: None,
            returns: 0,
            clock_us: 0,
            pace: Pace::first(),
            any_forgotten: false,
            has_lost: false,
            now_us: 0,
            entries: Vec::new(),
            entered: Vec::new(),
            skipped: 0,
            stub_ids: BTreeMap::new(),
            stub_numbers: BTreeMap::new(),
            had: BTreeSet::new(),
            numbered: 0,
            beyond: 0,
        }
    }

    /// Applies an exchange to the line, with the shadow following it, and checks all that can be seen from outside.
    pub(crate) fn apply(
        &mut self,
        line: &mut Line,
        shadow: &mut Shadow,
        clock_us: u64,
        sent: (&Exchange, &[Joiner]),
    ) -> Verdict<Option<Rc<Answer>>> {
        let (exchange, joiners) = sent;
        let last = self.answered.get(&exchange.instance).cloned();
        let repeat = last.filter(|(sequence, _)| exchange.sequence <= *sequence);
        if let Some((sequence, expected)) = repeat {
            let before = line.clone();
            let result = line.apply(clock_us, exchange);
            let right = match &result {
                Ok(answer) => exchange.sequence == sequence && *answer == *expected,
                Err(Refused::Stale { .. }) => exchange.sequence < sequence,
                Err(Refused::TooMuch(_) | Refused::OutOfRange(_)) => false,
            };
            claim(right && *line == before, Promise::P1, || {
                format!(
                    "a repeat of {} after {sequence} did something: {result:?}",
                    exchange.sequence
                )
            })?;
            return Ok(result.ok().map(Rc::new));
        }
        let answer = line.apply(clock_us, exchange).map_err(|refused| {
            let (promise, what) = (Promise::P5, format!("{refused}: {exchange:?}"));
            Broken { promise, what }
        })?;
        self.pace_before(shadow, clock_us);
        let done = if answer.turns.len() < NEWS_MAX {
            shadow.follow(clock_us, exchange, joiners, &answer)?
        } else {
            let mut told = answer.clone();
            told.turns = turns_after(line, clock_us, exchange, shadow.head)?;
            shadow.follow(clock_us, exchange, joiners, &told)?
        };
        self.note(shadow, exchange, &done)?;
        let answer = Rc::new(answer);
        let kept = (exchange.sequence, Rc::clone(&answer));
        self.answered.insert(exchange.instance, kept);
        Ok(Some(answer))
    }

    /// Learns whose stubs a replica tells of.
    pub(crate) fn stub_ids(&mut self, instance: InstanceId, ids: &BTreeMap<u64, TicketId>) {
        let stubs = ids.iter().map(|(&index, &id)| ((instance, index), id));
        self.stub_ids.extend(stubs);
    }

    /// Stubs get one number each: within a replica in the order they were given, across replicas by time.
    fn number_stubs(&mut self, epoch: Epoch, done: &Done) -> Verdict {
        let mut last_us = 0;
        for &(number, stub, at_us) in &done.stubs {
            claim(at_us >= last_us, Promise::P2, || {
                format!("{stub:?} of {at_us} is numbered after one of {last_us}")
            })?;
            last_us = at_us;
            let before = self
                .stub_numbers
                .range((stub.0, 0)..(stub.0, stub.1))
                .next_back();
            claim(before.is_none_or(|b| *b.1 < number), Promise::P2, || {
                format!("{stub:?} is {number}, and {before:?} came before it")
            })?;
            let twice = self.stub_numbers.insert(stub, number);
            claim(twice.is_none(), Promise::P1, || {
                format!("{stub:?} has two numbers, {twice:?} and {number}")
            })?;
            let Some(&id) = self.stub_ids.get(&stub) else {
                return claim(false, Promise::P10, || format!("nobody was given {stub:?}"));
            };
            // A number it had before the store lost it, or by its key, is nobody's now.
            if let Some(old) = self.holders.remove(&id) {
                self.had.insert((id, old.number));
                let other = TicketId(id.0 ^ u128::from(old.number));
                let ids = self.numbers.entry((old.epoch, old.number)).or_default();
                ids.iter_mut()
                    .filter(|held| **held == id)
                    .for_each(|held| *held = other);
                self.holders.insert(other, old);
            }
            self.numbered += 1;
            self.issue(epoch, number, id)?;
        }
        Ok(())
    }

    /// The world's own credit, which no restart gives back or takes away.
    fn pace_before(&mut self, shadow: &Shadow, clock_us: u64) {
        let elapsed_us = clock_us.saturating_sub(self.clock_us).min(2 * SECOND);
        self.clock_us = clock_us;
        self.now_us += elapsed_us;
        if shadow.settings.mode == Mode::Open && !shadow.is_closed_yet() {
            self.pace.fill(elapsed_us, shadow.pace_per_hour());
        }
    }

    fn note(&mut self, shadow: &Shadow, exchange: &Exchange, done: &Done) -> Verdict {
        self.returns = self.returns.max(shadow.settings.returns);
        self.epochs(shadow, exchange, done)?;
        self.skipped += done.skipped;
        self.beyond += u64::from(done.beyond);
        let epoch = shadow.epoch.unwrap_or_default();
        if self.any_forgotten && exchange.known.epoch == Some(epoch) {
            let told = |h: &&mut Holder| h.epoch == epoch && h.number <= exchange.known.tail;
            self.holders
                .values_mut()
                .filter(told)
                .for_each(|h| h.forgotten = false);
            self.any_forgotten = self.holders.values().any(|h| h.forgotten);
        }
        self.number_stubs(epoch, done)?;
        for &(number, id) in &done.issued {
            self.issue(epoch, number, id)?;
        }
        claim(self.pace.pay(done.granted.len()), Promise::P3, || {
            format!(
                "{} entered beyond the rate and its burst",
                done.granted.len()
            )
        })?;
        self.pace.limit(shadow.pace_per_hour());
        for &(number, id, _) in &done.granted {
            self.enter(number, id)?;
        }
        for &id in &done.finished {
            self.deeds.push(Deed::Finished(id));
            if let Some(holder) = self.holders.get_mut(&id) {
                holder.finished = true;
            }
        }
        Ok(())
    }

    /// A healed line has the newest epoch that any replica showed it.
    fn epochs(&mut self, shadow: &Shadow, exchange: &Exchange, done: &Done) -> Verdict {
        let known = exchange.known.epoch.filter(|&e| e != Epoch::default());
        if done.healing {
            self.shown = self.shown.max(known);
            return Ok(());
        }
        let shown = self.shown.take();
        claim(
            shown.is_none() || shadow.epoch >= shown,
            Promise::P5,
            || {
                format!(
                    "the line healed to {:?} although {shown:?} was shown",
                    shadow.epoch
                )
            },
        )
    }

    fn issue(&mut self, epoch: Epoch, number: u64, id: TicketId) -> Verdict {
        let mut id = id;
        if let Some(holder) = self.holders.get(&id) {
            if (holder.epoch, holder.number) == (epoch, number) {
                // The same key again.
                return Ok(());
            }
            if holder.epoch == epoch && !holder.forgotten {
                // The same key after its minute, from a replica that was cut off: nobody waits for this answer.
                id = TicketId(id.0 ^ u128::from(number));
            }
        }
        let ids = self.numbers.entry((epoch, number)).or_default();
        let holders = &self.holders;
        let taken = ids
            .iter()
            .any(|id| holders.get(id).is_some_and(|h| !h.forgotten));
        claim(!taken, Promise::P1, || {
            format!("number {number} was issued twice")
        })?;
        ids.push(id);
        self.deeds.push(Deed::Issued(id));
        let holder = Holder {
            epoch,
            number,
            entries: 0,
            finished: false,
            lost_entries: 0,
            forgotten: false,
        };
        self.holders.insert(id, holder);
        Ok(())
    }

    fn enter(&mut self, number: u64, id: TicketId) -> Verdict {
        self.deeds.push(Deed::Entered(id));
        self.entries.push(self.now_us);
        self.entered.push(id);
        let returns = self.returns;
        let other = self.holders.get(&id).copied();
        let holder = self.holders.get_mut(&id);
        let had = self.had.contains(&(id, number));
        let Some(holder) = holder.filter(|h| h.number == number || had) else {
            return claim(false, Promise::P10, || {
                format!("{id} entered as {number}, and was issued as {other:?}")
            });
        };
        holder.entries += 1;
        let allowed = 1 + returns + holder.lost_entries;
        claim(!holder.finished, Promise::P1, || {
            format!("{id} entered after it finished")
        })?;
        claim(holder.entries <= allowed, Promise::P1, || {
            format!(
                "{id} entered {} times, {allowed} are allowed",
                holder.entries
            )
        })
    }

    /// A ticket's index became this number.
    pub(crate) fn drawn(&mut self, visitor: Visitor) {
        if let Some(holder) = self.holders.get_mut(&visitor.id) {
            holder.number = visitor.number;
        }
    }

    /// Whether a ticket may be spent: it has been inside, was given up, or shares a number that the store had lost.
    pub(crate) fn may_be_spent(&self, id: TicketId) -> bool {
        self.holders.get(&id).is_none_or(|holder| {
            let ids = self.numbers.get(&(holder.epoch, holder.number));
            holder.entries > 0 || holder.finished || ids.is_some_and(|ids| ids.len() > 1)
        })
    }

    /// A snapshot was taken: what happened so far cannot be lost by going back to it.
    pub(crate) fn saved(&mut self) -> Answered {
        self.deeds.clear();
        self.answered.clone()
    }

    /// The store went back to its last snapshot.
    pub(crate) fn lost(&mut self, answered: Answered) {
        self.answered = answered;
        self.shown = None;
        self.stub_numbers.clear();
        for deed in std::mem::take(&mut self.deeds) {
            let (Deed::Issued(id) | Deed::Entered(id) | Deed::Finished(id)) = deed;
            let Some(holder) = self.holders.get_mut(&id) else {
                continue;
            };
            match deed {
                Deed::Issued(_) => holder.forgotten = true,
                Deed::Entered(_) => holder.lost_entries += 1,
                Deed::Finished(_) => holder.finished = false,
            }
        }
        self.any_forgotten = true;
        self.has_lost = true;
    }

    /// The store was emptied.
    pub(crate) fn emptied(&mut self) {
        self.lost(Answered::new());
        for holder in self.holders.values_mut() {
            holder.forgotten = true;
            holder.lost_entries = holder.entries;
            holder.finished = false;
        }
    }
}

/// The turns above this number, which one answer was too short to tell: asked of a copy of the line.
fn turns_after(line: &Line, clock_us: u64, exchange: &Exchange, head: u64) -> Verdict<Vec<Turn>> {
    let exchange = Exchange {
        instance: InstanceId(1),
        sequence: 1,
        store: exchange.store,
        known: Known {
            epoch: line.epoch(),
            turns: head,
            ..Known::default()
        },
        ..Exchange::default()
    };
    let answer = line.clone().apply(clock_us, &exchange).map_err(|refused| {
        let (promise, what) = (Promise::P5, refused.to_string());
        Broken { promise, what }
    })?;
    Ok(answer
        .turns
        .into_iter()
        .filter(|t| t.number <= line.head())
        .collect())
}
