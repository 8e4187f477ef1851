//! How long to leave an unreachable store alone before the next attempt.

use std::time::Duration;

use aws_lc_rs::rand;
use tokio::time::Instant;

/// The wait after the first failure; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(50);
/// The longest wait. A third of the time a line heals at most, so that all replicas find a store that is back while it
/// does, also on a busy machine: for one that comes later numbers are left out.
const LONGEST: Duration = Duration::from_millis(500);
/// Doublings after which the wait is the longest.
const DOUBLINGS_MAX: u32 = 4;

/// Exponential back-off with jitter: each wait lies between half and all of its step, so that replicas spread out.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// Notes a failure: the next attempt is to wait.
    pub(crate) fn failed(&mut self) {
        self.until = Some(Instant::now() + wait(self.failures, random()));
        self.failures = self.failures.saturating_add(1);
    }

    /// Notes a success: the next attempt need not wait.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Waits until the next attempt is due.
    pub(crate) async fn wait(&mut self) {
        if let Some(until) = self.until {
            tokio::time::sleep_until(until).await;
            self.until = None;
        }
    }
}

/// The wait after this many failures before, where `random` is any number of 16 bits.
fn wait(failures: u32, random: u16) -> Duration {
    let step = LONGEST.min(FIRST * 2_u32.pow(failures.min(DOUBLINGS_MAX)));
    step / 2 + step / 2 * u32::from(random) / u32::from(u16::MAX)
}

/// 16 random bits; zero should the system have none, which only takes the jitter away.
fn random() -> u16 {
    let mut bytes = [0; 2];
    rand::fill(&mut bytes).map_or(0, |()| u16::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_second_and_no_further() {
        assert_eq!(wait(0, u16::MAX), FIRST);
        assert_eq!(wait(0, 0), FIRST / 2);
        assert!((0..40).all(|n| wait(n, u16::MAX) <= LONGEST && wait(n, 0) >= FIRST / 2));
        assert_eq!(wait(40, u16::MAX), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_ends_the_waiting() {
        let mut backoff = Backoff::default();
        let start = Instant::now();
        backoff.failed();
        backoff.wait().await;
        assert!(start.elapsed() >= FIRST / 2);
        backoff.failed();
        backoff.reset();
        let start = Instant::now();
        backoff.wait().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
