//! anteroom: a virtual waiting room as a reverse proxy.

pub mod clock;
pub mod line;
pub mod seal;
pub mod telemetry;
