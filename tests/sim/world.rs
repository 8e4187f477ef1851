//! The world: one store, its replicas, the network between them and the visitors, in virtual time.

use std::collections::BTreeMap;
use std::rc::Rc;

use anteroom::line::exchange::Answer;
use anteroom::line::ids::Epoch;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::KeyHash;
use anteroom::line::promises::Promise;

use crate::person::Person;
use crate::person::State;
use crate::plan::MILLI;
use crate::plan::Plan;
use crate::plan::SECOND;
use crate::replica::File;
use crate::replica::Replica;
use crate::replica::Sent;
use crate::rng::Rng;
use crate::shadow::Verdict;
use crate::shadow::claim;
use crate::store::Store;
use crate::trouble::Origin;

/// How long a replica waits for an answer before it repeats itself.
const PATIENCE_US: u64 = SECOND;

/// What happens at some time.
#[derive(Debug)]
pub(crate) enum Event {
    /// A visitor acts, unless it has planned another visit since.
    Visit(usize, u64),
    /// A replica's timer.
    Tick(usize, InstanceId),
    /// An exchange reaches the store.
    Arrive(usize, Box<Sent>),
    /// An answer reaches its replica.
    Back(usize, InstanceId, Rc<Answer>),
    /// No answer came.
    Overdue(usize, InstanceId, u64),
    /// A replica sees that its file has changed.
    Edit(usize, InstanceId, File),
    /// A replica starts in the place of one that died.
    Start(File),
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) plan: Plan,
    pub(crate) now_us: u64,
    pub(crate) store: Store,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) people: Vec<Person>,
    /// The newest file, and all there ever were.
    pub(crate) files: Vec<File>,
    /// Everybody is back for good and presses.
    pub(crate) calm: bool,
    /// Nobody leaves by chance.
    pub(crate) steady: bool,
    /// A hash of all that happened.
    pub(crate) trace: u64,
    /// Says what happens as it happens.
    pub(crate) loud: bool,
    /// How many stubs were given.
    pub(crate) given: u64,
    /// How the portal does, and until when if it is not well.
    pub(crate) origin: Origin,
    pub(crate) origin_until_us: u64,
    events: BTreeMap<(u64, u64), Event>,
    planned: u64,
    next_arrival_us: u64,
}

impl World {
    /// The world of a seed, before anything happened.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::of(&mut rng);
        Self::with(rng, plan)
    }

    /// A world after this plan.
    pub(crate) fn with(mut rng: Rng, plan: Plan) -> Self {
        let store = Store::new(&mut rng, plan.embedded);
        let mut plan = plan;
        if plan.opens_after_us > 0 {
            plan.settings.opens_at_us = store.clock_at_zero_us + plan.opens_after_us;
        }
        let file = File {
            content: KeyHash(rng.wide()),
            settings: plan.settings,
        };
        let mut world = Self {
            rng,
            now_us: 0,
            store,
            replicas: Vec::new(),
            people: Vec::new(),
            files: vec![file],
            calm: false,
            steady: false,
            trace: 0xcbf2_9ce4_8422_2325,
            loud: false,
            given: 0,
            origin: Origin::Well,
            origin_until_us: 0,
            events: BTreeMap::new(),
            planned: 0,
            next_arrival_us: 0,
            plan,
        };
        for _ in 0..world.plan.replicas {
            world.start_replica(file);
        }
        for _ in 0..world.plan.at_once {
            world.newcomer();
        }
        world
    }

    /// One step: perhaps some trouble, then a little time.
    pub(crate) fn step(&mut self) -> Verdict {
        if self.rng.chance(self.plan.trouble) {
            self.trouble();
        }
        let mut time_us = self.rng.below(2 * self.plan.step_us);
        if self.now_us < self.store.away_until_us {
            // Nothing but waiting goes on.
            time_us *= 8;
        }
        self.pass(time_us)
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time_us: u64) -> Verdict {
        let end_us = self.now_us + time_us;
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > end_us {
                break;
            }
            let ((at_us, _), event) = entry.remove_entry();
            self.now_us = at_us;
            self.happen(event)?;
        }
        self.now_us = end_us;
        while !self.calm && self.next_arrival_us < end_us && self.people.len() < self.plan.people {
            self.next_arrival_us = end_us + self.rng.below(2 * self.plan.arrival_us);
            self.newcomer();
        }
        Ok(())
    }

    /// Plans an event.
    pub(crate) fn after(&mut self, time_us: u64, event: Event) {
        self.planned += 1;
        self.events
            .insert((self.now_us + time_us, self.planned), event);
    }

    /// Plans a visitor's next visit, in place of any other.
    pub(crate) fn visit_after(&mut self, person: usize, time_us: u64) {
        self.people[person].visit += 1;
        let visit = self.people[person].visit;
        self.after(time_us, Event::Visit(person, visit));
    }

    pub(crate) fn newcomer(&mut self) {
        let person = Person::new(&mut self.rng, &self.plan.manners);
        self.people.push(person);
        let time_us = self.rng.below(SECOND);
        self.visit_after(self.people.len() - 1, time_us);
    }

    /// Starts a replica in the place of a stopped one, or in a new place.
    pub(crate) fn start_replica(&mut self, file: File) {
        let replica = Replica::start(&mut self.rng, file);
        let instance = replica.instance;
        let stopped = self.replicas.iter().position(|r| !r.alive);
        let at = stopped.unwrap_or(self.replicas.len());
        if at == self.replicas.len() {
            self.replicas.push(replica);
        } else {
            self.replicas[at] = replica;
        }
        let time_us = self.rng.below(SECOND);
        self.after(time_us, Event::Tick(at, instance));
    }

    fn happen(&mut self, event: Event) -> Verdict {
        match event {
            Event::Visit(person, visit) => {
                if self.people[person].visit == visit {
                    self.visit(person)?;
                }
            }
            Event::Tick(at, instance) => {
                if self.replicas[at].alive && self.replicas[at].instance == instance {
                    self.send(at);
                    self.after(self.plan.tick_us, Event::Tick(at, instance));
                }
            }
            Event::Arrive(at, sent) => self.arrive(at, &sent)?,
            Event::Back(at, instance, answer) => self.back(at, instance, &answer)?,
            Event::Overdue(at, instance, sequence) => self.overdue(at, instance, sequence),
            Event::Edit(at, instance, file) => {
                if self.replicas[at].instance == instance {
                    self.replicas[at].edit(file);
                }
            }
            Event::Start(file) => {
                let file = if self.calm { self.newest_file() } else { file };
                self.start_replica(file);
            }
        }
        Ok(())
    }

    /// A replica's exchange leaves, if there is none on its way.
    pub(crate) fn send(&mut self, at: usize) {
        self.use_origin(at);
        let process = self.store.process;
        let (replica, rng) = (&mut self.replicas[at], &mut self.rng);
        let Some(sent) = replica.exchange(rng, process, self.now_us) else {
            return;
        };
        let sent = Box::new(sent.clone());
        self.transmit(at, sent);
    }

    /// The network takes an exchange: it may lose it, or deliver it twice.
    fn transmit(&mut self, at: usize, sent: Box<Sent>) {
        let instance = sent.exchange.instance;
        self.after(
            PATIENCE_US,
            Event::Overdue(at, instance, sent.exchange.sequence),
        );
        if self.rng.chance(self.plan.lost) {
            return;
        }
        if self.rng.chance(self.plan.twice) {
            let time_us = self.latency() + self.rng.below(3 * SECOND);
            self.after(time_us, Event::Arrive(at, sent.clone()));
        }
        let time_us = self.latency();
        self.after(time_us, Event::Arrive(at, sent));
    }

    fn latency(&mut self) -> u64 {
        let (low, high) = self.plan.latency_us;
        // Mostly near the lower end.
        let spread = self.rng.below(high - low + 1);
        low + if self.rng.chance(900) {
            spread / 10
        } else {
            spread
        }
    }

    /// Whether this replica reaches the store now.
    fn reaches(&self, at: usize) -> bool {
        self.now_us >= self.store.away_until_us && self.now_us >= self.replicas[at].cut_until_us
    }

    fn arrive(&mut self, at: usize, sent: &Sent) -> Verdict {
        if !self.reaches(at) || sent.exchange.store != self.store.process {
            return Ok(());
        }
        let Some(answer) = self.store.apply(&mut self.rng, self.now_us, sent)? else {
            return Ok(());
        };
        self.mix(&answer);
        self.say(|| format!("{:?} -> {answer:?}", sent.exchange));
        if !self.rng.chance(self.plan.lost) {
            let time_us = self.latency();
            self.after(time_us, Event::Back(at, sent.exchange.instance, answer));
        }
        Ok(())
    }

    fn back(&mut self, at: usize, instance: InstanceId, answer: &Rc<Answer>) -> Verdict {
        let now_us = self.now_us;
        if !self.reaches(at) || self.replicas[at].instance != instance || !self.replicas[at].alive {
            return Ok(());
        }
        let replica = &mut self.replicas[at];
        let known = replica.known;
        let Some(sent) = replica.receive(answer, now_us) else {
            return Ok(());
        };
        let fell = known.epoch == Some(answer.epoch)
            && (answer.head < known.head || answer.tail < known.tail);
        // What a poll or a pass has raised since it was sent cannot be in this answer.
        let told = sent.exchange.known;
        claim(
            !fell || answer.head >= told.head && answer.tail >= told.tail,
            Promise::P2,
            || {
                format!(
                    "head and tail fell from {told:?} to {} and {}",
                    answer.head, answer.tail
                )
            },
        )?;
        let (leaving, pressed) = (replica.leaving, replica.is_pressed() || answer.more);
        self.hand_out(at, &sent, answer);
        if leaving {
            if sent.exchange.leaving {
                self.replicas[at].alive = false;
                let file = self.newest_file();
                self.start_replica(file);
            } else {
                self.send(at);
            }
        } else if pressed {
            self.send(at);
        }
        Ok(())
    }

    /// Newcomers get their tickets.
    fn hand_out(&mut self, at: usize, sent: &Sent, answer: &Answer) {
        let joins = usize::try_from(sent.exchange.joins).unwrap_or(0);
        let issued = usize::try_from(answer.issued).unwrap_or(0);
        for (i, joiner) in sent.joiners.iter().enumerate() {
            let number = match i.checked_sub(joins) {
                Some(keyed) => answer.keyed[keyed],
                None if i < issued => answer.first + i as u64,
                None => 0,
            };
            if number == 0 && answer.healing {
                self.give_stub(at, joiner);
                continue;
            }
            self.hand_ticket(joiner, answer.epoch, number);
        }
    }

    fn overdue(&mut self, at: usize, instance: InstanceId, sequence: u64) {
        let process = self.store.process;
        let reaches = self.reaches(at);
        let replica = &mut self.replicas[at];
        if !replica.alive || replica.instance != instance {
            return;
        }
        let waits = replica.sent.as_ref();
        if waits.is_none_or(|s| s.exchange.sequence != sequence) {
            return;
        }
        self.turn_away(at);
        let Some(sent) = self.replicas[at].sent.as_mut() else {
            return;
        };
        if reaches {
            // A new connection reads the identity of the process it has reached.
            sent.exchange.store = process;
        }
        let sent = Box::new(sent.clone());
        let time_us = self.rng.below(500 * MILLI);
        if reaches {
            self.transmit(at, sent);
        } else {
            self.after(time_us, Event::Overdue(at, instance, sequence));
        }
    }

    pub(crate) fn newest_file(&self) -> File {
        self.files[self.files.len() - 1]
    }

    /// Whether the epoch of a ticket has ended.
    pub(crate) fn has_ended(&self, epoch: Epoch) -> bool {
        self.store.shadow.epoch != Some(epoch)
    }

    /// How many have closed their tab, for good or for a while.
    pub(crate) fn away(&self) -> impl Iterator<Item = usize> {
        (0..self.people.len()).filter(|&p| self.people[p].state == State::Away)
    }

    fn mix(&mut self, answer: &Answer) {
        let entered = answer.counts.entered;
        for value in [
            self.now_us,
            answer.sequence,
            answer.head,
            answer.tail,
            entered,
            answer.now_us,
        ] {
            self.trace = (self.trace ^ value).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        if self.loud {
            let ms = self.now_us / MILLI;
            println!("{ms:>8} ms  {}", what());
        }
    }
}
