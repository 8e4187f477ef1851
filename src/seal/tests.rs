//! What can and cannot be read as a ticket, a pass or a stub.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::Just;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;

use crate::line::ids::Epoch;
use crate::line::ids::InstanceId;
use crate::line::ids::KeyHash;
use crate::line::ids::Nonce;
use crate::line::ids::TicketId;
use crate::line::settings::INTEGER_MAX;
use crate::seal::KeyId;
use crate::seal::KeyRing;
use crate::seal::Pass;
use crate::seal::ROOM_BYTES_MAX;
use crate::seal::Rejected;
use crate::seal::RingError;
use crate::seal::SecretKey;
use crate::seal::Stub;
use crate::seal::TEXT_BYTES_MAX;
use crate::seal::Ticket;

fn key(id: u32) -> SecretKey {
    SecretKey::new(
        KeyId(id),
        [7; 32].map(|byte: u8| byte.wrapping_mul(id.to_le_bytes()[0])),
    )
}

fn ring(ids: &[u32]) -> KeyRing {
    let keys: Vec<SecretKey> = ids.iter().copied().map(key).collect();
    KeyRing::try_new(&keys).unwrap()
}

fn ticket() -> Ticket {
    Ticket {
        epoch: Epoch {
            created_us: 1_795_000_000_000_000,
            nonce: Nonce(0x0123_4567_89ab_cdef),
        },
        number: 1_235,
        id: TicketId(0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100),
        issued_us: 1_795_000_012_345_678,
        asked: false,
    }
}

fn pass() -> Pass {
    Pass {
        epoch: ticket().epoch,
        number: 1_235,
        id: ticket().id,
        signed_us: 1_795_000_100_000_000,
        until_us: 1_795_001_000_000_000,
        entered_us: 1_795_000_090_000_000,
    }
}

fn stub() -> Stub {
    Stub {
        epoch: ticket().epoch,
        instance: InstanceId(0x1122_3344_5566_7788),
        index: 77,
        at_us: 1_795_000_012_345_678,
        id: ticket().id,
    }
}

fn number(least: u64) -> impl Strategy<Value = u64> {
    prop_oneof![Just(least), Just(INTEGER_MAX), least..=INTEGER_MAX]
}

fn epochs() -> impl Strategy<Value = Epoch> {
    any::<(u64, u64)>().prop_map(|(created_us, nonce)| Epoch {
        created_us,
        nonce: Nonce(nonce),
    })
}

fn tickets() -> impl Strategy<Value = Ticket> {
    (epochs(), number(1), any::<(u128, u64, bool)>()).prop_map(
        |(epoch, number, (id, issued_us, asked))| Ticket {
            epoch,
            number,
            id: TicketId(id),
            issued_us,
            asked,
        },
    )
}

fn passes() -> impl Strategy<Value = Pass> {
    (epochs(), number(0), any::<(u128, u64, u64, u64)>()).prop_map(
        |(epoch, number, (id, signed_us, until_us, entered_us))| Pass {
            epoch,
            number,
            id: TicketId(id),
            signed_us,
            until_us,
            entered_us,
        },
    )
}

fn stubs() -> impl Strategy<Value = Stub> {
    (epochs(), number(1), any::<(u64, u64, u128)>()).prop_map(
        |(epoch, index, (instance, at_us, id))| Stub {
            epoch,
            instance: InstanceId(instance),
            index,
            at_us,
            id: TicketId(id),
        },
    )
}

fn rooms() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9]{1,32}",
        Just("a".to_owned()),
        Just("r".repeat(ROOM_BYTES_MAX))
    ]
}

proptest! {
    #[test]
    fn what_was_signed_is_read_back(
        room in rooms(), ticket in tickets(), pass in passes(), stub in stubs(),
    ) {
        let ring = ring(&[1]);
        let text = ring.sign_ticket(&room, &ticket);
        prop_assert!(text.len() <= TEXT_BYTES_MAX);
        prop_assert_eq!(*ring.verify_ticket(&room, text.as_bytes()).unwrap(), ticket);
        let text = ring.sign_pass(&room, &pass);
        prop_assert!(text.len() <= TEXT_BYTES_MAX);
        prop_assert_eq!(*ring.verify_pass(&room, text.as_bytes()).unwrap(), pass);
        let text = ring.sign_stub(&room, &stub);
        prop_assert!(text.len() <= TEXT_BYTES_MAX);
        prop_assert_eq!(*ring.verify_stub(&room, text.as_bytes()).unwrap(), stub);
    }

    #[test]
    fn a_stub_is_neither_ticket_nor_pass_and_neither_of_them_is_a_stub(
        ticket in tickets(), pass in passes(), stub in stubs(),
    ) {
        let ring = ring(&[1]);
        let text = ring.sign_stub("booking", &stub);
        prop_assert_eq!(ring.verify_ticket("booking", text.as_bytes()), Err(Rejected::Malformed));
        prop_assert_eq!(ring.verify_pass("booking", text.as_bytes()), Err(Rejected::Malformed));
        prop_assert_eq!(ring.verify_stub("staff", text.as_bytes()), Err(Rejected::WrongRoom));
        for text in [ring.sign_ticket("booking", &ticket), ring.sign_pass("booking", &pass)] {
            prop_assert_eq!(ring.verify_stub("booking", text.as_bytes()), Err(Rejected::Malformed));
        }
    }

    #[test]
    fn a_ticket_is_no_pass_and_a_pass_no_ticket(ticket in tickets(), pass in passes()) {
        let ring = ring(&[1]);
        let text = ring.sign_ticket("booking", &ticket);
        prop_assert_eq!(ring.verify_pass("booking", text.as_bytes()), Err(Rejected::Malformed));
        let text = ring.sign_pass("booking", &pass);
        prop_assert_eq!(ring.verify_ticket("booking", text.as_bytes()), Err(Rejected::Malformed));
    }

    #[test]
    fn a_value_belongs_to_one_room(ticket in tickets(), ours in rooms(), theirs in rooms()) {
        let ring = ring(&[1]);
        let text = ring.sign_ticket(&ours, &ticket);
        let expected = if ours == theirs { None } else { Some(Rejected::WrongRoom) };
        prop_assert_eq!(ring.verify_ticket(&theirs, text.as_bytes()).err(), expected);
    }

    #[test]
    fn cut_and_extended_texts_are_rejected(ticket in tickets(), room in rooms(), end in ".{1,8}") {
        let ring = ring(&[1]);
        let text = ring.sign_ticket(&room, &ticket);
        for len in 0..text.len() {
            prop_assert!(ring.verify_ticket(&room, &text.as_bytes()[..len]).is_err());
        }
        let (after, before) = (format!("{text}{end}"), format!("{end}{text}"));
        prop_assert!(ring.verify_ticket(&room, after.as_bytes()).is_err());
        prop_assert!(ring.verify_ticket(&room, before.as_bytes()).is_err());
    }

    #[test]
    fn arbitrary_input_is_rejected_without_a_panic(bytes: Vec<u8>) {
        let ring = ring(&[1]);
        let text = URL_SAFE_NO_PAD.encode(&bytes);
        prop_assert!(ring.verify_ticket("booking", &bytes).is_err());
        prop_assert!(ring.verify_pass("booking", text.as_bytes()).is_err());
    }

    #[test]
    fn whatever_is_read_has_only_that_text(mut bytes: Vec<u8>, head in any::<[u8; 2]>()) {
        // Any text a decoder might take in several spellings: padded, with left-over bits, in the other alphabet.
        let ring = ring(&[1]);
        let text = ring.sign_ticket("booking", &ticket());
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n";
        bytes.extend(head);
        for byte in bytes {
            let other = alphabet[usize::from(byte) % alphabet.len()];
            let mut spelled = text.clone().into_bytes();
            let last = spelled.len() - 1;
            if spelled[last] != other {
                spelled[last] = other;
                prop_assert!(ring.verify_ticket("booking", &spelled).is_err());
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_every_byte_is_rejected() {
    let ring = ring(&[1, 2]);
    for room in ["a", "booking", "vaccination-centre-north-of-town"] {
        let ticket_text = ring.sign_ticket(room, &ticket()).into_bytes();
        let pass_text = ring.sign_pass(room, &pass()).into_bytes();
        let stub_text = ring.sign_stub(room, &stub()).into_bytes();
        for text in [ticket_text, pass_text, stub_text] {
            for at in 0..text.len() {
                for bit in 0..8 {
                    let mut altered = text.clone();
                    altered[at] ^= 1 << bit;
                    let read = ring.verify_ticket(room, &altered).is_ok()
                        || ring.verify_pass(room, &altered).is_ok()
                        || ring.verify_stub(room, &altered).is_ok();
                    assert!(!read, "{room}: byte {at} bit {bit} of {}", text.len());
                }
            }
        }
    }
}

#[test]
fn every_flipped_bit_below_the_text_is_rejected() {
    let ring = ring(&[1]);
    let text = ring.sign_ticket("booking", &ticket());
    let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << bit;
            let altered = URL_SAFE_NO_PAD.encode(&altered);
            let rejected = ring
                .verify_ticket("booking", altered.as_bytes())
                .unwrap_err();
            // Only the key's id may lead to "maybe somebody else's": all the rest is malformed or forged.
            let unknown = matches!(rejected, Rejected::UnknownKey(_));
            assert_eq!(
                unknown,
                (2..6).contains(&at),
                "byte {at} bit {bit}: {rejected}"
            );
        }
    }
}

#[test]
fn an_authentic_value_with_impossible_fields_is_malformed() {
    let ring = ring(&[1]);
    for number in [0, INTEGER_MAX + 1, u64::MAX] {
        let text = ring.sign_ticket("booking", &Ticket { number, ..ticket() });
        assert_eq!(
            ring.verify_ticket("booking", text.as_bytes()),
            Err(Rejected::Malformed)
        );
    }
    for index in [0, INTEGER_MAX + 1, u64::MAX] {
        let text = ring.sign_stub("booking", &Stub { index, ..stub() });
        assert_eq!(
            ring.verify_stub("booking", text.as_bytes()),
            Err(Rejected::Malformed)
        );
    }
}

#[test]
fn old_keys_verify_and_the_newest_signs() {
    let (before, after) = (ring(&[1]), ring(&[1, 2]));
    let old = before.sign_ticket("booking", &ticket());
    assert!(after.verify_ticket("booking", old.as_bytes()).is_ok());
    let new = after.sign_ticket("booking", &ticket());
    assert_ne!(old, new);
    assert_eq!(after.signer(), KeyId(2));
    assert_eq!(
        before.verify_ticket("booking", new.as_bytes()),
        Err(Rejected::UnknownKey(KeyId(2)))
    );
    assert_eq!(
        ring(&[2]).verify_ticket("booking", old.as_bytes()),
        Err(Rejected::UnknownKey(KeyId(1)))
    );
}

#[test]
fn a_known_id_with_another_secret_is_forged() {
    let theirs = KeyRing::try_new(&[SecretKey::new(KeyId(1), [9; 32])]).unwrap();
    let text = theirs.sign_pass("booking", &pass());
    assert_eq!(
        ring(&[1]).verify_pass("booking", text.as_bytes()),
        Err(Rejected::Forged)
    );
}

#[test]
fn replicas_can_sign_with_the_newest_key_all_of_them_know() {
    let held_back = ring(&[1, 2]).signing_with(KeyId(1)).unwrap();
    let text = held_back.sign_ticket("booking", &ticket());
    assert!(ring(&[1]).verify_ticket("booking", text.as_bytes()).is_ok());
    assert!(ring(&[1, 2]).signing_with(KeyId(3)).is_none());
}

#[test]
fn a_ring_is_never_empty_ambiguous_or_unbounded() {
    assert_eq!(KeyRing::try_new(&[]).unwrap_err(), RingError::Empty);
    assert_eq!(
        KeyRing::try_new(&[key(1), key(2), key(1)]).unwrap_err(),
        RingError::Twice(KeyId(1))
    );
    let many: Vec<SecretKey> = (0..17).map(key).collect();
    assert_eq!(KeyRing::try_new(&many).unwrap_err(), RingError::TooMany(17));
}

#[test]
fn keyed_joins_find_the_same_id_across_a_rotation() {
    let (before, after) = (ring(&[1]), ring(&[1, 2]));
    let hash = before.key_hash("booking", b"order-77");
    assert_eq!(hash, after.key_hash("booking", b"order-77"));
    assert_ne!(hash, before.key_hash("staff", b"order-77"));
    assert_ne!(hash, before.key_hash("booking", b"order-78"));
    assert_ne!(hash, ring(&[2]).key_hash("booking", b"order-77"));
    // The length of the room's name is part of the hash, so what follows cannot be moved into it.
    assert_ne!(before.key_hash("a", b"bc"), before.key_hash("ab", b"c"));
    let id = before.derive_id(hash, 12);
    assert_eq!(id, after.derive_id(hash, 12));
    assert_ne!(id, before.derive_id(hash, 13));
    assert_ne!(id, before.derive_id(KeyHash(1), 12));
}

#[test]
fn a_stub_joins_by_the_same_name_at_every_replica_and_by_nobody_elses() {
    let (before, after) = (ring(&[1]), ring(&[1, 2]));
    let id = stub().id;
    let hash = before.stub_hash("booking", id);
    assert_eq!(hash, after.stub_hash("booking", id));
    assert_ne!(hash, before.stub_hash("staff", id));
    assert_ne!(hash, before.stub_hash("booking", TicketId(id.0 ^ 1)));
    assert_ne!(hash, before.key_hash("booking", &id.0.to_be_bytes()));
}

#[test]
fn nothing_prints_a_secret() {
    let ring = KeyRing::try_new(&[SecretKey::new(KeyId(1), [0xab; 32])]).unwrap();
    let printed = format!("{ring:?} {:?}", SecretKey::new(KeyId(1), [0xab; 32]));
    assert!(printed.contains("00000001"), "{printed}");
    assert!(
        !printed.contains("ab") && !printed.contains("171"),
        "{printed}"
    );
}

#[test]
fn the_text_of_the_first_version_is_still_read() {
    // Made by another program from the layout in this module's documentation, so that a change of the encoding is
    // noticed: tickets of the previous release stay valid.
    let text = "AQEAAAABB2Jvb2tpbmcABmCLAV8wAAEjRWeJq83vAAAAAAAABNMPDg0MCwoJCAcGBQQDAgEAAAZgiwIbkU4AwqxZWKNJwfjtTqEoQSdok0Iclo-3oReK48cpi4cuSls";
    assert_eq!(ring(&[1]).sign_ticket("booking", &ticket()), text);
    assert_eq!(
        *ring(&[1])
            .verify_ticket("booking", text.as_bytes())
            .unwrap(),
        ticket()
    );
    let text = "AQMAAAABB2Jvb2tpbmcABmCLAV8wAAEjRWeJq83vESIzRFVmd4gAAAAAAAAATQAGYIsCG5FODw4NDAsKCQgHBgUEAwIBACI3-33Hbpc6SUrFVTdYzLSY8Bx-C1cV2n2SBN8U1JBW";
    assert_eq!(ring(&[1]).sign_stub("booking", &stub()), text);
}
