//! anteroom: a virtual waiting room as a reverse proxy.

pub mod clock;
pub mod demo;
pub mod line;
