//! How each server of an origin stands with this replica: whether it gets requests, and what it has done to deserve it.
//!
//! Workers share it, and share what they saw: a server that fails at one of them is passed over by all. A request reads
//! one word of it for each server, which nobody writes while all is well, and takes a lock only when something is wrong.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::clock;
use crate::proxy::ejection::Ejection;
use crate::proxy::ejection::EjectionRule;
use crate::proxy::ejection::Mishap;
use crate::proxy::settings::OriginAddress;

/// The servers of one origin, for as long as a configuration has them: a reload keeps what is known about each.
#[derive(Debug, Default)]
pub struct Standings(Mutex<HashMap<OriginAddress, Arc<Standing>>>);

/// One server.
#[derive(Debug)]
pub(super) struct Standing {
    began: Instant,
    ejection: Mutex<Ejection>,
    is_passed_over: AtomicBool,
    /// An answer would change something.
    is_troubled: AtomicBool,
    is_down: AtomicBool,
    ejections: AtomicU64,
    checks: AtomicU64,
    checks_failed: AtomicU64,
}

/// What a server has done and how it stands, for metrics. Counts are those since this replica first knew of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerStats {
    /// Requests in flight to it from this worker, checks of its health included.
    pub in_flight: usize,
    /// Unless its health check says that it is down.
    pub is_up: bool,
    /// It is passed over because requests to it failed.
    pub is_ejected: bool,
    /// How often that began, or began anew because a trial failed.
    pub ejections: u64,
    /// Checks of its health.
    pub checks: u64,
    /// Those that failed.
    pub checks_failed: u64,
}

/// What became of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Stays,
    /// It is passed over from now on, for so many milliseconds.
    Ejected(u64),
    /// It stays passed over, for so many milliseconds more.
    StaysOut(u64),
}

impl Standings {
    /// Forgets the servers that are none of these.
    pub fn keep_only(&self, servers: &[OriginAddress]) {
        locked(&self.0).retain(|address, _| servers.contains(address));
    }

    pub(super) fn of(&self, address: &OriginAddress) -> Arc<Standing> {
        let mut all = locked(&self.0);
        let standing = all
            .entry(address.clone())
            .or_insert_with(|| Arc::new(Standing::new()));
        Arc::clone(standing)
    }
}

impl Standing {
    fn new() -> Self {
        Self {
            began: clock::monotonic(),
            ejection: Mutex::default(),
            is_passed_over: AtomicBool::new(false),
            is_troubled: AtomicBool::new(false),
            is_down: AtomicBool::new(false),
            ejections: AtomicU64::new(0),
            checks: AtomicU64::new(0),
            checks_failed: AtomicU64::new(0),
        }
    }

    /// Whether it gets requests.
    pub(super) fn is_in(&self) -> bool {
        !self.is_passed_over() && !self.is_down.load(Ordering::Relaxed)
    }

    pub(super) fn is_passed_over(&self) -> bool {
        self.is_passed_over.load(Ordering::Relaxed)
    }

    /// Whether the next request is to be its trial, which nobody else's is then, and the number of that.
    pub(super) fn try_begin_trial(&self, is_safe: bool) -> Option<u64> {
        if !self.is_passed_over() || self.is_down.load(Ordering::Relaxed) {
            return None;
        }
        let now_ms = self.now_ms();
        locked(&self.ejection).try_begin_trial(is_safe, now_ms)
    }

    /// A trial is over, whatever came of it.
    pub(super) fn end_trial(&self, trial: u64) {
        locked(&self.ejection).end_trial(trial);
    }

    /// A request failed there, which may have been its trial.
    pub(super) fn failed(
        &self,
        mishap: Mishap,
        trial: Option<u64>,
        rule: &EjectionRule,
        random: u64,
    ) -> Verdict {
        let now_ms = self.now_ms();
        let mut ejection = locked(&self.ejection);
        let again = trial.and_then(|trial| ejection.failed_again(trial, rule, now_ms, random));
        let verdict = match again {
            Some(for_ms) => Verdict::StaysOut(for_ms),
            None => match ejection.failed(mishap, rule, now_ms, random) {
                Some(for_ms) => Verdict::Ejected(for_ms),
                None => Verdict::Stays,
            },
        };
        if verdict != Verdict::Stays {
            self.ejections.fetch_add(1, Ordering::Relaxed);
        }
        self.publish(&ejection);
        verdict
    }

    /// A request was answered there. Whether the server is back by that.
    pub(super) fn answered(&self, brings_back: bool) -> bool {
        if !self.is_troubled.load(Ordering::Relaxed) {
            return false;
        }
        let now_ms = self.now_ms();
        let mut ejection = locked(&self.ejection);
        let is_back = ejection.answered(brings_back, now_ms);
        self.publish(&ejection);
        is_back
    }

    /// A check of its health ended.
    pub(super) fn checked(&self, has_passed: bool) {
        self.checks.fetch_add(1, Ordering::Relaxed);
        if !has_passed {
            self.checks_failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says by its health whether it may be used. One that is well again is used at once, whatever failed before.
    pub(super) fn set_down(&self, is_down: bool) {
        if self.is_down.swap(is_down, Ordering::Relaxed) && !is_down {
            self.forgive();
        }
    }

    /// Has it used at once, whatever failed before.
    pub(super) fn forgive(&self) {
        let now_ms = self.now_ms();
        let mut ejection = locked(&self.ejection);
        ejection.forgive(now_ms);
        self.publish(&ejection);
    }

    pub(super) fn stats(&self, in_flight: usize) -> ServerStats {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ServerStats {
            in_flight,
            is_up: !self.is_down.load(Ordering::Relaxed),
            is_ejected: self.is_passed_over(),
            ejections: count(&self.ejections),
            checks: count(&self.checks),
            checks_failed: count(&self.checks_failed),
        }
    }

    fn publish(&self, ejection: &Ejection) {
        self.is_passed_over
            .store(ejection.is_passed_over(), Ordering::Relaxed);
        self.is_troubled
            .store(ejection.is_troubled(), Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        let since = clock::monotonic().saturating_duration_since(self.began);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_that_is_out_stays_out_as_long_as_it_was_to_whatever_else_fails() {
        let rule = EjectionRule {
            after: 1,
            longest: Duration::from_secs(30),
            by_status: false,
        };
        let server = Standing::new();
        let fail = |trial| server.failed(Mishap::Unreached, trial, &rule, 0);
        assert_eq!(fail(None), Verdict::Ejected(1_000));
        for _ in 0..9 {
            assert_eq!(fail(None), Verdict::Stays);
        }
        assert_eq!(server.stats(0).ejections, 1);
        server.forgive();
        assert!(server.is_in());
        // As long as the first time but one.
        assert_eq!(fail(Some(1)), Verdict::Ejected(2_000));
    }
}
