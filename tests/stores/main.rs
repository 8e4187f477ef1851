//! The stores: equal to the pure line on random histories, and whole after whatever befalls them.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "modules of one test binary, not an interface"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "tests wait by the machine's clock, and a test that cannot go on panics"
)]

mod cost;
mod durability;
mod equality;
mod faults;
mod history;
mod random;
mod server;
mod state;
