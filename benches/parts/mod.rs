//! What benchmarks of the exchange share: a replica without visitors, and what a Redis server tells of itself.

#![allow(
    dead_code,
    reason = "each benchmark uses its own part of what they share"
)]

pub(crate) mod rig;
pub(crate) mod server;
