//! What is wrong with one value, before it is known where the value stands.

use std::fmt;

/// The stable code of a kind of problem; a code is never used again for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The file cannot be read.
    Unreadable,
    /// The file is not TOML.
    Syntax,
    /// A key that does not exist.
    UnknownKey,
    /// A key that must be given.
    MissingKey,
    /// A value of another type than the key takes.
    WrongType,
    /// A value that does not say what it should.
    Invalid,
    /// A value below or above its range.
    OutOfRange,
    /// A value that is none of the key's choices.
    NotAChoice,
    /// A name that nothing in the file defines.
    Undefined,
    /// Two keys that cannot both be given.
    Conflict,
    /// Two rooms that claim the same requests.
    SameRoute,
    /// A secret written into the file.
    SecretInFile,
    /// A listener that would let anybody in.
    Unprotected,
    /// Something planned that this version cannot do.
    Unsupported,
    /// A file named by the configuration that cannot be read.
    FileMissing,
    /// A clock time that does not exist, or exists twice.
    ClockChange,
    /// The files of a certificate that cannot be used, or do not fit together.
    BadCertificate,
    /// Warning: a turn shorter than two polls.
    ShortTurn,
    /// Warning: no telephone number for those who cannot wait on line.
    NoPhone,
    /// Warning: `active_max` holds the pace below `rate`.
    TightLimit,
    /// Warning: operators' listener on a public address.
    PublicAdmin,
    /// Warning: the room is open and its rate is zero.
    ZeroRate,
    /// Warning: an origin no room uses.
    UnusedOrigin,
    /// Warning: two origins that could take the same requests outside every room.
    SameHosts,
    /// Warning: everybody is trusted to say who they are.
    TrustsEverybody,
    /// Warning: the room names hosts, and its origin answers any.
    WalkedPast,
    /// Warning: a certificate that has ended, or has not begun.
    CertificateTime,
    /// Warning: a certificate that is never shown for one of its names, or has none.
    CertificateNames,
    /// Warning: a host that no certificate stands for.
    NotCertified,
}

impl Code {
    /// The code as printed: `E…` for errors, `W…` for warnings.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Unreadable => "E000",
            Self::Syntax => "E001",
            Self::UnknownKey => "E002",
            Self::MissingKey => "E003",
            Self::WrongType => "E004",
            Self::Invalid => "E005",
            Self::OutOfRange => "E006",
            Self::NotAChoice => "E007",
            Self::Undefined => "E008",
            Self::Conflict => "E009",
            Self::SameRoute => "E010",
            Self::SecretInFile => "E011",
            Self::Unprotected => "E012",
            Self::Unsupported => "E013",
            Self::FileMissing => "E014",
            Self::ClockChange => "E015",
            Self::BadCertificate => "E020",
            Self::ShortTurn => "W101",
            Self::NoPhone => "W102",
            Self::TightLimit => "W103",
            Self::PublicAdmin => "W104",
            Self::ZeroRate => "W107",
            Self::UnusedOrigin => "W108",
            Self::SameHosts => "W109",
            Self::TrustsEverybody => "W110",
            Self::WalkedPast => "W111",
            Self::CertificateTime => "W120",
            Self::CertificateNames => "W121",
            Self::NotCertified => "W122",
        }
    }

    /// Whether a file with this problem can still be used.
    #[must_use]
    pub fn is_warning(self) -> bool {
        self.text().starts_with('W')
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// What is wrong with a value, why that matters, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {reason}")]
pub struct Fault {
    /// Which kind of problem.
    pub code: Code,
    /// What is wrong, in one line.
    pub message: String,
    /// Why, in a few words; shown beside the value.
    pub reason: String,
    /// What to do; empty when the reason says it.
    pub remedy: String,
}

impl Fault {
    /// A value that does not say what it should.
    pub(crate) fn invalid(message: &str, reason: impl Into<String>, remedy: &str) -> Self {
        Self::new(Code::Invalid, message, reason, remedy)
    }

    /// Any kind of problem.
    pub(crate) fn new(
        code: Code,
        message: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }
}
