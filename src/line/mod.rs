//! The line: one pure state machine, changed by one message, the exchange.
//!
//! No I/O, no clock, no randomness, no logging, and integers only: the same histories are played to this machine and
//! to the script in Redis, and their answers must be equal.
//!
//! A step is one exchange, in this order: expire, accrue entry credit, judge the origin, issue joins, let in, call, let
//! in those just called who are asking. [`Line::apply`] is the only way to change a line.
//!
//! A line may have an opening: before it only numbers are issued, and at it those who came are frozen as the early line.
//!
//! A line whose store may have lost writes heals: for a second and a half nothing is issued, and every replica tells what
//! it was last answered. One that is slow to find the store again, as after a fail-over, is waited for until it has been
//! silent for five seconds: it may be the only one that knows of the last numbers, and a gap wide enough to make up for
//! them would be people ahead of everybody who do not exist.

mod answer;
mod bits;
pub mod constants;
pub mod exchange;
mod guard;
mod heal;
pub mod ids;
pub mod opening;
mod pace;
mod people;
pub mod promises;
pub mod settings;
mod state;
mod stubs;
mod time;
mod validate;

pub use state::Line;

#[cfg(test)]
mod tests;
