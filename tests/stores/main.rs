//! The stores: equal to the pure line on random histories, and whole after whatever befalls them.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "modules of one test binary, not an interface"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests wait by the machine's clock, panic when they cannot go on, and tell seeds and measures"
)]

mod cost;
mod durability;
mod equality;
mod failover;
mod faults;
mod full;
mod history;
mod met;
mod power;
mod random;
mod server;
mod state;
mod stubs;
#[path = "../support/mod.rs"]
mod support;
mod topology;
mod trouble;
