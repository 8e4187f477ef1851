//! Accepts connections, speaks HTTP/1.1 and HTTP/2 on them, and hands requests to a worker's handler.

use crate::proxy::Background;

/// What one worker has: one thread, one listener, one handler.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Which of the workers this is, from 0.
    pub index: usize,
    /// How many workers there are: shares of what is bounded are `1 / workers`.
    pub workers: usize,
    /// What its handlers may leave running.
    pub background: Background,
}
