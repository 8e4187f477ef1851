//! Random histories: what several replicas may send to a line, the likely and the nasty.

mod values;

use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::Finish;
use anteroom::line::exchange::HEALTH_MAX;
use anteroom::line::exchange::Health;
use anteroom::line::exchange::Known;
use anteroom::line::exchange::Proposal;
use anteroom::line::exchange::Renewal;
use anteroom::line::exchange::Visitor;
use anteroom::line::exchange::WITNESS_BITS;
use anteroom::line::exchange::WITNESSES_ALL;
use anteroom::line::ids::Epoch;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::KeyHash;
use anteroom::line::ids::Nonce;
use anteroom::line::ids::TicketId;
use anteroom::line::opening::Commitment;
use anteroom::line::opening::Opening;
use anteroom::line::settings::Settings;

use crate::met::Met;
use crate::met::moment;
use crate::random::Random;
use crate::stubs::Stubs;

const SECOND: u64 = 1_000_000;

/// What happens next.
#[derive(Debug)]
pub enum Event {
    /// A replica sends an exchange, at this time of the store's clock.
    Exchange(u64, Box<Exchange>),
    /// The store loses everything.
    Emptied,
    /// The process that keeps the line ends and starts again, having lost nothing.
    Restarted,
}

/// One replica as the history drives it.
#[derive(Debug, Clone)]
struct Replica {
    instance: InstanceId,
    sequence: u64,
    known: Known,
    last: Option<Box<Exchange>>,
    stubs: Stubs,
}

/// A history in the making: it learns from the answers what would be a likely thing to send.
#[derive(Debug)]
pub struct History {
    random: Random,
    seed: u64,
    clock_us: u64,
    store: KeyHash,
    replicas: Vec<Replica>,
    /// The replica that sent last.
    sender: usize,
    head: u64,
    tail: u64,
    now_us: u64,
    inside: Vec<TicketId>,
    asked: Vec<Visitor>,
    old_epochs: Vec<Epoch>,
    /// How busy this history is: how long its lists get.
    busy: u64,
    /// A calm history has steady clocks and replicas, so that absence gets proven; else anything may happen.
    calm: bool,
    /// The line is small and slow, and soon full.
    crowded: bool,
    /// Millions of numbers are known to be issued, of whom few are heard from.
    vast: bool,
    /// How the origin does: not told of at all, well, at times bad, slow, dead.
    origin: u64,
    healing: bool,
    /// What of openings this history has come through.
    pub met: Met,
}

impl History {
    /// The history of this seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let calm = random.chance(500);
        let most = if calm { 2 } else { 4 };
        let replicas = (0..random.within(1, most)).map(|_| new_replica(&mut random));
        Self {
            replicas: replicas.collect(),
            store: random.pick(&[KeyHash(0), KeyHash(7)]),
            busy: random.pick(&[5, 40, 500]),
            calm,
            vast: calm && random.chance(100),
            crowded: calm && random.chance(300),
            healing: false,
            origin: random.below(5),
            met: Met::default(),
            random,
            seed,
            clock_us: 1_700_000_000 * SECOND,
            sender: 0,
            head: 0,
            tail: 0,
            now_us: 0,
            inside: Vec::new(),
            asked: Vec::new(),
            old_epochs: Vec::new(),
        }
    }

    /// The first exchange: settings that make something happen.
    pub fn opening(&mut self) -> Event {
        let mut exchange = self.exchange();
        let settings = Settings {
            rate_per_hour: self.random.pick(&[3_600, 36_000, 3_600_000, 360_000_000]),
            presence_us: self.presence(),
            opens_at_us: moment(&mut self.random, self.clock_us, 300),
            draw: self.random.chance(700),
            paced: self.random.chance(500),
            ..Settings::default()
        };
        exchange.proposal = Some(Proposal {
            content: KeyHash(1),
            changed: true,
            settings: self.crowd(settings),
        });
        Event::Exchange(self.clock_us, Box::new(exchange))
    }

    /// What happens next.
    pub fn next(&mut self) -> Event {
        self.tick();
        if self.odd(4) {
            return Event::Emptied;
        }
        if self.odd(10) {
            return Event::Restarted;
        }
        if self.odd(4) {
            self.store = KeyHash(u128::from(self.random.below(4)));
        }
        self.sender =
            usize::try_from(self.random.below(self.replicas.len() as u64)).expect("small");
        if self.odd(5) {
            self.replicas[self.sender] = new_replica(&mut self.random);
        }
        if self.random.chance(30)
            && let Some(last) = self.replicas[self.sender].last.clone()
        {
            let back = self.random.below(2) * self.random.below(2);
            let sequence = last.sequence.saturating_sub(back);
            return Event::Exchange(self.clock_us, Box::new(Exchange { sequence, ..*last }));
        }
        let mut exchange = self.exchange();
        self.fill(&mut exchange);
        Event::Exchange(self.clock_us, Box::new(exchange))
    }

    /// Learns what the line answered to the last exchange.
    pub fn learn(&mut self, exchange: &Exchange, answer: &Answer) {
        let known = &mut self.replicas[self.sender].known;
        self.met.note(known, answer);
        if known.epoch != Some(answer.epoch) {
            self.old_epochs.extend(known.epoch);
            *known = Known {
                epoch: Some(answer.epoch),
                ..Known::default()
            };
        }
        if self.random.chance(950) {
            known.entries = answer.entries;
            known.turns = answer.turns_to;
            known.finished = answer.finished_to;
            let replica = &mut self.replicas[self.sender];
            replica.known.stubs = answer.stubs_to;
            replica.stubs.learn(replica.instance, answer);
        }
        let known = &mut self.replicas[self.sender].known;
        known.instances = answer.counts.instances;
        if !answer.healing || self.random.chance(100) {
            known.lease_per_hour = answer.lease_per_hour;
            known.withheld_per_hour = answer.withheld_per_hour;
        }
        known.opening = answer.opening;
        if answer.opening.draws && answer.opening.draw.is_none() && self.random.chance(500) {
            known.opening.draw = Some(self.random.pick(&[
                Commitment([7; 32]),
                Commitment([7; 32]),
                Commitment([9; 32]),
            ]));
        }
        known.tail = known.tail.max(answer.tail);
        known.head = known.head.max(answer.head);
        known.now_us = known.now_us.max(answer.now_us);
        (self.head, self.tail, self.now_us) = (answer.head, answer.tail, answer.now_us);
        self.healing = answer.healing;
        self.inside.extend(answer.entered.iter().map(|row| row.id));
        let old = self.inside.len().saturating_sub(300);
        self.inside.drain(..old);
        self.asked.extend(&exchange.asks);
        let old = self.asked.len().saturating_sub(100);
        self.asked.drain(..old);
    }

    /// Time goes by: mostly a little, sometimes not at all, by far, or backwards.
    fn tick(&mut self) {
        let kinds = if self.calm || self.healing {
            850
        } else {
            1_000
        };
        let step = match self.random.below(kinds) {
            0..100 => 0,
            100..850 => self.random.below(SECOND / 2),
            850..960 => self.random.below(3 * SECOND),
            960..985 => self.random.below(900 * SECOND),
            985..988 => self.random.below(100 * 86_400 * SECOND),
            _ => {
                self.clock_us -= self.random.below(10 * SECOND);
                0
            }
        };
        self.clock_us += step;
    }

    /// An exchange of the next sequence with nothing in it.
    fn exchange(&mut self) -> Exchange {
        let replica = &mut self.replicas[self.sender];
        replica.sequence += 1 + self.random.below(40) / 39;
        let mut known = replica.known;
        if self.vast && !self.healing && self.tail < 1_000_000 {
            known.tail = self.tail + 3_000_000;
        }
        if self.random.chance(if self.healing { 300 } else { 15 }) {
            known = self.odd_known(known);
        }
        let replica = &self.replicas[self.sender];
        Exchange {
            instance: replica.instance,
            sequence: replica.sequence,
            known,
            nonce: Nonce(self.random.any()),
            store: self.store,
            ..Exchange::default()
        }
    }

    /// What a replica knows can be old, of another epoch, or ahead of the line.
    fn odd_known(&mut self, known: Known) -> Known {
        let old = self.random.below(self.old_epochs.len() as u64);
        let old = self
            .old_epochs
            .get(usize::try_from(old).expect("small"))
            .copied();
        match self.random.below(10) {
            8 => Known {
                opening: Opening {
                    early: Some(self.random.below(self.tail + 3)),
                    ..known.opening
                },
                ..known
            },
            9 => Known {
                opening: Opening {
                    at_us: self.random.pick(&[0, self.clock_us, known.opening.at_us]),
                    after: self.random.below(self.tail + 1),
                    ..known.opening
                },
                ..known
            },
            0 => Known::default(),
            1 => Known {
                epoch: old,
                ..known
            },
            2 => Known {
                epoch: known.epoch.map(|epoch| Epoch {
                    created_us: epoch.created_us + self.random.below(3),
                    nonce: Nonce(self.random.any()),
                }),
                ..known
            },
            3 => Known {
                tail: self.tail + self.random.pick(&[3, 900, 40_000, 3_000_000]),
                ..known
            },
            4 => Known {
                head: self.head
                    + self
                        .random
                        .below(self.random.clone().pick(&[3, 2_000, 300_000])),
                ..known
            },
            5 => Known {
                turns: self.random.below(self.tail + 1),
                entries: self.random.below(known.entries + 1),
                finished: self.random.below(known.finished + 5),
                stubs: self.random.below(known.stubs + 3),
                ..known
            },
            6 => self.odd_lease(known),
            _ => Known {
                now_us: self.now_us + self.random.below(20 * SECOND),
                ..known
            },
        }
    }

    /// Puts something in: usually a little of one or two kinds.
    fn fill(&mut self, exchange: &mut Exchange) {
        if self.odd(300) {
            let told = [SECOND, 2 * SECOND, 10 * SECOND, 60 * SECOND];
            exchange.told_us = self.random.pick(&told[..if self.crowded { 1 } else { 4 }]);
        }
        if self.random.chance(400) {
            let most = if self.random.chance(20) {
                10_000
            } else {
                self.busy
            };
            let most = if self.calm && self.tail < 100 {
                10_000
            } else {
                most
            };
            exchange.joins = self.random.length(most);
            let eager = self.random.length(exchange.joins.min(256));
            exchange.eager = (0..eager)
                .map(|_| TicketId(u128::from(self.random.any())))
                .collect();
        }
        if self.random.chance(100) {
            exchange.keyed = self.many(|random, _| KeyHash(u128::from(random.below(60))));
            exchange.lost = self.lost(exchange.keyed.len());
        }
        if self.random.chance(500) {
            let most = if self.random.chance(50) {
                1_500
            } else {
                self.busy
            };
            let count = self.random.length(most);
            let count = if self.random.chance(50) { most } else { count };
            exchange.heard = (0..count).map(|_| self.number()).collect();
        }
        if self.vast && self.random.chance(300) {
            let anywhere = |random: &mut Random| random.within(self.head, self.tail);
            exchange.heard = (0..400).map(|_| anywhere(&mut self.random)).collect();
        }
        if self.random.chance(400) {
            exchange.asks = self.visitors();
        }
        if self.random.chance(80) {
            let asked = self.asked.clone();
            let takes_back = |random: &mut Random| random.chance(300);
            exchange.unasks = asked
                .into_iter()
                .filter(|_| takes_back(&mut self.random))
                .collect();
        }
        if self.random.chance(60) {
            let count = self.random.length(self.busy);
            exchange.more = (0..count).map(|_| self.number()).collect();
        }
        if self.random.chance(200) {
            exchange.checks = self.visitors();
        }
        let stubs = &mut self.replicas[self.sender].stubs;
        stubs.fill(&mut self.random, self.now_us, self.healing, exchange);
        self.fill_inside(exchange);
        if self.random.chance(700) {
            self.fill_origin(exchange);
        }
        self.fill_orders(exchange);
    }

    /// Renewals and finishes.
    fn fill_inside(&mut self, exchange: &mut Exchange) {
        if self.random.chance(200) {
            let count = self.random.length(self.busy);
            for _ in 0..count {
                let id = self.random.below(self.inside.len() as u64 + 1);
                let id = self
                    .inside
                    .get(usize::try_from(id).expect("small"))
                    .copied();
                let id = id.unwrap_or_else(|| self.visitor().id);
                let until_us = self.until();
                exchange.renewals.push(Renewal {
                    id,
                    until_us,
                    entered_us: self.until(),
                });
            }
        }
        if self.random.chance(80) {
            let count = self.random.length(self.busy);
            for _ in 0..count {
                let visitor = self.visitor();
                let until_us = self.until();
                exchange.finishes.push(Finish { visitor, until_us });
            }
        }
    }

    /// How the origin did.
    fn fill_origin(&mut self, exchange: &mut Exchange) {
        if self.random.chance(10) {
            self.origin = self.random.below(5);
        }
        let most = if self.random.chance(5) {
            HEALTH_MAX
        } else {
            self.random.pick(&[1, 4, 40])
        };
        let answered = self.random.within(0, most);
        let bits = self.random.any();
        let witnesses = match self.random.below(4) {
            0 => WITNESSES_ALL,
            1 => bits & bits >> 9 & WITNESSES_ALL,
            one_more => 1 << (bits % (WITNESS_BITS / one_more)),
        };
        exchange.origin = match self.origin {
            0 => Health::default(),
            1 => Health {
                answered,
                ..Health::default()
            },
            2 => Health {
                answered,
                failed: self.random.within(0, most),
                slow: self.random.within(0, answered),
                witnesses,
            },
            3 => Health {
                answered,
                failed: 0,
                slow: answered,
                witnesses,
            },
            _ => Health {
                failed: answered,
                witnesses,
                ..Health::default()
            },
        };
    }

    /// What operators and the origin say.
    fn fill_orders(&mut self, exchange: &mut Exchange) {
        if self.random.chance(if self.calm { 10 } else { 25 }) {
            exchange.proposal = Some(Proposal {
                content: KeyHash(u128::from(self.random.below(100))),
                changed: self.random.chance(700),
                settings: self.settings(),
            });
        }
        exchange.stock = self.random.chance(20).then(|| self.random.below(1_000));
        exchange.sold_out = self.odd(4);
        if self.odd(4) {
            exchange.leaving = true;
            exchange.joins = 0;
            exchange.eager.clear();
            exchange.keyed.clear();
            exchange.lost.clear();
            exchange.asks.clear();
        }
    }

    /// Something that upsets a calm history, this many times in a thousand in one that is not.
    fn odd(&mut self, per_mille: u64) -> bool {
        let per_mille = if self.calm { per_mille / 4 } else { per_mille };
        self.random.chance(per_mille)
    }

    /// Remembers what was sent, for a repeat.
    pub fn sent(&mut self, exchange: &Exchange) {
        self.replicas[self.sender].last = Some(Box::new(exchange.clone()));
    }
}

fn new_replica(random: &mut Random) -> Replica {
    Replica {
        instance: InstanceId(random.any()),
        sequence: random.below(3),
        known: Known::default(),
        last: None,
        stubs: Stubs::default(),
    }
}
