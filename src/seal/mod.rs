//! Signed values: tickets, passes and stubs, which visitors carry and nobody else can make.
//!
//! A signed value is one line of URL-safe text, the same in a cookie, a header and a JSON field. It is authenticated
//! with HMAC-SHA256 and bound to its room; it is readable by whoever holds it, so it carries nothing private. Reading
//! one yields a [`Verified`] value or a [`Rejected`] reason: there is no third thing that could be taken for success.
//! Whether a verified value is still good (epoch, expiry, finished) is not decided here.
//!
//! ```text
//! base64url, no padding, of:
//!   version 1 · kind 1 · key id 4 · room length 1 · room 1..32 · payload · HMAC-SHA256 over all before it 32
//! payload of a ticket (kind 1): epoch 8 + 8 · number 8 · id 16 · issued 8 · asked 1
//! payload of a pass (kind 2):   epoch 8 + 8 · number 8 · id 16 · signed 8 · until 8 · entered 8
//! payload of a stub (kind 3):   epoch 8 + 8 · instance 8 · index 8 · signed 8 · id 16
//! ```
//!
//! Integers are big-endian and of fixed width, so a value has exactly one text. Kind 4 (invitations) is set aside for
//! values not issued yet.

mod draw;
mod encode;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod key_file;
mod key_text;
mod random;
mod ring;
mod value;

pub use draw::Drawn;
pub use draw::NotDrawn;
pub use draw::Published;
pub use draw::Seed;
pub use key_file::KeyFileError;
pub use key_file::KeyInfo;
pub use key_file::KeyProblem;
pub use key_file::Opened;
pub use key_file::list;
pub use key_file::load;
pub use key_file::load_or_create;
pub use key_file::prune;
pub use key_file::rotate;
pub use key_text::KEYS_MAX;
pub use key_text::LineProblem;
pub use random::instance_id;
pub use random::nonce;
pub use random::seed;
pub use random::ticket_id;
pub use ring::KeyRing;
pub use ring::RingError;
pub use ring::SecretKey;
pub use value::KeyId;
pub use value::Pass;
pub use value::ROOM_BYTES_MAX;
pub use value::Rejected;
pub use value::Stub;
pub use value::TEXT_BYTES_MAX;
pub use value::Ticket;
pub use value::Verified;

#[cfg(test)]
mod tests;
