//! Exit codes: what a script can tell from how a command ended.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked.
    Ok,
    /// It failed.
    Failed,
    /// It was called wrongly; clap says so and ends the process itself.
    Usage,
    /// The configuration is invalid.
    ConfigInvalid,
    /// It would do something that has to be confirmed.
    NeedsConfirmation,
    /// The running anteroom could not be reached.
    NotReachable,
    /// The running anteroom refused.
    Refused,
    /// It found differences.
    Differences,
}

impl Exit {
    /// The number the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::ConfigInvalid => 3,
            Self::NeedsConfirmation => 4,
            Self::NotReachable => 5,
            Self::Refused => 6,
            Self::Differences => 10,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
