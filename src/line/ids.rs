//! The names things have inside a line: tickets, instances and epochs.
//!
//! All three are random bits made outside (the line is pure) and travel as fixed-width lower-case hexadecimal,
//! so that Rust and the script in Redis order them the same way.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The text is not the fixed-width hexadecimal this identifier is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {0}-digit lower-case hexadecimal identifier")]
pub struct ParseIdError(pub usize);

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $int:ty, $digits:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:0", $digits, "x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                if text.len() != $digits || !text.bytes().all(hex) {
                    return Err(ParseIdError($digits));
                }
                <$int>::from_str_radix(text, 16).map(Self).map_err(|_| ParseIdError($digits))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

hex_id!(
    /// A ticket's own name: 128 random bits, drawn by the replica that issues it. Everything the line remembers
    /// of a visitor is keyed by it, so two visitors who ever shared a number are still two.
    TicketId, u128, 32
);
hex_id!(
    /// One running anteroom, for as long as it runs: 64 random bits drawn at its start.
    InstanceId, u64, 16
);
hex_id!(
    /// What an `Idempotency-Key` is remembered by: 128 bits of a keyed hash, never the key itself.
    KeyHash, u128, 32
);
hex_id!(
    /// The 64 random bits of an epoch.
    Nonce, u64, 16
);

/// The generation of a line: when it was made and 64 random bits.
///
/// Epochs order by creation time, then by their bits, so that "the newest epoch shown" is the same everywhere.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Epoch {
    /// Line time at creation, in microseconds.
    pub created_us: u64,
    /// Tells two epochs of the same microsecond apart, and makes an epoch unguessable.
    pub nonce: Nonce,
}
