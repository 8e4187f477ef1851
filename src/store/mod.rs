//! Stores: where a room's line lives, and the one call that moves it.
//!
//! A room's exchanger calls [`Store::exchange`]; nothing on a request's path does. Both kinds apply the rules of
//! [`crate::line`] exactly, which a suite proves by playing the same histories to both. An exchange that failed is
//! sent again **under the same instance and sequence**: whether the store applied it before its answer was lost is
//! settled there, so nothing is ever applied twice, and what the repeat says otherwise counts only if it was not.

mod error;
pub mod memory;
pub mod redis;

use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
pub use crate::store::error::StoreError;
use crate::store::memory::Memory;
use crate::store::redis::Redis;

/// Which store a room uses, as `app` reads it from the configuration.
#[derive(Debug, Clone)]
pub enum Settings {
    /// The line lives in this process.
    Memory(memory::Settings),
    /// The line lives in a Redis server, shared by any number of replicas.
    Redis(Box<redis::Settings>),
}

/// Where one room's line lives.
#[derive(Debug)]
pub enum Store {
    /// In this process, and on its disk.
    Memory(Memory),
    /// In a Redis server.
    Redis(Box<Redis>),
}

impl Store {
    /// Opens the store of this room. A Redis server need not be reachable yet: the first exchange connects.
    ///
    /// # Errors
    /// [`StoreError`] when the directory cannot be used or is in use by another anteroom.
    pub async fn open(settings: &Settings, room: &str) -> Result<Self, StoreError> {
        match settings {
            Settings::Memory(settings) => Memory::open(settings, room).await.map(Self::Memory),
            Settings::Redis(settings) => Ok(Self::Redis(Box::new(Redis::new(settings, room)))),
        }
    }

    /// Applies one exchange, at the store's own time, and answers it. The exchange's `store` is filled in here.
    ///
    /// Returns within the store's deadlines. One call at a time; after an error, that exchange again: a call made
    /// soon after a failure first waits for the back-off (at most a second).
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::is_away`] tells an outage from an exchange that will never be accepted.
    pub async fn exchange(&mut self, exchange: &Exchange) -> Result<Answer, StoreError> {
        match self {
            Self::Memory(memory) => memory.exchange(exchange, None).await,
            Self::Redis(redis) => redis.exchange(exchange, None).await,
        }
    }

    /// As [`Store::exchange`], at a given time of the store's clock (microseconds since 1970) and with the exchange's
    /// own `store`: for tests and rehearsals that play a history.
    ///
    /// # Errors
    /// As [`Store::exchange`].
    pub async fn exchange_at(
        &mut self,
        clock_us: u64,
        exchange: &Exchange,
    ) -> Result<Answer, StoreError> {
        match self {
            Self::Memory(memory) => memory.exchange(exchange, Some(clock_us)).await,
            Self::Redis(redis) => redis.exchange(exchange, Some(clock_us)).await,
        }
    }

    /// Writes down what is only in memory and lets go of the store.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the last snapshot could not be written; the journal still has everything.
    pub async fn close(self) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => memory.close().await,
            Self::Redis(_) => Ok(()),
        }
    }
}
