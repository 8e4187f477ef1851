//! Why a store could not do what it was asked.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::line::exchange::Refused;
use crate::store::redis::Trouble;

/// A store failed; no message carries a secret.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection could be made, or it broke.
    #[error("the store at {addr} cannot be reached: {cause}")]
    Unreachable {
        /// Where it should be: host and port or a socket's path, without credentials.
        addr: String,
        /// What went wrong.
        cause: String,
    },
    /// The store did not answer in time; whether it applied the exchange is unknown.
    #[error("the store at {addr} did not answer within {} ms", after.as_millis())]
    Timeout {
        /// Where it is.
        addr: String,
        /// The deadline that passed.
        after: Duration,
    },
    /// The store answered that it cannot be used.
    #[error("the store at {addr} cannot be used: {trouble}")]
    Failed {
        /// Where it is.
        addr: String,
        /// What it says.
        trouble: Trouble,
    },
    /// The store's answer is not one this release can read.
    #[error("the store's answer cannot be read: {0}")]
    Unreadable(&'static str),
    /// The line refused the exchange; sending it again will not help.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A file could not be read or written.
    #[error("{} cannot be {action}: {source}", path.display())]
    Disk {
        /// Which file.
        path: PathBuf,
        /// What was tried with it.
        action: &'static str,
        /// What went wrong.
        source: io::Error,
    },
    /// Another anteroom keeps this room's line in the same directory.
    #[error("{} is in use by another anteroom", path.display())]
    Locked {
        /// The file that is locked.
        path: PathBuf,
    },
    /// A file's content makes no sense, or another release wrote it.
    #[error("{} cannot be used: {cause}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The thread that owns the line has ended.
    #[error("the embedded store has stopped")]
    Stopped,
}

impl StoreError {
    /// Whether the store is away: the same exchange may well be answered later.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Failed { .. }
            | Self::Disk { .. } => true,
            Self::Unreadable(_)
            | Self::Refused(_)
            | Self::Locked { .. }
            | Self::File { .. }
            | Self::Stopped => false,
        }
    }

    /// One word for each kind of failure, so that the same outage is told once and another one is not kept quiet.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => "unreachable",
            Self::Failed { trouble, .. } => trouble.word(),
            Self::Unreadable(_) => "unreadable",
            Self::Refused(_) => "refused",
            Self::Disk { .. } | Self::Locked { .. } | Self::File { .. } => "disk",
            Self::Stopped => "stopped",
        }
    }
}
