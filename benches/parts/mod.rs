//! What benchmarks share: a load, an origin, a core of its own for what is measured, a replica without visitors, and what a
//! Redis server tells of itself.

#![allow(
    dead_code,
    reason = "each benchmark uses its own part of what they share"
)]

pub(crate) mod load;
pub(crate) mod pin;
pub(crate) mod portal;
pub(crate) mod rig;
pub(crate) mod server;
