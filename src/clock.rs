//! The clocks of the machine: the only place that reads them.

use std::time::Instant;

/// The monotonic clock, for deadlines and durations.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}
