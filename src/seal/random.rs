//! Random names: what tickets, instances and epochs are told apart by.

use aws_lc_rs::rand;

use crate::line::ids::InstanceId;
use crate::line::ids::Nonce;
use crate::line::ids::TicketId;

/// A new ticket's id: 128 random bits.
#[must_use]
pub fn ticket_id() -> TicketId {
    TicketId(u128::from_ne_bytes(bytes()))
}

/// This process's name among the replicas: 64 random bits.
#[must_use]
pub fn instance_id() -> InstanceId {
    InstanceId(u64::from_ne_bytes(bytes()))
}

/// The bits of an epoch, should one have to be made.
#[must_use]
pub fn nonce() -> Nonce {
    Nonce(u64::from_ne_bytes(bytes()))
}

/// Where a sequence of numbers begins that spreads things and keeps no secret: 64 random bits.
#[must_use]
pub fn seed() -> u64 {
    u64::from_ne_bytes(bytes())
}

/// Random bytes.
pub(super) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)
        .expect("aws-lc ends the process rather than return without random bytes");
    bytes
}
