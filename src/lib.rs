//! anteroom: a virtual waiting room as a reverse proxy.

pub mod estimate;
pub mod line;
pub mod page;
