//! A small faithful model of a replica: it gathers what visitors do, sends it as exchanges, one at a time, and
//! answers its visitors from what the last answer said.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::rc::Rc;

use anteroom::line::exchange::Answer;
use anteroom::line::exchange::EAGER_MAX;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::Finish;
use anteroom::line::exchange::HEARD_MAX;
use anteroom::line::exchange::Health;
use anteroom::line::exchange::ITEMS_MAX;
use anteroom::line::exchange::Known;
use anteroom::line::exchange::Proposal;
use anteroom::line::exchange::Renewal;
use anteroom::line::exchange::Standing;
use anteroom::line::exchange::Visitor;
use anteroom::line::ids::Epoch;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::KeyHash;
use anteroom::line::ids::Nonce;
use anteroom::line::ids::TicketId;
use anteroom::line::settings::Settings;

use crate::plan::SECOND;
use crate::rng::Rng;
use crate::stubs::Stubs;
use crate::visit::seed;

/// Somebody who waits for a number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Joiner {
    pub(crate) person: usize,
    pub(crate) id: TicketId,
    /// Asks until the response has gone out.
    pub(crate) eager: bool,
    /// Came with an `Idempotency-Key`.
    pub(crate) key: Option<KeyHash>,
    /// When its request runs out.
    pub(crate) deadline_us: u64,
}

/// An exchange on its way, and for whom it asks.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) exchange: Exchange,
    /// In the order of the numbers they get: joins, then keyed.
    pub(crate) joiners: Rc<Vec<Joiner>>,
    /// The sender's stubs without numbers.
    pub(crate) stub_ids: Rc<BTreeMap<u64, TicketId>>,
    /// When it left for the first time.
    sent_us: u64,
}

/// A room's file as a replica has read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) content: KeyHash,
    pub(crate) settings: Settings,
}

/// What a visitor's poll is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Nothing is known for certain now.
    Calm,
    /// Waiting at this place.
    Place(u64),
    /// The line says so.
    Stands(Standing),
    /// The ticket is of an epoch that has ended.
    Invalid,
    /// No line is known for certain, so that any ticket may be of it.
    Believed,
}

/// What happened since the last exchange.
#[derive(Debug, Default)]
struct Gathered {
    joiners: Vec<Joiner>,
    heard: BTreeSet<u64>,
    asks: BTreeMap<TicketId, u64>,
    unasks: BTreeMap<TicketId, u64>,
    more: BTreeSet<u64>,
    checks: BTreeMap<TicketId, u64>,
    renewals: BTreeMap<TicketId, u64>,
    finishes: Vec<Finish>,
    told_us: u64,
    sold_out: bool,
    proposal: Option<Proposal>,
    origin: Health,
}

/// One running anteroom.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) instance: InstanceId,
    pub(crate) alive: bool,
    pub(crate) leaving: bool,
    /// Does not reach the store until this time.
    pub(crate) cut_until_us: u64,
    pub(crate) file: File,
    pub(crate) known: Known,
    pub(crate) sent: Option<Sent>,
    /// The newest answer, and what this replica's own clock said when it came.
    pub(crate) last: Option<(Rc<Answer>, u64)>,
    /// What is added to true time by this replica's clock.
    pub(crate) clock_ahead_us: u64,
    pub(crate) stubs: Stubs,
    /// How many epochs it has seen.
    pub(crate) epochs: u64,
    sequence: u64,
    /// The newest answer is at least as fresh as this.
    fresh_us: u64,
    gathered: Gathered,
    turns: BTreeMap<u64, u64>,
    entered: BTreeMap<TicketId, u64>,
    finished: BTreeMap<TicketId, u64>,
    standings: BTreeMap<TicketId, Standing>,
    /// Numbers told to the store in this presence slice.
    heard: BTreeSet<u64>,
}

impl Replica {
    /// A replica that starts with this file.
    pub(crate) fn start(rng: &mut Rng, file: File) -> Self {
        let mut replica = Self {
            instance: InstanceId(rng.bits()),
            alive: true,
            leaving: false,
            cut_until_us: 0,
            file,
            known: Known::default(),
            sent: None,
            last: None,
            clock_ahead_us: rng.below(1_000_000 * SECOND),
            stubs: Stubs::default(),
            epochs: 0,
            sequence: rng.below(1_000),
            fresh_us: 0,
            gathered: Gathered::default(),
            turns: BTreeMap::new(),
            entered: BTreeMap::new(),
            finished: BTreeMap::new(),
            standings: BTreeMap::new(),
            heard: BTreeSet::new(),
        };
        replica.propose(false);
        replica
    }

    /// Reads its file again.
    pub(crate) fn edit(&mut self, file: File) {
        self.file = file;
        self.propose(true);
    }

    fn propose(&mut self, changed: bool) {
        self.gathered.proposal = Some(Proposal {
            content: self.file.content,
            changed,
            settings: self.file.settings,
        });
    }

    /// Line time carried on with the replica's own clock, at most two seconds beyond the last answer.
    pub(crate) fn line_time_us(&self, now_us: u64) -> u64 {
        self.last.as_ref().map_or(0, |(answer, at)| {
            let since = (now_us + self.clock_ahead_us).saturating_sub(*at);
            answer.now_us + since.min(2 * SECOND)
        })
    }

    /// Line time carried on with the replica's own clock, for as long as the store is away.
    pub(crate) fn carried_us(&self, now_us: u64) -> u64 {
        let own_us = now_us + self.clock_ahead_us;
        let last = self.last.as_ref();
        last.map_or(1_700_000_000 * SECOND + own_us, |(answer, at)| {
            answer.now_us + own_us.saturating_sub(*at)
        })
    }

    /// Whether a newcomer would get no number now, for all this replica knows.
    pub(crate) fn is_away(&self, now_us: u64) -> bool {
        let waits = self.sent.as_ref();
        waits.is_some_and(|sent| now_us > sent.sent_us + SECOND)
            || self.last.as_ref().is_some_and(|(answer, _)| answer.healing)
    }

    /// Those who wait for a number, and whose wait has not left yet.
    pub(crate) fn take_joiners(&mut self) -> Vec<Joiner> {
        std::mem::take(&mut self.gathered.joiners)
    }

    /// Whether something waits that makes an exchange leave at once.
    pub(crate) fn is_pressed(&self) -> bool {
        let g = &self.gathered;
        !g.joiners.is_empty() || !g.asks.is_empty() || !g.finishes.is_empty()
    }

    pub(crate) fn join(&mut self, joiner: Joiner) {
        self.gathered.joiners.push(joiner);
    }

    /// The poll of a ticket: raises floors, notes presence, and says what is known.
    pub(crate) fn poll(&mut self, epoch: Epoch, visitor: Visitor, now_us: u64) -> View {
        let Some((answer, _)) = &self.last else {
            return View::Calm;
        };
        let Visitor { number, id } = visitor;
        if answer.epoch != epoch {
            // Only an answer younger than a heal takes can say that there is no such epoch any more.
            let fresh = now_us < self.fresh_us + 3 * SECOND / 2;
            return match fresh && !answer.healing {
                true if answer.epoch == Epoch::default() => View::Believed,
                true => View::Invalid,
                false => View::Calm,
            };
        }
        if answer.opening.is_awaited() {
            return View::Calm;
        }
        self.known.tail = self.known.tail.max(number);
        if self.finished.contains_key(&id) {
            return View::Stands(Standing::Spent);
        }
        if let Some(&until_us) = self.entered.get(&id)
            && until_us > self.line_time_us(now_us)
        {
            return View::Stands(Standing::Inside {
                until_us,
                entered_us: 0,
            });
        }
        if number > self.known.head {
            if self.heard.insert(number) {
                self.gathered.heard.insert(number);
            }
            return View::Place(number - self.known.head);
        }
        if let Some(&standing) = self.standings.get(&id) {
            return View::Stands(standing);
        }
        if let Some(&until_us) = self.turns.get(&number) {
            return View::Stands(Standing::Turn { until_us });
        }
        self.check(visitor);
        View::Calm
    }

    pub(crate) fn told(&mut self, poll_us: u64) {
        self.gathered.told_us = self.gathered.told_us.max(poll_us);
    }

    /// Asks what is remembered of a visitor to be found out anew.
    pub(crate) fn check(&mut self, visitor: Visitor) {
        self.standings.remove(&visitor.id);
        self.gathered.checks.insert(visitor.id, visitor.number);
    }

    pub(crate) fn ask(&mut self, visitor: Visitor) {
        self.gathered.asks.insert(visitor.id, visitor.number);
    }

    pub(crate) fn unask(&mut self, visitor: Visitor) {
        self.gathered.asks.remove(&visitor.id);
        self.gathered.unasks.insert(visitor.id, visitor.number);
    }

    pub(crate) fn more(&mut self, number: u64) {
        self.gathered.more.insert(number);
    }

    /// Signs a pass in use anew: until when it lasts now, in line time.
    pub(crate) fn renew(&mut self, visitor: Visitor, now_us: u64) -> Option<u64> {
        if self.finished.contains_key(&visitor.id) {
            return None;
        }
        let (answer, _) = self.last.as_ref()?;
        let until_us = self.line_time_us(now_us) + answer.settings.pass_idle_us;
        self.known.head = self.known.head.max(visitor.number);
        self.known.tail = self.known.tail.max(visitor.number);
        self.gathered.renewals.insert(visitor.id, until_us);
        Some(until_us)
    }

    pub(crate) fn finish(&mut self, visitor: Visitor, until_us: u64) {
        self.finished.insert(visitor.id, until_us);
        self.gathered.finishes.push(Finish { visitor, until_us });
    }

    /// The origin did so with some of those inside.
    pub(crate) fn saw(&mut self, health: Health) {
        let seen = &mut self.gathered.origin;
        seen.answered += health.answered;
        seen.failed += health.failed;
        seen.slow += health.slow;
        seen.witnesses |= health.witnesses;
    }

    pub(crate) fn sold_out(&mut self) {
        self.gathered.sold_out = true;
    }

    /// The next exchange, if the last one is back.
    pub(crate) fn exchange(
        &mut self,
        rng: &mut Rng,
        process: KeyHash,
        now_us: u64,
    ) -> Option<&Sent> {
        if !self.alive || self.sent.is_some() {
            return None;
        }
        self.sequence += 1;
        let g = &mut self.gathered;
        g.joiners.retain(|j| j.deadline_us > now_us);
        let mut joiners = if self.leaving {
            Vec::new()
        } else {
            let count = g.joiners.len().min(ITEMS_MAX);
            g.joiners.drain(..count).collect()
        };
        joiners.sort_by_key(|j| (j.key.is_some(), !j.eager));
        let keyed: Vec<_> = joiners.iter().filter_map(|j| j.key).collect();
        let eager = joiners.iter().filter(|j| j.eager && j.key.is_none());
        let (stubs, stub_ids) = self.stubs.told();
        let exchange = Exchange {
            instance: self.instance,
            sequence: self.sequence,
            known: self.known,
            nonce: Nonce(rng.bits()),
            store: process,
            told_us: std::mem::take(&mut g.told_us),
            joins: (joiners.len() - keyed.len()) as u64,
            eager: eager.map(|j| j.id).take(EAGER_MAX).collect(),
            keyed,
            lost: Vec::new(),
            heard: some_of(&mut g.heard, HEARD_MAX),
            asks: if self.leaving {
                Vec::new()
            } else {
                visitors(&mut g.asks)
            },
            unasks: visitors(&mut g.unasks),
            more: some_of(&mut g.more, ITEMS_MAX),
            checks: visitors(&mut g.checks),
            renewals: pairs(&mut g.renewals)
                .into_iter()
                .map(|(id, until_us)| Renewal {
                    id,
                    until_us,
                    // All that a pass in use proves: it was inside before.
                    entered_us: self.known.now_us,
                })
                .collect(),
            finishes: g
                .finishes
                .drain(..g.finishes.len().min(ITEMS_MAX))
                .collect(),
            proposal: g.proposal.take(),
            stock: None,
            sold_out: std::mem::take(&mut g.sold_out),
            leaving: self.leaving,
            origin: std::mem::take(&mut g.origin),
            stubs,
        };
        let joiners = Rc::new(joiners);
        self.sent = Some(Sent {
            exchange,
            joiners,
            stub_ids,
            sent_us: now_us,
        });
        self.sent.as_ref()
    }

    /// Takes in the answer to the exchange that is out; what was sent, unless the answer is an old one.
    pub(crate) fn receive(&mut self, answer: &Rc<Answer>, now_us: u64) -> Option<Sent> {
        let sent = self
            .sent
            .take_if(|s| s.exchange.sequence == answer.sequence)?;
        if self.known.epoch != Some(answer.epoch) {
            self.begin_epoch(answer.epoch);
        }
        let same_slice = self
            .last
            .as_ref()
            .is_some_and(|(last, _)| last.slice == answer.slice);
        if !same_slice || answer.healing {
            self.heard.clear();
        }
        if answer.content != self.file.content && self.fell_behind(answer) {
            self.propose(false);
        }
        let frozen = self.known.opening;
        self.known = self.known.after(answer);
        if answer.opening.early.is_none() && frozen.early.is_some() {
            self.known.opening = frozen;
        }
        if answer.opening.draws && answer.opening.draw.is_none() && !answer.healing {
            self.known.opening.draw = Some(seed().commitment());
        }
        self.stubs.learn(self.instance, answer);
        let turns = answer.turns.iter().map(|t| (t.number, t.until_us));
        self.turns.extend(turns);
        for row in &answer.entered {
            self.entered.insert(row.id, row.until_us);
            self.standings.remove(&row.id);
        }
        let finished = answer.finished.iter().map(|f| (f.id, f.until_us));
        self.finished.extend(finished);
        self.finished.retain(|_, until| *until > answer.now_us);
        self.turns.retain(|_, until| *until > answer.turn_now_us);
        let stood = sent.exchange.asks.iter().chain(&sent.exchange.checks);
        for (visitor, &standing) in stood.zip(&answer.standings) {
            self.standings.insert(visitor.id, standing);
        }
        self.fresh_us = sent.sent_us;
        self.last = Some((Rc::clone(answer), now_us + self.clock_ahead_us));
        Some(sent)
    }

    /// The store has forgotten settings that this replica saw in force.
    fn fell_behind(&self, answer: &Answer) -> bool {
        answer.healing
            || self
                .last
                .as_ref()
                .is_some_and(|(last, _)| last.revision > answer.revision)
    }

    /// Everything noted of another epoch's tickets means nothing in this one.
    fn begin_epoch(&mut self, epoch: Epoch) {
        self.stubs.begin_epoch();
        self.epochs += 1;
        self.known = Known {
            epoch: Some(epoch),
            ..Known::default()
        };
        self.gathered = Gathered {
            joiners: std::mem::take(&mut self.gathered.joiners),
            proposal: self.gathered.proposal.take(),
            told_us: self.gathered.told_us,
            sold_out: self.gathered.sold_out,
            origin: self.gathered.origin,
            ..Gathered::default()
        };
        self.turns.clear();
        self.entered.clear();
        self.finished.clear();
        self.standings.clear();
        self.heard.clear();
    }
}

/// Takes out the first of a set, as many as an exchange may carry.
fn some_of(set: &mut BTreeSet<u64>, most: usize) -> Vec<u64> {
    let some: Vec<_> = set.iter().take(most).copied().collect();
    some.iter().for_each(|number| {
        set.remove(number);
    });
    some
}

fn pairs(map: &mut BTreeMap<TicketId, u64>) -> Vec<(TicketId, u64)> {
    let some: Vec<_> = map.iter().take(ITEMS_MAX).map(|(&k, &v)| (k, v)).collect();
    some.iter().for_each(|(id, _)| {
        map.remove(id);
    });
    some
}

fn visitors(map: &mut BTreeMap<TicketId, u64>) -> Vec<Visitor> {
    let visitor = |(id, number)| Visitor { number, id };
    pairs(map).into_iter().map(visitor).collect()
}
