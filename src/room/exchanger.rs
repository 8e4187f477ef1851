//! The one task per room that talks to the store: self-clocked batches, and a tick when nothing is asked.
//!
//! While an exchange is on its way, events gather in the channel; as soon as its answer is here the next one leaves
//! with all of them. An exchange whose answer was lost is repeated unchanged until it is answered, so that nothing is
//! applied twice; meanwhile those who wait are told that the store is away.

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
use crate::line::ids::InstanceId;
use crate::line::promises;
use crate::room::Shared;
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

/// An exchange leaves at least this often, so that the line moves when nobody asks.
const TICK: Duration = Duration::from_millis(250);
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
struct Course {
    sequence: u64,
    gathered: Gathered,
    mirror: Mirror,
    /// In which ways a promise was broken: each is logged once.
    broken: BTreeSet<&'static str>,
    /// Why the store is away, as far as it has been told: each reason once in an outage, not at every try.
    reasons: Vec<&'static str>,
    /// Somebody is stopping the room, and waits until the line has been told.
    leaving: Option<oneshot::Sender<()>>,
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
                return self.leave(course).await;
            }
            course.propose(matches!(self.store, Store::Memory(_)));
            let (mut exchange, waiting) = course.gathered.take(course.mirror.known);
            course.sequence += 1;
            exchange.instance = self.instance;
            exchange.sequence = course.sequence;
            exchange.nonce = seal::nonce();
            at_once = self
                .exchange(&mut course, &exchange, waiting, &mut batch)
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
        course.take_in(batch);
    }

    /// Sends one exchange until it is answered; whether the next one should follow at once.
    ///
    /// The store waits between tries by itself. Those who wait are told after the first one that it is away.
    async fn exchange(
        &mut self,
        course: &mut Course,
        exchange: &Exchange,
        waiting: Waiting,
        batch: &mut Vec<Event>,
    ) -> bool {
        let mut waiting = waiting;
        loop {
            let started = clock::monotonic();
            let result = self.store.exchange(exchange).await;
            let now = clock::monotonic();
            match result {
                Ok(answer) => {
                    self.say_back(course);
                    self.metrics.exchange_seconds.observe(now - started);
                    self.watch(course, exchange, &answer);
                    let more = answer.more;
                    let before = course.mirror.known.epoch;
                    let lost = course.mirror.lost_settings(&answer);
                    let news = course.mirror.apply(exchange, answer, Moment::at(now));
                    if before.is_some() && before != course.mirror.known.epoch {
                        course.gathered.forget_visitors();
                    }
                    self.count(&course.mirror.picture, news);
                    // Whoever is told something can read it in the picture.
                    self.shared.publish(&course.mirror.picture);
                    let unclaimed = course.mirror.tell(exchange, waiting);
                    course.gathered.give_up(unclaimed);
                    let proposes = lost.is_some();
                    course.gathered.propose_again(lost);
                    return more || proposes || course.gathered.overflows();
                }
                Err(error) => {
                    self.metrics.exchange_errors.inc();
                    self.say_away(course, &error, now);
                    waiting.turn_away();
                    self.take_waiting(course, batch);
                    course.gathered.turn_away();
                    course.mirror.turn_away();
                    if !error.is_away() {
                        // It will never be accepted: go on without it, a tick later.
                        tokio::time::sleep(TICK).await;
                        return false;
                    }
                    if course.leaving.is_some() {
                        // The line will notice by itself.
                        return false;
                    }
                }
            }
        }
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

    fn count(&self, picture: &Snapshot, news: News) {
        let metrics = &self.metrics;
        metrics.joined.inc_by(news.joined);
        metrics.called.inc_by(news.called);
        metrics.entered.inc_by(news.entered);
        metrics.store_up.set(1);
        if let Some(answer) = picture.answer() {
            metrics
                .waiting
                .set(clamped(answer.tail.saturating_sub(answer.head)));
            metrics.inside.set(clamped(answer.counts.inside));
            metrics
                .asking
                .set(clamped(answer.counts.asking + answer.counts.asking_late));
            metrics.turns.set(clamped(answer.counts.turns));
            metrics.instances.set(clamped(answer.counts.instances));
            let revision = clamped(answer.revision);
            if metrics.settings_revision.get() != revision {
                metrics.settings_revision.set(revision);
                let settings = &answer.settings;
                metrics
                    .shown
                    .settings(settings.rate_per_hour, settings.active_max, settings.mode);
            }
            metrics.shown.stock(answer.stock);
        }
    }

    fn say_away(&self, course: &mut Course, error: &StoreError, now: std::time::Instant) {
        let is_news = !course.reasons.contains(&error.reason());
        if is_news {
            course.reasons.push(error.reason());
        }
        if matches!(course.mirror.picture.health, Health::Away { .. }) {
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

    fn say_back(&self, course: &mut Course) {
        course.reasons.clear();
        if let Health::Away { since } = course.mirror.picture.health {
            let away_ms =
                u64::try_from((clock::monotonic() - since).as_millis()).unwrap_or(u64::MAX);
            info!(room.name = %self.shared.name, away_ms, "the store is back");
        }
    }

    /// The last exchange: the line need not wait for this replica.
    async fn leave(mut self, course: Course) {
        let mut course = course;
        let mut exchange = course.gathered.take_last(course.mirror.known);
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

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all events but these are gathered as they are"
    )]
    fn take_in(&mut self, batch: &mut Vec<Event>) {
        for event in batch.drain(..) {
            match event {
                Event::Leave(left) => self.leaving = Some(left),
                Event::Follow { plan, changed } => {
                    self.mirror.picture.may_draw = plan.draws();
                    self.follower.follow(plan, changed);
                }
                Event::DrawWith(keys) => self.mirror.draws.use_keys(keys),
                Event::Floor { epoch, tail, head } if self.mirror.known.epoch == Some(epoch) => {
                    self.mirror.known.tail = self.mirror.known.tail.max(tail);
                    self.mirror.known.head = self.mirror.known.head.max(head);
                }
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
                other => self.gathered.add(other),
            }
        }
    }
}
