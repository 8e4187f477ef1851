//! anteroom: a virtual waiting room as a reverse proxy.

pub mod line;
