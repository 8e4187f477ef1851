//! The one task per room that talks to the store: self-clocked batches, and a tick when nothing is asked.
//!
//! While an exchange is on its way, events gather in the channel; as soon as its answer is here the next one
//! takes them all. One whose answer was lost is repeated under its sequence number until it is answered, so
//! that nothing is applied twice; meanwhile those who wait are told that the store is away. What is repeated asks for no
//! numbers, since those who wanted them have their places in the order of arrival, and tells of all these to the line.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::clock;
use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
use crate::line::exchange::Health as OriginHealth;
use crate::line::ids::InstanceId;
use crate::line::promises;
use crate::room::Orders;
use crate::room::Shared;
use crate::room::door;
use crate::room::event::Event;
use crate::room::gather::Gathered;
use crate::room::gather::Waiting;
use crate::room::mirror::Mirror;
use crate::room::mirror::Moment;
use crate::room::mirror::News;
use crate::room::plan::Follower;
use crate::room::snapshot::Health;
use crate::room::snapshot::Snapshot;
use crate::seal;
use crate::store::Store;
use crate::store::StoreError;
use crate::telemetry::metrics::RoomMetrics;
use crate::telemetry::metrics::clamped;
use crate::telemetry::metrics::ratio;

/// An exchange leaves at least this often, so that the line moves when nobody asks.
pub(crate) const TICK: Duration = Duration::from_millis(250);
/// Most events taken from the channel at once.
const BATCH_MAX: usize = 16_384;

/// Talks to the store for one room of one replica.
#[derive(Debug)]
pub(crate) struct Exchanger {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Store,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) instance: InstanceId,
    pub(crate) metrics: RoomMetrics,
}

/// What goes on between exchanges.
pub(crate) struct Course {
    sequence: u64,
    pub(crate) gathered: Gathered,
    pub(crate) mirror: Mirror,
    /// In which ways a promise was broken: each is logged once.
    broken: BTreeSet<&'static str>,
    /// Why the store is away, as far as it has been told: each reason once in an outage, not at every try.
    reasons: Vec<&'static str>,
    /// Since when the line heals.
    healing_since: Option<std::time::Instant>,
    /// How many of this replica's stubs got their numbers since it began to.
    numbered: u64,
    /// Somebody is stopping the room, and waits until the line has been told.
    pub(crate) leaving: Option<oneshot::Sender<()>>,
    /// How far it has followed its file.
    follower: Follower,
}

impl Exchanger {
    /// Exchanges until the room is left or nobody can send events any more.
    pub(crate) async fn run(mut self) {
        let mut course = Course {
            sequence: 0,
            gathered: Gathered::default(),
            mirror: Mirror::new(clock::monotonic()),
            broken: BTreeSet::new(),
            reasons: Vec::new(),
            healing_since: None,
            numbered: 0,
            leaving: None,
            follower: Follower::default(),
        };
        course.mirror.draws.room.clone_from(&self.shared.name);
        let mut batch = Vec::new();
        let mut at_once = true;
        loop {
            if !at_once && !self.listen(&mut course, &mut batch).await {
                return;
            }
            self.take_waiting(&mut course, &mut batch);
            if course.leaving.is_some() {
                return Box::pin(self.leave(course)).await;
            }
            course.propose(matches!(self.store, Store::Memory(_)));
            let (mut exchange, waiting) = course.gathered.take(course.mirror.known());
            course.sequence += 1;
            exchange.instance = self.instance;
            exchange.sequence = course.sequence;
            exchange.nonce = seal::nonce();
            at_once = self
                .exchange(&mut course, &mut exchange, waiting, &mut batch)
                .await;
        }
    }

    /// Waits for the tick or for something urgent; `false` when nobody is left to send anything.
    async fn listen(&mut self, course: &mut Course, batch: &mut Vec<Event>) -> bool {
        let tick = Instant::now() + TICK;
        loop {
            let received =
                tokio::time::timeout_at(tick, self.events.recv_many(batch, BATCH_MAX)).await;
            match received {
                Err(_) => return true,
                Ok(0) => return false,
                Ok(_) => {
                    let urgent = batch.iter().any(Event::is_urgent);
                    course.take_in(batch);
                    if urgent {
                        return true;
                    }
                }
            }
        }
    }

    /// Takes in what is in the channel already, without waiting.
    fn take_waiting(&mut self, course: &mut Course, batch: &mut Vec<Event>) {
        while batch.len() < BATCH_MAX {
            let Ok(event) = self.events.try_recv() else {
                break;
            };
            batch.push(event);
        }
        course.obey(self.shared.take_orders());
        course.take_in(batch);
    }

    /// Sends one exchange until it is answered; whether the next one should follow at once.
    ///
    /// The store waits between tries by itself; those who wait are told after the first.
    async fn exchange(
        &mut self,
        course: &mut Course,
        exchange: &mut Exchange,
        mut waiting: Waiting,
        batch: &mut Vec<Event>,
    ) -> bool {
        exchange.stubs = self.shared.stubs().slices();
        let mut repeat: Option<Exchange> = None;
        loop {
            let started = clock::monotonic();
            let sent = repeat.as_ref().unwrap_or(exchange);
            let ours = (self.shared.as_ref(), &self.metrics);
            let result = door::send(&mut self.store, sent, ours, course).await;
            let now = clock::monotonic();
            match result {
                Ok(answer) => {
                    self.come_back(course, batch);
                    self.metrics.exchange_seconds.observe(now - started);
                    self.watch(course, exchange, &answer);
                    self.say_guarded(course, &answer);
                    return self.take_answer(course, (exchange, answer), waiting, batch);
                }
                Err(error) => {
                    self.metrics.exchange_errors.inc();
                    self.turn_away(course, &error, &mut waiting, batch);
                    if !error.is_away() {
                        // It will never be accepted: go on without it, a tick later.
                        tokio::time::sleep(TICK).await;
                        return false;
                    }
                    if course.leaving.is_some() {
                        // The line will notice by itself.
                        return false;
                    }
                    repeat = Some(Exchange {
                        known: course.mirror.known(),
                        joins: 0,
                        eager: Vec::new(),
                        keyed: Vec::new(),
                        lost: Vec::new(),
                        stubs: self.shared.stubs().slices(),
                        origin: OriginHealth::default(),
                        ..exchange.clone()
                    });
                }
            }
        }
    }

    /// Takes in an answer and tells whoever waited for it; whether the next exchange should follow at once.
    fn take_answer(
        &mut self,
        course: &mut Course,
        (exchange, answer): (&Exchange, Answer),
        waiting: Waiting,
        batch: &mut Vec<Event>,
    ) -> bool {
        let now = clock::monotonic();
        let more = answer.more;
        let before = course.mirror.known.epoch;
        let lost = course.mirror.lost_settings(&answer);
        let news = course.mirror.apply(exchange, answer, Moment::at(now));
        if before.is_some() && before != course.mirror.known.epoch {
            course.gathered.forget_visitors();
        }
        self.count(&course.mirror.picture, news);
        self.settle_stubs(course, exchange, waiting, batch);
        self.say_healing(course, now);
        let proposes = lost.is_some();
        course.gathered.propose_again(lost);
        let reports = self.report(course);
        more || proposes || reports || course.gathered.overflows()
    }

    /// Publishes the picture, and tells whoever waited for it: they can read there what they are told. Where there are
    /// no numbers, those who wait get their places before anybody who comes later.
    fn settle_stubs(
        &mut self,
        course: &mut Course,
        exchange: &Exchange,
        waiting: Waiting,
        batch: &mut Vec<Event>,
    ) {
        let shared = Arc::clone(&self.shared);
        let mut stubs = shared.stubs();
        let picture = &course.mirror.picture;
        let told = picture.answer().map_or(&[][..], |answer| &answer.stubs);
        course.numbered += stubs.number(told);
        let mut arrive = stubs.arriving(picture.moment());
        shared.publish(picture);
        let is_up = picture.is_up();
        let unclaimed = course.mirror.tell(exchange, waiting, &mut arrive);
        if !is_up {
            self.take_waiting(course, batch);
            course.gathered.turn_newcomers_away(&mut arrive);
        }
        drop(arrive);
        drop(stubs);
        course.gathered.give_up(unclaimed);
    }

    /// Notes that the store is away, and tells everybody who waits.
    fn turn_away(
        &mut self,
        course: &mut Course,
        error: &StoreError,
        waiting: &mut Waiting,
        batch: &mut Vec<Event>,
    ) {
        let shared = Arc::clone(&self.shared);
        let mut stubs = shared.stubs();
        self.say_away(course, error, clock::monotonic());
        let mut arrive = stubs.arriving(course.mirror.picture.moment());
        waiting.turn_away(&mut arrive);
        self.take_waiting(course, batch);
        course.gathered.turn_away(&mut arrive);
        course.mirror.turn_away();
    }

    /// Tells a line that heals what it may have lost of visitors; whether there is anything.
    fn report(&self, course: &mut Course) -> bool {
        let (inside, spent) = course.mirror.report();
        if inside.is_empty() && spent.is_empty() {
            return false;
        }
        info!(
            room.name = %self.shared.name, inside = inside.len(), finished = spent.len(),
            "telling the line what it may have lost",
        );
        for pass in inside {
            course.gathered.add(Event::Renew(pass));
        }
        for finish in spent {
            course.gathered.add(Event::Finish(finish));
        }
        true
    }

    /// Looks whether the line does what it promises.
    fn watch(&self, course: &mut Course, exchange: &Exchange, answer: &Answer) {
        let before = course.mirror.picture.answer();
        for (promise, what) in promises::broken_by(before, exchange, answer) {
            let counters = self.metrics.promise_broken.iter();
            for (_, counter) in counters.filter(|(watched, _)| *watched == promise) {
                counter.inc();
            }
            if course.broken.insert(what) {
                error!(
                    room.name = %self.shared.name, %promise, what, known.tail = exchange.known.tail,
                    known.head = exchange.known.head, joins = exchange.joins, line.tail = answer.tail,
                    line.head = answer.head, first = answer.first, issued = answer.issued,
                    "the store's answer breaks a promise",
                );
            }
        }
    }

    /// Says when the guard begins to hold back some of the rate, stops the pace, and lets go.
    fn say_guarded(&self, course: &Course, answer: &Answer) {
        let before = course.mirror.picture.answer();
        let before_ppm = before.map_or(0, |before| before.measured.held_back_ppm);
        let (now, room) = (&answer.measured, &self.shared.name);
        match (before_ppm, now.held_back_ppm) {
            (before, now) if before == now => {}
            (_, 0) => {
                info!(room.name = %room, "the origin is well: the guard gives back the whole rate");
            }
            (0..1_000_000, 1_000_000..) => {
                warn!(room.name = %room, "the origin is not well: the guard has stopped the pace");
            }
            (0, held_back_ppm) => {
                warn!(room.name = %room, held_back_ppm, "the origin is not well: the guard slows the pace");
            }
            (1_000_000.., held_back_ppm) => {
                info!(room.name = %room, held_back_ppm, "the origin is better: the guard gives back some of the rate");
            }
            (1.., _) => {}
        }
    }

    fn count(&self, picture: &Snapshot, news: News) {
        let metrics = &self.metrics;
        metrics.joined.inc_by(news.joined);
        metrics.called.inc_by(news.called);
        metrics.entered.inc_by(news.entered);
        metrics.store_up.set(1);
        if let Some(answer) = picture.answer() {
            let waiting = answer.tail.saturating_sub(answer.head);
            metrics.waiting.set(clamped(waiting));
            metrics.inside.set(clamped(answer.counts.inside));
            let asking = answer.counts.asking + answer.counts.asking_late;
            metrics.asking.set(clamped(asking));
            metrics.turns.set(clamped(answer.counts.turns));
            metrics.instances.set(clamped(answer.counts.instances));
            let revision = clamped(answer.revision);
            if metrics.settings_revision.get() != revision {
                metrics.settings_revision.set(revision);
                let settings = &answer.settings;
                let shown = &metrics.shown;
                shown.settings(settings.rate_per_hour, settings.active_max, settings.mode);
            }
            metrics.shown.stock(answer.stock);
            let held_back_ppm = answer.measured.held_back_ppm.min(1_000_000);
            metrics.guard_ratio.set(ratio(1_000_000 - held_back_ppm));
        }
    }

    fn say_away(&self, course: &mut Course, error: &StoreError, now: std::time::Instant) {
        let is_news = !course.reasons.contains(&error.reason());
        if is_news {
            course.reasons.push(error.reason());
        }
        if let Health::Away { since } = course.mirror.picture.health {
            self.metrics
                .store_away
                .set(clamped((now - since).as_secs()));
            if is_news {
                warn!(room.name = %self.shared.name, error = %error, "the store cannot be used yet");
            }
            return;
        }
        warn!(room.name = %self.shared.name, error = %error, "the store is away");
        self.metrics.store_up.set(0);
        course.mirror.picture.health = Health::Away { since: now };
        self.shared.publish(&course.mirror.picture);
    }

    /// Says that the store is back, if it was away. What was seen of the origin meanwhile is not told.
    fn come_back(&mut self, course: &mut Course, batch: &mut Vec<Event>) {
        course.reasons.clear();
        if let Health::Away { since } = course.mirror.picture.health {
            let away = clock::monotonic() - since;
            let away_ms = u64::try_from(away.as_millis()).unwrap_or(u64::MAX);
            self.metrics.store_away.set(0);
            self.take_waiting(course, batch);
            course.gathered.forget_origin();
            info!(room.name = %self.shared.name, away_ms, "the store is back");
        }
    }

    /// One line when the line begins to heal, and one when it has.
    fn say_healing(&self, course: &mut Course, now: std::time::Instant) {
        let is_healing = course.mirror.picture.health == Health::Healing;
        match course.healing_since {
            None if is_healing => {
                course.healing_since = Some(now);
                course.numbered = 0;
                info!(room.name = %self.shared.name, "the line heals: no numbers for a moment");
            }
            Some(since) if !is_healing => {
                course.healing_since = None;
                let healed_ms = u64::try_from((now - since).as_millis()).unwrap_or(u64::MAX);
                info!(
                    room.name = %self.shared.name, healed_ms, stubs.numbered = course.numbered,
                    stubs.waiting = self.shared.stubs().waiting(), "the line has healed",
                );
            }
            Some(_) | None => {}
        }
    }

    /// The last exchange: the line need not wait for this replica.
    async fn leave(mut self, mut course: Course) {
        // Whoever came in by it from now on would be told to nobody.
        door::shut((&self.shared, &self.metrics), &mut course, "leaving");
        let mut exchange = {
            let mut stubs = self.shared.stubs();
            let arrive = stubs.arriving(course.mirror.picture.moment());
            course.gathered.take_last(course.mirror.known(), arrive)
        };
        exchange.stubs = self.shared.stubs().slices();
        exchange.instance = self.instance;
        exchange.sequence = course.sequence + 1;
        exchange.nonce = seal::nonce();
        let away = matches!(course.mirror.picture.health, Health::Away { .. });
        if !away && let Err(error) = self.store.exchange(&exchange).await {
            warn!(room.name = %self.shared.name, error = %error, "left without telling the store");
        }
        if let Err(error) = self.store.close().await {
            warn!(room.name = %self.shared.name, error = %error, "the store was not closed cleanly");
        }
        if let Some(left) = course.leaving {
            left.send(()).ok();
        }
    }
}

impl Course {
    /// Proposes what the file says for now. The time is the store's; the embedded one goes by this machine's.
    fn propose(&mut self, embedded: bool) {
        let told_us = self.mirror.picture.clock_us(clock::monotonic());
        let clock_us = told_us.or(embedded.then(clock::wall_us));
        let in_force = self.mirror.picture.answer().map(|answer| &answer.settings);
        if let Some(due) = self.follower.due(clock_us, in_force) {
            self.gathered.proposal = Some(due);
        }
    }

    fn obey(&mut self, orders: Orders) {
        if let Some(plan) = orders.plan {
            self.mirror.picture.heed(&plan);
            self.follower.follow(plan, orders.changed);
        }
        if let Some(keys) = orders.keys {
            self.mirror.draws.use_keys(keys);
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all events but these are gathered as they are"
    )]
    fn take_in(&mut self, batch: &mut Vec<Event>) {
        for event in batch.drain(..) {
            match event {
                Event::Leave(left) => self.leaving = Some(left),
                Event::Floor { epoch, tail, head } if self.mirror.known.epoch == Some(epoch) => {
                    self.mirror.known.tail = self.mirror.known.tail.max(tail);
                    self.mirror.known.head = self.mirror.known.head.max(head);
                }
                Event::Shown(known) => self.mirror.note_shown(*known),
                Event::Unask(visitor) => {
                    self.mirror.unask(visitor.id);
                    self.gathered.add(Event::Unask(visitor));
                }
                // It is in already, and its pass waits to be fetched: to ask once more would count as that.
                Event::Ask {
                    visitor,
                    reply: None,
                } if self.mirror.has_let_in(visitor.id) => {}
                Event::Ask {
                    visitor,
                    reply: Some(reply),
                } => {
                    self.mirror.await_entry(visitor.id, reply);
                    self.gathered.add(Event::Ask {
                        visitor,
                        reply: None,
                    });
                }
                Event::Renew(renewal) => {
                    self.mirror.note_pass(renewal);
                    self.gathered.add(Event::Renew(renewal));
                }
                other => self.gathered.add(other),
            }
        }
    }
}
