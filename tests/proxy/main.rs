//! The proxy and the server as clients and origins meet them: real sockets, raw bytes.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be had is a failure"
)]

mod drain;
mod failure;
mod forwarding;
mod parked;
mod protocols;
mod servers;
mod slow;
mod streaming;
mod strict;
mod support;
mod upgrade;
