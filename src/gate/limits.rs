//! How much one visitor may ask of the origin: so many requests at once, and so many in a time.
//!
//! A room's visitors are counted at each replica by themselves, and only where the room has such a limit; then a request
//! takes one of a few locks, twice. Who has asked for nothing lately is forgotten.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

use crate::clock;
use crate::config::Room;
use crate::line::ids::TicketId;
use crate::telemetry::metrics::Limit;

/// How long a request that is too much waits before it is refused.
const WAIT: Duration = Duration::from_secs(1);

/// Requests of one visitor that may wait for others of it to end.
const WAITING_MAX: usize = 64;

/// What may come at once is what the rate allows in this time.
const BURST_US: u64 = 2_000_000;

/// Locks that visitors are spread over.
const SHARDS: usize = 16;

/// Visitors of one shard that are kept in mind.
const VISITORS_MAX: usize = 4_096;

/// One room's visitors and what they ask for.
#[derive(Debug)]
pub struct VisitorLimits {
    /// None for no limit.
    in_flight_max: Option<usize>,
    /// Between two requests of one visitor, at its rate, in microseconds; none for no limit.
    every_us: Option<u64>,
    began: Instant,
    shards: [Mutex<HashMap<TicketId, Asking>>; SHARDS],
}

/// What one visitor asks for.
#[derive(Debug)]
struct Asking {
    /// Requests in flight, and those that wait.
    requests: usize,
    bucket: Bucket,
    slots: Arc<Semaphore>,
}

/// A rate with room for a burst, as the time when a request would be due if they came evenly.
#[derive(Debug, Default)]
struct Bucket {
    due_us: u64,
}

impl Bucket {
    /// How long the next request has to wait, in microseconds; it counts unless that is longer than `most_us`.
    fn take(&mut self, now_us: u64, every_us: u64, most_us: u64) -> Result<u64, u64> {
        let due_us = self.due_us.max(now_us);
        let wait_us = due_us.saturating_sub(now_us + BURST_US);
        if wait_us > most_us {
            return Err(wait_us);
        }
        self.due_us = due_us + every_us;
        Ok(wait_us)
    }

    fn is_full(&self, now_us: u64) -> bool {
        self.due_us <= now_us
    }
}

/// Leave for one request of a visitor; dropped when the response has ended.
#[derive(Debug)]
pub(crate) struct Leave {
    limits: Arc<VisitorLimits>,
    visitor: TicketId,
    _slot: Option<OwnedSemaphorePermit>,
}

impl VisitorLimits {
    /// Those of this room, if it has any; the ones in force when they are the same.
    #[must_use]
    pub fn of(room: &Room, in_force: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        let in_flight_max = usize::try_from(room.visitor_in_flight).unwrap_or(usize::MAX);
        let in_flight_max = (in_flight_max > 0).then_some(in_flight_max);
        let every_us = 3_600_000_000_u64.checked_div(room.visitor_rate.per_hour());
        if in_flight_max.is_none() && every_us.is_none() {
            return None;
        }
        let is_same =
            |known: &&Arc<Self>| (known.in_flight_max, known.every_us) == (in_flight_max, every_us);
        let known = in_force.filter(is_same).map(Arc::clone);
        Some(known.unwrap_or_else(|| Arc::new(Self::new(in_flight_max, every_us))))
    }

    fn new(in_flight_max: Option<usize>, every_us: Option<u64>) -> Self {
        Self {
            in_flight_max,
            every_us,
            began: clock::monotonic(),
            shards: [(); SHARDS].map(|()| Mutex::default()),
        }
    }

    /// Leave for a request, after a short wait where it is needed.
    ///
    /// # Errors
    /// What this visitor has too much of; [`Limit::Untracked`] when there are too many visitors to say.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        visitor: TicketId,
        now: Instant,
    ) -> Result<Leave, Limit> {
        let (slots, wait_us) = self.register(visitor, self.micros(now))?;
        // From here on the request is counted, also if its client leaves.
        let mut leave = Leave {
            limits: Arc::clone(self),
            visitor,
            _slot: None,
        };
        if wait_us > 0 {
            tokio::time::sleep(Duration::from_micros(wait_us)).await;
        }
        if self.in_flight_max.is_some() {
            let slot = tokio::time::timeout(WAIT, slots.acquire_owned()).await;
            leave._slot = Some(slot.ok().and_then(Result::ok).ok_or(Limit::InFlight)?);
        }
        Ok(leave)
    }

    /// Counts one more request of a visitor: where it waits for others of it, and how long for its rate.
    fn register(&self, visitor: TicketId, now_us: u64) -> Result<(Arc<Semaphore>, u64), Limit> {
        let mut asking = self.shard(visitor);
        if asking.len() >= VISITORS_MAX && !asking.contains_key(&visitor) {
            asking.retain(|_, asking| asking.requests > 0 || !asking.bucket.is_full(now_us));
            if asking.len() >= VISITORS_MAX {
                return Err(Limit::Untracked);
            }
        }
        let asking = asking.entry(visitor).or_insert_with(|| Asking {
            requests: 0,
            bucket: Bucket::default(),
            slots: Arc::new(Semaphore::new(
                self.in_flight_max.unwrap_or(0).min(Semaphore::MAX_PERMITS),
            )),
        });
        let most = self
            .in_flight_max
            .map(|max| max.saturating_add(WAITING_MAX));
        if most.is_some_and(|most| asking.requests >= most) {
            return Err(Limit::InFlight);
        }
        let wait_us = match self.every_us {
            Some(every_us) => {
                let most_us = u64::try_from(WAIT.as_micros()).unwrap_or(u64::MAX);
                let taken = asking.bucket.take(now_us, every_us, most_us);
                taken.map_err(|_| Limit::Rate)?
            }
            None => 0,
        };
        asking.requests += 1;
        Ok((Arc::clone(&asking.slots), wait_us))
    }

    /// How many visitors are kept in mind.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).len()).sum()
    }

    fn shard(&self, visitor: TicketId) -> MutexGuard<'_, HashMap<TicketId, Asking>> {
        let index = usize::try_from(visitor.0 % SHARDS as u128).unwrap_or(0);
        locked(&self.shards[index])
    }

    fn micros(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.began);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX / 2)
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let now_us = self.limits.micros(clock::monotonic());
        let mut shard = self.limits.shard(self.visitor);
        let Some(asking) = shard.get_mut(&self.visitor) else {
            return;
        };
        asking.requests = asking.requests.saturating_sub(1);
        if asking.requests == 0 && asking.bucket.is_full(now_us) {
            shard.remove(&self.visitor);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: TicketId = TicketId(7);

    #[test]
    fn a_rate_lets_two_seconds_worth_come_at_once_and_then_one_after_the_other() {
        let mut bucket = Bucket::default();
        let (every_us, most_us, now_us) = (100_000, 1_000_000, 50);
        let mut take = |now_us| bucket.take(now_us, every_us, most_us);
        for _ in 0..21 {
            assert_eq!(take(now_us), Ok(0));
        }
        for wait in 1..=10 {
            assert_eq!(take(now_us), Ok(wait * every_us));
        }
        // Refused ones do not count.
        assert_eq!(take(now_us), Err(1_100_000));
        assert_eq!(take(now_us), Err(1_100_000));
        assert_eq!(take(now_us + every_us), Ok(most_us));
        assert!(!bucket.is_full(now_us + 3_000_000));
        assert!(bucket.is_full(now_us + 3_200_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_visitor_has_no_more_in_flight_than_it_may_and_others_do_not_notice() {
        let limits = Arc::new(VisitorLimits::new(Some(2), None));
        let now = clock::monotonic();
        let first = limits.admit(ME, now).await.unwrap();
        let second = limits.admit(ME, now).await.unwrap();
        let other = limits.admit(TicketId(8), now).await.unwrap();
        assert_eq!(limits.admit(ME, now).await.unwrap_err(), Limit::InFlight);
        let waits = limits.admit(ME, now);
        let ends = async {
            tokio::task::yield_now().await;
            drop(first);
        };
        let (third, ()) = tokio::join!(waits, ends);
        assert!(third.is_ok());
        drop((second, third, other));
        assert_eq!(limits.len(), 0);
    }

    #[test]
    fn no_more_wait_than_may_and_no_more_visitors_are_kept_in_mind() {
        let limits = VisitorLimits::new(Some(1), Some(1_000));
        for _ in 0..=WAITING_MAX {
            assert!(limits.register(ME, 0).is_ok());
        }
        assert_eq!(limits.register(ME, 0).unwrap_err(), Limit::InFlight);
        let many = u128::try_from(SHARDS * VISITORS_MAX).unwrap();
        for visitor in 0..many {
            if TicketId(visitor) != ME {
                assert!(limits.register(TicketId(visitor), 0).is_ok());
            }
        }
        let one_more = TicketId(many);
        assert_eq!(limits.register(one_more, 0).unwrap_err(), Limit::Untracked);
        // Those who have ended, and have their burst again, are forgotten for it.
        for shard in &limits.shards {
            locked(shard)
                .values_mut()
                .for_each(|asking| asking.requests = 0);
        }
        assert!(limits.register(one_more, 10).is_err());
        assert!(limits.register(one_more, 70_000).is_ok());
        assert!(limits.len() < SHARDS * VISITORS_MAX);
    }

    #[test]
    fn a_room_has_limits_only_where_it_says_so_and_keeps_them_over_a_reload() {
        let room = |more: &str| {
            let text = format!(
                "[origin.portal]\nurl = \"http://127.0.0.1:1\"\n[room.main]\norigin = \"portal\"\n\
                 rate = \"1/s\"\n{more}"
            );
            let surroundings = crate::config::Surroundings::elsewhere();
            let folder = std::path::Path::new("/");
            let loaded = crate::config::parse(folder, folder, &text, &surroundings).unwrap();
            Arc::clone(&loaded.config.rooms["main"])
        };
        assert!(VisitorLimits::of(&room(""), None).is_none());
        let limited = room("visitor_in_flight = 6\nvisitor_rate = \"20/s\"");
        let limits = VisitorLimits::of(&limited, None).unwrap();
        assert_eq!(
            (limits.in_flight_max, limits.every_us),
            (Some(6), Some(50_000))
        );
        let again = VisitorLimits::of(&limited, Some(&limits)).unwrap();
        assert!(Arc::ptr_eq(&limits, &again));
        let other = VisitorLimits::of(&room("visitor_in_flight = 7"), Some(&limits)).unwrap();
        assert!(!Arc::ptr_eq(&limits, &other) && other.every_us.is_none());
    }
}
