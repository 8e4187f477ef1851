//! anteroom: a virtual waiting room as a reverse proxy.

pub mod clock;
pub mod config;
pub mod line;
pub mod seal;
pub mod estimate;
pub mod page;
pub mod message;
pub mod proxy;
pub mod server;
