//! anteroom: a virtual waiting room as a reverse proxy.

pub mod config;
pub mod line;
