//! Seeing it run: logs for events, metrics for numbers, the access log for requests.
//!
//! Workers count and write on their own and hand over what they gathered every [`TICK`]: no request touches memory
//! that another core writes.

use std::time::Duration;

pub mod access_log;
pub mod logs;
pub mod metrics;

/// How often a worker hands over its counts and its lines of the access log.
pub const TICK: Duration = Duration::from_millis(250);
