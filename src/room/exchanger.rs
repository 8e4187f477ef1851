//! The one task per room that talks to the store: self-clocked batches, and a tick when nothing is asked.
//!
//! While an exchange is on its way, events gather in the channel; as soon as its answer is here the next one leaves
//! with all of them. An exchange whose answer was lost is repeated unchanged until it is answered, so that nothing is
//! applied twice; meanwhile those who wait are told that the store is away.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::info;
use tracing::warn;

use crate::clock;
use crate::line::exchange::Exchange;
use crate::line::ids::InstanceId;
use crate::room::event::Event;
use crate::room::gather::Gathered;
use crate::room::gather::Waiting;
use crate::room::mirror::Mirror;
use crate::room::snapshot::Health;
use crate::room::Shared;
use crate::seal;
use crate::store::Store;

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
}

/// What goes on between exchanges.
struct Course {
    sequence: u64,
    gathered: Gathered,
    mirror: Mirror,
    /// Somebody is stopping the room, and waits until the line has been told.
    leaving: Option<oneshot::Sender<()>>,
}

impl Exchanger {
    /// Exchanges until the room is left or nobody can send events any more.
    pub(crate) async fn run(mut self) {
        let mut course = Course {
            sequence: 0,
            gathered: Gathered::default(),
            mirror: Mirror::new(clock::monotonic()),
            leaving: None,
        };
        let mut batch = Vec::new();
        let mut at_once = true;
        loop {
            if !at_once && !self.listen(&mut course, &mut batch).await {
                return;
            }
            self.take_waiting(&mut course, &mut batch);
            if course.leaving.is_some() && !course.gathered.is_urgent() {
                return self.leave(course).await;
            }
            let (mut exchange, waiting) = course.gathered.take(course.mirror.known);
            course.sequence += 1;
            exchange.instance = self.instance;
            exchange.sequence = course.sequence;
            exchange.nonce = seal::random::nonce();
            at_once = self.exchange(&mut course, &exchange, waiting, &mut batch).await;
        }
    }

    /// Waits for the tick or for something urgent; `false` when nobody is left to send anything.
    async fn listen(&mut self, course: &mut Course, batch: &mut Vec<Event>) -> bool {
        let tick = Instant::now() + TICK;
        loop {
            let received = tokio::time::timeout_at(tick, self.events.recv_many(batch, BATCH_MAX)).await;
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
            let Ok(event) = self.events.try_recv() else { break };
            batch.push(event);
        }
        course.take_in(batch);
    }

    /// Sends one exchange until it is answered; whether the next one should follow at once.
    async fn exchange(&mut self, course: &mut Course, exchange: &Exchange, waiting: Waiting, batch: &mut Vec<Event>) -> bool {
        let mut waiting = Some(waiting);
        loop {
            let started = clock::monotonic();
            let result = self.store.exchange(exchange).await;
            let now = clock::monotonic();
            self.shared.stats.exchanged(now - started, result.is_ok());
            match result {
                Ok(answer) => {
                    self.say_back(&course.mirror);
                    let more = answer.more;
                    let waiting = waiting.take().unwrap_or_default();
                    let news = course.mirror.apply(exchange, answer, waiting, now, clock::wall_us());
                    self.shared.stats.news(news);
                    self.shared.publish(&course.mirror.picture);
                    return more || course.gathered.overflows();
                }
                Err(error) => {
                    if let Health::Away { .. } = course.mirror.picture.health {
                    } else {
                        warn!(room.name = %self.shared.name, error = %error, "the store is away");
                        course.mirror.picture.health = Health::Away { since: now };
                        self.shared.publish(&course.mirror.picture);
                    }
                    turn_away(waiting.take());
                    course.mirror.turn_away();
                    if error.is_final() {
                        return false;
                    }
                    self.pause(course, batch, error.retry_after()).await;
                    if let Some(left) = course.leaving.take() {
                        // Nobody can be told: the line will notice by itself.
                        drop(left.send(()));
                        return false;
                    }
                }
            }
        }
    }

    /// Waits before the next try, telling everybody who comes meanwhile that the store is away.
    async fn pause(&mut self, course: &mut Course, batch: &mut Vec<Event>, time: Duration) {
        let end = Instant::now() + time;
        while let Ok(count) = tokio::time::timeout_at(end, self.events.recv_many(batch, BATCH_MAX)).await {
            course.take_in(batch);
            course.gathered.turn_away();
            course.mirror.turn_away();
            if course.leaving.is_some() {
                return;
            }
            if count == 0 {
                tokio::time::sleep_until(end).await;
                return;
            }
        }
    }

    fn say_back(&self, mirror: &Mirror) {
        if let Health::Away { since } = mirror.picture.health {
            let away_ms = u64::try_from((clock::monotonic() - since).as_millis()).unwrap_or(u64::MAX);
            info!(room.name = %self.shared.name, away_ms, "the store is back");
        }
    }

    /// The last exchange: the line need not wait for this replica.
    async fn leave(mut self, course: Course) {
        let (mut exchange, _) = Gathered::default().take(course.mirror.known);
        exchange.instance = self.instance;
        exchange.sequence = course.sequence + 1;
        exchange.leaving = true;
        if let Err(error) = self.store.exchange(&exchange).await {
            warn!(room.name = %self.shared.name, error = %error, "left without telling the store");
        }
        if let Some(left) = course.leaving {
            drop(left.send(()));
        }
    }
}

impl Course {
    fn take_in(&mut self, batch: &mut Vec<Event>) {
        for event in batch.drain(..) {
            match event {
                Event::Leave(left) => self.leaving = Some(left),
                Event::Floor { epoch, tail, head } if self.mirror.known.epoch == Some(epoch) => {
                    self.mirror.known.tail = self.mirror.known.tail.max(tail);
                    self.mirror.known.head = self.mirror.known.head.max(head);
                }
                Event::Ask { visitor, reply: Some(reply) } => {
                    self.mirror.await_entry(visitor.id, reply);
                    self.gathered.add(Event::Ask { visitor, reply: None });
                }
                event => self.gathered.add(event),
            }
        }
    }
}

/// Tells those who waited for an exchange that is not answered.
fn turn_away(waiting: Option<Waiting>) {
    let mut gathered = Gathered::default();
    let Some(waiting) = waiting else { return };
    gathered.give_back(waiting);
    gathered.turn_away();
}
