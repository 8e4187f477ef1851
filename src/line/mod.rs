//! The line: one pure state machine, changed by one message, the exchange.
//!
//! No I/O, no clock, no randomness, no logging, and integers only: the same histories are played to this machine and
//! to the script in Redis, and their answers must be equal.
//!
//! A step is one exchange, in this order: expire, accrue entry credit, issue joins, let in, call, let in those just
//! called who are asking. [`Line::apply`] is the only way to change a line.

mod answer;
mod bits;
pub mod constants;
pub mod exchange;
pub mod ids;
mod pace;
mod people;
pub mod promises;
pub mod settings;
mod state;
mod time;
mod validate;

pub use state::Line;

#[cfg(test)]
mod tests;
