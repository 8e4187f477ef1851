//! The line: one pure state machine, changed by one message, the exchange.
//!
//! No I/O, no clock, no randomness, no logging, and integers only: the same histories are played to this machine and
//! to the script in Redis, and their answers must be equal.
//!
//! A step is one exchange, in this order: expire, accrue entry credit, judge the origin, number stubs, issue joins, let
//! in, call, let in those just called who are asking. [`Line::apply`] is the only way to change a line.
//!
//! A line may have an opening: before it only numbers are issued, and at it those who came are frozen as the early line.
//!
//! A line whose store may have lost writes heals: nothing is issued, called or entered until every replica that was live
//! has told what it was last answered, which is half a second at least and a second and a half at most. Who was live is
//! known from the line itself, or from the replicas if the line has forgotten. One that is slow to find the store again,
//! as after a fail-over, may be the only one that knows of the last numbers: these are left out as a gap, and calling
//! steps over it unless somebody who has one of them is heard from, so that nobody waits behind people who do not exist.
//!
//! Where the operator wants it, each answer grants its replica a lease, what it may let in by itself should it lose the
//! store, and the line withholds the leases of those it does not hear from ([`lease`], [`door`]).
//!
//! A line is full when as many wait and are present as its settings allow ([`places`]): whoever has gone away takes nobody's
//! place, and loses none.
//!
//! Whoever comes while nothing is issued is given a stub by its replica. Stubs are numbered in order of arrival across all
//! replicas, by the line time that each of them carried on, and ahead of everybody who comes later; that is why a line
//! that nobody was heard from for a while first gathers what all of its replicas have to tell. An exchange that was sent
//! before and repeated tells nothing new, so a replica has told everything with its second.

mod answer;
mod bits;
pub mod constants;
pub mod door;
pub mod exchange;
mod guard;
mod heal;
pub mod ids;
pub mod lease;
pub mod opening;
mod pace;
mod people;
mod places;
pub mod promises;
pub mod settings;
mod state;
mod stubs;
mod time;
mod validate;

pub use state::Line;

#[cfg(test)]
pub(crate) mod tests;
