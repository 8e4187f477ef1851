//! What is signed: tickets, passes and stubs, and what can be wrong with the text of one.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use crate::line::ids::Epoch;
use crate::line::ids::InstanceId;
use crate::line::ids::ParseIdError;
use crate::line::ids::TicketId;

/// The longest room name a signed value carries, in bytes (configuration allows no longer one).
pub const ROOM_BYTES_MAX: usize = 32;

/// The longest text of a signed value, in bytes: longer input is rejected unread.
pub const TEXT_BYTES_MAX: usize = 180;

/// A signed place in a room's line. The room itself is bound by the signature and named when verifying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The generation of the line it was issued in.
    pub epoch: Epoch,
    /// The place in that line, 1 to 2⁵³−1.
    pub number: u64,
    /// The ticket's own name.
    pub id: TicketId,
    /// When it was issued, in line time (microseconds).
    pub issued_us: u64,
    /// Its visitor has asked to enter: every later poll with it repeats the asking.
    pub asked: bool,
}

/// Signed leave to go through until it idles out. The room itself is bound by the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pass {
    /// The generation of the line it was given in.
    pub epoch: Epoch,
    /// The number of its ticket, up to 2⁵³−1; 0 for a pass given without one, in the modes `bypass` and `observe`.
    pub number: u64,
    /// The id of its ticket.
    pub id: TicketId,
    /// When it was signed, in line time (microseconds): renewal counts from here.
    pub signed_us: u64,
    /// When it runs out if it is not renewed, in line time (microseconds).
    pub until_us: u64,
    /// When its visitor entered, in line time (microseconds): the longest stay counts from here.
    pub entered_us: u64,
}

/// A newcomer's place in the order of arrival, signed while there were no numbers. It is no ticket and lets nobody in;
/// the line turns it into a number. The room itself is bound by the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stub {
    /// The generation of the line known when it was signed; the zero epoch if none was.
    pub epoch: Epoch,
    /// The replica that signed it.
    pub instance: InstanceId,
    /// Which one of that replica's it is, 1 to 2⁵³−1.
    pub index: u64,
    /// When it was signed, in line time as that replica carried it on (microseconds).
    pub at_us: u64,
    /// The id its ticket will have.
    pub id: TicketId,
}

/// Which key signed a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for KeyId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 8 || !text.bytes().all(hex) {
            return Err(ParseIdError(8));
        }
        u32::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| ParseIdError(8))
    }
}

/// A value whose signature was checked. Only this module's verification makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// For the key ring, after the signature held and the room matched.
    pub(super) fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Why a text is no ticket, pass or stub of this room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejected {
    /// It is not the text of a value of the kind asked for: length, alphabet, version or fields are wrong.
    #[error("not a signed value of this kind")]
    Malformed,
    /// It names a key that is not in the ring. It may be good elsewhere (a replica that has newer keys, or older
    /// ones): never overwrite the cookie it came from.
    #[error("signed with the unknown key {0}")]
    UnknownKey(KeyId),
    /// The key is known and the signature is not its.
    #[error("the signature does not match")]
    Forged,
    /// An authentic value of another room.
    #[error("belongs to another room")]
    WrongRoom,
}

impl Rejected {
    /// The reason as metrics and logs name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownKey(_) => "unknown-key",
            Self::Forged => "forged",
            Self::WrongRoom => "wrong-room",
        }
    }
}
