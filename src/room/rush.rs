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
/// How far apart exchanges leave in a rush, at least.
const GAP: Duration = Duration::from_millis(2);

/// Whether there is a rush, by the exchange that left last.
#[derive(Debug, Default)]
pub(crate) struct Rush {
    /// When the next one may leave.
    until: Option<Instant>,
}

impl Rush {
    /// An exchange leaves with so many newcomers.
    pub(crate) fn note(&mut self, newcomers: usize) {
        self.until = (newcomers >= RUSH).then(|| Instant::now() + GAP);
    }

    /// Waits until the next exchange may leave.
    pub(crate) async fn pass(&mut self) {
        if let Some(until) = self.until.take() {
            tokio::time::sleep_until(until).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn exchanges_leave_apart_only_while_many_come() {
        let mut rush = Rush::default();
        let passes_at_once = async |rush: &mut Rush, newcomers| {
            rush.note(newcomers);
            let before = Instant::now();
            rush.pass().await;
            before == Instant::now()
        };
        assert!(passes_at_once(&mut rush, RUSH - 1).await);
        assert!(!passes_at_once(&mut rush, RUSH).await);
        assert!(passes_at_once(&mut rush, 0).await);
    }
}
