//! The shared store: a room's line in a Redis server, moved by one script.

use std::time::Duration;

use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
use crate::store::StoreError;

/// Which Redis server to use, and how long to wait for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `redis://`, `rediss://` or `redis+unix://`, with credentials where the server wants them. Never logged.
    pub url: String,
    /// What the names of all keys begin with.
    pub prefix: String,
    /// How long connecting may take, the first commands on the connection included.
    pub connect_deadline: Duration,
    /// How long an exchange may take.
    pub answer_deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            prefix: "anteroom".to_owned(),
            connect_deadline: Duration::from_secs(1),
            answer_deadline: Duration::from_secs(1),
        }
    }
}

impl std::fmt::Debug for Settings {
    /// Shows everything but the URL, which may carry a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("prefix", &self.prefix)
            .field("connect_deadline", &self.connect_deadline)
            .field("answer_deadline", &self.answer_deadline)
            .finish_non_exhaustive()
    }
}

/// A line in a Redis server.
#[derive(Debug)]
pub struct Redis {}

impl Redis {
    /// Prepares for the line of this room; the first exchange connects.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn new(_settings: &Settings, _room: &str) -> Result<Self, StoreError> {
        Ok(Self {})
    }

    /// See [`crate::store::Store::exchange_at`]; without a time, the server's clock.
    pub(crate) async fn exchange(
        &mut self,
        _exchange: &Exchange,
        _clock_us: Option<u64>,
    ) -> Result<Answer, StoreError> {
        Err(StoreError::Unreachable {
            addr: String::new(),
            cause: "not connected".to_owned(),
        })
    }
}
