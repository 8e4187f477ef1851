//! Gathers what happened since the last exchange into the next one, within its bounds.

use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::line::exchange::EAGER_MAX;
use crate::line::exchange::Exchange;
use crate::line::exchange::Finish;
use crate::line::exchange::HEALTH_MAX;
use crate::line::exchange::HEARD_MAX;
use crate::line::exchange::Health;
use crate::line::exchange::ITEMS_MAX;
use crate::line::exchange::JOINS_MAX;
use crate::line::exchange::Known;
use crate::line::exchange::LostStub;
use crate::line::exchange::Proposal;
use crate::line::exchange::Renewal;
use crate::line::exchange::Visitor;
use crate::line::ids::KeyHash;
use crate::line::ids::TicketId;
use crate::room::event::Asked;
use crate::room::event::Event;
use crate::room::event::Joined;
use crate::room::stubs::Arrival;
use crate::room::work;

/// Most numbers heard from that wait for the store; what comes beyond is told again in the next slice.
const HEARD_WAITING_MAX: usize = 4_000_000;
/// The longest interval the line takes, in microseconds: an hour.
const TOLD_US_MAX: u64 = 3_600_000_000;
/// Most renewals, finishes and repeated asks that wait for the store.
const WAITING_MAX: usize = 200_000;

/// A newcomer and who wants to know its number.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) id: TicketId,
    pub(crate) reply: oneshot::Sender<Joined>,
}

impl Newcomer {
    /// Gives it its place in the order of arrival, unless it has gone or has one already; or says that the line is full.
    pub(crate) fn turn_away(&mut self, arrive: impl FnOnce() -> Option<Arrival>) {
        if self.reply.is_closed() {
            return;
        }
        let (gone, _nobody) = oneshot::channel();
        let reply = std::mem::replace(&mut self.reply, gone);
        let joined = arrive().map_or(Joined::Refused, |arrival| Joined::Away(Some(arrival)));
        reply.send(joined).ok();
    }
}

/// Everything that waits for the next exchange.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    eager: VecDeque<Newcomer>,
    plain: VecDeque<Newcomer>,
    keyed: VecDeque<(KeyHash, LostStub, oneshot::Sender<Joined>)>,
    asks: VecDeque<Visitor>,
    asking: HashSet<TicketId>,
    unasks: VecDeque<Visitor>,
    more: VecDeque<u64>,
    checks: VecDeque<(Visitor, oneshot::Sender<Asked>)>,
    renewals: HashMap<TicketId, Renewal>,
    finishes: VecDeque<Finish>,
    heard: VecDeque<u64>,
    told_us: u64,
    stock: Option<u64>,
    sold_out: bool,
    origin: Health,
    pub(crate) proposal: Option<Proposal>,
}

/// Who waits for the answer to an exchange, in the order of its lists. Those who were turned away are kept by their
/// ticket's id: a number that comes for them after all is nobody's.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) newcomers: Vec<Newcomer>,
    pub(crate) keyed: Vec<oneshot::Sender<Joined>>,
    pub(crate) checks: Vec<oneshot::Sender<Asked>>,
}

impl Waiting {
    /// Tells everybody who waits that there are no numbers now; each newcomer gets its place in the order of arrival.
    /// The newcomers stay, with nobody behind them any more: the line may number them all the same.
    pub(crate) fn turn_away(&mut self, mut arrive: impl FnMut() -> Option<Arrival>) {
        for newcomer in &mut self.newcomers {
            newcomer.turn_away(&mut arrive);
        }
        for reply in self.keyed.drain(..) {
            reply.send(Joined::Away(None)).ok();
        }
        for reply in self.checks.drain(..) {
            reply.send(Asked::Away).ok();
        }
    }
}

impl Gathered {
    /// Takes in one event; those about the exchanger itself are not for here.
    pub(crate) fn add(&mut self, event: Event) {
        match event {
            Event::Join {
                id,
                eager: true,
                reply,
            } => self.eager.push_back(Newcomer { id, reply }),
            Event::Join {
                id,
                eager: false,
                reply,
            } => self.plain.push_back(Newcomer { id, reply }),
            Event::JoinKeyed { key, lost, reply } => self.keyed.push_back((key, lost, reply)),
            Event::Ask { visitor, .. } => self.ask(visitor),
            Event::Unask(visitor) => {
                // The ask may not have left yet: it then never does.
                if self.asking.remove(&visitor.id) {
                    self.asks.retain(|ask| ask.id != visitor.id);
                }
                push(&mut self.unasks, visitor);
            }
            Event::More(number) => push(&mut self.more, number),
            Event::Check { visitor, reply } => self.checks.push_back((visitor, reply)),
            Event::Renew(renewal) => self.renew(renewal),
            Event::Finish(finish) => push(&mut self.finishes, finish),
            Event::Heard(numbers) => {
                let free = HEARD_WAITING_MAX.saturating_sub(self.heard.len());
                self.heard.extend(numbers.into_iter().take(free));
            }
            Event::Told(told_us) => self.told_us = self.told_us.max(told_us.min(TOLD_US_MAX)),
            Event::Stock(stock) => self.stock = Some(stock),
            Event::SoldOut => self.sold_out = true,
            Event::Origin(health) => self.note_origin(health),
            Event::Floor { .. } | Event::Shown(_) | Event::Leave(_) | Event::Ordered => {}
        }
    }

    fn note_origin(&mut self, health: Health) {
        let add = |sum: &mut u64, seen: u64| *sum = sum.saturating_add(seen).min(HEALTH_MAX);
        add(&mut self.origin.answered, health.answered);
        add(&mut self.origin.failed, health.failed);
        add(&mut self.origin.slow, health.slow);
        self.origin.witnesses |= health.witnesses;
    }

    fn ask(&mut self, visitor: Visitor) {
        if self.asks.len() < WAITING_MAX && self.asking.insert(visitor.id) {
            self.asks.push_back(visitor);
        }
    }

    fn renew(&mut self, renewal: Renewal) {
        let id = renewal.id;
        if self.renewals.len() < WAITING_MAX || self.renewals.contains_key(&id) {
            let held = self.renewals.entry(id).or_insert(renewal);
            held.until_us = renewal.until_us.max(held.until_us);
        }
    }

    /// Whether somebody waits for an exchange to leave.
    pub(crate) fn is_urgent(&self) -> bool {
        !(self.eager.is_empty()
            && self.plain.is_empty()
            && self.keyed.is_empty()
            && self.checks.is_empty()
            && self.finishes.is_empty())
    }

    /// Gives up numbers that nobody took, so that the line is not kept waiting for them.
    pub(crate) fn give_up(&mut self, unclaimed: Vec<Visitor>) {
        for visitor in unclaimed {
            let until_us = 0;
            self.add(Event::Finish(Finish { visitor, until_us }));
        }
    }

    /// How the origin did while the store was away says nothing of how it does afterwards.
    pub(crate) fn forget_origin(&mut self) {
        self.origin = Health::default();
    }

    /// Tells everybody who waits that the store is away.
    pub(crate) fn turn_away(&mut self, arrive: impl FnMut() -> Option<Arrival>) {
        self.forget_origin();
        self.turn_newcomers_away(arrive);
        for (_, _, reply) in self.keyed.drain(..) {
            reply.send(Joined::Away(None)).ok();
        }
        for (_, reply) in self.checks.drain(..) {
            reply.send(Asked::Away).ok();
        }
    }

    /// Gives every newcomer its place in the order of arrival instead of a number.
    pub(crate) fn turn_newcomers_away(&mut self, mut arrive: impl FnMut() -> Option<Arrival>) {
        for mut newcomer in self.eager.drain(..).chain(self.plain.drain(..)) {
            newcomer.turn_away(&mut arrive);
        }
    }

    /// The line is in another epoch: what was said of visitors of the one before means nothing to it.
    pub(crate) fn forget_visitors(&mut self) {
        for (_, reply) in self.checks.drain(..) {
            reply.send(Asked::Away).ok();
        }
        self.asks.clear();
        self.asking.clear();
        self.unasks.clear();
        self.more.clear();
        self.renewals.clear();
        self.finishes.clear();
        self.heard.clear();
    }

    /// The last exchange: what is still to be told, and nothing that would need an answer.
    pub(crate) fn take_last(
        &mut self,
        known: Known,
        arrive: impl FnMut() -> Option<Arrival>,
    ) -> Exchange {
        self.turn_away(arrive);
        self.asks.clear();
        self.asking.clear();
        // There is no next one that could tell what this one leaves out.
        let (exchange, _nobody) = self.take_within(known, work::all);
        Exchange {
            leaving: true,
            ..exchange
        }
    }

    /// The next exchange, as full as its bounds allow, and who waits for it.
    pub(crate) fn take(&mut self, known: Known) -> (Exchange, Waiting) {
        self.take_within(known, work::share)
    }

    /// The same, with as many of each list as `share` says.
    fn take_within(
        &mut self,
        known: Known,
        share: fn([(usize, usize); 8]) -> [usize; 8],
    ) -> (Exchange, Waiting) {
        // Whoever has gone meanwhile gets no number.
        self.eager.retain(|newcomer| !newcomer.reply.is_closed());
        self.plain.retain(|newcomer| !newcomer.reply.is_closed());
        self.keyed.retain(|(_, _, reply)| !reply.is_closed());
        self.checks.retain(|(_, reply)| !reply.is_closed());
        let mut newcomers: Vec<_> = drain(&mut self.eager, EAGER_MAX).collect();
        let eager: Vec<_> = newcomers.iter().map(|newcomer| newcomer.id).collect();
        let free = usize::try_from(JOINS_MAX).unwrap_or(usize::MAX) - newcomers.len();
        newcomers.extend(drain(&mut self.eager, free));
        let free = usize::try_from(JOINS_MAX).unwrap_or(usize::MAX) - newcomers.len();
        newcomers.extend(drain(&mut self.plain, free));
        let items = |length: usize| length.min(ITEMS_MAX);
        let [keyed, checks, asks, finishes, unasks, more, renewals, heard] = share([
            (items(self.keyed.len()), work::KEYED_US),
            (items(self.checks.len()), work::CHECK_US),
            (items(self.asks.len()), work::ASK_US),
            (items(self.finishes.len()), work::FINISH_US),
            (items(self.unasks.len()), work::ASK_US),
            (items(self.more.len()), work::MORE_US),
            (items(self.renewals.len()), work::RENEWAL_US),
            (self.heard.len().min(HEARD_MAX), work::HEARD_US),
        ]);
        let joins_keyed = drain(&mut self.keyed, keyed);
        let ((keys, lost), keyed): ((_, Vec<_>), _) = joins_keyed
            .map(|(key, lost, reply)| ((key, lost), reply))
            .unzip();
        let goes_by_stubs = lost.iter().any(|lost: &LostStub| lost.index > 0);
        let (checked, checks) = drain(&mut self.checks, checks).unzip();
        let renewed: Vec<_> = self.renewals.keys().copied().take(renewals).collect();
        let renewals = renewed
            .into_iter()
            .filter_map(|id| self.renewals.remove(&id));
        let exchange = Exchange {
            known,
            told_us: std::mem::take(&mut self.told_us),
            joins: newcomers.len() as u64,
            eager,
            keyed: keys,
            lost: if goes_by_stubs { lost } else { Vec::new() },
            renewals: renewals.collect(),
            heard: drain(&mut self.heard, heard).collect(),
            asks: drain(&mut self.asks, asks).collect(),
            unasks: drain(&mut self.unasks, unasks).collect(),
            more: drain(&mut self.more, more).collect(),
            checks: checked,
            finishes: drain(&mut self.finishes, finishes).collect(),
            proposal: self.proposal.take(),
            stock: self.stock.take(),
            sold_out: std::mem::take(&mut self.sold_out),
            origin: std::mem::take(&mut self.origin),
            ..Exchange::default()
        };
        for visitor in &exchange.asks {
            self.asking.remove(&visitor.id);
        }
        (
            exchange,
            Waiting {
                newcomers,
                keyed,
                checks,
            },
        )
    }

    /// Whether the line is still to be told that nothing is left.
    pub(crate) fn is_sold_out(&self) -> bool {
        self.sold_out
    }

    /// Proposes what the store has lost, unless there is something newer to propose.
    pub(crate) fn propose_again(&mut self, lost: Option<Proposal>) {
        self.proposal = self.proposal.take().or(lost);
    }

    /// Whether more is waiting than one exchange holds.
    pub(crate) fn overflows(&self) -> bool {
        self.is_urgent()
            || !self.asks.is_empty()
            || !self.unasks.is_empty()
            || !self.more.is_empty()
            || self.heard.len() > HEARD_MAX
            || self.renewals.len() > ITEMS_MAX
    }
}

/// Adds to a bounded queue; what does not fit is lost and comes again or runs out by itself.
fn push<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() < WAITING_MAX {
        queue.push_back(item);
    }
}

fn drain<T>(queue: &mut VecDeque<T>, most: usize) -> impl Iterator<Item = T> + '_ {
    let count = queue.len().min(most);
    queue.drain(..count)
}
