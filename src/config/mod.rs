//! The configuration: one TOML file, checked as a whole before anything of it counts.
//!
//! [`keys`] is the one table of every key: the reader checks values with it, `explain` prints it, reload compares by
//! it, and a test holds `config/reference.toml` to it. [`load`] reads a file into a [`Loaded`] or into a
//! [`Report`](report::Report) of everything that is wrong with it.

use std::collections::BTreeMap;
use std::sync::Arc;

pub mod fault;
pub mod keys;
pub mod origin;
pub mod pattern;
pub mod room;
pub mod secret;
pub mod server;
pub mod store;
pub mod units;
pub mod url;

pub use crate::config::origin::Origin;
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
    /// The rooms by name; at least one.
    pub rooms: BTreeMap<String, Arc<Room>>,
}
