//! What one worker counts by itself, until it hands it over.
//!
//! Each worker has its own [`WorkerMetrics`], so these counters are only ever contended when something is wrong. They
//! are atomic all the same, so that they can be held by anything a request leaves behind, such as its body.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus::IntCounter;
use prometheus::IntCounterVec;
use prometheus::IntGauge;

use crate::seal::Rejected;
use crate::telemetry::metrics::Class;
use crate::telemetry::metrics::Decision;
use crate::telemetry::metrics::Label;
use crate::telemetry::metrics::Limit;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::OriginFailure;
use crate::telemetry::metrics::Repeat;
use crate::telemetry::metrics::Seconds;
use crate::telemetry::metrics::Turned;
use crate::telemetry::metrics::Unbelieved;

/// The counters of one worker, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub struct WorkerMetrics {
    metrics: Arc<Metrics>,
    accepted: AtomicU64,
    /// Opened less closed since the last handover.
    connections: AtomicI64,
    /// Bytes that waited in memory when last told.
    unsent: AtomicI64,
    /// Parked less woken since the last handover.
    parked: AtomicI64,
    responses: Tallies,
    rejected: Tallies,
    unbelieved: Tallies,
    /// Taken at reload and at handover, never by a request.
    rooms: Mutex<Vec<Arc<WorkerRoom>>>,
    /// As `rooms`.
    origins: Mutex<Vec<Arc<WorkerOrigin>>>,
}

impl WorkerMetrics {
    /// Counters for one worker.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let of = |series: &IntCounterVec, name: &str| series.with_label_values(&[name]);
        Self {
            accepted: AtomicU64::new(0),
            connections: AtomicI64::new(0),
            unsent: AtomicI64::new(0),
            parked: AtomicI64::new(0),
            responses: Tallies::new::<Class>(|name| of(&metrics.responses_total, name)),
            rejected: Tallies::new::<Turned>(|name| of(&metrics.rejected_total, name)),
            unbelieved: Tallies::new::<Unbelieved>(|name| of(&metrics.unbelieved_total, name)),
            rooms: Mutex::default(),
            origins: Mutex::default(),
            metrics,
        }
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// A connection was accepted; [`Self::closed`] must follow.
    pub fn opened(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection is no more.
    pub fn closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// So many bytes wait in memory for clients of this worker over HTTP/2.
    pub fn unsent(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let told = self.unsent.swap(bytes, Ordering::Relaxed);
        self.metrics.unsent_bytes.add(bytes - told);
    }

    /// A connection was taken apart because it is idle; [`Self::woke`] must follow, before [`Self::closed`].
    pub fn parked(&self) {
        self.parked.fetch_add(1, Ordering::Relaxed);
    }

    /// Such a connection was put together again, or is no more.
    pub fn woke(&self) {
        self.parked.fetch_sub(1, Ordering::Relaxed);
    }

    /// A connection or a request was turned away at a bound.
    pub fn turned(&self, reason: Turned) {
        self.rejected.add(reason);
    }

    /// A response goes to a visitor.
    pub fn response(&self, status: u16) {
        self.responses.add(Class::of(status));
    }

    /// Something shown as a ticket or a pass was not believed.
    pub fn unbelieved(&self, reason: Rejected) {
        self.unbelieved.add(match reason {
            Rejected::Malformed => Unbelieved::Malformed,
            Rejected::UnknownKey(_) => Unbelieved::UnknownKey,
            Rejected::Forged => Unbelieved::Forged,
            Rejected::WrongRoom => Unbelieved::WrongRoom,
        });
    }

    /// This worker's counters for a room, made when there are none; the empty name stands for no room. To be asked
    /// when a configuration is taken into use, not by a request.
    #[must_use]
    pub fn room(&self, name: &str) -> Arc<WorkerRoom> {
        let mut rooms = locked(&self.rooms);
        if let Some(found) = rooms.iter().find(|room| room.name == name) {
            return Arc::clone(found);
        }
        let made = Arc::new(WorkerRoom::new(&self.metrics, name));
        rooms.push(Arc::clone(&made));
        made
    }

    /// This worker's counters for an origin; as [`Self::room`].
    #[must_use]
    pub fn origin(&self, name: &str) -> Arc<WorkerOrigin> {
        let mut origins = locked(&self.origins);
        if let Some(found) = origins.iter().find(|origin| origin.name == name) {
            return Arc::clone(found);
        }
        let made = Arc::new(WorkerOrigin::new(&self.metrics, name));
        origins.push(Arc::clone(&made));
        made
    }

    /// Hands over what was counted: every [`crate::telemetry::TICK`], and once when the worker ends. Rooms and origins
    /// that nobody else holds any more are forgotten.
    pub fn flush(&self) {
        let accepted = self.accepted.swap(0, Ordering::Relaxed);
        self.metrics.accepted_total.inc_by(accepted);
        let connections = self.connections.swap(0, Ordering::Relaxed);
        self.metrics.connections.add(connections);
        let parked = self.parked.swap(0, Ordering::Relaxed);
        self.metrics.connections_parked.add(parked);
        self.responses.flush();
        self.rejected.flush();
        self.unbelieved.flush();
        locked(&self.rooms).retain(|room| {
            room.flush();
            Arc::strong_count(room) > 1
        });
        locked(&self.origins).retain(|origin| {
            origin.flush();
            Arc::strong_count(origin) > 1
        });
    }
}

/// One worker's counters for one room.
#[derive(Debug)]
#[repr(align(128))]
pub struct WorkerRoom {
    name: String,
    requests: Tallies,
    limited: Tallies,
    /// Polls once more, under their own name; a request outside of all rooms is never one.
    polls: Option<IntCounter>,
    /// From joining to entering, of those who got their first pass here.
    waits: Option<(Seconds, Arc<Seconds>)>,
}

impl WorkerRoom {
    fn new(metrics: &Metrics, name: &str) -> Self {
        let requests = &metrics.requests_total;
        Self {
            name: name.to_owned(),
            requests: Tallies::new::<Decision>(|decision| {
                requests.with_label_values(&[name, decision])
            }),
            limited: Tallies::new::<Limit>(|limit| {
                metrics
                    .visitor_limited_total
                    .with_label_values(&[name, limit])
            }),
            polls: (!name.is_empty())
                .then(|| metrics.status_requests_total.with_label_values(&[name])),
            waits: (!name.is_empty())
                .then(|| (metrics.wait_seconds.local(), metrics.wait_seconds.of(name))),
        }
    }

    /// A request was decided.
    pub fn request(&self, decision: Decision) {
        self.requests.add(decision);
    }

    /// A request was more than its visitor may make.
    pub fn limited(&self, limit: Limit) {
        self.limited.add(limit);
    }

    /// A visitor got its first pass this long after its number, in microseconds.
    pub fn entered_after_us(&self, us: u64) {
        if let Some((waits, _)) = &self.waits {
            waits.observe_us(us);
        }
    }

    fn flush(&self) {
        self.requests.flush_with(|decision, count| {
            if decision == Decision::Status.index()
                && let Some(polls) = &self.polls
            {
                polls.inc_by(count);
            }
        });
        self.limited.flush();
        if let Some((waits, total)) = &self.waits {
            waits.drain_into(total);
        }
    }
}

/// One worker's counters for one origin.
#[derive(Debug)]
#[repr(align(128))]
pub struct WorkerOrigin {
    name: String,
    failures: Tallies,
    repeats: Tallies,
    seconds: Seconds,
    total: Arc<Seconds>,
    /// In flight when last told, and where that goes.
    told: AtomicI64,
    in_flight: IntGauge,
    in_flight_max: IntGauge,
    /// Waiting when last told, and where that goes.
    told_waiting: AtomicI64,
    waiting: IntGauge,
}

impl WorkerOrigin {
    fn new(metrics: &Metrics, name: &str) -> Self {
        let errors = &metrics.origin_errors_total;
        Self {
            name: name.to_owned(),
            failures: Tallies::new::<OriginFailure>(|reason| {
                errors.with_label_values(&[name, reason])
            }),
            repeats: Tallies::new::<Repeat>(|reason| {
                metrics
                    .origin_repeats_total
                    .with_label_values(&[name, reason])
            }),
            seconds: metrics.origin_seconds.local(),
            total: metrics.origin_seconds.of(name),
            told: AtomicI64::new(0),
            in_flight: metrics.origin_in_flight.with_label_values(&[name]),
            in_flight_max: metrics.origin_in_flight_max.with_label_values(&[name]),
            told_waiting: AtomicI64::new(0),
            waiting: metrics.origin_waiting.with_label_values(&[name]),
        }
    }

    /// This worker has so many requests in flight, and all workers of this replica may have so many.
    pub fn in_flight(&self, count: usize, max: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.in_flight
            .add(count - self.told.swap(count, Ordering::Relaxed));
        self.in_flight_max
            .set(i64::try_from(max).unwrap_or(i64::MAX));
    }

    /// So many requests wait at this worker for one in flight to end.
    pub fn waiting(&self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.waiting
            .add(count - self.told_waiting.swap(count, Ordering::Relaxed));
    }

    /// The head of a response came, this long after its request was sent.
    pub fn answered(&self, after: Duration) {
        self.seconds.observe(after);
    }

    /// A request failed.
    pub fn failed(&self, reason: OriginFailure) {
        self.failures.add(reason);
    }

    /// So many requests were sent a second time, or were not, for this reason.
    pub fn repeated(&self, reason: Repeat, count: u64) {
        self.repeats.add_many(reason, count);
    }

    fn flush(&self) {
        self.failures.flush();
        self.repeats.flush();
        self.seconds.drain_into(&self.total);
    }
}

/// One pending count for each value of a label, and where it goes.
#[derive(Debug)]
struct Tallies(Box<[(AtomicU64, IntCounter)]>);

impl Tallies {
    fn new<L: Label>(counter: impl Fn(&str) -> IntCounter) -> Self {
        let tally = |label: &L| (AtomicU64::new(0), counter(label.name()));
        Self(L::ALL.iter().map(tally).collect())
    }

    fn add<L: Label>(&self, label: L) {
        self.add_many(label, 1);
    }

    fn add_many<L: Label>(&self, label: L, count: u64) {
        if let Some((pending, _)) = self.0.get(label.index()) {
            pending.fetch_add(count, Ordering::Relaxed);
        }
    }

    fn flush(&self) {
        self.flush_with(|_, _| {});
    }

    fn flush_with(&self, also: impl Fn(usize, u64)) {
        for (index, (pending, counter)) in self.0.iter().enumerate() {
            let count = pending.swap(0, Ordering::Relaxed);
            if count > 0 {
                counter.inc_by(count);
                also(index, count);
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
