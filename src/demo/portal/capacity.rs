//! How much the demonstration's portal carries, and how it breaks when more comes.
//!
//! A few workers take a while over each request; the others stand at the door. The more wait, the longer each request
//! takes (they fight over the same rows), then the door is full, and when too many were turned away within a second
//! the portal falls over: what it was working on is lost and nothing is answered until it is up again.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::time;

use crate::clock;

/// How much a portal carries; made by [`Capacity::clinic`] or [`Capacity::connections_only`] and adjusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Connections beyond this one are answered 503 and closed.
    pub connections_max: usize,
    /// Requests worked on at once; 0 means that requests cost nothing.
    pub workers: usize,
    /// Time one worker takes over a request while nobody waits; twice that when the door is full.
    pub work: Duration,
    /// Requests that may wait for a worker; further ones are answered 503.
    pub waiting_max: usize,
    /// So many turned away within one second make the portal fall over.
    pub falls_at: u32,
    /// How long it stays down.
    pub down: Duration,
    /// Appointments that can be booked.
    pub appointments: u64,
}

impl Capacity {
    /// A small clinic's portal: carries 100 requests a second, falls over when twice as many keep coming.
    #[must_use]
    pub fn clinic(appointments: u64) -> Self {
        Self {
            connections_max: 4_096,
            workers: 4,
            work: Duration::from_millis(40),
            waiting_max: 100,
            falls_at: 30,
            down: Duration::from_secs(4),
            appointments,
        }
    }

    /// A portal that only counts connections and answers 503 above `connections_max`.
    #[must_use]
    pub fn connections_only(connections_max: usize) -> Self {
        Self {
            connections_max,
            workers: 0,
            work: Duration::ZERO,
            waiting_max: 0,
            falls_at: 0,
            down: Duration::ZERO,
            appointments: u64::MAX,
        }
    }
}

/// Why a request got no answer but 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Overrun {
    /// Too many wait already.
    #[error("too many requests wait for a worker")]
    Full,
    /// The portal fell over and is not up again.
    #[error("the portal is down")]
    Down,
    /// The portal fell over while it worked on this request.
    #[error("the portal fell over while it worked on this request")]
    Lost,
}

/// How the portal is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// Requests find a worker at once, or nearly.
    #[default]
    Well,
    /// Requests wait for a worker.
    Slow,
    /// It fell over.
    Down,
}

impl Health {
    /// The word for the view and the summary.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Slow => "slow",
            Self::Down => "DOWN",
        }
    }
}

/// The workers and the door in front of them.
#[derive(Debug)]
pub(crate) struct Desk {
    capacity: Capacity,
    workers: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    turned_away: u32,
    second_began: Option<Instant>,
    down_until: Option<Instant>,
    falls: u32,
}

impl Desk {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            workers: Semaphore::new(capacity.workers),
            state: Mutex::default(),
        }
    }

    /// Works on one request for as long as it takes.
    ///
    /// # Errors
    /// Says why there is no answer; the work may be lost half-way.
    pub(crate) async fn work(&self) -> Result<(), Overrun> {
        if self.capacity.workers == 0 {
            return Ok(());
        }
        let (place, falls) = self.stand_in(clock::monotonic())?;
        let Ok(_worker) = self.workers.acquire().await else {
            return Err(Overrun::Down);
        };
        if self.lock().falls != falls {
            return Err(Overrun::Lost);
        }
        let crowding = u32::try_from(self.lock().waiting).unwrap_or(u32::MAX);
        drop(place);
        let door = u32::try_from(self.capacity.waiting_max.max(1)).unwrap_or(u32::MAX);
        let work = self.capacity.work;
        time::sleep(work + work.saturating_mul(crowding.min(door)) / door).await;
        if self.lock().falls == falls {
            Ok(())
        } else {
            Err(Overrun::Lost)
        }
    }

    /// How it is doing, how many wait, and how often it has fallen over.
    pub(crate) fn look(&self) -> (Health, usize, u32) {
        let now = clock::monotonic();
        let state = self.lock();
        let health = if state.down_until.is_some_and(|until| now < until) {
            Health::Down
        } else if state.waiting > self.capacity.workers {
            Health::Slow
        } else {
            Health::Well
        };
        (health, state.waiting, state.falls)
    }

    /// Takes a place at the door, or turns the request away; too many of those and the portal falls over.
    fn stand_in(&self, now: Instant) -> Result<(Place<'_>, u32), Overrun> {
        let mut state = self.lock();
        if state.down_until.is_some_and(|until| now < until) {
            return Err(Overrun::Down);
        }
        if state.waiting < self.capacity.waiting_max {
            state.waiting += 1;
            let falls = state.falls;
            return Ok((Place { desk: self }, falls));
        }
        let fresh = state
            .second_began
            .is_none_or(|began| now.duration_since(began) >= Duration::from_secs(1));
        if fresh {
            state.second_began = Some(now);
            state.turned_away = 0;
        }
        state.turned_away += 1;
        if state.turned_away >= self.capacity.falls_at {
            state.falls += 1;
            state.down_until = Some(now + self.capacity.down);
            state.turned_away = 0;
        }
        Err(Overrun::Full)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request waiting for a worker; gives its place up when dropped, also when its visitor went away.
#[derive(Debug)]
struct Place<'a> {
    desk: &'a Desk,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.desk.lock().waiting -= 1;
    }
}
