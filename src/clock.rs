//! The one place that reads the clock.
//!
//! Everything else takes the time as an argument or asks here, so that a search for clocks finds one file.

use std::time::Instant;

/// The monotonic clock of this machine: never set back, and meaningless to any other process.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the clock module is where the clock is read"
)]
pub fn monotonic() -> Instant {
    Instant::now()
}
