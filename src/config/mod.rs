//! The configuration: one TOML file, checked as a whole before anything of it counts.
//!
//! [`keys`] is the one table of every key: the reader checks values with it, `explain` prints it, a reload compares
//! by it, and the reference file is made from it. [`load()`] reads a file into a [`Loaded`], or into a
//! [`Report`] of everything that is wrong with it. Nothing here reads a secret or opens a connection.

use std::collections::BTreeMap;
use std::sync::Arc;

mod check;
pub mod fault;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod keys;
mod load;
pub mod origin;
pub mod pattern;
mod read;
pub mod reload;
pub mod report;
pub mod room;
pub mod schedule;
pub mod secret;
pub mod server;
pub mod store;
pub mod units;
pub mod url;
mod values;

pub use crate::config::load::Loaded;
pub use crate::config::load::Surroundings;
pub use crate::config::load::WithoutFile;
pub use crate::config::load::load;
pub use crate::config::load::parse;
pub use crate::config::origin::Origin;
pub use crate::config::report::Report;
pub use crate::config::room::Room;
pub use crate::config::server::Admin;
pub use crate::config::server::Log;
pub use crate::config::server::Server;
pub use crate::config::server::Tickets;
pub use crate::config::store::Store;

/// A checked configuration: every value is there and in range, and every name it uses is defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The listener visitors reach.
    pub server: Server,
    /// The listener operators reach.
    pub admin: Admin,
    /// Where lines live.
    pub store: Store,
    /// Signing keys.
    pub tickets: Tickets,
    /// Logs.
    pub log: Log,
    /// The origins by name; at least one.
    pub origins: BTreeMap<String, Arc<Origin>>,
    /// The rooms by name; at least one. Each one's origin is among the origins.
    pub rooms: BTreeMap<String, Arc<Room>>,
}
