//! The proxy and the server as clients and origins meet them: real sockets, raw bytes.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be had is a failure"
)]

mod certificates;
mod drain;
mod failure;
mod forwarding;
mod introduced;
mod parked;
mod protocols;
mod servers;
mod streaming;
mod strict;
mod support;
mod upgrade;
