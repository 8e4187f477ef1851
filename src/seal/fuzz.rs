//! Any bytes as signed values and as key files: nothing altered is believed, and what is written reads back.

use crate::line::ids::Epoch;
use crate::line::ids::Nonce;
use crate::line::ids::TicketId;
use crate::line::settings::INTEGER_MAX;
use crate::seal::KeyId;
use crate::seal::KeyRing;
use crate::seal::Pass;
use crate::seal::SecretKey;
use crate::seal::Ticket;
use crate::seal::key_text;

/// The room the corpus' values are signed for.
const ROOM: &str = "main";

fn ring() -> Option<KeyRing> {
    KeyRing::try_new(&[SecretKey::new(KeyId(0x5f0c_19aa), [7; 32])]).ok()
}

/// A text of a ticket, a pass or a stub, and values made of it.
pub(crate) fn signed(bytes: &[u8]) {
    let Some(ring) = ring() else { return };
    // Whatever verifies is the very text that we would write.
    let text = |bytes: &[u8]| bytes.to_vec();
    if let Ok(ticket) = ring.verify_ticket(ROOM, bytes) {
        assert_eq!(text(bytes), ring.sign_ticket(ROOM, &ticket).into_bytes());
    }
    if let Ok(pass) = ring.verify_pass(ROOM, bytes) {
        assert_eq!(text(bytes), ring.sign_pass(ROOM, &pass).into_bytes());
    }
    if let Ok(stub) = ring.verify_stub(ROOM, bytes) {
        assert_eq!(text(bytes), ring.sign_stub(ROOM, &stub).into_bytes());
    }
    let mut fields = [0; 64];
    for (field, byte) in fields.iter_mut().zip(bytes) {
        *field = *byte;
    }
    let number = |at: usize| {
        let eight = fields.get(at..at + 8).and_then(|some| some.try_into().ok());
        u64::from_be_bytes(eight.unwrap_or_default())
    };
    let ticket = Ticket {
        epoch: Epoch {
            created_us: number(0),
            nonce: Nonce(number(8)),
        },
        number: number(16).clamp(1, INTEGER_MAX),
        id: TicketId(u128::from(number(24)) << 64 | u128::from(number(32))),
        issued_us: number(40),
        asked: number(48) % 2 == 1,
    };
    let pass = Pass {
        epoch: ticket.epoch,
        number: ticket.number,
        id: ticket.id,
        signed_us: number(40),
        until_us: number(48),
        entered_us: number(56),
    };
    let place = number(48) ^ number(56);
    let ticket_text = ring.sign_ticket(ROOM, &ticket);
    assert!(
        ring.verify_ticket(ROOM, ticket_text.as_bytes())
            .is_ok_and(|read| *read == ticket)
    );
    assert!(ring.verify_ticket("other", ticket_text.as_bytes()).is_err());
    assert!(ring.verify_pass(ROOM, ticket_text.as_bytes()).is_err());
    let pass_text = ring.sign_pass(ROOM, &pass);
    assert!(
        ring.verify_pass(ROOM, pass_text.as_bytes())
            .is_ok_and(|read| *read == pass)
    );
    for text in [ticket_text, pass_text] {
        let altered = altered(text.as_bytes(), place);
        assert!(ring.verify_ticket(ROOM, &altered).is_err());
        assert!(ring.verify_pass(ROOM, &altered).is_err());
    }
}

/// One character of it replaced by another of the alphabet.
fn altered(text: &[u8], place: u64) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut altered = text.to_vec();
    let index = |end: usize, of: u64| usize::try_from(of % end as u64).unwrap_or(0);
    if let Some(byte) = altered.get_mut(index(text.len(), place)) {
        let held = ALPHABET.iter().position(|known| known == byte).unwrap_or(0);
        let step = 1 + index(ALPHABET.len() - 1, place >> 16);
        *byte = ALPHABET[(held + step) % ALPHABET.len()];
    }
    altered
}

/// A key file.
pub(crate) fn keys(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match key_text::parse(text) {
        Err((line, problem)) => {
            assert!((1..=text.lines().count()).contains(&line));
            assert!(!problem.to_string().is_empty());
        }
        Ok(keys) => {
            assert!(keys.len() <= key_text::KEYS_MAX);
            let written: String = keys
                .iter()
                .map(|key| key_text::format(key.created, &key.key))
                .collect();
            let read = key_text::parse(&written);
            assert!(read.is_ok_and(|read| {
                read.iter()
                    .map(|key| key.key.id)
                    .eq(keys.iter().map(|key| key.key.id))
                    && read
                        .iter()
                        .map(|key| key.created)
                        .eq(keys.iter().map(|key| key.created))
                    && read
                        .iter()
                        .map(|key| key.key.halves())
                        .eq(keys.iter().map(|key| key.key.halves()))
            }));
        }
    }
}
