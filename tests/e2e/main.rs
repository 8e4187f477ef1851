//! The road from end to end: the real binary between real clients, a real origin and a real Redis.
//!
//! Each module shows one line of what anteroom promises to whoever puts it in front of a portal: the walk of one
//! visitor, what never gets through, reload under load, what becomes of a line when its store or the replica dies.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on panics, and says where"
)]

#[path = "../support/mod.rs"]
mod support;

mod bombs;
mod calm;
mod cookies;
mod drain;
mod forged;
mod full;
mod guard;
mod handover;
mod hostile;
mod in_flight;
mod limits;
#[allow(dead_code, clippy::panic, reason = "shared with the chaos runs")]
#[path = "../chaos/link.rs"]
mod link;
mod load;
mod memory;
mod metrics;
mod opening;
mod origins;
mod outage;
mod paced;
mod redis;
mod redis_guarded;
mod redis_load;
mod redis_sentinel;
mod reload;
mod reload_load;
mod servers;
mod stage;
mod stock;
mod streams;
mod stubs;
mod tls;
mod walk;
