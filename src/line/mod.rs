//! The line: one pure state machine, changed by one message, the exchange.
//!
//! No I/O, no clock, no randomness, no logging, and integers only: the same histories are played to this machine and
//! to the script in Redis, and their answers must be equal.

pub mod exchange;
pub mod ids;
pub mod settings;
