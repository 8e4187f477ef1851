//! How often a worker says that an origin had no room: when that begins, and once a minute with how often it happened.
//!
//! Every request beyond `max_in_flight` is one such, and in a rush that is thousands: a line each would bury the log.

use std::cell::Cell;
use std::time::Duration;
use std::time::Instant;

/// The least time between two lines of the log.
const EVERY: Duration = Duration::from_secs(60);

/// What one worker has not said yet.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway {
    said: Cell<Option<Instant>>,
    unsaid: Cell<u64>,
}

impl TurnedAway {
    /// One more; how many there are to speak of, if it is time to.
    pub(crate) fn note(&self, now: Instant) -> Option<u64> {
        let count = self.unsaid.get() + 1;
        let is_time = |said: Instant| now.saturating_duration_since(said) >= EVERY;
        if self.said.get().is_none_or(is_time) {
            self.said.set(Some(now));
            self.unsaid.set(0);
            return Some(count);
        }
        self.unsaid.set(count);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn the_first_is_said_at_once_and_those_after_it_once_a_minute_together() {
        let (turned_away, began) = (TurnedAway::default(), clock::monotonic());
        let at = |seconds| turned_away.note(began + Duration::from_secs(seconds));
        assert_eq!([0, 1, 59].map(at), [Some(1), None, None]);
        assert_eq!([60, 61, 200].map(at), [Some(3), None, Some(2)]);
    }
}
