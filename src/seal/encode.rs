//! The bytes of signed values: fixed-width fields, written and read in one place.

use crate::line::ids::Epoch;
use crate::line::ids::InstanceId;
use crate::line::ids::Nonce;
use crate::line::ids::TicketId;
use crate::line::settings::INTEGER_MAX;
use crate::seal::value::KeyId;
use crate::seal::value::Pass;
use crate::seal::value::ROOM_BYTES_MAX;
use crate::seal::value::Stub;
use crate::seal::value::TEXT_BYTES_MAX;
use crate::seal::value::Ticket;

/// The encoding's version.
const VERSION: u8 = 1;
/// Version, kind, key id and the length of the room's name.
const HEAD_BYTES: usize = 7;
/// The longest payload: a pass's.
const PAYLOAD_BYTES_MAX: usize = 64;
/// The signature: all of HMAC-SHA256.
pub(super) const TAG_BYTES: usize = 32;
/// The longest signed value.
pub(super) const BYTES_MAX: usize = HEAD_BYTES + ROOM_BYTES_MAX + PAYLOAD_BYTES_MAX + TAG_BYTES;

const _: () = assert!(TEXT_BYTES_MAX == BYTES_MAX.div_ceil(3) * 4);

/// A value that can be signed.
pub(super) trait Payload: Sized {
    /// Tells the kinds apart, so that none can be shown as another.
    const KIND: u8;
    /// Length of the payload.
    const BYTES: usize;
    /// Appends exactly [`Self::BYTES`] bytes.
    fn write(&self, to: &mut Writer);
    /// Reads back what `write` wrote; `None` for values it never writes.
    fn read(from: &mut Reader<'_>) -> Option<Self>;
}

impl Payload for Ticket {
    const KIND: u8 = 1;
    const BYTES: usize = 49;

    fn write(&self, to: &mut Writer) {
        to.epoch(self.epoch);
        to.put(self.number.to_be_bytes());
        to.put(self.id.0.to_be_bytes());
        to.put(self.issued_us.to_be_bytes());
        to.put([u8::from(self.asked)]);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            epoch: from.epoch()?,
            number: from.u64().filter(|n| (1..=INTEGER_MAX).contains(n))?,
            id: from.id()?,
            issued_us: from.u64()?,
            asked: match from.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            },
        })
    }
}

impl Payload for Pass {
    const KIND: u8 = 2;
    const BYTES: usize = PAYLOAD_BYTES_MAX;

    fn write(&self, to: &mut Writer) {
        to.epoch(self.epoch);
        to.put(self.number.to_be_bytes());
        to.put(self.id.0.to_be_bytes());
        to.put(self.signed_us.to_be_bytes());
        to.put(self.until_us.to_be_bytes());
        to.put(self.entered_us.to_be_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            epoch: from.epoch()?,
            number: from.u64().filter(|n| *n <= INTEGER_MAX)?,
            id: from.id()?,
            signed_us: from.u64()?,
            until_us: from.u64()?,
            entered_us: from.u64()?,
        })
    }
}

impl Payload for Stub {
    const KIND: u8 = 3;
    const BYTES: usize = 56;

    fn write(&self, to: &mut Writer) {
        to.epoch(self.epoch);
        to.put(self.instance.0.to_be_bytes());
        to.put(self.index.to_be_bytes());
        to.put(self.at_us.to_be_bytes());
        to.put(self.id.0.to_be_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            epoch: from.epoch()?,
            instance: InstanceId(from.u64()?),
            index: from.u64().filter(|n| (1..=INTEGER_MAX).contains(n))?,
            at_us: from.u64()?,
            id: from.id()?,
        })
    }
}

/// A signed value being put together, on the stack.
pub(super) struct Writer {
    bytes: [u8; BYTES_MAX],
    len: usize,
}

impl Writer {
    /// Starts a value of type `T` for this room with everything but payload and signature.
    pub(super) fn new<T: Payload>(key: KeyId, room: &str) -> Self {
        let room = bounded(room);
        let mut writer = Self {
            bytes: [0; BYTES_MAX],
            len: 0,
        };
        writer.put([VERSION, T::KIND]);
        writer.put(key.0.to_be_bytes());
        // The name is at most ROOM_BYTES_MAX long, so its length fits.
        writer.put([u8::try_from(room.len()).unwrap_or(u8::MAX)]);
        writer.slice(room);
        writer
    }

    pub(super) fn slice(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        self.bytes[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.slice(&bytes);
    }

    fn epoch(&mut self, epoch: Epoch) {
        self.put(epoch.created_us.to_be_bytes());
        self.put(epoch.nonce.0.to_be_bytes());
    }
}

/// The fields of a value, read one after another.
pub(super) struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn id(&mut self) -> Option<TicketId> {
        self.take().map(u128::from_be_bytes).map(TicketId)
    }

    fn epoch(&mut self) -> Option<Epoch> {
        Some(Epoch {
            created_us: self.u64()?,
            nonce: Nonce(self.u64()?),
        })
    }
}

/// The parts of a received value, nothing of it believed yet.
pub(super) struct Parts<'a> {
    /// The key it says it is signed with.
    pub(super) key: KeyId,
    /// The room it says it belongs to.
    pub(super) room: &'a [u8],
    /// All that is signed.
    pub(super) signed: &'a [u8],
    /// The signature.
    pub(super) tag: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Takes a value of type `T` apart; `None` when version, kind or any length is not what it must be.
    pub(super) fn split<T: Payload>(bytes: &'a [u8]) -> Option<Self> {
        let (signed, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        let (&[version, kind, k0, k1, k2, k3, room_len], rest) =
            signed.split_first_chunk::<HEAD_BYTES>()?;
        let (room, payload) = rest.split_at_checked(usize::from(room_len))?;
        let fits = version == VERSION
            && kind == T::KIND
            && (1..=ROOM_BYTES_MAX).contains(&room.len())
            && payload.len() == T::BYTES;
        fits.then_some(Self {
            key: KeyId(u32::from_be_bytes([k0, k1, k2, k3])),
            room,
            signed,
            tag,
            payload,
        })
    }

    /// The value itself; to be asked for once the signature held.
    pub(super) fn read<T: Payload>(&self) -> Option<T> {
        let mut reader = Reader(self.payload);
        let value = T::read(&mut reader)?;
        reader.0.is_empty().then_some(value)
    }
}

/// A room's name as it is signed: whole, since configuration refuses longer names.
pub(super) fn bounded(room: &str) -> &[u8] {
    debug_assert!(
        (1..=ROOM_BYTES_MAX).contains(&room.len()),
        "configuration bounds room names"
    );
    let bytes = room.as_bytes();
    bytes.get(..ROOM_BYTES_MAX).unwrap_or(bytes)
}
