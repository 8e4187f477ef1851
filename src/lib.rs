//! anteroom: a virtual waiting room as a reverse proxy.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod estimate;
pub mod gate;
pub mod line;
pub mod message;
pub mod page;
pub mod proxy;
pub mod room;
pub mod seal;
pub mod server;
pub mod store;
pub mod telemetry;
