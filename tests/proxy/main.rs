//! The proxy and the server as clients and origins meet them: real sockets, raw bytes.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be had is a failure"
)]

mod certificates;
mod drain;
mod events;
mod failure;
mod forwarding;
mod grpc;
mod http2_origin;
mod http2_refused;
mod http2_support;
mod introduced;
mod origin_tls;
mod parked;
mod protocols;
mod proxy_header;
mod servers;
mod slow;
mod streaming;
mod strict;
mod support;
mod upgrade;
mod websocket;
