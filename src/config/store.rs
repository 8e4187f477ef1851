//! The store: where the rooms' lines live.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::secret::SecretSource;
use crate::config::url::StoreUrl;

/// `[store]`: which store, and how long to wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Which store.
    pub url: StoreUrl,
    /// The folder of the embedded store's snapshot and journal.
    pub path: PathBuf,
    /// The prefix of every key in Redis.
    pub prefix: String,
    /// Where the password is kept, if the store asks for one.
    pub password: Option<SecretSource>,
    /// Where the sentinels' own password is kept, if they ask for one.
    pub sentinel_password: Option<SecretSource>,
    /// Authorities that sign the store's certificates, instead of those the platform trusts.
    pub ca_file: Option<PathBuf>,
    /// What this replica shows of itself where the store asks for a certificate: the chain's file and the key's.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for one exchange.
    pub command_timeout: Duration,
}
