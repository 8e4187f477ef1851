//! What a shared machine does to whatever runs on it, so that it is not taken for the server's doing.

use std::time::Duration;

use anteroom::clock;

/// The longest that a bare loop on this core stood still, in milliseconds: a machine that is shared takes its cores away now
/// and then, and whatever runs on them meanwhile looks slow.
pub(crate) fn longest_ms(span: Duration) -> f64 {
    let began = clock::monotonic();
    let (mut last, mut longest) = (began, Duration::ZERO);
    while last - began < span {
        let now = clock::monotonic();
        longest = longest.max(now - last);
        last = now;
    }
    longest.as_secs_f64() * 1_000.0
}
