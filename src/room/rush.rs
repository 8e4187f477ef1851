//! When many come at once: exchanges leave a little apart, so that many newcomers share one.
//!
//! An exchange leaves as soon as the one before is back, and where that is soon it carries few. What it costs the store
//! and the replica hardly follows the number of its newcomers, so in a rush most of both would go into exchanges instead
//! of newcomers: with two replicas and 24,500 newcomers a second it was 14 µs of Redis for each. The timer is on nobody's
//! way while few come.

use std::time::Duration;

use tokio::time::Instant;

/// Newcomers in one exchange from which on it is a rush.
const RUSH: usize = 16;
/// How far apart exchanges leave in a rush, at most: what a newcomer hardly notices, and a hundred of them share at
/// 25,000 a second.
const GAP: Duration = Duration::from_millis(4);
/// How often it is looked whether anybody still comes.
const LOOK: Duration = Duration::from_millis(1);

/// Whether there is a rush, by the exchange that left last.
#[derive(Debug, Default)]
pub(crate) struct Rush {
    /// How many newcomers it had, and until when the next one may wait for more.
    last: Option<(usize, Instant)>,
}

impl Rush {
    /// An exchange leaves with so many newcomers.
    pub(crate) fn note(&mut self, newcomers: usize) {
        self.last = (newcomers >= RUSH).then(|| (newcomers, Instant::now() + GAP));
    }

    /// Waits until the next exchange may leave: when as many wait for it as went with the last one and nobody else comes,
    /// or when it is time.
    pub(crate) async fn pass(&mut self, waiting: impl Fn() -> usize) {
        let Some((newcomers, until)) = self.last.take() else {
            return;
        };
        let mut before = waiting();
        while Instant::now() < until {
            tokio::time::sleep_until(until.min(Instant::now() + LOOK)).await;
            let now = waiting();
            if now == before && now >= newcomers {
                return;
            }
            before = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// How long the next exchange waits after one with so many newcomers, when others come like this.
    async fn waits(newcomers: usize, come: impl Fn(usize) -> usize) -> Duration {
        let (mut rush, looks) = (Rush::default(), Cell::new(0));
        rush.note(newcomers);
        let left = Instant::now();
        rush.pass(|| come(looks.replace(looks.get() + 1))).await;
        left.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_waits_for_the_next_only_while_many_come() {
        assert_eq!(waits(RUSH - 1, |_| 0).await, Duration::ZERO);
        assert_eq!(waits(RUSH, |looks| 50 * looks).await, GAP);
        // They may be on their way.
        assert_eq!(waits(RUSH, |_| RUSH - 1).await, GAP);
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_leaves_early_once_all_of_the_last_are_back() {
        assert_eq!(waits(64, |looks| (32 * looks).min(64)).await, 3 * LOOK);
    }
}
