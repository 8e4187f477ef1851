//! The key ring: one key signs, all of them verify.

use std::fmt;

use aws_lc_rs::hkdf::Prk;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::line::ids::Epoch;
use crate::line::ids::KeyHash;
use crate::line::ids::TicketId;
use crate::seal::draw::Seed;
use crate::seal::encode::BYTES_MAX;
use crate::seal::encode::Parts;
use crate::seal::encode::Payload;
use crate::seal::encode::Writer;
use crate::seal::encode::bounded;
use crate::seal::key_text::KEYS_MAX;
use crate::seal::random;
use crate::seal::sessions;
use crate::seal::sessions::SessionKeys;
use crate::seal::value::KeyId;
use crate::seal::value::Pass;
use crate::seal::value::Rejected;
use crate::seal::value::Stub;
use crate::seal::value::TEXT_BYTES_MAX;
use crate::seal::value::Ticket;
use crate::seal::value::Verified;

/// Keys that sign and verify; immutable, so that a rotation is one swap of an `Arc`.
pub struct KeyRing {
    /// Oldest first; never empty.
    keys: Vec<SigningKey>,
    /// Index of the key that signs.
    signer: usize,
    /// What joins with an `Idempotency-Key` are remembered by.
    hash_key: hmac::Key,
    /// What the ids of their tickets are made from.
    id_key: hmac::Key,
}

/// A key as it is kept: an id, and 256 random bits nobody is shown.
#[derive(Clone)]
pub struct SecretKey {
    /// The key's name, written into what it signs.
    pub id: KeyId,
    /// The secret.
    secret: [u8; 32],
}

/// Keys that cannot make a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// There is no key.
    #[error("there is no key")]
    Empty,
    /// There are more keys than a ring holds.
    #[error("there are {0} keys, at most {KEYS_MAX} are allowed")]
    TooMany(usize),
    /// Two keys have the same id.
    #[error("the key id {0} appears twice")]
    Twice(KeyId),
}

struct SigningKey {
    id: KeyId,
    mac: hmac::Key,
    draws: hmac::Key,
    sessions: Prk,
}

impl SigningKey {
    fn new(key: &SecretKey) -> Self {
        Self {
            id: key.id,
            mac: key.derive("anteroom signed values"),
            draws: key.derive("anteroom draws"),
            sessions: sessions::secret(&key.secret),
        }
    }
}

impl KeyRing {
    /// A ring of these keys, oldest first; the last signs.
    ///
    /// # Errors
    /// When there is no key, too many, or two with one id.
    pub fn try_new(keys: &[SecretKey]) -> Result<Self, RingError> {
        let (Some(oldest), signer) = (keys.first(), keys.len().saturating_sub(1)) else {
            return Err(RingError::Empty);
        };
        if keys.len() > KEYS_MAX {
            return Err(RingError::TooMany(keys.len()));
        }
        for (index, key) in keys.iter().enumerate() {
            if keys.iter().take(index).any(|other| other.id == key.id) {
                return Err(RingError::Twice(key.id));
            }
        }
        Ok(Self {
            keys: keys.iter().map(SigningKey::new).collect(),
            signer,
            // The oldest key: replicas that are given a new key a moment apart still agree, and a repeat of a join
            // finds the same number across a rotation.
            hash_key: oldest.derive("anteroom keyed joins"),
            id_key: oldest.derive("anteroom keyed ids"),
        })
    }

    /// A ring of one new random key, for tests and for trying things out.
    #[must_use]
    pub fn random() -> Self {
        let key = SecretKey::random();
        let (hash_key, id_key) = (
            key.derive("anteroom keyed joins"),
            key.derive("anteroom keyed ids"),
        );
        Self {
            keys: vec![SigningKey::new(&key)],
            signer: 0,
            hash_key,
            id_key,
        }
    }

    /// The same keys with another one signing; `None` when the ring has no such key. Replicas sign with the newest
    /// key that all of them know.
    #[must_use]
    pub fn signing_with(mut self, id: KeyId) -> Option<Self> {
        self.signer = self.keys.iter().position(|key| key.id == id)?;
        Some(self)
    }

    /// The key that signs.
    #[must_use]
    pub fn signer(&self) -> KeyId {
        self.keys[self.signer].id
    }

    /// Every key's id, oldest first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.keys.iter().map(|key| key.id)
    }

    /// What seals and opens TLS sessions with these keys.
    #[must_use]
    pub fn sessions(&self) -> SessionKeys {
        let keys = self.keys.iter();
        let keys = keys.map(|key| (key.id, key.sessions.clone()));
        SessionKeys::new(keys.collect(), self.signer)
    }

    /// The seeds this ring can draw with at an opening, one for each of its keys, oldest first. The first is what a
    /// replica commits to; whichever was committed to is found again for as long as its key is there, so neither a new
    /// key nor a dropped one changes a draw.
    pub fn draw_seeds(
        &self,
        room: &str,
        epoch: Epoch,
        opens_at_us: u64,
    ) -> impl Iterator<Item = Seed> {
        self.keys
            .iter()
            .map(move |key| Seed::of(&key.draws, room, epoch, opens_at_us))
    }

    /// The text of a ticket of this room.
    #[must_use]
    pub fn sign_ticket(&self, room: &str, ticket: &Ticket) -> String {
        self.sign(room, ticket)
    }

    /// The text of a pass of this room.
    #[must_use]
    pub fn sign_pass(&self, room: &str, pass: &Pass) -> String {
        self.sign(room, pass)
    }

    /// Reads a ticket of this room. Takes no memory from the heap.
    ///
    /// # Errors
    /// When the text is anything else; see [`Rejected`].
    pub fn verify_ticket(&self, room: &str, text: &[u8]) -> Result<Verified<Ticket>, Rejected> {
        self.verify(room, text)
    }

    /// Reads a pass of this room. Takes no memory from the heap.
    ///
    /// # Errors
    /// When the text is anything else; see [`Rejected`].
    pub fn verify_pass(&self, room: &str, text: &[u8]) -> Result<Verified<Pass>, Rejected> {
        self.verify(room, text)
    }

    /// The text of a stub of this room.
    #[must_use]
    pub fn sign_stub(&self, room: &str, stub: &Stub) -> String {
        self.sign(room, stub)
    }

    /// Reads a stub of this room. Takes no memory from the heap.
    ///
    /// # Errors
    /// When the text is anything else; see [`Rejected`].
    pub fn verify_stub(&self, room: &str, text: &[u8]) -> Result<Verified<Stub>, Rejected> {
        self.verify(room, text)
    }

    /// What the join of a stub that no line numbered is remembered by: every replica finds the same number. No
    /// `Idempotency-Key` is remembered by the same, whatever it says.
    #[must_use]
    pub fn stub_hash(&self, room: &str, stub: TicketId) -> KeyHash {
        let mut mac = hmac::Context::with_key(&self.hash_key);
        // What `key_hash` begins with is the length of a room's name, which is never zero.
        mac.update(&[0]);
        mac.update(&stub.0.to_be_bytes());
        mac.update(bounded(room));
        KeyHash(first_half(&mac.sign()))
    }

    /// What an `Idempotency-Key` is remembered by in this room: 128 bits of a keyed hash.
    #[must_use]
    pub fn key_hash(&self, room: &str, idempotency_key: &[u8]) -> KeyHash {
        let room = bounded(room);
        let mut mac = hmac::Context::with_key(&self.hash_key);
        mac.update(&[u8::try_from(room.len()).unwrap_or(u8::MAX)]);
        mac.update(room);
        mac.update(idempotency_key);
        KeyHash(first_half(&mac.sign()))
    }

    /// The id of the ticket that a keyed join was given: every repeat finds the same one, and nobody else can tell it.
    #[must_use]
    pub fn derive_id(&self, key_hash: KeyHash, number: u64) -> TicketId {
        let mut data = [0; 24];
        data[..16].copy_from_slice(&key_hash.0.to_be_bytes());
        data[16..].copy_from_slice(&number.to_be_bytes());
        TicketId(first_half(&hmac::sign(&self.id_key, &data)))
    }

    fn sign<T: Payload>(&self, room: &str, value: &T) -> String {
        let key = &self.keys[self.signer];
        let mut writer = Writer::new::<T>(key.id, room);
        value.write(&mut writer);
        let tag = hmac::sign(&key.mac, writer.bytes());
        writer.slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(writer.bytes())
    }

    fn verify<T: Payload>(&self, room: &str, text: &[u8]) -> Result<Verified<T>, Rejected> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Rejected::Malformed);
        }
        // This decoder refuses padding, foreign characters and left-over bits, so no two texts are the same bytes.
        let mut buffer = [0; BYTES_MAX];
        let len = URL_SAFE_NO_PAD
            .decode_slice(text, &mut buffer)
            .map_err(|_| Rejected::Malformed)?;
        let parts = Parts::split::<T>(&buffer[..len]).ok_or(Rejected::Malformed)?;
        let key = self
            .keys
            .iter()
            .find(|key| key.id == parts.key)
            .ok_or(Rejected::UnknownKey(parts.key))?;
        hmac::verify(&key.mac, parts.signed, parts.tag).map_err(|_| Rejected::Forged)?;
        if parts.room != bounded(room) {
            return Err(Rejected::WrongRoom);
        }
        parts.read().map(Verified::new).ok_or(Rejected::Malformed)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("keys", &self.ids().collect::<Vec<_>>())
            .field("signer", &self.signer())
            .finish_non_exhaustive()
    }
}

impl SecretKey {
    /// A key from an id and a secret.
    #[must_use]
    pub fn new(id: KeyId, secret: [u8; 32]) -> Self {
        Self { id, secret }
    }

    /// A new random key.
    #[must_use]
    pub fn random() -> Self {
        Self {
            id: KeyId(u32::from_ne_bytes(random::bytes())),
            secret: random::bytes(),
        }
    }

    /// A key as its file has it.
    pub(super) fn from_halves(id: KeyId, [high, low]: [u128; 2]) -> Self {
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(&high.to_be_bytes());
        secret[16..].copy_from_slice(&low.to_be_bytes());
        Self { id, secret }
    }

    /// The secret, for writing it to its file.
    pub(super) fn halves(&self) -> [u128; 2] {
        let (halves, _) = self.secret.as_chunks::<16>();
        [
            halves.first().copied().map_or(0, u128::from_be_bytes),
            halves.get(1).copied().map_or(0, u128::from_be_bytes),
        ]
    }

    /// One key per purpose, so that nothing made for one can be shown for another.
    fn derive(&self, purpose: &str) -> hmac::Key {
        let master = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let derived = hmac::sign(&master, purpose.as_bytes());
        hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.id)
    }
}

/// The first 128 bits of a 256-bit tag.
fn first_half(tag: &hmac::Tag) -> u128 {
    tag.as_ref()
        .first_chunk()
        .map(|bytes| u128::from_be_bytes(*bytes))
        .unwrap_or_default()
}
