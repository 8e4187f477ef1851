//! Any bytes as signed values, as TLS sessions and as key files: nothing altered is believed, and what is written reads back.

use crate::line::ids::Epoch;
use crate::line::ids::Nonce;
use crate::line::ids::TicketId;
use crate::line::settings::INTEGER_MAX;
use crate::seal::KeyId;
use crate::seal::KeyRing;
use crate::seal::Pass;
use crate::seal::SESSION_PERIOD_S;
use crate::seal::SecretKey;
use crate::seal::Ticket;
use crate::seal::key_text;
use crate::seal::sessions::HEAD_LEN;
use crate::seal::sessions::SESSION_MAX;

/// The room the corpus' values are signed for.
const ROOM: &str = "main";

fn ring() -> Option<KeyRing> {
    ring_of(7)
}

/// Rings of one key each, all of the same name.
fn ring_of(secret: u8) -> Option<KeyRing> {
    KeyRing::try_new(&[SecretKey::new(KeyId(0x5f0c_19aa), [secret; 32])]).ok()
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

/// When the session is sealed and when it is opened (8 bytes each), what is altered (4), and the session.
pub(crate) fn sessions(bytes: &[u8]) {
    let (Some(ours), Some(theirs)) = (ring(), ring_of(8)) else {
        return;
    };
    let (ours, theirs) = (ours.sessions(), theirs.sessions());
    let Some((fields, session)) = bytes.split_first_chunk::<20>() else {
        return;
    };
    let number = |at: usize, len: usize| {
        let digits = fields[at..at + len].iter();
        digits.fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    // Periods are numbered in 32 bits, until long after anybody's clock.
    let times = u64::from(SESSION_PERIOD_S) << 32;
    let (sealed_s, opened_s, place) = (number(0, 8) % times, number(8, 8) % times, number(16, 4));
    assert_eq!(ours.open(opened_s, bytes), None);
    let Some(sealed) = ours.seal(sealed_s, session) else {
        assert!(session.len() > SESSION_MAX);
        return;
    };
    assert!(session.len() <= SESSION_MAX);
    assert_eq!(ours.open(sealed_s, &sealed).as_deref(), Some(session));
    let period = |at_s: u64| at_s / u64::from(SESSION_PERIOD_S);
    let is_open = period(sealed_s).abs_diff(period(opened_s)) <= 1;
    assert_eq!(ours.open(opened_s, &sealed).is_some(), is_open);
    assert_eq!(theirs.open(sealed_s, &sealed), None);

    let index = usize::try_from(place >> 8).unwrap_or(0) % sealed.len();
    let mut altered = sealed.clone();
    altered[index] ^= u8::try_from(place & 0xff).unwrap_or(1).max(1);
    assert_eq!(ours.open(sealed_s, &altered), None);
    assert_eq!(ours.open(sealed_s, &sealed[..index]), None);
    let longer = [&sealed, &[0][..]].concat();
    assert_eq!(ours.open(sealed_s, &longer), None);
    let grafted = [&sealed[..HEAD_LEN], bytes].concat();
    assert_eq!(ours.open(sealed_s, &grafted), None);
    // Two with nothing in common but the session.
    let again = ours.seal(sealed_s, session);
    assert_ne!(again.as_ref(), Some(&sealed));
    let mixed = again.map(|again| [&again[..HEAD_LEN], &sealed[HEAD_LEN..]].concat());
    assert_eq!(mixed.and_then(|mixed| ours.open(sealed_s, &mixed)), None);
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
