//! anteroom: a virtual waiting room as a reverse proxy.

pub mod cli;
pub mod config;
pub mod line;
