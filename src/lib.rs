//! anteroom: a virtual waiting room as a reverse proxy.

pub mod clock;
pub mod line;
pub mod message;
pub mod proxy;
pub mod server;
